package model

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/detect"
	"gossamer/runtime/engine"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/runtime/ref"
	"gossamer/runtime/sample"
)

// loadDir loads a model that is closed with the test.
func loadDir(t testing.TB, dev *gpu.Device, dir string, o Options) *Model {
	t.Helper()
	m, err := Load(t.Context(), dev, open(t, dir), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func open(t testing.TB, dir string) *checkpoint.Checkpoint {
	t.Helper()
	c, err := detect.Open(t.Context(), dir, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// write makes a checkpoint with random weights and returns its directory. change, if not nil, turns the small configuration (3
// layers of which 2 slide with a window of 16, 300 ids) into another one.
func write(t testing.TB, change func(*gptoss.Config)) string {
	t.Helper()
	c, err := checkpointtest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	c.Hidden, c.Intermediate, c.Heads, c.KVHeads, c.HeadDim, c.Experts, c.TopK = 64, 32, 4, 2, 16, 5, 2
	if change != nil {
		change(c)
	}
	dir := t.TempDir()
	if err := checkpointtest.Write(dir, c, 7, checkpointtest.Options{}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// loadSmall loads the small default configuration with exact keys and values.
func loadSmall(t testing.TB, o Options) *Model {
	t.Helper()
	o.KV = F32
	return loadDir(t, gputest.Open(t, gpu.Options{}), write(t, nil), o)
}

func loadRef(t testing.TB, dir string) *ref.Model {
	t.Helper()
	m, err := ref.Load(t.Context(), open(t, dir), ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newSequence(t testing.TB, m *Model) *sequence {
	t.Helper()
	s, err := m.NewSequence()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.(*sequence)
}

// text is n ids that look random and follow from seed.
func text(m engine.Backend, n int, seed uint32) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		seed = seed*1664525 + 1013904223
		ids[i] = int32(seed >> 8 % uint32(m.Config().Vocab))
	}
	return ids
}

func extend(t testing.TB, s engine.HostSequence, tokens []int32) {
	t.Helper()
	if err := s.Extend(t.Context(), tokens); err != nil {
		t.Fatal(err)
	}
}

// logits is the row behind the last token of s, which is given again if another sequence has taken its row.
func logits(t testing.TB, m engine.Backend, s engine.HostSequence) []float32 {
	t.Helper()
	if own, ok := s.(*sequence); ok && !s.Ready() {
		last := own.tokens[len(own.tokens)-1]
		if kept, err := s.Truncate(t.Context(), len(own.tokens)-1); err != nil || kept != len(own.tokens) {
			t.Fatal(kept, err)
		}
		extend(t, s, []int32{last})
	}
	row := make([]float32, m.Config().Vocab)
	if err := s.Logits(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	return row
}

// rows extends s and returns the rows after tokens[i] for each i of at.
func rows(t testing.TB, s engine.RowReader, tokens []int32, at []int) [][]float32 {
	t.Helper()
	var out [][]float32
	if err := s.ExtendRows(t.Context(), tokens, at, func(_ int, row []float32) error {
		out = append(out, slices.Clone(row))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// drawing is how a row draws.
type drawing struct {
	Temperature float32
	Seed        uint64
	Allowed     []uint32
}

// row is a row of a step for a sequence that draws.
func (d drawing) row(t testing.TB, s *sequence) engine.Row {
	t.Helper()
	sampler, err := sample.New(sample.Params{Temperature: d.Temperature, Seed: d.Seed}, s.m.cfg.Vocab, nil)
	if err != nil {
		t.Fatal(err)
	}
	return engine.Row{Seq: s, Given: engine.Draw, Sampler: sampler, Allowed: d.Allowed, Logprobs: -1}
}

// next is row, with the last token given again if s has lost its row.
func (d drawing) next(t testing.TB, s *sequence) engine.Row {
	t.Helper()
	r := d.row(t, s)
	if s.Ready() {
		return r
	}
	r.Given = s.tokens[len(s.tokens)-1]
	if kept, err := s.Truncate(t.Context(), len(s.tokens)-1); err != nil || kept != len(s.tokens) {
		t.Fatal(kept, err)
	}
	return r
}

// decode returns n tokens that s chooses.
func decode(t testing.TB, s *sequence, n int, d drawing) []int32 {
	t.Helper()
	got, err := decodeRows(t.Context(), t, []*sequence{s}, n, []drawing{d})
	if err != nil {
		t.Fatal(err)
	}
	return got[0]
}

// decodeRows lets sequences draw n tokens each, in steps as long as may be, until an error. One that has lost its row is given its last
// token again.
func decodeRows(ctx context.Context, t testing.TB, seqs []*sequence, n int, d []drawing) ([][]int32, error) {
	t.Helper()
	got := make([][]int32, len(seqs))
	for {
		s := &engine.Step{Draws: maxRun}
		var which []int
		for i, seq := range seqs {
			if len(got[i]) == n {
				continue
			}
			row, budget := d[i].next(t, seq), n-len(got[i])
			if row.Given != engine.Draw {
				budget++
			}
			which, s.Rows, s.Draws = append(which, i), append(s.Rows, row), min(s.Draws, budget)
		}
		if len(which) == 0 {
			return got, nil
		}
		p, err := seqs[0].m.Step(ctx, s)
		if errors.Is(err, errNoLogits) {
			continue // another goroutine has taken the row
		}
		if err != nil {
			return got, err
		}
		out, err := p.Wait(ctx)
		if err != nil {
			return got, err
		}
		for i, drawn := range out.Rows {
			for _, t := range drawn.Tokens {
				got[which[i]] = append(got[which[i]], t.ID)
			}
			err = errors.Join(err, drawn.Err)
		}
		if err != nil {
			return got, err
		}
	}
}

// fresh is the row after tokens in a sequence of its own.
func fresh(t testing.TB, m *Model, tokens []int32) []float32 {
	t.Helper()
	s := newSequence(t, m)
	defer s.Close()
	extend(t, s, tokens)
	return logits(t, m, s)
}

func upTo(n int) []int {
	at := make([]int, n)
	for i := range at {
		at[i] = i
	}
	return at
}

// float32Limit bounds the difference of two ways to compute a row in float32, or of one of them and float64, over the standard
// deviation of the row: that of goldentest.Float32. Sums of some hundred products in another order differ by about 1e-6.
const float32Limit = 2e-5

// closeRows fails the test where rows differ by more than limit: root mean square over the standard deviation of want.
func closeRows(t testing.TB, what string, got, want []float32, limit float64) {
	t.Helper()
	if d := difference(got, want); !(d <= limit) {
		t.Errorf("%s: rms over std %.3g, limit %.3g", what, d, limit)
	}
}

func difference(got, want []float32) float64 {
	var square, mean, meanSquare float64
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		square += d * d
		mean += float64(w)
		meanSquare += float64(w) * float64(w)
	}
	n := float64(len(want))
	return math.Sqrt(square / (meanSquare - mean/n*mean))
}

// argmax is the largest logit's id, and by how much it is larger than the second.
func argmax(row []float32) (id int32, gap float32) {
	for i, v := range row {
		if v > row[id] {
			id = int32(i)
		}
	}
	gap = float32(math.Inf(1))
	for i, v := range row {
		if int32(i) != id {
			gap = min(gap, row[id]-v)
		}
	}
	return id, gap
}
