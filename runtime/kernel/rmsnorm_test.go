package kernel

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
)

// normCase is a chunk of rows to be normalised.
type normCase struct {
	rows, n, width int
	scale          int     // offset of the scales
	size           float64 // of the inputs
}

func TestRMSNorm(t *testing.T) {
	for _, tt := range []struct {
		name string
		normCase
	}{
		{"OneRow", normCase{1, 1, 64, 0, 1}},
		{"LessThanALane", normCase{3, 3, 8, 8, 1}},
		{"PartialLastRound", normCase{2, 2, 2880, 0, 1}},
		{"RowsOutOfUse", normCase{9, 4, 96, 16, 1}},
		{"NoRows", normCase{3, 0, 32, 0, 1}},
		{"Large", normCase{2, 2, 1024, 0, 6e4}},
		{"SmallerThanEps", normCase{2, 2, 32, 0, 1e-6}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(newRig(t)) })
	}
}

func TestRMSNormRandomShapes(t *testing.T) {
	randomShapes(t, func(rt *rapid.T) normCase {
		c := normCase{rows: rapid.IntRange(1, 20).Draw(rt, "rows"), width: 8 * rapid.IntRange(1, 500).Draw(rt, "width/8"), size: 2}
		c.n = rapid.IntRange(0, c.rows).Draw(rt, "n")
		c.scale = 8 * rapid.IntRange(0, 9).Draw(rt, "scale/8")
		return c
	}, func(r rig, c normCase) { c.check(r) })
}

func (c normCase) check(r rig) {
	r.t.Helper()
	k, err := NewRMSNorm(r.dev, RMSNormConfig{Width: c.width, Scale: c.scale, Eps: 1e-5})
	r.must(err)
	defer k.Release()
	x := numbers(1).floats(c.rows*c.width, c.size)
	vectors := numbers(2).floats(c.scale+c.width, 3)
	a := RMSNormArgs{Chunk: r.chunk(c.n), X: r.floats("x", x), Vectors: r.bf16("vectors", vectors), Y: r.empty("y", len(x))}
	got := r.twice(func() { r.fill(a.Y) }, func(p *gpu.Program) error { return k.Record(p, c.rows, a) },
		func() []uint32 { return r.readWords(a.Y, len(x)) })

	want := make([]near, len(x))
	for at := range want {
		row, i := at/c.width, at%c.width
		if row >= c.n {
			want[at] = untouched
			continue
		}
		sum := 0.0
		for _, f := range x[row*c.width:][:c.width] {
			sum += float64(f) * float64(f)
		}
		y := float64(x[at]) / math.Sqrt(sum/float64(c.width)+1e-5) * float64(vectors[c.scale+i])
		// All terms of the sum are positive: its relative error is at most one rounding for each addition on the way, halved by
		// the root. Square root and division may be off by 2.5 and 3 units (WGSL), three products round. Subnormals may count
		// as zero.
		terms := float64(c.width)/256 + 16
		want[at] = near{y, math.Abs(y)*eps32*(terms+2*6+3) + 1e-37}
	}
	compare(r.t, "y", got, want)
}

// A program is recorded once for a number of rows and replayed for chunks of any length.
func TestChunksOfAnyLength(t *testing.T) {
	r := newRig(t)
	const rows, width = 5, 8
	k, err := NewRMSNorm(r.dev, RMSNormConfig{Width: width, Eps: 1e-5})
	r.must(err)
	t.Cleanup(k.Release)
	a := RMSNormArgs{
		Chunk: r.chunk(0), X: r.floats("x", numbers(1).floats(rows*width, 1)), Vectors: r.bf16("vectors", numbers(2).floats(width, 1)),
		Y: r.empty("y", rows*width),
	}
	p := r.program(func(p *gpu.Program) error { return k.Record(p, rows, a) })
	for _, n := range []int{3, 5, 1} {
		r.setChunk(a.Chunk, n)
		r.fill(a.Y)
		r.must(r.dev.Submit(t.Context(), p))
		for i, w := range r.readWords(a.Y, rows*width) {
			if written := w != poison; written != (i < n*width) {
				t.Errorf("chunk of %d rows: y[%d] written: %v", n, i, written)
			}
		}
	}
}
