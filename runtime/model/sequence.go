package model

import (
	"context"
	"fmt"
	"slices"

	"gossamer/runtime/engine"
)

// sequence is one text in a model's key/value cache. It implements engine.HostSequence and engine.RowReader.
type sequence struct {
	m *Model
	*state
}

var (
	_ engine.HostSequence = (*sequence)(nil)
	_ engine.RowReader    = (*sequence)(nil)
)

// NewSequence returns an empty sequence.
func (m *Model) NewSequence() (engine.Sequence, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errClosed
	}
	seq, err := m.newState(m.pages.cache.NewSequence(), nil)
	if err != nil {
		return nil, err
	}
	return &sequence{m, seq}, nil
}

// Len is the number of tokens held.
func (s *sequence) Len() int {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.kv.Len()
}

// Ready says that Logits has the row behind the last token.
func (s *sequence) Ready() bool {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.ready()
}

// Close gives the sequence's pages back.
func (s *sequence) Close() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.closeState(s.state)
	return nil
}

// MarkResume makes the present length a resume point, where Truncate resumes at no cost.
func (s *sequence) MarkResume() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	s.kv.MarkResume()
	return nil
}

// Rest makes the present length a resume point and gives up what only a sequence in use needs: its row, and sliding layers' pages, which
// other resume points may take.
func (s *sequence) Rest() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	s.m.batch.forget(s.state)
	s.kv.Rest()
	s.rests = true
	return nil
}

// Fork returns a sequence that shares the first tokens of s, at most n of them, without computing anything. It begins where Truncate would
// leave s.
func (s *sequence) Fork(n int) (engine.Sequence, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if err := s.usable(); err != nil {
		return nil, err
	}
	if n < 0 {
		return nil, fmt.Errorf("model: fork of %d tokens", n)
	}
	f, err := s.m.newState(s.kv.Fork(), slices.Clone(s.tokens))
	if err != nil {
		return nil, err
	}
	f.back(min(n, f.kv.Len()), s.m.passTokens())
	return &sequence{s.m, f}, nil
}

// Truncate keeps at most the first n tokens, and computes nothing. It resumes where the sliding layers' pages still exist. Where computing
// from there costs more than rebuilding them at n, it goes back by the tokens that this takes: a sliding layer's keys at a position depend
// on window-1 earlier positions of the layer below, so a pass over the last (window-1) x sliding layers tokens makes them exact. The
// pages of full layers stand for that pass, which is made of whatever appends those tokens again.
func (s *sequence) Truncate(_ context.Context, n int) (int, error) {
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := s.usable(); err != nil {
		return 0, err
	}
	if n < 0 {
		return 0, fmt.Errorf("model: truncate to %d tokens", n)
	}
	if n >= s.kv.Len() && len(s.ahead) == 0 && !s.rests {
		return s.kv.Len(), nil
	}
	if err := m.wake(s.state); err != nil {
		return 0, err
	}
	n = min(n, s.kv.Len()) // in the middle of a pass only what it has come to is known to be wanted
	m.batch.forget(s.state)
	s.back(n, m.passTokens())
	return s.kv.Len(), nil
}

// Extend appends tokens: the last one as decoding does, those before it in chunks.
func (s *sequence) Extend(ctx context.Context, tokens []int32) error {
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := s.admit(tokens); err != nil || len(tokens) == 0 {
		return err
	}
	m.batch.forget(s.state)
	last := len(tokens) - 1
	if err := m.prefill(ctx, s.state, tokens[:last]); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.settle(ctx, s.state, tokens[last:], true); err != nil {
		return err
	}
	if err := m.batch.given(ctx, s.state, tokens[last]); err != nil || last == 0 {
		return err // one token is little to wait for, and Logits does
	}
	return m.dev.Wait(ctx)
}

// ExtendRows is Extend that shows the logits after tokens[i] for each i of at.
func (s *sequence) ExtendRows(ctx context.Context, tokens []int32, at []int, row func(int, []float32) error) error {
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := s.admit(tokens); err != nil || len(tokens) == 0 {
		return err
	}
	if !slices.IsSorted(at) || len(at) > 0 && (at[0] < 0 || at[len(at)-1] >= len(tokens)) {
		return fmt.Errorf("model: rows %v are not ascending indices of %d tokens", at, len(tokens))
	}
	if err := m.settle(ctx, s.state, nil, true); err != nil {
		return err
	}
	m.batch.forget(s.state)
	logits := make([]float32, m.cfg.Vocab)
	for done := 0; done < len(tokens); {
		n := min(m.chunk, len(tokens)-done)
		if err := m.prefillChunk(ctx, s.state, tokens[done:done+n]); err != nil {
			return err
		}
		for ; len(at) > 0 && at[0] < done+n; at = at[1:] {
			if err := m.batch.head(ctx, at[0]-done); err != nil {
				return err
			}
			if err := m.batch.readLogits(ctx, 0, logits); err != nil {
				return err
			}
			if err := row(at[0], logits); err != nil {
				return err
			}
		}
		if done += n; done < len(tokens) {
			continue
		}
		if err := m.batch.head(ctx, n-1); err != nil {
			return err
		}
		m.batch.sit(s.state, 0)
	}
	return nil
}

// admit checks tokens before anything is changed.
func (s *sequence) admit(tokens []int32) error {
	if err := s.awake(); err != nil {
		return err
	}
	c := s.m.cfg
	for i, t := range tokens {
		if t < 0 || int(t) >= c.Vocab {
			return fmt.Errorf("model: token %d is %d, outside the vocabulary of %d", i, t, c.Vocab)
		}
	}
	if n := s.kv.Len() + len(tokens); n > s.m.context {
		return fmt.Errorf("model: %w: %d tokens held and %d more exceed its %d positions", engine.ErrContextFull, s.kv.Len(), len(tokens), s.m.context)
	}
	return nil
}

// Logits writes the row that follows the last token to dst.
func (s *sequence) Logits(ctx context.Context, dst []float32) error {
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	if len(dst) != m.cfg.Vocab {
		return fmt.Errorf("model: logits for %d ids, the vocabulary has %d", len(dst), m.cfg.Vocab)
	}
	if !s.ready() {
		return errNoLogits
	}
	return m.batch.readLogits(ctx, s.seat, dst)
}
