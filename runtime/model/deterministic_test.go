package model

import (
	"fmt"
	"slices"
	"testing"

	"gossamer/runtime/engine"
)

// TestDeterministic: the logits of a text are the same to the bit alone, beside texts of any length, behind a prefix from memory that was
// prefilled, and after a detour of its own.
func TestDeterministic(t *testing.T) {
	m := loadSmall(t, Options{Context: 4096, Rows: 4, Sequences: 6, Deterministic: true})
	tokens := text(m, 400, 3)
	at := []int{399, 300}
	want := make([][]float32, len(at))
	for i, n := range at {
		want[i] = fresh(t, m, tokens[:n])
	}
	same := func(t *testing.T, what string, got []float32, i int) {
		t.Helper()
		if !slices.Equal(got, want[i]) {
			t.Errorf("%s: other bits, rms over std %.3g", what, difference(got, want[i]))
		}
	}
	var beside []*sequence
	for i, n := range []int{2100, 5, 130} {
		s := newSequence(t, m)
		extend(t, s, text(m, n, uint32(10+i)))
		beside = append(beside, s)
	}
	together(t, beside, 3, make([]drawing, 3))
	for _, prefix := range []int{1, 77, 128, 200, 299} {
		t.Run(fmt.Sprintf("Prefix%d", prefix), func(t *testing.T) {
			s := newSequence(t, m)
			prefill(t, s, tokens[:prefix])
			if err := s.MarkResume(); err != nil {
				t.Fatal(err)
			}
			prefill(t, s, text(m, 40, 9))
			f, err := s.Fork(prefix)
			if err != nil || f.Len() != prefix {
				t.Fatal(f.Len(), err)
			}
			defer f.Close()
			fork := f.(*sequence)
			extend(t, fork, tokens[prefix:300])
			same(t, "behind a prefix", logits(t, m, fork), 1)
			for _, id := range tokens[300:304] { // a few as decoding does, which are taken back with the last one of before
				extend(t, fork, []int32{id})
			}
			if kept, err := fork.Truncate(t.Context(), 299); kept != 299 || err != nil {
				t.Fatal(kept, err)
			}
			extend(t, fork, tokens[299:399])
			same(t, "longer", logits(t, m, fork), 0)
			s.Close()
		})
	}
	t.Run("Beside", func(t *testing.T) {
		s := newSequence(t, m)
		extend(t, s, tokens[:298])
		seqs := append(slices.Clone(beside), s)
		rows := make([]drawing, 4)
		rows[3].Allowed = make([]uint32, m.maskWords()) // it can but draw the token that follows
		rows[3].Allowed[tokens[298]/32] = 1 << (tokens[298] % 32)
		together(t, seqs, 1, rows)
		alone := newSequence(t, m)
		extend(t, alone, tokens[:298])
		together(t, []*sequence{alone}, 1, rows[3:])
		if a, b := logits(t, m, s), logits(t, m, alone); !slices.Equal(a, b) {
			t.Errorf("a row beside others has other bits than alone, rms over std %.3g", difference(a, b))
		}
	})
}

// prefill appends a piece of a prompt.
func prefill(t *testing.T, s *sequence, tokens []int32) {
	t.Helper()
	p, err := s.m.Step(t.Context(), &engine.Step{Prefill: engine.Piece{Seq: s, Tokens: tokens}})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := p.Wait(t.Context()); err != nil || out.Prefill != nil {
		t.Fatal(err, out)
	}
}
