package ref

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/tensor"
)

// TestAVX2 compares the two ways to multiply with each other, to the bit.
func TestAVX2(t *testing.T) {
	if !hasAVX2 {
		t.Skip("this processor has no AVX2")
	}
	defer func() { hasAVX2 = true }()
	rapid.Check(t, func(t *rapid.T) {
		l := &linear{Rows: rapid.IntRange(1, 70).Draw(t, "rows"), Cols: 32 * rapid.IntRange(1, 17).Draw(t, "cols/32")}
		n := rapid.IntRange(1, 3).Draw(t, "tokens")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)) // rapid would draw for seconds
		if rapid.Bool().Draw(t, "mxfp4") {
			l.Blocks, l.Scales = make([]byte, l.Rows*l.Cols/2), make([]byte, l.Rows*l.Cols/32)
			for i := range l.Blocks {
				l.Blocks[i] = byte(random.Uint32())
			}
			for i := range l.Scales {
				l.Scales[i] = byte(120 + i%9)
			}
		} else {
			l.BF16 = make([]uint16, l.Rows*l.Cols)
			for i := range l.BF16 {
				l.BF16[i] = uint16(random.Uint32())
				if v := float64(tensor.FromBF16(l.BF16[i])); math.IsInf(v, 0) || math.IsNaN(v) {
					l.BF16[i] = 0x8001 // the smallest below zero, subnormal
				}
			}
		}
		x := make([]float64, n*l.Cols)
		for i := range x {
			x[i] = random.NormFloat64() * 1e3
		}
		got, want := make([]float64, n*l.Rows), make([]float64, n*l.Rows)
		hasAVX2 = true
		l.matMul(got, x, n, 0, l.Rows)
		hasAVX2 = false
		l.matMul(want, x, n, 0, l.Rows)
		for i := range want {
			if math.Float64bits(got[i]) != math.Float64bits(want[i]) {
				t.Fatalf("output %d is %v, want %v", i, got[i], want[i])
			}
		}
	})
}
