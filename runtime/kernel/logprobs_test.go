package kernel

import (
	"errors"
	"math"
	"slices"
	"testing"

	"gossamer/runtime/gpu"
	"gossamer/runtime/sample"
)

func TestLogprobs(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	wanted := func(f fullRow) fullRow {
		f.logprobs = true
		return f
	}
	row := wanted(one(sample.Params{Temperature: 0.7, Seed: 3}))
	inOneLane := map[int]float32{} // every lane's best but this one's comes after the first 20
	for i := range 30 {
		inOneLane[3+i*listLanes] = 20 + float32(i%7)
	}
	fewFinite := map[int]float32{}
	for id := range 50 {
		fewFinite[id] = nan
	}
	fewFinite[30], fewFinite[31], fewFinite[32] = -4, inf, -4
	none := map[int]float32{0: nan, 1: inf, 2: -inf}
	for _, tt := range []struct {
		name string
		fullCase
	}{
		{"OneID", fullCase{rows: []fullRow{row}, vocab: 1, ring: 1, scale: 1}},
		{"FewerIDsThanPlaces", fullCase{rows: []fullRow{row}, vocab: 19, ring: 8, scale: 3}},
		{"AsManyIDsAsPlaces", fullCase{rows: []fullRow{row}, vocab: 20, ring: 8, scale: 3}},
		{"AsManyIDsAsLanes", fullCase{rows: []fullRow{row}, vocab: listLanes, ring: 8, scale: 3}},
		{"RealVocabulary", fullCase{rows: []fullRow{row, row.with(map[int]float32{201087: 9})}, vocab: 201088, ring: 64, scale: 5}},
		{"AllEqual", fullCase{rows: []fullRow{row}, vocab: 3001, ring: 8, grid: 1}},
		{"Ties", fullCase{rows: []fullRow{row}, vocab: 3001, ring: 8, scale: 3, grid: 0.5}},
		{"BestIDsInOneLane", fullCase{rows: []fullRow{row.with(inOneLane)}, vocab: 30 * listLanes, ring: 8, scale: 3}},
		{"FewFiniteLogits", fullCase{rows: []fullRow{row.with(fewFinite)}, vocab: 50, ring: 8}},
		{"NothingFinite", fullCase{rows: []fullRow{row.with(none)}, vocab: 3, ring: 8}},
		{"NothingAllowed", fullCase{rows: []fullRow{row.masked(func(int) bool { return false })}, vocab: 300, ring: 8, scale: 3}},
		{"UnlikelyToken", fullCase{rows: []fullRow{row.with(map[int]float32{5: 300}).masked(func(id int) bool { return id == 6 })},
			vocab: 300, ring: 8, scale: 3}},
		{"HugeLogits", fullCase{rows: []fullRow{row.with(map[int]float32{0: 3e38, 1: -3e38, 2: 3e38})}, vocab: 3, ring: 1}},
		{"RowsThatAreLeftAlone", fullCase{rows: []fullRow{
			row.flagged(StepGiven), row, one(sample.Params{}), row.flagged(StepUnused), row,
		}, vocab: 300, ring: 8, scale: 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			newLogprobsRig(newRig(t), SampleConfig{Rows: len(tt.rows), Vocab: tt.vocab, Ring: tt.ring}).check(tt.fullCase)
		})
	}
}

// logprobsRig draws by SampleFull and looks at what was drawn.
type logprobsRig struct {
	*fullRig
	k    *Logprobs
	out  *gpu.Buffer
	both *gpu.Program
}

func newLogprobsRig(r rig, c SampleConfig) *logprobsRig {
	r.t.Helper()
	f := newFullRig(r, c)
	k, err := NewLogprobs(r.dev, c)
	r.must(err)
	r.t.Cleanup(k.Release)
	l := &logprobsRig{fullRig: f, k: k, out: r.empty("logprobs", c.LogprobWords())}
	l.both = r.program(func(p *gpu.Program) error {
		if err := f.full.Record(p, f.a); err != nil {
			return err
		}
		return l.recordLogprobs(p)
	})
	return l
}

func (f *logprobsRig) recordLogprobs(p *gpu.Program) error {
	return f.k.Record(p, LogprobsArgs{Step: f.a.Step, Params: f.a.Params, Logits: f.a.Logits, List: f.a.List, Logprobs: f.out})
}

func (f *logprobsRig) check(c fullCase) {
	t := f.r.t
	t.Helper()
	var logits []float32
	var first, got, tokens []uint32
	for range 2 {
		logits, _ = f.write(c)
		f.r.fill(f.out)
		f.r.must(f.r.dev.Submit(t.Context(), f.both))
		first, got = got, f.r.readWords(f.out, f.c.LogprobWords())
		if first != nil {
			equalBits(t, "second run", first, got)
		}
		tokens = f.r.readWords(f.a.Tokens, f.c.Rows*f.c.Ring)
	}
	f.compareLogprobs(c, logits, tokens, got)
}

// compareLogprobs compares the log probabilities of the first draw with the law.
func (f *logprobsRig) compareLogprobs(c fullCase, logits []float32, tokens, got []uint32) {
	f.r.t.Helper()
	const words = LogprobsBytes / 4
	want := slices.Repeat([]uint32{poison}, len(got))
	for i, row := range c.rows {
		if row.flags&StepUnused != 0 || !row.logprobs {
			continue
		}
		at := i                                               // of the first draw
		copy(want[at*words:][:words], got[at*words:][:words]) // checked here
		if row.flags&StepGiven != 0 {
			continue // it means nothing
		}
		f.checkRow(i, logits[i*c.vocab:][:c.vocab], tokens[at], got[at*words:][:words])
	}
	equalBits(f.r.t, "logprobs", want, got)
}

func (f *logprobsRig) checkRow(i int, logits []float32, token uint32, got []uint32) {
	t := f.r.t
	t.Helper()
	minusInf := float32(math.Inf(-1))
	own := sample.LogProb{ID: int32(token), LogProb: minusInf}
	_, want, err := sample.LogProbs(nil, logits, 0, topLogprobs)
	if err != nil && !errors.Is(err, sample.ErrNoToken) {
		t.Fatal(err)
	}
	if token != NoToken {
		own, _, err = sample.LogProbs(nil, logits, int32(token), 0)
		f.r.must(err)
	}
	want = append([]sample.LogProb{own}, want...)
	for len(want) <= topLogprobs {
		want = append(want, sample.LogProb{ID: -1, LogProb: minusInf})
	}
	for n, w := range want {
		id, lp := int32(got[2*n]), math.Float32frombits(got[2*n+1])
		// The relative error of the sum is the logarithm's absolute one: at most 80 roundings, and an exp of 3 + 2x units, where x is below
		// 13 for most of the mass. log may be off by 3 units of at most 16. Then norm and difference round, here and there.
		within := 0.0
		if id >= 0 && !math.IsInf(float64(w.LogProb), 0) {
			x := float64(logits[w.ID])
			within = 80*eps32 + 30*2*eps32 + 3*16*eps32 + 4*eps32*(2*math.Abs(x)+math.Abs(float64(w.LogProb)))
		}
		if id != w.ID || lp != w.LogProb && !(math.Abs(float64(lp)-float64(w.LogProb)) <= within) {
			t.Errorf("row %d, place %d: id %d, log probability %v; want %d, %v within %.3g", i, n, id, lp, w.ID, w.LogProb, within)
		}
	}
}
