package kernel

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
)

type gateUpRowsCase struct {
	routeRowsCase
	hidden, inner int
	scale         float64 // of t
	cuts          []int   // experts at which the weights are cut into shards
}

func TestGateUpRows(t *testing.T) {
	rows := func(n int) []decodeRow { return make([]decodeRow, n) }
	identity := make([]float32, 4*8) // row i wants experts 2i, 2i+1
	for i := range 4 {
		identity[i*8+2*i], identity[i*8+2*i+1] = 1, 2
	}
	for _, tt := range []struct {
		name string
		gateUpRowsCase
	}{
		{"OneRow", gateUpRowsCase{routeRowsCase{rows(1), 8, 2, nil, 0}, 64, 32, 1, nil}},
		{"TwoRowsOfOneExpert", gateUpRowsCase{routeRowsCase{rows(2), 1, 1, nil, 0}, 32, 32, 1, nil}},
		{"AllRowsChooseTheSame", gateUpRowsCase{routeRowsCase{rows(5), 4, 2, []float32{0, 3, 1, 2}, 0}, 64, 32, 1, nil}},
		{"AllRowsChooseOthers", gateUpRowsCase{routeRowsCase{rows(4), 8, 2, identity, 0}, 64, 32, 1, nil}},
		{"MostRows", gateUpRowsCase{routeRowsCase{rows(32), 8, 2, nil, 0}, 64, 32, 1, nil}},
		{"Unused", gateUpRowsCase{routeRowsCase{someUnused(7), 8, 2, nil, 0}, 64, 32, 1, nil}},
		{"Shards", gateUpRowsCase{routeRowsCase{rows(8), 8, 2, nil, 0}, 64, 32, 1, []int{1, 5, 7}}},
		{"ShardWithoutRows", gateUpRowsCase{routeRowsCase{rows(3), 8, 2, []float32{0, 0, 0, 0, 0, 0, 2, 1}, 0}, 64, 32, 1, []int{2, 6}}},
		{"OddScaleRows", gateUpRowsCase{routeRowsCase{rows(3), 5, 2, nil, 0}, 96, 96, 1, []int{1}}},
		{"RealWidth", gateUpRowsCase{routeRowsCase{rows(4), 4, 4, nil, 0}, 2880, 32, 1, nil}},
		{"PartialRound", gateUpRowsCase{routeRowsCase{rows(5), 3, 2, nil, 0}, 32 * 130, 32, 1, nil}},
		{"Clamped", gateUpRowsCase{routeRowsCase{rows(3), 8, 2, nil, 0}, 64, 32, 1000, nil}},
		{"Zeros", gateUpRowsCase{routeRowsCase{rows(3), 8, 2, nil, 0}, 64, 32, 0, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(newRig(t)) })
	}
}

func TestGateUpRowsRandomShapes(t *testing.T) {
	randomShapes(t, func(rt *rapid.T) gateUpRowsCase {
		c := gateUpRowsCase{
			routeRowsCase: routeRowsCase{rows: make([]decodeRow, rapid.IntRange(1, 32).Draw(rt, "rows")), experts: rapid.IntRange(1, 12).Draw(rt, "experts")},
			hidden:        32 * rapid.IntRange(1, 20).Draw(rt, "hidden/32"),
			inner:         32 * rapid.IntRange(1, 2).Draw(rt, "inner/32"),
			scale:         1,
		}
		c.topK = rapid.IntRange(1, min(c.experts, 4)).Draw(rt, "top k")
		c.cuts = []int{rapid.IntRange(0, c.experts).Draw(rt, "cut")}
		return c
	}, func(r rig, c gateUpRowsCase) { c.check(r) })
}

// check compares with float64, and every bit with GateUpDecode, which computes each row by itself.
func (c gateUpRowsCase) check(r rig) {
	r.t.Helper()
	const limit, alpha = 7, 1.702
	l := c.lists()
	route, err := NewRouteRows(r.dev, l)
	r.must(err)
	defer route.Release()
	k, err := NewGateUpRows(r.dev, GateUpRowsConfig{Hidden: c.hidden, Intermediate: c.inner, Limit: limit, Alpha: alpha, Lists: l})
	r.must(err)
	defer k.Release()
	single, err := NewGateUpDecode(r.dev, GateUpConfig{
		Rows: l.Rows, Hidden: c.hidden, Intermediate: c.inner, Experts: c.experts, TopK: c.topK, Limit: limit, Alpha: alpha,
	})
	r.must(err)
	defer single.Release()

	weights := newExperts(1, c.experts, 2*c.inner, c.hidden)
	x := numbers(9).floats(l.Rows*c.hidden, c.scale)
	logits := c.allLogits()
	elements, choiceWords := l.Rows*l.TopK*c.inner, 2*l.Rows*l.TopK
	step, logitsBuf, t := batch{rows: c.rows}.step(r), r.floats("logits", logits), r.floats("t", byBlocks(x, c.hidden))
	lists, sel, h := r.empty("lists", int(l.Bytes()/4)), r.empty("sel", choiceWords), r.empty("h", elements)
	fill := func() { r.fill(lists); r.fill(sel); r.fill(h) }
	read := func() []uint32 { return slices.Concat(r.readWords(h, elements), r.readWords(sel, choiceWords)) }
	got := r.twice(fill, func(p *gpu.Program) error {
		if err := route.Record(p, RouteRowsArgs{Step: step, Logits: logitsBuf, Sel: sel, Lists: lists}); err != nil {
			return err
		}
		for _, s := range shardsOf(c.experts, c.cuts) {
			a := GateUpRowsArgs{Lists: lists, T: t, H: h}
			a.Blocks, a.Scales, a.Bias = weights.shard(r, s)
			if err := k.Record(p, s, a); err != nil {
				return err
			}
		}
		return nil
	}, read)

	fill()
	r.run(func(p *gpu.Program) error {
		a := GateUpArgs{Step: step, Logits: logitsBuf, T: t, H: h, Sel: sel}
		a.Blocks, a.Scales, a.Bias = weights.shard(r, Shard{0, c.experts})
		return single.Record(p, Shard{0, c.experts}, a)
	})
	equalBits(r.t, "h and sel, of each row by itself and of all together", read(), got)

	want := slices.Repeat([]near{untouched}, elements)
	choices, _ := c.choices(logits)
	for row, experts := range choices {
		for place, e := range experts {
			for i := range c.inner {
				xr := x[row*c.hidden:][:c.hidden]
				gate, gateSize := weights.dot(e, 2*i, xr)
				up, upSize := weights.dot(e, 2*i+1, xr)
				want[(row*c.topK+place)*c.inner+i] = swigluNear(gate, gateSize, up, upSize, expertRoundings(c.hidden), limit, alpha)
			}
		}
	}
	compare(r.t, "h", got[:elements], byBlocks(want, c.inner))
}

// Where lanes have one block, as in the published models, a batch reads each expert that it uses once; otherwise once for two rows.
func TestExpertBytes(t *testing.T) {
	lists := batchLists(8, 32, 4, 0)
	gateUp, down := GateUpRowsConfig{Hidden: 2880, Intermediate: 2880, Lists: lists}, DownRowsConfig{Hidden: 2880, Intermediate: 2880, Lists: lists}
	const expert = 3 * 2880 * (2880*17/32 + 2) // blocks with scales, biases
	choices := lists.selections(1, 8)
	used := map[int]bool{}
	for _, of := range choices {
		for _, e := range of {
			used[e] = true
		}
	}
	if len(used) < 15 || len(used) > 27 {
		t.Errorf("%d different experts of 8 rows, where 21 are to be expected", len(used))
	}
	got := gateUp.WeightBytes(choices) + down.WeightBytes(choices)
	if want := int64(len(used)) * expert; got < want || float64(got) > 1.03*float64(want) {
		t.Errorf("%d bytes of %d experts, want %d", got, len(used), want)
	}
	wide := DownRowsConfig{Hidden: 10, Intermediate: 32 * 129, Lists: lists}
	for _, tt := range []struct {
		choices [][]int
		reads   int64
	}{{nil, 0}, {[][]int{{3}}, 1}, {[][]int{{3}, {4}}, 2}, {[][]int{{3}, nil, {3}}, 1}, {[][]int{{3}, {3}, {3}}, 2}} {
		experts := min(tt.reads, 1)
		if len(tt.choices) == 2 {
			experts = 2
		}
		if got, want := wide.WeightBytes(tt.choices), 10*(tt.reads*129*17+experts*2); got != want {
			t.Errorf("%v: %d bytes, want %d", tt.choices, got, want)
		}
	}
}
