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

// F32ToMXFP4 encodes len(scales) blocks: src [n][32], blocks [n][16], scales [n].
//
// A block's scale follows from its largest magnitude m*2^e, 1 <= m < 2: 2^(e-2), so that the values span the codes up to 6, or
// 2^(e-1) where m > 1.75, because rounding 7 and more down to 6 would cost more than the finer steps gain (RMS error on
// Gaussian values: 0.1118 of their deviation; 0.1148 without the exception, 0.1115 for an exhaustive search). Values round to
// the nearest code, ties to the even one. A block of zeros has scale 0; one with a NaN or an infinity has scale 255 (NaN).
func F32ToMXFP4(blocks, scales []byte, src []float32) {
	mustMatch("F32ToMXFP4", len(blocks), len(scales)*BlockBytes)
	mustMatch("F32ToMXFP4", len(src), 2*len(blocks))
	for b := range scales {
		in := src[b*BlockValues:][:BlockValues]
		out := blocks[b*BlockBytes:][:BlockBytes]
		scales[b] = blockScale(in)
		if scales[b] == 255 {
			clear(out)
			continue
		}
		inverse := math.Ldexp(1, 127-int(scales[b]))
		for j := range out {
			out[j] = toE2M1(float64(in[2*j])*inverse) | toE2M1(float64(in[2*j+1])*inverse)<<4
		}
	}
}

// blockScale chooses the scale of 32 values.
func blockScale(in []float32) byte {
	var largest float64
	for _, f := range in {
		a := math.Abs(float64(f))
		if !(a <= math.MaxFloat32) {
			return 255
		}
		largest = max(largest, a)
	}
	if largest == 0 {
		return 0
	}
	frac, exp := math.Frexp(largest) // largest = 2*frac * 2^(exp-1)
	exp -= 1 + 2
	if 2*frac > 1.75 {
		exp++
	}
	return byte(max(exp+127, 0)) // at most 127-2+1+127 = 253
}

// toE2M1 rounds to the nearest code, ties to the even code, saturating at 6.
func toE2M1(f float64) byte {
	var code byte
	switch a := math.Abs(f); {
	case a <= 0.25:
		code = 0
	case a < 0.75:
		code = 1
	case a <= 1.25:
		code = 2
	case a < 1.75:
		code = 3
	case a <= 2.5:
		code = 4
	case a < 3.5:
		code = 5
	case a <= 5:
		code = 6
	default:
		code = 7
	}
	if math.Signbit(f) {
		code |= 8
	}
	return code
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
