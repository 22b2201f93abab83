package kernel

import (
	"math"
	"testing"

	"gossamer/runtime/gpu"
)

func TestRMSNorm(t *testing.T) {
	for _, tt := range []struct {
		name           string
		rows, n, width int
		scale          int     // offset of the scales
		size           float64 // of the inputs
	}{
		{"OneRow", 1, 1, 64, 0, 1},
		{"LessThanALane", 3, 3, 8, 8, 1},
		{"PartialLastRound", 2, 2, 2880, 0, 1},
		{"RowsOutOfUse", 9, 4, 96, 16, 1},
		{"NoRows", 3, 0, 32, 0, 1},
		{"Large", 2, 2, 1024, 0, 6e4},
		{"SmallerThanEps", 2, 2, 32, 0, 1e-6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			k, err := NewRMSNorm(r.dev, RMSNormConfig{Width: tt.width, Scale: tt.scale, Eps: 1e-5})
			r.must(err)
			t.Cleanup(k.Release)
			x := numbers(1).floats(tt.rows*tt.width, tt.size)
			vectors := numbers(2).floats(tt.scale+tt.width, 3)
			a := RMSNormArgs{
				Chunk: r.chunk(tt.n), X: r.floats("x", x), Vectors: r.bf16("vectors", vectors), Y: r.empty("y", len(x)),
			}
			r.run(func(p *gpu.Program) error { return k.Record(p, tt.rows, a) })

			want := make([]near, len(x))
			for row := range tt.rows {
				sum := 0.0
				for _, f := range x[row*tt.width:][:tt.width] {
					sum += float64(f) * float64(f)
				}
				r := 1 / math.Sqrt(sum/float64(tt.width)+1e-5)
				for i := range tt.width {
					at := row*tt.width + i
					if row >= tt.n {
						want[at] = untouched
						continue
					}
					y := float64(x[at]) * r * float64(vectors[tt.scale+i])
					// All terms of the sum are positive: its relative error is at most one rounding for each addition on the
					// way, halved by the root. Square root and division may be off by 2.5 and 3 units (WGSL), three products
					// round. Subnormals may count as zero.
					terms := float64(tt.width)/256 + 16
					want[at] = near{y, math.Abs(y)*eps32*(terms+2*6+3) + 1e-37}
				}
			}
			compare(t, "y", r.readWords(a.Y, len(x)), want)
		})
	}
}
