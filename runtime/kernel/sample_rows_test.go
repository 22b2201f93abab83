package kernel

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	goruntime "runtime"
	"slices"
	"testing"
	"time"

	"gossamer/runtime/sample"
)

var (
	randomRows = flag.Int("rows", 3000, "rows of TestSamplerRows")
	figures    = flag.String("figures", "", "`file` for what TestSamplerRows has found")
)

// samplerShapes are the vocabularies of TestSamplerRows. A shape costs the compilation of its kernels.
var samplerShapes = []struct {
	vocab  int
	share  int // of 100 rows
	submit int // rows at a time
}{
	{1, 1, 64}, {2, 6, 64}, {33, 24, 64}, {sampleTile, 24, 64}, {sampleTile + 1, 24, 64}, {4099, 18, 32}, {20011, 2, 8}, {201088, 1, 4},
}

// samplerFigures are what TestSamplerRows has found.
type samplerFigures struct {
	Machine string       `json:"machine"`
	Adapter string       `json:"adapter"`
	Rows    int          `json:"rows"`
	Seconds int          `json:"seconds"`
	Shapes  []shapeFound `json:"vocabularies"`
	apart
}

type shapeFound struct {
	Vocab   int     `json:"vocabulary"`
	Rows    int     `json:"rows"`
	Others  int     `json:"other_tokens"`
	Seconds float64 `json:"seconds"`
}

// TestSamplerRows draws random rows on the device and by package sample: logits of every kind, all parameters together, masks, vocabularies from 1
// to the real one. Each row has the rules of SampleFull and Logprobs checked; a token that is another is one by the margins that are stated
// there, or the test fails. Row n is the same on every machine. -rows says how many; make test-sampler draws 100,000.
func TestSamplerRows(t *testing.T) {
	r := newRig(t)
	found := samplerFigures{
		Machine: fmt.Sprintf("%s/%s, %d processors", goruntime.GOOS, goruntime.GOARCH, goruntime.NumCPU()), Adapter: r.dev.Caps().Adapter.String(),
	}
	start := time.Now()
	first := 0
	for i, shape := range samplerShapes {
		last := first + *randomRows*shape.share/100
		if i == len(samplerShapes)-1 {
			last = *randomRows
		}
		t.Run(fmt.Sprintf("Vocab%d", shape.vocab), func(t *testing.T) {
			begun := time.Now()
			all := drawRandomRows(rig{t, r.dev}, shape.vocab, shape.submit, first, last)
			found.add(all)
			found.Rows += last - first
			found.Shapes = append(found.Shapes, shapeFound{shape.vocab, last - first, all.ByEdge + all.ByNoise, math.Round(10*time.Since(begun).Seconds()) / 10})
		})
		first = last
	}
	found.Seconds = int(math.Round(time.Since(start).Seconds()))
	raw, err := json.MarshalIndent(found, "", "  ")
	r.must(err)
	t.Logf("%s", raw)
	if *figures != "" && !t.Failed() {
		r.must(os.WriteFile(*figures, append(raw, '\n'), 0o666))
	}
}

// drawRandomRows draws the rows from first to last, not included, of one vocabulary.
func drawRandomRows(r rig, vocab, submit, first, last int) (all apart) {
	if first == last {
		return all
	}
	f := newLogprobsRig(r, SampleConfig{Rows: submit, Vocab: vocab, Ring: 1})
	for at := first; at < last && !r.t.Failed(); at += submit {
		c := fullCase{vocab: vocab, ring: 1}
		for n := at; n < at+submit; n++ {
			if n < last {
				c.rows = append(c.rows, randomRow(n, vocab))
			} else {
				c.rows = append(c.rows, one(sample.Params{}).flagged(StepUnused))
			}
		}
		all.add(f.tellRows(c, at))
	}
	return all
}

// tellRows is checkOnce, and says what the rows are if one is wrong. The first of them is number at; every eighth batch is drawn twice.
func (f *logprobsRig) tellRows(c fullCase, at int) apart {
	f.r.t.Helper()
	defer func() {
		for i, row := range c.rows {
			if f.r.t.Failed() {
				f.r.t.Logf("row %d, number %d: %+v, prompt %v, reply %v, position %d, flags %#x",
					i, at+i, row.params, row.prompt, row.reply, row.position, row.flags)
			}
		}
	}()
	return f.checkOnce(c, at/len(c.rows)%8 == 0)
}

// checkOnce draws c's rows and compares tokens and log probabilities with the law; again says that a second run must give the same bits.
func (f *logprobsRig) checkOnce(c fullCase, again bool) apart {
	t := f.r.t
	t.Helper()
	draw := func() (logits []float32, step, probs []uint32, got drawn) {
		logits, step = f.write(c)
		f.r.fill(f.out)
		f.r.must(f.r.dev.Submit(t.Context(), f.both))
		return logits, step, f.r.readWords(f.out, f.c.LogprobWords()), f.read()
	}
	logits, step, probs, got := draw()
	if again {
		_, _, otherProbs, other := draw()
		equalBits(t, "second run", append(got.all(), probs...), append(other.all(), otherProbs...))
	}
	all := f.compare(c, logits, step, got)
	f.compareLogprobs(c, logits, got.tokens, probs)
	return all
}

// randomRow is row n of TestSamplerRows, for a vocabulary.
func randomRow(n, vocab int) fullRow {
	g := randoms{rand.New(rand.NewPCG(20261130, uint64(n))), vocab}
	f := one(g.params())
	f.position = g.IntN(300)
	if g.IntN(50) == 0 {
		f.position = g.IntN(1 << 17)
	}
	f.whole = g.logits()
	likely := g.likely(f.whole, 40)
	f.prompt, f.reply = g.ids(likely), g.ids(likely)
	if g.IntN(3) == 0 {
		f.params.LogitBias = map[int32]float32{}
		for _, id := range g.ids(likely) {
			f.params.LogitBias[id] = float32(pick(g.Rand, 100.0, -100, 20*g.Float64()-10, 2*g.Float64()-1))
		}
	}
	f.logprobs = g.IntN(3) == 0
	switch g.IntN(12) {
	case 0:
		f = f.flagged(pick(g.Rand, StepGiven, StepUnused))
	case 1, 2:
		every, at := 1+g.IntN(9), g.IntN(9)
		f = f.masked(func(id int) bool { return (id+at)%every == 0 })
	case 3:
		allowed := likely[g.IntN(len(likely))]
		f = f.masked(func(id int) bool { return id == int(allowed) })
	case 4:
		key := g.Uint64()
		f = f.masked(func(id int) bool { return numbers(key).at(id) < 0.3 })
	case 5:
		f.params = sample.Params{Temperature: f.params.Temperature, Seed: f.params.Seed}
	}
	if g.IntN(200) == 0 {
		f = f.masked(func(int) bool { return false })
	}
	return f
}

// randoms makes what rows are made of.
type randoms struct {
	*rand.Rand
	vocab int
}

func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

func (g randoms) params() sample.Params {
	u := func(low, high float64) float32 { return float32(low + g.Float64()*(high-low)) }
	return sample.Params{
		Temperature: pick(g.Rand, 0, 1e-5, 1e-4, 0.01, 0.3, 0.7, 0.7, 1, 1, 1, 1.5, 5, 100, u(0.1, 2)), Seed: g.Uint64(),
		TopK:              pick(g.Rand, 0, 0, 0, 1, 2, 20, 40, 900, g.vocab, g.vocab+5, 1+g.IntN(g.vocab)),
		TopP:              pick(g.Rand, 0, 0, 1, 0.05, 0.5, 0.9, 0.95, 0.99, math.Nextafter32(1, 0), math.SmallestNonzeroFloat32, u(0, 1)),
		MinP:              pick(g.Rand, 0, 0, 0, 0.01, 0.05, 0.3, 1, 1e-6, u(0, 1)),
		RepetitionPenalty: pick(g.Rand, 0, 0, 0, 1, 0.8, 1.2, u(0.5, 2)),
		PresencePenalty:   pick(g.Rand, 0, 0, 0, -2, 2, u(-2, 2)), FrequencyPenalty: pick(g.Rand, 0, 0, 0, -2, 2, u(-2, 2)),
		PenaltyVocab: pick(g.Rand, 0, int32(g.vocab+1)/2),
	}
}

// logits are those of a row: as a model's, on a grid, all equal, with infinities or NaN, subnormal, or with one that is far above the rest.
func (g randoms) logits() []float32 {
	row := make([]float32, g.vocab)
	scale, shift := pick(g.Rand, 0.01, 1, 3, 3, 8, 30, 1000), pick(g.Rand, 0.0, 0, -20, 100)
	grid := pick(g.Rand, 0, 0, 0, 0.25, 3)
	key := numbers(g.Uint64())
	for id := range row {
		v := shift + scale*2*(key.at(3*id)+key.at(3*id+1)+key.at(3*id+2)-1.5)
		if grid > 0 {
			v = math.Round(v/grid) * grid
		}
		row[id] = float32(v)
	}
	inf := float32(math.Inf(1))
	switch g.IntN(16) {
	case 0:
		for id := range row {
			row[id] = float32(shift)
		}
	case 1: // zeros of either sign, and subnormals
		for id := range row {
			row[id] = math.Float32frombits(uint32(key.below(id, 5))<<31 | uint32(key.below(id+1, 4)))
		}
	case 2, 3:
		for id := range row {
			if key.below(id, 9) == 0 {
				row[id] = pick(g.Rand, -inf, -inf, inf, float32(math.NaN()))
			}
		}
	case 4: // all but one are out
		for id := range row {
			row[id] = -inf
		}
		row[g.IntN(g.vocab)] = float32(shift)
	case 5:
		row[g.IntN(g.vocab)] = pick[float32](g.Rand, 200, 1e4, 3e38)
	case 6: // many are as large as one of the largest, where top_k and top_p end
		likely := g.likely(row, 60)
		edge := row[likely[g.IntN(len(likely))]]
		for range 1 + g.IntN(60) {
			row[g.IntN(g.vocab)] = edge
		}
	}
	return row
}

// likely are ids of the largest logits among some of a row, at most n and at least one.
func (g randoms) likely(row []float32, n int) []int32 {
	ids := make([]int32, 0, 8*n)
	for range min(8*n, g.vocab) {
		ids = append(ids, int32(g.IntN(g.vocab)))
	}
	slices.SortFunc(ids, func(a, b int32) int {
		switch {
		case row[a] > row[b]:
			return -1
		case row[a] < row[b]:
			return 1
		}
		return 0
	})
	return ids[:min(n, len(ids))]
}

// ids are up to 60, half of them likely ones; rarely up to as many as can be biased.
func (g randoms) ids(likely []int32) []int32 {
	ids := make([]int32, g.IntN(60))
	if g.IntN(100) == 0 {
		ids = make([]int32, g.IntN(MaxBiases+1))
	}
	for i := range ids {
		ids[i] = int32(g.IntN(g.vocab))
		if g.IntN(2) == 0 {
			ids[i] = likely[g.IntN(len(likely))]
		}
	}
	return ids
}
