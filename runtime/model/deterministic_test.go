package model

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
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

// comparing keeps the logits behind every token that a row got, by the text before them, and compares them with those that are there.
type comparing struct {
	*Model
	t     *testing.T
	seen  map[string][]float32
	again int // rows that were there
}

// Limits has one draw a step, so that the logits behind each token can be seen.
func (r *comparing) Limits() engine.Limits {
	l := r.Model.Limits()
	l.Draws = 1
	return l
}

func (r *comparing) Step(ctx context.Context, s *engine.Step) (engine.Pending, error) {
	p, err := r.Model.Step(ctx, s)
	return compared{p, r, s}, err
}

type compared struct {
	engine.Pending
	r *comparing
	s *engine.Step
}

func (p compared) Wait(ctx context.Context) (*engine.Outcome, error) {
	out, err := p.Pending.Wait(ctx)
	if err != nil {
		return nil, err
	}
	for _, row := range p.s.Rows {
		s := row.Seq.(*sequence)
		got, key := logits(p.r.t, p.r.Model, s), fmt.Sprint(s.tokens)
		if want, ok := p.r.seen[key]; !ok {
			p.r.seen[key] = got
		} else if p.r.again++; !slices.Equal(got, want) {
			p.r.t.Errorf("%d tokens beside %d rows: other bits, rms over std %.3g", s.Len(), len(p.s.Rows)-1, difference(got, want))
		}
	}
	return out, nil
}

// TestDeterministicReplies: each token of a reply is drawn from the same logits, to the bit, whether the reply is alone, one of three or of
// eight, beside whatever others, with its beginning from memory or not, and where it was put aside for lack of memory and computed again.
func TestDeterministicReplies(t *testing.T) {
	m := loadSmall(t, Options{Context: 512, Chunk: 64, Rows: 8, Sequences: 8, Deterministic: true})
	r := &comparing{Model: m, t: t, seen: map[string][]float32{}}
	requests := make([]engine.Request, 8)
	for i := range requests {
		tokens := text(m, 104+3*i, uint32(30+i))
		copy(tokens, text(m, 40, 3)) // what all begin with
		requests[i] = engine.Request{Tokens: tokens, MaxTokens: 32, Sampling: sample.Params{Temperature: 1, Seed: uint64(i)}}
		if i == 5 {
			requests[i].Sampling.TopP, requests[i].Sampling.FrequencyPenalty = 0.9, 0.3
		}
	}
	others := make([]engine.Request, 5)
	for i := range others {
		others[i] = engine.Request{Tokens: text(m, 1+70*i, uint32(60+i)), MaxTokens: 10 + 5*i}
	}
	run := func(name string, requests []engine.Request, at int) engine.Load {
		e, err := engine.New(r, engine.Options{MaxSequences: 8})
		if err != nil {
			t.Fatal(err)
		}
		var calls sync.WaitGroup
		next := make(chan engine.Request)
		for range at {
			calls.Go(func() {
				for r := range next {
					if _, err := e.Generate(t.Context(), r, func(engine.Token) bool { return true }); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for _, r := range requests {
			next <- r
		}
		close(next)
		calls.Wait()
		load := e.Load()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		t.Logf("%s: %d texts seen, %d again, %d put aside", name, len(r.seen), r.again, load.Preemptions)
		return load
	}
	run("alone", requests, 1)
	texts := len(r.seen)
	run("three at a time", requests, 3)
	if load := run("eight at a time", requests, 8); load.Preemptions == 0 {
		t.Error("no reply was put aside: the test has too much memory")
	}
	if len(r.seen) != texts || r.again < 2*len(requests)*32 {
		t.Errorf("%d texts were seen, %d of them alone; %d again", len(r.seen), texts, r.again)
	}
	run("beside others", slices.Concat(requests[:3], others), 8)
}
