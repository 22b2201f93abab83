package kernel

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
)

// routeCase is a chunk of rows that choose experts.
type routeCase struct {
	experts, topK int
	rows, n       int
	logits        []float32 // repeated over the rows; nil: random
}

func TestRoute(t *testing.T) {
	negativeZero := float32(math.Copysign(0, -1))
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, tt := range []struct {
		name string
		routeCase
	}{
		{"OneExpert", routeCase{1, 1, 2, 2, nil}},
		{"AllExperts", routeCase{4, 4, 3, 3, nil}},
		{"RowsOutOfUse", routeCase{32, 4, 9, 5, nil}},
		{"NoRows", routeCase{32, 4, 3, 0, nil}},
		{"ManyExperts", routeCase{128, 4, 20, 20, nil}},
		{"MoreExpertsThanLanes", routeCase{700, 8, 3, 3, nil}},
		{"AllEqual", routeCase{32, 4, 2, 2, []float32{1.5}}},
		{"ExactTies", routeCase{8, 3, 1, 1, []float32{1, 2, 2, 1, 2, 2, 0, 2}}},
		{"TieAtTheEnd", routeCase{8, 3, 1, 1, []float32{1, 3, 2, 1, 2, 2, 0, 5}}},
		{"ZerosAreEqual", routeCase{4, 2, 1, 1, []float32{negativeZero, 0, negativeZero, 0}}},
		{"FarApart", routeCase{4, 3, 1, 1, []float32{-1e30, 1e30, 0, 5}}},
		{"NaNIsLast", routeCase{4, 2, 1, 1, []float32{nan, -1, -2, nan}}},
		{"NegativeInfinity", routeCase{4, 2, 1, 1, []float32{-inf, 1, 2, -inf}}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(newRig(t)) })
	}
}

func TestRouteRandomShapes(t *testing.T) {
	randomShapes(t, func(rt *rapid.T) routeCase {
		c := routeCase{experts: rapid.IntRange(1, 300).Draw(rt, "experts"), rows: rapid.IntRange(1, 10).Draw(rt, "rows")}
		c.topK = rapid.IntRange(1, min(c.experts, 20)).Draw(rt, "top k")
		c.n = rapid.IntRange(0, c.rows).Draw(rt, "n")
		return c
	}, func(r rig, c routeCase) { c.check(r) })
}

func (c routeCase) check(r rig) {
	r.t.Helper()
	k, err := NewRoute(r.dev, RouteConfig{Experts: c.experts, TopK: c.topK})
	r.must(err)
	defer k.Release()
	logits := numbers(1).floats(c.rows*c.experts, 5)
	for i := range logits {
		if c.logits != nil {
			logits[i] = c.logits[i%len(c.logits)]
		}
	}
	a := RouteArgs{Chunk: r.chunk(c.n), Logits: r.floats("logits", logits), Sel: r.empty("sel", c.rows*c.topK*2)}
	r.run(func(p *gpu.Program) error { return k.Record(p, c.rows, a) })

	got := r.readWords(a.Sel, c.rows*c.topK*2)
	weights, want := make([]uint32, len(got)/2), make([]near, len(got)/2)
	for row := range c.rows {
		of := logits[row*c.experts:][:c.experts]
		ids := byLogit(of)
		sum := 0.0
		for _, e := range ids[:c.topK] {
			sum += math.Exp(float64(of[e] - of[ids[0]]))
		}
		for k, e := range ids[:c.topK] {
			at := row*c.topK + k
			weights[at] = got[2*at+1]
			if row >= c.n {
				want[at] = untouched
				continue
			}
			if got[2*at] != uint32(e) {
				r.t.Errorf("row %d: choice %d is expert %d, want %d", row, k, got[2*at], e)
			}
			x := float64(of[e] - of[ids[0]])
			w := math.Exp(x) / sum
			// WGSL allows exp(x) an error of 3+2|x| units and the division 2.5; the divisor is a sum of such.
			want[at] = near{w, w*2*eps32*(2*(3+2*math.Abs(x))+2.5+float64(c.topK)) + 1e-37}
		}
	}
	compare(r.t, "weight", weights, want)
}

// byLogit lists experts, the largest logit first, the lower id on ties, NaN last.
func byLogit(logits []float32) []int {
	ids := make([]int, len(logits))
	for i := range ids {
		ids[i] = i
	}
	slices.SortStableFunc(ids, func(a, b int) int { return cmp.Compare(logits[b], logits[a]) }) // cmp: NaN is below all
	return ids
}
