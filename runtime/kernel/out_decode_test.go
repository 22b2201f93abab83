package kernel

import (
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
)

type outCase struct {
	rows, hidden, inputs int
	scale                float64 // of a
	cuts                 []int   // outputs at which the weights are cut into shards
}

func TestOutDecode(t *testing.T) {
	for _, tt := range []struct {
		name string
		outCase
	}{
		{"OneRow", outCase{1, 32, 8, 1, nil}},
		{"ManyRows", outCase{8, 40, 24, 1, nil}},
		{"TwoTilesOfRows", outCase{16, 40, 24, 1, nil}},
		{"MostRows", outCase{32, 37, 24, 1, []int{21}}},
		{"PartialTile", outCase{2, 37, 64, 1, nil}},
		{"SingleOutput", outCase{1, 1, 64, 1, nil}},
		{"SingleRound", outCase{1, 8, 1024, 1, nil}},
		{"PartialRound", outCase{4, 8, 1032, 1, nil}},
		{"RealWidth", outCase{1, 64, 4096, 1, nil}},
		{"ShardsWithinTiles", outCase{2, 40, 64, 1, []int{3, 21, 22}}},
		{"Large", outCase{1, 16, 64, 6e4, nil}},
		{"Zeros", outCase{1, 16, 64, 0, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(newRig(t)) })
	}
}

func TestOutDecodeRandomShapes(t *testing.T) {
	randomShapes(t, func(rt *rapid.T) outCase {
		c := outCase{
			rows:   1 << rapid.IntRange(0, 2).Draw(rt, "rows"),
			hidden: rapid.IntRange(1, 300).Draw(rt, "hidden"),
			inputs: 8 * rapid.IntRange(1, 300).Draw(rt, "inputs/8"),
			scale:  1,
		}
		c.cuts = []int{rapid.IntRange(0, c.hidden).Draw(rt, "cut")}
		return c
	}, func(r rig, c outCase) { c.check(r) })
}

func (c outCase) check(r rig) {
	r.t.Helper()
	const biasAt = 16
	k, err := NewOutDecode(r.dev, OutConfig{Rows: c.rows, Hidden: c.hidden, Inputs: c.inputs, Bias: biasAt})
	r.must(err)
	defer k.Release()
	in := numbers(1).floats(c.rows*c.inputs, c.scale)
	vectors := numbers(2).floats(biasAt+c.hidden, 2)
	w := numbers(3).floats(c.hidden*c.inputs, 1)
	before := numbers(4).floats(c.rows*c.hidden, 10)
	a := OutArgs{A: r.floats("a", in), Vectors: r.bf16("vectors", vectors), X: r.floats("x", before)}
	got := r.twice(func() { r.set(a.X, before) }, func(p *gpu.Program) error {
		for _, s := range shardsOf(c.hidden, c.cuts) {
			a.W = r.bf16("w", w[s.First*c.inputs:(s.First+s.Count)*c.inputs])
			if err := k.Record(p, s, a); err != nil {
				return err
			}
		}
		return nil
	}, func() []uint32 { return r.readWords(a.X, len(before)) })

	want := make([]near, len(before))
	for row := range c.rows {
		for o := range c.hidden {
			var s sizes
			for i := range c.inputs {
				s.add(float64(in[row*c.inputs+i]) * float64(w[o*c.inputs+i]))
			}
			s.add(float64(vectors[biasAt+o]))
			s.add(float64(before[row*c.hidden+o]))
			want[row*c.hidden+o] = s.near(denseRoundings(c.inputs) + 2)
		}
	}
	compare(r.t, "x", got, want)
}
