package kernel

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
)

// downRowsCase is a batch whose rows' experts are projected and added up.
type downRowsCase struct {
	rows                         []decodeRow
	hidden, inner, experts, topK int
	scale                        float64 // of h
	cuts                         []int   // experts at which the weights are cut into shards
	same                         bool    // all rows choose the same experts
}

func TestDownRows(t *testing.T) {
	rows := func(n int) []decodeRow { return make([]decodeRow, n) }
	for _, tt := range []struct {
		name string
		downRowsCase
	}{
		{"OneRow", downRowsCase{rows(1), 36, 64, 8, 2, 1, nil, false}},
		{"OneExpert", downRowsCase{rows(2), 32, 32, 1, 1, 1, nil, false}},
		{"PartialTile", downRowsCase{rows(3), 36, 64, 8, 2, 1, nil, false}},
		{"SmallestTile", downRowsCase{rows(3), 4, 32, 4, 2, 1, nil, false}},
		{"AllRowsChooseTheSame", downRowsCase{rows(5), 36, 64, 8, 2, 1, nil, true}},
		{"AllRowsChooseOthers", downRowsCase{rows(4), 36, 64, 8, 2, 1, nil, false}},
		{"MostRows", downRowsCase{rows(32), 36, 64, 8, 2, 1, nil, false}},
		{"Unused", downRowsCase{someUnused(7), 36, 64, 8, 2, 1, nil, false}},
		{"Shards", downRowsCase{rows(8), 36, 64, 8, 2, 1, []int{1, 5, 7}, false}},
		{"ShardWithoutRows", downRowsCase{rows(3), 36, 64, 8, 2, 1, []int{2, 6}, true}},
		{"OddScaleRows", downRowsCase{rows(3), 36, 96, 5, 3, 1, []int{1}, false}},
		{"RealWidth", downRowsCase{rows(4), 32, 2880, 4, 4, 1, nil, false}},
		{"PartialRound", downRowsCase{rows(5), 32, 32 * 130, 3, 2, 1, nil, false}},
		{"ManyPlaces", downRowsCase{rows(2), 36, 64, 70, 64, 1, nil, false}},
		{"Large", downRowsCase{rows(3), 36, 64, 8, 2, 6e4, nil, false}},
		{"Zeros", downRowsCase{rows(3), 36, 64, 8, 2, 0, nil, false}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(newRig(t)) })
	}
}

func TestDownRowsRandomShapes(t *testing.T) {
	randomShapes(t, func(rt *rapid.T) downRowsCase {
		c := downRowsCase{
			rows:    make([]decodeRow, rapid.IntRange(1, 32).Draw(rt, "rows")),
			hidden:  4 * rapid.IntRange(1, 30).Draw(rt, "hidden/4"),
			inner:   32 * rapid.IntRange(1, 20).Draw(rt, "inner/32"),
			experts: rapid.IntRange(1, 12).Draw(rt, "experts"),
			scale:   1,
			same:    rapid.Bool().Draw(rt, "same"),
		}
		c.topK = rapid.IntRange(1, min(c.experts, 4)).Draw(rt, "top k")
		c.cuts = []int{rapid.IntRange(0, c.experts).Draw(rt, "cut")}
		return c
	}, func(r rig, c downRowsCase) { c.check(r) })
}

// choices are different experts of each row, in any order; none of unused rows.
func (c downRowsCase) choices() [][]int {
	choices := make([][]int, len(c.rows))
	for row, dr := range c.rows {
		if dr.flags&StepUnused != 0 {
			continue
		}
		first := row * c.topK
		if c.same {
			first = 1
		}
		for k := range c.topK {
			choices[row] = append(choices[row], (first+c.topK-1-k)%c.experts)
		}
	}
	return choices
}

func (c downRowsCase) check(r rig) {
	r.t.Helper()
	l := batchLists(len(c.rows), c.experts, c.topK, 0)
	k, err := NewDownRows(r.dev, DownRowsConfig{Hidden: c.hidden, Intermediate: c.inner, Lists: l})
	r.must(err)
	defer k.Release()
	combine, err := NewCombineRows(r.dev, CombineConfig{Hidden: c.hidden, TopK: c.topK})
	r.must(err)
	defer combine.Release()

	weights := newExperts(1, c.experts, c.hidden, c.inner)
	h := numbers(9).floats(l.Rows*l.TopK*c.inner, c.scale)
	before := numbers(10).floats(l.Rows*c.hidden, 10)
	factors := numbers(11).floats(l.Rows*l.TopK, 1)
	choices := c.choices()
	sel := slices.Repeat([]uint32{poison}, 2*l.Rows*l.TopK)
	for row, experts := range choices {
		for place, e := range experts {
			at := row*c.topK + place
			sel[2*at], sel[2*at+1] = uint32(e), math.Float32bits(factors[at])
		}
	}
	outputs := l.Rows * l.TopK * c.hidden
	a := DownRowsArgs{Lists: r.words("lists", l.words(l.listsOf(choices))), H: r.floats("h", byBlocks(h, c.inner)), Y: r.empty("y", outputs)}
	sum := CombineRowsArgs{Step: batch{rows: c.rows}.step(r), Sel: r.words("sel", sel), Y: a.Y, X: r.floats("x", before)}
	got := r.twice(func() { r.set(sum.X, before); r.fill(a.Y) }, func(p *gpu.Program) error {
		for _, s := range shardsOf(c.experts, c.cuts) {
			a.Blocks, a.Scales, a.Bias = weights.shard(r, s)
			if err := k.Record(p, s, a); err != nil {
				return err
			}
		}
		return combine.Record(p, l.Rows, sum)
	}, func() []uint32 { return slices.Concat(r.readWords(a.Y, outputs), r.readWords(sum.X, len(before))) })

	wantY, wantX := slices.Repeat([]near{untouched}, outputs), make([]near, len(before))
	for row, experts := range choices {
		for o := range c.hidden {
			at := row*c.hidden + o
			s := sizes{float64(before[at]), math.Abs(float64(before[at]))}
			for place, e := range experts {
				i := row*c.topK + place
				y, size := weights.dot(e, o, h[i*c.inner:][:c.inner])
				wantY[i*c.hidden+o] = sizes{y, size}.near(expertRoundings(c.inner) + 1)
				s.sum += y * float64(factors[i])
				s.size += size * math.Abs(float64(factors[i]))
			}
			if experts == nil {
				wantX[at] = near{s.sum, 0}
				continue
			}
			wantX[at] = s.near(expertRoundings(c.inner) + 1 + 1 + c.topK + 1) // the bias, the weight, the sum, the residual
		}
	}
	compare(r.t, "y, x", got, slices.Concat(wantY, wantX))
}

// A row's result has the same bits whatever other rows are in the batch, wherever it is among them, and however many there are.
func TestExpertsWhateverTheBatch(t *testing.T) {
	const hidden, inner, experts, topK, texts = 64, 32, 8, 2, 32
	r := newRig(t)
	gateUpWeights, downWeights := newExperts(1, experts, 2*inner, hidden), newExperts(5, experts, hidden, inner)
	x, normed, logits := numbers(8).floats(texts*hidden, 1), numbers(9).floats(texts*hidden, 1), numbers(10).floats(texts*experts, 5)
	unused := -1
	// run returns the x of a batch of these texts.
	run := func(batchTexts ...int) (out [][]uint32) {
		t.Helper()
		l := batchLists(len(batchTexts), experts, topK, 0)
		rows := make([]decodeRow, l.Rows)
		var xs, ts, ls []float32
		for i, text := range batchTexts {
			if text == unused {
				rows[i].flags = StepUnused
				text = 3
			}
			xs, ts, ls = append(xs, x[text*hidden:][:hidden]...), append(ts, normed[text*hidden:][:hidden]...), append(ls, logits[text*experts:][:experts]...)
		}
		route, err := NewRouteRows(r.dev, l)
		r.must(err)
		defer route.Release()
		gateUp, err := NewGateUpRows(r.dev, GateUpRowsConfig{Hidden: hidden, Intermediate: inner, Limit: 7, Alpha: 1.702, Lists: l})
		r.must(err)
		defer gateUp.Release()
		down, err := NewDownRows(r.dev, DownRowsConfig{Hidden: hidden, Intermediate: inner, Lists: l})
		r.must(err)
		defer down.Release()
		combine, err := NewCombineRows(r.dev, CombineConfig{Hidden: hidden, TopK: topK})
		r.must(err)
		defer combine.Release()
		step, lists, sel := batch{rows: rows}.step(r), r.empty("lists", int(l.Bytes()/4)), r.empty("sel", 2*l.Rows*l.TopK)
		h, y, xb := r.empty("h", l.Rows*l.TopK*inner), r.empty("y", l.Rows*l.TopK*hidden), r.floats("x", xs)
		g := GateUpRowsArgs{Lists: lists, T: r.floats("t", byBlocks(ts, hidden)), H: h}
		g.Blocks, g.Scales, g.Bias = gateUpWeights.shard(r, Shard{0, experts})
		d := DownRowsArgs{Lists: lists, H: h, Y: y}
		d.Blocks, d.Scales, d.Bias = downWeights.shard(r, Shard{0, experts})
		r.run(func(p *gpu.Program) error {
			r.must(route.Record(p, RouteRowsArgs{Step: step, Logits: r.floats("logits", ls), Sel: sel, Lists: lists}))
			r.must(gateUp.Record(p, Shard{0, experts}, g))
			r.must(down.Record(p, Shard{0, experts}, d))
			return combine.Record(p, l.Rows, CombineRowsArgs{Step: step, Sel: sel, Y: y, X: xb})
		})
		words := r.readWords(xb, len(xs))
		for i := range batchTexts {
			out = append(out, words[i*hidden:][:hidden])
		}
		return out
	}
	all := make([]int, texts)
	for i := range all {
		all[i] = i
	}
	want := run(all...)
	for _, texts := range [][]int{{5}, {31, 5}, {7, unused, 5, 5}, {0, 1, 2, 3, 4, 5, 6, 7}, {unused, 9, 20, 5, 11, 31, 30, 29}} {
		for i, got := range run(texts...) {
			if texts[i] != unused {
				equalBits(t, "x", want[texts[i]], got)
			}
		}
	}
}
