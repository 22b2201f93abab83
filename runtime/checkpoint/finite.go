package checkpoint

import (
	"encoding/binary"

	"gossamer/runtime/gptoss"
)

// firstNaN is the byte offset in p of the first element that is NaN or infinite, -1 if there is none. p is a piece of t that
// starts at an element.
func firstNaN(t gptoss.TensorSpec, p []byte) int {
	switch {
	case t.DType == gptoss.BF16:
		return firstNonFiniteBF16(p)
	case t.Kind == gptoss.GateUpScales || t.Kind == gptoss.DownScales:
		return firstByte255(p)
	}
	return -1 // every MXFP4 code is a number
}

// firstNonFiniteBF16 finds an exponent of all ones. Of four values in a word at once: adding one to an exponent of all ones, and
// to no other, carries into the sign bit, which the mask has cleared.
func firstNonFiniteBF16(p []byte) int {
	const (
		exponents = 0x7f80_7f80_7f80_7f80
		ones      = 0x0080_0080_0080_0080
		signs     = 0x8000_8000_8000_8000
	)
	i := 0
	for ; i+32 <= len(p); i += 32 {
		w := p[i : i+32]
		a := binary.LittleEndian.Uint64(w)&exponents + ones
		b := binary.LittleEndian.Uint64(w[8:])&exponents + ones
		c := binary.LittleEndian.Uint64(w[16:])&exponents + ones
		d := binary.LittleEndian.Uint64(w[24:])&exponents + ones
		if (a|b|c|d)&signs != 0 {
			break
		}
	}
	for ; i+2 <= len(p); i += 2 {
		if binary.LittleEndian.Uint16(p[i:])&0x7f80 == 0x7f80 {
			return i
		}
	}
	return -1
}

// firstByte255 finds a byte of all ones, eight at once: adding one to seven ones carries into the eighth bit, which must have
// been set too.
func firstByte255(p []byte) int {
	const (
		low  = 0x7f7f_7f7f_7f7f_7f7f
		ones = 0x0101_0101_0101_0101
		high = 0x8080_8080_8080_8080
	)
	i := 0
	for ; i+8 <= len(p); i += 8 {
		w := binary.LittleEndian.Uint64(p[i:])
		if (w&low+ones)&w&high != 0 {
			break
		}
	}
	for ; i < len(p); i++ {
		if p[i] == 255 {
			return i
		}
	}
	return -1
}
