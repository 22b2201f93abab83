package ref

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/detect"
	"gossamer/runtime/goldentest"
)

// load opens a golden case's model.
func load(t testing.TB, c *goldentest.Case, o Options) *Model {
	t.Helper()
	checkpoint, err := detect.Open(t.Context(), c.ModelDir(t), detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Load(t.Context(), checkpoint, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newSequence(t testing.TB, m *Model) *Sequence {
	t.Helper()
	s, err := m.NewSequence()
	if err != nil {
		t.Fatal(err)
	}
	return s.(*Sequence)
}

// rows extends s and returns copies of the rows after every token.
func rows(t testing.TB, s *Sequence, tokens []int32) [][]float32 {
	t.Helper()
	var out [][]float32
	err := s.ExtendRows(t.Context(), tokens, upTo(len(tokens)), func(_ int, logits []float32) error {
		out = append(out, slices.Clone(logits))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func upTo(n int) []int {
	at := make([]int, n)
	for i := range at {
		at[i] = i
	}
	return at
}

// exact is what this package claims: the golden data is float64 rounded to float32, and only keys and values are rounded here,
// to 24 bits. That leaves differences around 1e-7 of the logits' spread; 1e-6 allows for the models' depth.
var exact = goldentest.Tolerance{RMSOverStd: 1e-6, Max: 2e-5}

func TestGoldenPrompts(t *testing.T) {
	for _, name := range goldentest.Models {
		t.Run(name, func(t *testing.T) {
			c := goldentest.Load(t, name)
			m := load(t, c, Options{})
			for i := range c.Prompts {
				p := &c.Prompts[i]
				t.Run(fmt.Sprintf("prompt%d", i), func(t *testing.T) {
					var d goldentest.Difference
					err := newSequence(t, m).ExtendRows(t.Context(), p.Tokens, upTo(len(p.Tokens)), func(i int, logits []float32) error {
						d.Add(&p.Want, i, logits)
						return nil
					})
					if err != nil {
						t.Fatal(err)
					}
					d.Check(t, exact)
					t.Logf("%d rows: rms over std %.2g, max %.2g", d.Rows(), d.RMSOverStd(), d.Max)
				})
			}
		})
	}
}

// TestGoldenGreedy generates token by token from the KV cache.
func TestGoldenGreedy(t *testing.T) {
	for _, name := range goldentest.Models {
		t.Run(name, func(t *testing.T) {
			c := goldentest.Load(t, name)
			m := load(t, c, Options{})
			s := newSequence(t, m)
			if err := s.Extend(t.Context(), c.Prompts[len(c.Prompts)-1].Tokens); err != nil {
				t.Fatal(err)
			}
			var d goldentest.Difference
			logits := make([]float32, m.Config().Vocab)
			for i, want := range c.Greedy.Tokens {
				if err := s.Logits(t.Context(), logits); err != nil {
					t.Fatal(err)
				}
				d.Add(&c.Greedy.Want, i, logits)
				if got := argmax(logits); got != want {
					t.Fatalf("token %d is %d, want %d", i, got, want)
				}
				if err := s.Extend(t.Context(), []int32{want}); err != nil {
					t.Fatal(err)
				}
			}
			d.Check(t, exact)
		})
	}
}

func argmax(logits []float32) int32 {
	best := 0
	for id, v := range logits {
		if v > logits[best] {
			best = id
		}
	}
	return int32(best)
}

// TestGoldenLong runs 4,500 tokens: past the original context of 4,096 and many times the window.
func TestGoldenLong(t *testing.T) {
	c := goldentest.Load(t, "long_window128")
	s := newSequence(t, load(t, c, Options{}))
	var d goldentest.Difference
	row := 0
	err := s.ExtendRows(t.Context(), c.Long.Tokens, c.Long.Positions, func(_ int, logits []float32) error {
		d.Add(&c.Long.Want, row, logits)
		row++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Check(t, exact)
	t.Logf("%d rows: rms over std %.2g, max %.2g", d.Rows(), d.RMSOverStd(), d.Max)
}

// TestGoldenTraces compares every intermediate value of the last prompts, in chunks of an odd size, and wants the same experts.
func TestGoldenTraces(t *testing.T) {
	for _, name := range goldentest.Models {
		t.Run(name, func(t *testing.T) {
			c := goldentest.Load(t, name)
			got := map[string][]float64{}
			m := load(t, c, Options{Chunk: 7, Trace: func(layer int, name string, values []float64) {
				if layer >= 0 {
					name = fmt.Sprintf("layer%d.%s", layer, name)
				}
				got[name] = append(got[name], values...)
			}})
			last := c.Prompts[len(c.Prompts)-1]
			if err := newSequence(t, m).Extend(t.Context(), last.Tokens); err != nil {
				t.Fatal(err)
			}
			if len(got) != len(last.Trace) || len(got) == 0 {
				t.Errorf("%d arrays traced, want %d", len(got), len(last.Trace))
			}
			for name, want := range last.Trace {
				compareTrace(t, name, got[name], want.Values)
			}
		})
	}
}

// compareTrace wants a relative difference of norms of at most 1e-6: see exact.
func compareTrace(t *testing.T, name string, got []float64, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", name, len(got), len(want))
		return
	}
	var difference, norm float64
	for i, w := range want {
		if strings.HasSuffix(name, "expert_index") && got[i] != float64(w) {
			t.Errorf("%s: value %d is %v, want %v", name, i, got[i], w)
			return
		}
		difference += (got[i] - float64(w)) * (got[i] - float64(w))
		norm += float64(w) * float64(w)
	}
	if !(math.Sqrt(difference/norm) <= 1e-6) {
		t.Errorf("%s: relative difference %.3g", name, math.Sqrt(difference/norm))
	}
}

// TestF16Cache: rounding keys and values to 11 bits moves logits by about 2^-12 of their spread, far less than another expert
// does, so only positions with clear choices are compared.
func TestF16Cache(t *testing.T) {
	c := goldentest.Load(t, "gqa_window8")
	m := load(t, c, Options{KVF16: true})
	var d goldentest.Difference
	for i := range c.Prompts {
		p := &c.Prompts[i]
		for j, row := range rows(t, newSequence(t, m), p.Tokens) {
			if p.Stable(j) {
				d.Add(&p.Want, j, row)
			}
		}
	}
	d.Check(t, goldentest.Tolerance{RMSOverStd: 1e-3, Max: 0.02})
	if d.RMSOverStd() < 1e-5 {
		t.Errorf("rms over std is %.2g: nothing was rounded", d.RMSOverStd())
	}
}

// TestChunksAndWorkersGiveTheSameBits: every way to cut a text into calls and chunks, and any number of workers, gives the same bits. The
// text is longer than the window.
func TestChunksAndWorkersGiveTheSameBits(t *testing.T) {
	c := goldentest.Load(t, "long_window128")
	tokens := c.Prompts[3].Tokens[:129]
	want := rows(t, newSequence(t, load(t, c, Options{Workers: 1})), tokens)
	checkpoint, err := detect.Open(t.Context(), c.ModelDir(t), detect.Options{})
	if err != nil {
		t.Fatal(err)
	}

	t.Run("OneByOne", func(t *testing.T) {
		s := newSequence(t, load(t, c, Options{}))
		got := make([]float32, len(want[0]))
		for i, token := range tokens {
			if err := s.Extend(t.Context(), []int32{token}); err != nil {
				t.Fatal(err)
			}
			if err := s.Logits(t.Context(), got); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want[i]) {
				t.Fatalf("logits after token %d differ", i)
			}
		}
	})
	t.Run("Any", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			m, err := Load(t.Context(), checkpoint, Options{
				Chunk:   rapid.IntRange(1, 140).Draw(rt, "chunk"),
				Workers: rapid.IntRange(1, 5).Draw(rt, "workers"),
			})
			if err != nil {
				rt.Fatal(err)
			}
			s := newSequence(t, m)
			var got [][]float32
			for rest := tokens; len(rest) > 0; {
				n := rapid.IntRange(1, len(rest)).Draw(rt, "tokens of a call")
				got = append(got, rows(t, s, rest[:n])...)
				rest = rest[n:]
			}
			for i := range want {
				if !slices.Equal(got[i], want[i]) {
					rt.Fatalf("logits after token %d differ", i)
				}
			}
		})
	})
}

// TestTruncateAndForkEqualAFreshSequence: a sequence that was cut, or that shares a beginning, goes on as one that never had more.
func TestTruncateAndForkEqualAFreshSequence(t *testing.T) {
	c := goldentest.Load(t, "gqa_window8")
	m := load(t, c, Options{Chunk: 5})
	token := rapid.Int32Range(0, int32(m.Config().Vocab)-1)
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.SliceOfN(token, 1, 40).Draw(rt, "text")
		keep := rapid.IntRange(0, len(text)+1).Draw(rt, "keep")
		rest := rapid.SliceOfN(token, 1, 20).Draw(rt, "rest")
		kept := min(keep, len(text))
		want := rows(t, newSequence(t, m), append(slices.Clone(text[:kept]), rest...))[kept:]

		s := newSequence(t, m)
		if err := s.Extend(t.Context(), text); err != nil {
			rt.Fatal(err)
		}
		forked, err := s.Fork(keep)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := s.Truncate(t.Context(), keep)
		if err != nil || got != kept || s.Len() != kept || forked.Len() != kept {
			rt.Fatalf("Truncate(%d) = %d, %v; lengths %d and %d, want %d", keep, got, err, s.Len(), forked.Len(), kept)
		}
		for _, s := range []*Sequence{s, forked.(*Sequence)} {
			for i, row := range rows(t, s, rest) {
				if !slices.Equal(row, want[i]) {
					rt.Fatalf("logits after token %d of the rest differ", i)
				}
			}
		}
	})
}

// TestWindow: with one sliding layer, a token at position p sees exactly the positions above p - Window. Changing the first
// token changes the logits of every later position up to Window-1, and no bit from Window on.
func TestWindow(t *testing.T) {
	const window = 128
	config, err := checkpointtest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	checkpointtest.SetLayers(config, 1)
	config.Window = window
	dir := filepath.Join(t.TempDir(), "model")
	if err := checkpointtest.Write(dir, config, 1, checkpointtest.Options{}); err != nil {
		t.Fatal(err)
	}
	checkpoint, err := detect.Open(t.Context(), dir, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Load(t.Context(), checkpoint, Options{})
	if err != nil {
		t.Fatal(err)
	}
	text := make([]int32, window+3)
	for i := range text {
		text[i] = int32(i * 7 % 250)
	}
	before := rows(t, newSequence(t, m), text)
	text[0] = 251
	after := rows(t, newSequence(t, m), text)
	for i := range text {
		if same, want := slices.Equal(before[i], after[i]), i >= window; same != want {
			t.Errorf("logits at position %d are the same: %v, want %v", i, same, want)
		}
	}
}

// TestSequencesShareAModel runs several at a time.
func TestSequencesShareAModel(t *testing.T) {
	c := goldentest.Load(t, "gqa_window8")
	m := load(t, c, Options{})
	tokens := c.Prompts[3].Tokens
	want := rows(t, newSequence(t, m), tokens)
	for n := range 4 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			s := newSequence(t, m)
			for cut := range 5 {
				if _, err := s.Truncate(t.Context(), cut); err != nil {
					t.Fatal(err)
				}
				got := rows(t, s, tokens[s.Len():])
				if !slices.Equal(got[len(got)-1], want[len(want)-1]) {
					t.Error("logits differ")
				}
			}
		})
	}
}
