package engine

import (
	"context"
	"fmt"
	"sync"

	"gossamer/runtime/sample"
)

// Host does the steps of a backend whose sequences are HostSequences, with the samplers of package sample. The zero value is ready.
type Host struct {
	mu       sync.Mutex
	row, raw []float32 // [Vocab], reused: the logits of a row, and those before the sampler changes them
}

// Step does a step at once.
func (h *Host) Step(ctx context.Context, vocab int, s *Step) (Pending, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.row) != vocab {
		h.row, h.raw = make([]float32, vocab), make([]float32, vocab)
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
		t, err := h.choose(ctx, seq, r)
		if err == nil {
			err = seq.Extend(ctx, []int32{t.ID})
		}
		if err != nil {
			return tokens, err
		}
		r.Sampler.Accept(t.ID)
		tokens = append(tokens, t)
	}
	return tokens, nil
}

// choose draws the token that follows a sequence.
func (h *Host) choose(ctx context.Context, seq HostSequence, r *Row) (Token, error) {
	if err := seq.Logits(ctx, h.row); err != nil {
		return Token{}, err
	}
	if r.Logprobs >= 0 {
		copy(h.raw, h.row)
	}
	id, err := r.Sampler.Choose(h.row, seq.Len(), r.Allowed)
	if err != nil {
		return Token{}, fmt.Errorf("engine: after %d tokens: %w", seq.Len(), err)
	}
	t := Token{ID: id}
	if r.Logprobs >= 0 {
		own, top, err := sample.LogProbs(nil, h.raw, id, r.Logprobs)
		if err != nil {
			return Token{}, err
		}
		t.LogProb, t.Top = own.LogProb, top
	}
	return t, nil
}
