package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"gossamer/runtime/sample"
)

// Host does the steps of a backend whose sequences are HostSequences, with the samplers of package sample. The zero value is ready.
type Host struct {
	mu  sync.Mutex
	row []float32 // [Vocab], reused: the logits of a row
}

// Step does a step at once.
func (h *Host) Step(ctx context.Context, vocab int, s *Step) (Pending, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.row) != vocab {
		h.row = make([]float32, vocab)
	}
	out := &Outcome{Rows: make([]Drawn, len(s.Rows))}
	for i := range s.Rows {
		d := &out.Rows[i]
		d.Tokens, d.Err = h.draw(ctx, &s.Rows[i], s.Draws)
	}
	if p := s.Prefill; p.Seq != nil {
		out.Prefill = p.Seq.(HostSequence).Extend(ctx, p.Tokens)
	}
	return done{out}, nil
}

type done struct{ *Outcome }

func (d done) Wait(context.Context) (*Outcome, error) { return d.Outcome, nil }

// draw appends n tokens to a row.
func (h *Host) draw(ctx context.Context, r *Row, n int) ([]Token, error) {
	seq := r.Seq.(HostSequence)
	if r.Given != Draw {
		if err := seq.Extend(ctx, []int32{r.Given}); err != nil {
			return nil, err
		}
		n--
	}
	var tokens []Token
	for range n {
		if err := seq.Logits(ctx, h.row); err != nil {
			return tokens, err
		}
		t, err := choose(h.row, seq.Len(), r)
		if err != nil {
			return tokens, err
		}
		if err := seq.Extend(ctx, []int32{t.ID}); err != nil {
			return tokens, err
		}
		r.Sampler.Accept(t.ID)
		tokens = append(tokens, t)
	}
	return tokens, nil
}

// choose draws the token of a row that stands at position, from its logits, [Vocab], which are overwritten. The row's sampler has not yet
// accepted it.
func choose(logits []float32, position int, r *Row) (Token, error) {
	var raw []float32 // before the sampler changes them
	if r.Logprobs >= 0 {
		raw = slices.Clone(logits)
	}
	id, err := r.Sampler.Choose(logits, position, r.Allowed)
	if err != nil {
		return Token{}, fmt.Errorf("engine: after %d tokens: %w", position, err)
	}
	t := Token{ID: id}
	if r.Logprobs >= 0 {
		own, top, err := sample.LogProbs(nil, raw, id, r.Logprobs)
		if err != nil {
			return Token{}, err
		}
		t.LogProb, t.Top = own.LogProb, top
	}
	return t, nil
}
