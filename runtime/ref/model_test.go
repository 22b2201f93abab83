package ref

import (
	"fmt"
	"slices"
	"testing"

	"gossamer/runtime/goldentest"
	"gossamer/runtime/weights"
)

// load opens a golden case's model.
func load(t testing.TB, c *goldentest.Case, o Options) *Model {
	t.Helper()
	checkpoint, err := weights.OpenDir(c.ModelDir(t))
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

