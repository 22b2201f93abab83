package kernel

import (
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
)

type unembedCase struct {
	rows, hidden, vocab int
	scale               float64 // of x
	cuts                []int   // ids at which the weights are cut into shards
}

func TestUnembedDecode(t *testing.T) {
	for _, tt := range []struct {
		name string
		unembedCase
	}{
		{"OneRow", unembedCase{1, 32, 8, 1, nil}},
		{"ManyRows", unembedCase{8, 64, 41, 1, nil}},
		{"TwoTilesOfRows", unembedCase{16, 64, 41, 1, nil}},
		{"MostRows", unembedCase{32, 64, 301, 1, []int{20}}},
		{"MostRowsOfRealWidth", unembedCase{32, 1056, 21, 1, []int{13}}},
		{"PartialTile", unembedCase{2, 32, 13, 1, nil}},
		{"SingleID", unembedCase{1, 32, 1, 1, nil}},
		{"PartialRound", unembedCase{4, 1056, 9, 1, nil}},
		{"RealWidth", unembedCase{1, 2880, 203, 1, nil}},
		{"ShardsWithinTiles", unembedCase{2, 64, 101, 1, []int{1, 50, 53}}},
		{"GridBeyondOneDimension", unembedCase{1, 32, 8*maxGrid + 11, 1, nil}},
		{"Large", unembedCase{1, 64, 8, 6e4, nil}},
		{"Zeros", unembedCase{1, 64, 8, 0, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(newRig(t)) })
	}
}

func TestUnembedDecodeRandomShapes(t *testing.T) {
	randomShapes(t, func(rt *rapid.T) unembedCase {
		c := unembedCase{
			rows:   1 << rapid.IntRange(0, 2).Draw(rt, "rows"),
			hidden: 32 * rapid.IntRange(1, 50).Draw(rt, "hidden/32"),
			vocab:  rapid.IntRange(1, 500).Draw(rt, "vocab"),
			scale:  1,
		}
		c.cuts = []int{rapid.IntRange(0, c.vocab).Draw(rt, "cut")}
		return c
	}, func(r rig, c unembedCase) { c.check(r) })
}

func (c unembedCase) check(r rig) {
	r.t.Helper()
	k, err := NewUnembedDecode(r.dev, UnembedConfig{Rows: c.rows, Hidden: c.hidden, Vocab: c.vocab, NormEps: testEps})
	r.must(err)
	defer k.Release()
	x := numbers(1).floats(c.rows*c.hidden, c.scale)
	weight := numbers(2).floats(c.hidden, 2)
	w := numbers(3).floats(c.vocab*c.hidden, 1)
	n := c.rows * c.vocab
	a := UnembedArgs{X: r.floats("x", x), Norm: r.bf16("norm", weight), Logits: r.empty("logits", n)}
	got := r.twice(func() { r.fill(a.Logits) }, func(p *gpu.Program) error {
		for _, s := range shardsOf(c.vocab, c.cuts) {
			a.W = r.bf16("w", w[s.First*c.hidden:(s.First+s.Count)*c.hidden])
			if err := k.Record(p, s, a); err != nil {
				return err
			}
		}
		return nil
	}, func() []uint32 { return r.readWords(a.Logits, n) })

	want := make([]near, n)
	for row := range c.rows {
		xr := x[row*c.hidden : (row+1)*c.hidden]
		factor := norm(xr, testEps)
		for id := range c.vocab {
			var s sizes
			for i, f := range xr {
				s.add(float64(f) * factor * float64(weight[i]) * float64(w[id*c.hidden+i]))
			}
			want[row*c.vocab+id] = s.near(denseRoundings(c.hidden) + normRoundings(c.hidden))
		}
	}
	compare(r.t, "logits", got, want)
}
