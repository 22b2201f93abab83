package kernel

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
)

type routerCase struct {
	rows, hidden, experts int
	scale                 float64 // of x
	cuts                  []int   // experts at which the weights are cut into shards
	plain                 bool    // order of t
}

func TestRouterDecode(t *testing.T) {
	for _, tt := range []struct {
		name string
		routerCase
	}{
		{"OneRow", routerCase{1, 32, 4, 1, nil, false}},
		{"ManyRows", routerCase{8, 96, 5, 1, nil, false}},
		{"TwoTilesOfRows", routerCase{16, 96, 5, 1, nil, false}},
		{"MostRows", routerCase{32, 96, 5, 1, []int{2}, false}},
		{"Plain", routerCase{16, 96, 5, 1, []int{2}, true}},
		{"OneExpert", routerCase{2, 2880, 1, 1, nil, false}},
		{"MoreExpertsThanChunks", routerCase{1, 32, 128, 1, nil, false}},
		{"SharesOfUnequalSize", routerCase{1, 160, 7, 1, nil, false}},
		{"PartialRound", routerCase{4, 1056, 3, 1, nil, false}},
		{"RealWidth", routerCase{1, 2880, 32, 1, nil, false}},
		{"Shards", routerCase{2, 64, 32, 1, []int{1, 30}, false}},
		{"Large", routerCase{1, 64, 8, 6e4, nil, false}},
		{"Zeros", routerCase{1, 64, 8, 0, nil, false}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(newRig(t)) })
	}
}

func TestRouterDecodeRandomShapes(t *testing.T) {
	randomShapes(t, func(rt *rapid.T) routerCase {
		c := routerCase{
			rows:    1 << rapid.IntRange(0, 2).Draw(rt, "rows"),
			hidden:  32 * rapid.IntRange(1, 80).Draw(rt, "hidden/32"),
			experts: rapid.IntRange(1, 200).Draw(rt, "experts"),
			scale:   1,
		}
		c.cuts = []int{rapid.IntRange(0, c.experts).Draw(rt, "cut")}
		return c
	}, func(r rig, c routerCase) { c.check(r) })
}

func (c routerCase) check(r rig) {
	r.t.Helper()
	const normAt = 24
	biasAt := normAt + c.hidden + 8
	k, err := NewRouterDecode(r.dev, RouterConfig{Rows: c.rows, Hidden: c.hidden, Experts: c.experts, Norm: normAt, Bias: biasAt, NormEps: testEps, Plain: c.plain})
	r.must(err)
	defer k.Release()
	x := numbers(1).floats(c.rows*c.hidden, c.scale)
	vectors := numbers(2).floats(biasAt+c.experts, 2)
	w := numbers(3).floats(c.experts*c.hidden, 1)
	a := RouterArgs{X: r.floats("x", x), Vectors: r.bf16("vectors", vectors), Logits: r.empty("logits", c.rows*c.experts), T: r.empty("t", len(x))}
	got := r.twice(func() { r.fill(a.Logits); r.fill(a.T) }, func(p *gpu.Program) error {
		for _, s := range shardsOf(c.experts, c.cuts) {
			a.W = r.bf16("w", w[s.First*c.hidden:(s.First+s.Count)*c.hidden])
			if err := k.Record(p, s, a); err != nil {
				return err
			}
		}
		return nil
	}, func() []uint32 {
		return slices.Concat(r.readWords(a.Logits, c.rows*c.experts), r.readWords(a.T, len(x)))
	})

	logits := make([]near, c.rows*c.experts)
	normed := make([]near, len(x))
	for row := range c.rows {
		xr := x[row*c.hidden : (row+1)*c.hidden]
		factor := norm(xr, testEps)
		for i, f := range xr {
			var s sizes
			s.add(float64(f) * factor * float64(vectors[normAt+i]))
			normed[row*c.hidden+i] = s.near(normRoundings(c.hidden) + 2)
		}
		for e := range c.experts {
			var s sizes
			for i := range xr {
				s.add(normed[row*c.hidden+i].want * float64(w[e*c.hidden+i]))
			}
			s.add(float64(vectors[biasAt+e]))
			logits[row*c.experts+e] = s.near(denseRoundings(c.hidden) + normRoundings(c.hidden))
		}
	}
	if !c.plain {
		normed = byBlocks(normed, c.hidden)
	}
	compare(r.t, "logits, t", got, slices.Concat(logits, normed))
}
