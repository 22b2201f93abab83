package kernel

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
)

// routeRowsCase is a batch whose rows choose experts.
type routeRowsCase struct {
	rows          []decodeRow
	experts, topK int
	logits        []float32 // repeated over the rows; nil: random
	height        int       // of tiles; 0: as many as there are rows
}

// lists are the lists of the batch.
func (c routeRowsCase) lists() ExpertLists {
	return batchLists(len(c.rows), c.experts, c.topK, c.height)
}

// batchLists are the lists of a batch, with tiles of a height, or if it is 0 with one tile for each expert.
func batchLists(rows, experts, topK, height int) ExpertLists {
	if height == 0 {
		height = rows
	}
	return ExpertLists{Rows: rows, TopK: topK, Experts: experts, Height: height}
}

// someUnused are n rows, every third of them unused.
func someUnused(n int) []decodeRow {
	rows := make([]decodeRow, n)
	for i := range rows {
		if i%3 == 1 {
			rows[i].flags = StepUnused
		}
	}
	return rows
}

func TestRouteRows(t *testing.T) {
	rows := func(n int) []decodeRow { return make([]decodeRow, n) }
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	identity := make([]float32, 6*12) // row i wants experts 2i, 2i+1
	for i := range 6 {
		identity[i*12+2*i], identity[i*12+2*i+1] = 1, 2
	}
	for _, tt := range []struct {
		name string
		routeRowsCase
	}{
		{"OneRow", routeRowsCase{rows(1), 4, 2, nil, 0}},
		{"OneExpert", routeRowsCase{rows(3), 1, 1, nil, 0}},
		{"AllExperts", routeRowsCase{rows(2), 3, 3, nil, 0}},
		{"AllRowsChooseTheSame", routeRowsCase{rows(32), 4, 2, []float32{0, 3, 1, 2}, 0}},
		{"AllRowsChooseOthers", routeRowsCase{rows(6), 12, 2, identity, 0}},
		{"EightRows", routeRowsCase{rows(8), 32, 4, nil, 0}},
		{"MostRows", routeRowsCase{rows(32), 128, 4, nil, 0}},
		{"Tiles", routeRowsCase{rows(32), 7, 4, nil, 16}},
		{"TilesOfOne", routeRowsCase{someUnused(9), 5, 3, nil, 1}},
		{"WholeTiles", routeRowsCase{rows(32), 4, 2, []float32{0, 3, 1, 2}, 16}},
		{"FewerPlacesThanExperts", routeRowsCase{rows(2), 300, 3, nil, 0}},
		{"Unused", routeRowsCase{someUnused(7), 8, 2, nil, 0}},
		{"AllUnused", routeRowsCase{[]decodeRow{{flags: StepUnused}, {flags: StepUnused}}, 40, 2, nil, 0}},
		{"RowsInTurns", routeRowsCase{someUnused(32), maxExperts, maxTopK, nil, 0}},
		{"ExactTies", routeRowsCase{rows(2), 8, 3, []float32{1, 2, 2, 1, 2, 2, 0, 2}, 0}},
		{"TiesAcrossGroups", routeRowsCase{rows(2), 128, 4, []float32{1, 2, 3, 4, 5, 6, 7, 0, 7}, 0}},
		{"NaNIsLast", routeRowsCase{rows(2), 4, 2, []float32{nan, -1, -2, nan}, 0}},
		{"NegativeInfinity", routeRowsCase{rows(2), 4, 2, []float32{-inf, 1, 2, -inf}, 0}},
		{"FarApart", routeRowsCase{rows(2), 4, 3, []float32{-1e30, 1e30, 0, 5}, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(newRig(t)) })
	}
}

func TestRouteRowsRandomShapes(t *testing.T) {
	randomShapes(t, func(rt *rapid.T) routeRowsCase {
		c := routeRowsCase{experts: rapid.IntRange(1, 300).Draw(rt, "experts")}
		c.topK = rapid.IntRange(1, min(c.experts, 9)).Draw(rt, "top k")
		c.rows = make([]decodeRow, rapid.IntRange(1, 32).Draw(rt, "rows"))
		c.height = rapid.IntRange(0, 20).Draw(rt, "height")
		for i := range c.rows {
			c.rows[i].flags = uint32(rapid.IntRange(0, 1).Draw(rt, "unused")) * StepUnused
		}
		return c
	}, func(r rig, c routeRowsCase) { c.check(r) })
}

// allLogits are [rows][experts].
func (c routeRowsCase) allLogits() []float32 {
	logits := numbers(10).floats(len(c.rows)*c.experts, 5)
	for i := range logits {
		if c.logits != nil {
			logits[i] = c.logits[i%len(c.logits)]
		}
	}
	return logits
}

// choices are the experts of each row, none of unused rows, and their weights.
func (c routeRowsCase) choices(logits []float32) (experts [][]int, weights [][]near) {
	for row, dr := range c.rows {
		var of []int
		var ws []near
		if dr.flags&StepUnused == 0 {
			from := logits[row*c.experts:][:c.experts]
			of = byLogit(from)[:c.topK]
			sum := 0.0
			for _, e := range of {
				sum += math.Exp(float64(from[e] - from[of[0]]))
			}
			for _, e := range of {
				// WGSL allows exp(x) an error of 3+2|x| units and the division 2.5; the divisor is a sum of such.
				d := float64(from[e] - from[of[0]])
				w := math.Exp(d) / sum
				ws = append(ws, near{w, w*2*eps32*(2*(3+2*math.Abs(d))+2.5+float64(c.topK)) + 1e-37})
			}
		}
		experts, weights = append(experts, of), append(weights, ws)
	}
	return experts, weights
}

func (c routeRowsCase) check(r rig) {
	r.t.Helper()
	l := c.lists()
	k, err := NewRouteRows(r.dev, l)
	r.must(err)
	defer k.Release()
	logits := c.allLogits()
	nSel, nLists := 2*l.Rows*l.TopK, int(l.Bytes()/4)
	a := RouteRowsArgs{
		Step: batch{rows: c.rows}.step(r), Logits: r.floats("logits", logits), Sel: r.empty("sel", nSel), Lists: r.empty("lists", nLists),
	}
	got := r.twice(func() { r.fill(a.Sel); r.fill(a.Lists) }, func(p *gpu.Program) error { return k.Record(p, a) }, func() []uint32 {
		return slices.Concat(r.readWords(a.Sel, nSel), r.readWords(a.Lists, nLists))
	})

	choices, weights := c.choices(logits)
	equalBits(r.t, "lists", l.words(l.listsOf(choices)), got[nSel:])
	var gotWeights []uint32
	var wantWeights []near
	for row := range c.rows {
		for place := range c.topK {
			at := row*c.topK + place
			expert, weight := uint32(poison), untouched
			if choices[row] != nil {
				expert, weight = uint32(choices[row][place]), weights[row][place]
			}
			if got[2*at] != expert {
				r.t.Errorf("row %d: choice %d is expert %d, want %d", row, place, got[2*at], expert)
			}
			gotWeights, wantWeights = append(gotWeights, got[2*at+1]), append(wantWeights, weight)
		}
	}
	compare(r.t, "weights", gotWeights, wantWeights)
}

// The memory of a workgroup holds at least one row in every shape, and no group hides a chosen expert (TestExpertGroup).
func TestRouteRowsFits(t *testing.T) {
	for experts := 1; experts <= maxExperts; experts = experts*3/2 + 1 {
		for topK := 1; topK <= min(experts, maxTopK); topK++ {
			for _, l := range []ExpertLists{{maxRows, topK, experts, 1}, {maxRows, topK, maxExperts, 1}, {1, topK, experts, 1}} {
				if n := l.atOnce(); n < 1 || n > l.Rows {
					t.Errorf("%+v: %d rows at once", l, n)
				}
			}
		}
	}
}
