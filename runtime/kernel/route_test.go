package kernel

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"gossamer/runtime/gpu"
)

func TestRoute(t *testing.T) {
	negativeZero := float32(math.Copysign(0, -1))
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, tt := range []struct {
		name          string
		experts, topK int
		rows, n       int
		logits        []float32 // repeated over the rows; nil: random
	}{
		{"OneExpert", 1, 1, 2, 2, nil},
		{"AllExperts", 4, 4, 3, 3, nil},
		{"RowsOutOfUse", 32, 4, 9, 5, nil},
		{"NoRows", 32, 4, 3, 0, nil},
		{"ManyExperts", 128, 4, 20, 20, nil},
		{"MoreExpertsThanLanes", 700, 8, 3, 3, nil},
		{"AllEqual", 32, 4, 2, 2, []float32{1.5}},
		{"ExactTies", 8, 3, 1, 1, []float32{1, 2, 2, 1, 2, 2, 0, 2}},
		{"TieAtTheEnd", 8, 3, 1, 1, []float32{1, 3, 2, 1, 2, 2, 0, 5}},
		{"ZerosAreEqual", 4, 2, 1, 1, []float32{negativeZero, 0, negativeZero, 0}},
		{"FarApart", 4, 3, 1, 1, []float32{-1e30, 1e30, 0, 5}},
		{"NaNIsLast", 4, 2, 1, 1, []float32{nan, -1, -2, nan}},
		{"NegativeInfinity", 4, 2, 1, 1, []float32{-inf, 1, 2, -inf}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			k, err := NewRoute(r.dev, RouteConfig{Experts: tt.experts, TopK: tt.topK})
			r.must(err)
			t.Cleanup(k.Release)
			logits := numbers(1).floats(tt.rows*tt.experts, 5)
			for i := range logits {
				if tt.logits != nil {
					logits[i] = tt.logits[i%len(tt.logits)]
				}
			}
			a := RouteArgs{Chunk: r.chunk(tt.n), Logits: r.floats("logits", logits), Sel: r.empty("sel", tt.rows*tt.topK*2)}
			r.run(func(p *gpu.Program) error { return k.Record(p, tt.rows, a) })

			got := r.readWords(a.Sel, tt.rows*tt.topK*2)
			weights, want := make([]uint32, len(got)/2), make([]near, len(got)/2)
			for row := range tt.rows {
				of := logits[row*tt.experts:][:tt.experts]
				ids := byLogit(of)
				sum := 0.0
				for _, e := range ids[:tt.topK] {
					sum += math.Exp(float64(of[e] - of[ids[0]]))
				}
				for k, e := range ids[:tt.topK] {
					at := row*tt.topK + k
					weights[at] = got[2*at+1]
					if row >= tt.n {
						want[at] = untouched
						continue
					}
					if got[2*at] != uint32(e) {
						t.Errorf("row %d: choice %d is expert %d, want %d", row, k, got[2*at], e)
					}
					x := float64(of[e] - of[ids[0]])
					w := math.Exp(x) / sum
					// WGSL allows exp(x) an error of 3+2|x| units and the division 2.5; the divisor is a sum of such.
					want[at] = near{w, w*2*eps32*(2*(3+2*math.Abs(x))+2.5+float64(tt.topK)) + 1e-37}
				}
			}
			compare(t, "weight", weights, want)
		})
	}
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
