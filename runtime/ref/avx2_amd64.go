package ref

import (
	"golang.org/x/sys/cpu"

	"gossamer/runtime/tensor"
)

// hasAVX2 says whether the processor multiplies four float64 at once.
var hasAVX2 = cpu.X86.HasAVX2

// accumulateAVX2 is accumulate, with the same results to the bit. n, the length of x, is a multiple of lanes.
//
//go:noescape
func accumulateAVX2(sums *[tileRows][lanes]float64, w *[tileRows][tileCols]float64, x *float64, n int)

// accumulateBF16AVX2 is accumulateBF16, in the same way.
//
//go:noescape
func accumulateBF16AVX2(sums *[tileRows][lanes]float64, w0, w1, w2, w3 *uint16, x *float64, n int)

// decodeBlockAVX2 is decodeBlock, but that zeros have no sign, which no sum tells. half is half of the scale: codes are looked up as twice their
// values, which are integers.
//
//go:noescape
func decodeBlockAVX2(dst *[tensor.BlockValues]float64, codes *[tensor.BlockBytes]byte, half float64)
