package tensor

import "math"

// MXFP4 (OCP Microscaling Formats v1.0): 32 values share a scale 2^(s-127) (E8M0) and are 4-bit codes (E2M1) each. Checkpoints
// keep blocks and scales in two tensors; byte j of a block holds value 2j in its low nibble and value 2j+1 in its high one.
// ggml keeps scale and block together; there byte j holds value j in its low nibble and value j+16 in its high one.
const (
	BlockValues    = 32 // values of a block
	BlockBytes     = 16 // bytes of a block, without its scale
	GGMLBlockBytes = 17 // ggml's block_mxfp4: the scale, then 16 bytes
)

// e2m1 is the value of each code.
var e2m1 = [16]float32{0, 0.5, 1, 1.5, 2, 3, 4, 6, float32(math.Copysign(0, -1)), -0.5, -1, -1.5, -2, -3, -4, -6}

// FromE8M0 is the scale 2^(s-127); 255 is NaN.
func FromE8M0(s byte) float32 {
	switch s {
	case 0:
		return 0x1p-127 // subnormal
	case 255:
		return float32(math.NaN())
	}
	return math.Float32frombits(uint32(s) << 23)
}

// MXFP4ToF32 decodes len(scales) blocks: blocks [n][16], scales [n], dst [n][32]. The result is exact; only scales of 253 and
// 254 can overflow to infinity.
func MXFP4ToF32(dst []float32, blocks, scales []byte) {
	mustMatch("MXFP4ToF32", len(blocks), len(scales)*BlockBytes)
	mustMatch("MXFP4ToF32", len(dst), 2*len(blocks))
	for b, s := range scales {
		scale := FromE8M0(s)
		out := dst[b*BlockValues:][:BlockValues]
		for j, code := range blocks[b*BlockBytes:][:BlockBytes] {
			out[2*j] = e2m1[code&15] * scale
			out[2*j+1] = e2m1[code>>4] * scale
		}
	}
}

// MXFP4FromGGML takes ggml's blocks apart: src [n][17], blocks [n][16], scales [n].
func MXFP4FromGGML(blocks, scales, src []byte) {
	mustMatch("MXFP4FromGGML", len(src), len(scales)*GGMLBlockBytes)
	mustMatch("MXFP4FromGGML", len(blocks), len(scales)*BlockBytes)
	for b := range scales {
		in := src[b*GGMLBlockBytes:][:GGMLBlockBytes]
		out := blocks[b*BlockBytes:][:BlockBytes]
		scales[b] = in[0]
		for j := range 8 {
			lo, hi := in[1+2*j], in[2+2*j] // values 2j, 2j+16 and 2j+1, 2j+17
			out[j] = lo&15 | hi<<4
			out[j+8] = lo>>4 | hi&0xf0
		}
	}
}

// MXFP4ToGGML is the inverse of MXFP4FromGGML.
func MXFP4ToGGML(dst, blocks, scales []byte) {
	mustMatch("MXFP4ToGGML", len(dst), len(scales)*GGMLBlockBytes)
	mustMatch("MXFP4ToGGML", len(blocks), len(scales)*BlockBytes)
	for b, s := range scales {
		in := blocks[b*BlockBytes:][:BlockBytes]
		out := dst[b*GGMLBlockBytes:][:GGMLBlockBytes]
		out[0] = s
		for j := range 8 {
			even, odd := in[j], in[j+8]
			out[1+2*j] = even&15 | odd<<4
			out[2+2*j] = even>>4 | odd&0xf0
		}
	}
}
