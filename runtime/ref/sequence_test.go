package ref

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/detect"
	"gossamer/runtime/engine"
	"gossamer/runtime/goldentest"
)

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) || !strings.HasPrefix(err.Error(), "ref: ") {
		t.Errorf("error is %v, want one of ref with %q", err, part)
	}
}

func TestRefusals(t *testing.T) {
	c := goldentest.Load(t, "gqa_window8")
	m := load(t, c, Options{Context: 10})
	if m.Context() != 10 {
		t.Errorf("context is %d, want 10", m.Context())
	}
	s := newSequence(t, m)
	ctx := t.Context()
	row := make([]float32, m.Config().Vocab)

	wantError(t, s.Logits(ctx, row), "extend the sequence first")
	wantError(t, s.Extend(ctx, []int32{1, 256}), "token 256 at index 1 is outside the vocabulary of 256")
	wantError(t, s.Extend(ctx, []int32{-1}), "token -1 at index 0")
	for _, at := range [][]int{{-1}, {2}, {1, 1}, {1, 0}} {
		wantError(t, s.ExtendRows(ctx, []int32{1, 2}, at, nil), "want ascending indices into 2 tokens")
	}
	if s.Len() != 0 {
		t.Errorf("%d tokens were appended", s.Len())
	}

	if err := s.Extend(ctx, nil); err != nil {
		t.Error(err)
	}
	if err := s.Extend(ctx, make([]int32, 9)); err != nil {
		t.Fatal(err)
	}
	err := s.Extend(ctx, []int32{1, 2})
	wantError(t, err, "of 10 tokens 9 are held, and 2 more were given")
	if !errors.Is(err, engine.ErrContextFull) {
		t.Errorf("%v is not engine.ErrContextFull", err)
	}
	if err := s.Extend(ctx, []int32{1}); err != nil {
		t.Errorf("the last token that fits: %v", err)
	}
	wantError(t, s.Logits(ctx, row[:3]), "slice of 3: the vocabulary has 256")

	if _, err := s.Truncate(ctx, 10); err != nil {
		t.Error(err)
	}
	if err := s.Logits(ctx, row); err != nil {
		t.Errorf("Truncate to the present length took the logits: %v", err)
	}
	_, err = s.Truncate(ctx, -1)
	wantError(t, err, "-1")
	_, err = s.Fork(-1)
	wantError(t, err, "-1")
	if _, err := s.Truncate(ctx, 9); err != nil {
		t.Error(err)
	}
	wantError(t, s.Logits(ctx, row), "extend the sequence first")
	if err := s.MarkResume(); err != nil {
		t.Error(err)
	}
}

func TestContextDefaultsAndBounds(t *testing.T) {
	c := goldentest.Load(t, "gqa_window8")
	checkpoint, err := detect.Open(t.Context(), c.ModelDir(t), detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Load(t.Context(), checkpoint, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if m.Context() != 8192 {
		t.Errorf("context is %d, want 8192", m.Context())
	}
	for _, n := range []int{-1, checkpoint.Config().MaxPositions + 1} {
		_, err := Load(t.Context(), checkpoint, Options{Context: n})
		wantError(t, err, "the model was made for 1 to 131072")
	}
}

func TestClose(t *testing.T) {
	c := goldentest.Load(t, "gqa_window8")
	m := load(t, c, Options{})
	ctx := t.Context()
	row := make([]float32, m.Config().Vocab)
	closed, open := newSequence(t, m), newSequence(t, m)
	for _, s := range []*Sequence{closed, open} {
		if err := s.Extend(ctx, []int32{1}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time does nothing
		if err := closed.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, closed.Extend(ctx, []int32{1}), "closed")
	wantError(t, closed.Logits(ctx, row), "closed")
	_, err := closed.Truncate(ctx, 0)
	wantError(t, err, "closed")
	_, err = closed.Fork(0)
	wantError(t, err, "closed")
	if err := open.Extend(ctx, []int32{2}); err != nil {
		t.Errorf("after another sequence closed: %v", err)
	}

	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	wantError(t, open.Extend(ctx, []int32{1}), "closed")
	wantError(t, open.Logits(ctx, row), "closed")
	_, err = m.NewSequence()
	wantError(t, err, "closed")
}

// TestCancel ends the context within the second chunk, before the first layer's experts or after them: the first chunk stays, and
// the sequence goes on from there as if nothing had happened.
func TestCancel(t *testing.T) {
	c := goldentest.Load(t, "gqa_window8")
	tokens := c.Prompts[3].Tokens
	want := rows(t, newSequence(t, load(t, c, Options{})), tokens)

	for _, where := range []string{"expert_index", "after_mlp"} {
		t.Run(where, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			chunks := 0
			m := load(t, c, Options{Chunk: 6, Trace: func(layer int, name string, _ []float64) {
				if layer == 0 && name == where {
					if chunks++; chunks == 2 {
						cancel()
					}
				}
			}})
			s := newSequence(t, m)
			if err := s.Extend(ctx, tokens); !errors.Is(err, context.Canceled) {
				t.Fatalf("Extend: %v, want context.Canceled", err)
			}
			if s.Len() != 6 {
				t.Fatalf("%d tokens are held, want the first chunk's 6", s.Len())
			}
			logits := make([]float32, m.Config().Vocab)
			if err := s.Logits(ctx, logits); !errors.Is(err, context.Canceled) {
				t.Errorf("Logits: %v, want context.Canceled", err)
			}
			if err := s.Logits(t.Context(), logits); err != nil || !slices.Equal(logits, want[5]) {
				t.Errorf("logits after the tokens held differ, error %v", err)
			}
			for i, row := range rows(t, s, tokens[6:]) {
				if !slices.Equal(row, want[6+i]) {
					t.Fatalf("logits after token %d differ", 6+i)
				}
			}
		})
	}
}

func TestLoadCancel(t *testing.T) {
	c := goldentest.Load(t, "gqa_window8")
	checkpoint, err := detect.Open(t.Context(), c.ModelDir(t), detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Load(ctx, checkpoint, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Load: %v, want context.Canceled", err)
	}
}

func TestLoadProgress(t *testing.T) {
	var last checkpoint.Progress
	load(t, goldentest.Load(t, "gqa_window8"), Options{Progress: func(p checkpoint.Progress) { last = p }})
	if last.BytesDone == 0 || last.BytesDone != last.BytesTotal {
		t.Errorf("last progress is %+v", last)
	}
}

// TestRowErrorStops: an error of the callback comes back as it is, and the chunk it belongs to is held.
func TestRowErrorStops(t *testing.T) {
	c := goldentest.Load(t, "gqa_window8")
	s := newSequence(t, load(t, c, Options{Chunk: 20}))
	stop := errors.New("stop")
	var seen []int
	err := s.ExtendRows(t.Context(), c.Prompts[3].Tokens, []int{3, 4, 18, 25}, func(i int, _ []float32) error {
		if seen = append(seen, i); i == 18 {
			return stop
		}
		return nil
	})
	if err != stop || !slices.Equal(seen, []int{3, 4, 18}) || s.Len() != 20 {
		t.Errorf("error %v, rows %v, %d tokens held", err, seen, s.Len())
	}
}
