package kernel

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
)

type gateUpCase struct {
	rows                         []decodeRow
	hidden, inner, experts, topK int
	scale                        float64 // of t
	cuts                         []int   // experts at which the weights are cut into shards
	logits                       []float32
}

func TestGateUpDecode(t *testing.T) {
	one, two := rowsAt(0), rowsAt(0, 0)
	negativeZero := float32(math.Copysign(0, -1))
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, tt := range []struct {
		name string
		gateUpCase
	}{
		{"OneExpert", gateUpCase{one, 32, 32, 1, 1, 1, nil, nil}},
		{"AllExperts", gateUpCase{two, 64, 32, 3, 3, 1, nil, nil}},
		{"ManyRows", gateUpCase{rowsAt(make([]int, 8)...), 32, 32, 8, 2, 1, nil, nil}},
		{"RealWidth", gateUpCase{one, 2880, 32, 32, 4, 1, nil, nil}},
		{"PartialRound", gateUpCase{one, 32 * 130, 32, 3, 2, 1, nil, nil}},
		{"SeveralBlocks", gateUpCase{one, 64, 96, 4, 2, 1, nil, nil}},
		{"OddScaleRows", gateUpCase{two, 96, 32, 5, 2, 1, []int{1}, nil}},
		{"ManyExperts", gateUpCase{two, 32, 32, 128, 4, 1, nil, nil}},
		{"ExpertsOfUnequalGroups", gateUpCase{two, 32, 32, 127, 4, 1, nil, nil}},
		{"MoreExpertsThanLanes", gateUpCase{one, 32, 32, 1000, 9, 1, nil, nil}},
		{"MostExperts", gateUpCase{one, 32, 32, maxExperts, maxTopK, 1, nil, nil}},
		{"Shards", gateUpCase{two, 32, 32, 32, 4, 1, []int{1, 9, 31}, nil}},
		{"Clamped", gateUpCase{one, 64, 32, 4, 2, 1000, nil, nil}},
		{"Zeros", gateUpCase{one, 64, 32, 4, 2, 0, nil, nil}},
		{"AllEqual", gateUpCase{two, 32, 32, 32, 4, 1, nil, []float32{1.5}}},
		{"ExactTies", gateUpCase{one, 32, 32, 8, 3, 1, nil, []float32{1, 2, 2, 1, 2, 2, 0, 2}}},
		{"TiesAcrossGroups", gateUpCase{one, 32, 32, 128, 4, 1, nil, []float32{1, 2, 3, 4, 5, 6, 7, 0, 7}}},
		{"ZerosAreEqual", gateUpCase{one, 32, 32, 4, 2, 1, nil, []float32{negativeZero, 0, negativeZero, 0}}},
		{"FarApart", gateUpCase{one, 32, 32, 4, 3, 1, nil, []float32{-1e30, 1e30, 0, 5}}},
		{"NaNIsLast", gateUpCase{one, 32, 32, 4, 2, 1, nil, []float32{nan, -1, -2, nan}}},
		{"NegativeInfinity", gateUpCase{one, 32, 32, 4, 2, 1, nil, []float32{-inf, 1, 2, -inf}}},
		{"Unused", gateUpCase{[]decodeRow{{}, {flags: StepUnused}, {}}, 32, 32, 8, 2, 1, nil, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(newRig(t)) })
		t.Run(tt.name+"WithoutSubgroups", func(t *testing.T) { tt.check(rig{t, gputest.Open(t, gpu.Options{NoSubgroups: true})}) })
	}
}

func TestGateUpDecodeRandomShapes(t *testing.T) {
	randomShapes(t, func(rt *rapid.T) gateUpCase {
		c := gateUpCase{
			rows:    drawRows(rt, 1),
			hidden:  32 * rapid.IntRange(1, 40).Draw(rt, "hidden/32"),
			inner:   32 * rapid.IntRange(1, 3).Draw(rt, "inner/32"),
			experts: rapid.IntRange(1, 200).Draw(rt, "experts"),
			scale:   1,
		}
		c.topK = rapid.IntRange(1, min(c.experts, 8)).Draw(rt, "top k")
		c.cuts = []int{rapid.IntRange(0, c.experts).Draw(rt, "cut")}
		return c
	}, func(r rig, c gateUpCase) { c.check(r) })
}

func (c gateUpCase) check(r rig) {
	r.t.Helper()
	const limit, alpha = 7, 1.702
	rows := len(c.rows)
	k, err := NewGateUpDecode(r.dev, GateUpConfig{
		Rows: rows, Hidden: c.hidden, Intermediate: c.inner, Experts: c.experts, TopK: c.topK, Limit: limit, Alpha: alpha,
	})
	r.must(err)
	defer k.Release()
	weights := newExperts(1, c.experts, 2*c.inner, c.hidden)
	x := numbers(9).floats(rows*c.hidden, c.scale)
	logits := numbers(10).floats(rows*c.experts, 5)
	for i := range logits {
		if c.logits != nil {
			logits[i] = c.logits[i%len(c.logits)]
		}
	}
	choices, elements := rows*c.topK, rows*c.topK*c.inner
	a := GateUpArgs{
		Step: batch{rows: c.rows}.step(r), Logits: r.floats("logits", logits), T: r.floats("t", byBlocks(x, c.hidden)),
		H: r.empty("h", elements), Sel: r.empty("sel", 2*choices),
	}
	got := r.twice(func() { r.fill(a.H); r.fill(a.Sel) }, func(p *gpu.Program) error {
		for _, s := range shardsOf(c.experts, c.cuts) {
			a.Blocks, a.Scales, a.Bias = weights.shard(r, s)
			if err := k.Record(p, s, a); err != nil {
				return err
			}
		}
		return nil
	}, func() []uint32 { return slices.Concat(r.readWords(a.H, elements), r.readWords(a.Sel, 2*choices)) })
	h, sel := got[:elements], got[elements:]

	wantH := slices.Repeat([]near{untouched}, elements)
	var experts, wantExperts, chosenWeights []uint32
	var wantWeights []near
	for row, dr := range c.rows {
		of := logits[row*c.experts:][:c.experts]
		ids := byLogit(of)[:c.topK]
		sum := 0.0
		for _, e := range ids {
			sum += math.Exp(float64(of[e] - of[ids[0]]))
		}
		for place, e := range ids {
			at := row*c.topK + place
			experts, chosenWeights = append(experts, sel[2*at]), append(chosenWeights, sel[2*at+1])
			if dr.flags&StepUnused != 0 {
				wantExperts, wantWeights = append(wantExperts, poison), append(wantWeights, untouched)
				continue
			}
			// WGSL allows exp(x) an error of 3+2|x| units and the division 2.5; the divisor is a sum of such.
			d := float64(of[e] - of[ids[0]])
			w := math.Exp(d) / sum
			wantExperts = append(wantExperts, uint32(e))
			wantWeights = append(wantWeights, near{w, w*2*eps32*(2*(3+2*math.Abs(d))+2.5+float64(c.topK)) + 1e-37})
			for i := range c.inner {
				xr := x[row*c.hidden:][:c.hidden]
				gate, gateSize := weights.dot(e, 2*i, xr)
				up, upSize := weights.dot(e, 2*i+1, xr)
				wantH[at*c.inner+i] = swigluNear(gate, gateSize, up, upSize, expertRoundings(c.hidden), limit, alpha)
			}
		}
	}
	if !slices.Equal(experts, wantExperts) {
		r.t.Errorf("experts %d, want %d", experts, wantExperts)
	}
	compare(r.t, "weights", chosenWeights, wantWeights)
	compare(r.t, "h", h, byBlocks(wantH, c.inner))
}

// expertRoundings bounds the roundings that a term of an expert's product meets: those of its block (8 for the dot products and the
// joining of 4 words, 3 for its factors), one for each other block of its lane (at least 32), and those of lib/sums.wgsl.
func expertRoundings(inputs int) int { return 8 + 3 + ceilDiv(inputs/32, 32) + sumsRoundings }
