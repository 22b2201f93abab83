// Package tensor converts between the number formats of a checkpoint and float32 on the CPU. Encoded numbers are little-endian
// bytes, as files hold them. Functions fill dst and panic if the lengths of dst and src do not belong together: lengths come
// from tensor shapes, which package checkpoint has checked.
package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
)

// FromBF16 is the value of a bfloat16: the upper half of a float32.
func FromBF16(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// ToBF16 rounds to the nearest bfloat16, ties to even. A NaN stays a NaN of the same sign.
func ToBF16(f float32) uint16 {
	u := math.Float32bits(f)
	if f != f {
		return uint16(u>>16) | 0x40 // a payload in the lower half alone would become infinity
	}
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}

// FromF16 is the value of an IEEE 754 binary16; exact.
func FromF16(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h >> 10 & 0x1f)
	frac := uint32(h & 0x3ff)
	switch exp {
	case 0: // zero or subnormal: frac * 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(frac)*0x1p-24))
	case 0x1f: // infinity or NaN
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}

// ToF16 rounds to the nearest binary16, ties to even; values of 65520 and above become infinity. A NaN stays a NaN of the
// same sign.
func ToF16(f float32) uint16 {
	u := math.Float32bits(f)
	sign := uint16(u >> 16 & 0x8000)
	abs := u & 0x7fffffff
	switch {
	case abs > 0x7f800000:
		return sign | 0x7e00 | uint16(abs>>13&0x1ff)
	case abs >= 0x477ff000: // 65520, halfway between 65504 and 65536
		return sign | 0x7c00
	case abs < 0x38800000: // below 2^-14: the sum has a subnormal's step, 2^-24, so the addition rounds
		return sign | uint16(math.Float32bits(math.Float32frombits(abs)+0.5)-math.Float32bits(0.5))
	}
	return sign | uint16((abs-(127-15)<<23+0xfff+abs>>13&1)>>13)
}

// BF16ToF32 decodes len(dst) bfloat16 values from src.
func BF16ToF32(dst []float32, src []byte) {
	mustMatch("BF16ToF32", len(src), 2*len(dst))
	for i := range dst {
		dst[i] = FromBF16(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

// F32ToBF16 encodes len(src) values as bfloat16 (ToBF16).
func F32ToBF16(dst []byte, src []float32) {
	mustMatch("F32ToBF16", len(dst), 2*len(src))
	for i, f := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], ToBF16(f))
	}
}

// F16ToF32 decodes len(dst) binary16 values from src.
func F16ToF32(dst []float32, src []byte) {
	mustMatch("F16ToF32", len(src), 2*len(dst))
	for i := range dst {
		dst[i] = FromF16(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

// F32ToF16 encodes len(src) values as binary16 (ToF16).
func F32ToF16(dst []byte, src []float32) {
	mustMatch("F32ToF16", len(dst), 2*len(src))
	for i, f := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], ToF16(f))
	}
}

func mustMatch(function string, got, want int) {
	if got != want {
		panic(fmt.Sprintf("tensor: %s: length %d, want %d", function, got, want))
	}
}
