//go:build !amd64

package ref

import "gossamer/runtime/tensor"

const hasAVX2 = false

func accumulateAVX2(*[tileRows][lanes]float64, *[tileRows][tileCols]float64, *float64, int) {}

func accumulateBF16AVX2(_ *[tileRows][lanes]float64, _, _, _, _ *uint16, _ *float64, _ int) {}

func decodeBlockAVX2(*[tensor.BlockValues]float64, *[tensor.BlockBytes]byte, float64) {}
