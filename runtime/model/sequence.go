package model

import (
	"context"
	"fmt"
	"slices"

	"gossamer/runtime/engine"
	"gossamer/runtime/kernel"
	"gossamer/runtime/kv"
)

// Sequence is one text in a model's key/value cache. It implements engine.Sequence, engine.Decoder, engine.RowReader and
// engine.Forker.
type Sequence struct {
	m *Model
	*state
}

var (
	_ engine.Sequence  = (*Sequence)(nil)
	_ engine.Decoder   = (*Sequence)(nil)
	_ engine.RowReader = (*Sequence)(nil)
	_ engine.Forker    = (*Sequence)(nil)
)

// NewSequence returns an empty sequence.
func (m *Model) NewSequence() (engine.Sequence, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errClosed
	}
	return m.newSequence(m.pages.cache.NewSequence(), nil)
}

func (m *Model) newSequence(pages *kv.Sequence, tokens []int32) (engine.Sequence, error) {
	seq, err := m.newState(pages, tokens)
	if err != nil {
		return nil, err
	}
	return &Sequence{m, seq}, nil
}

// Len is the number of tokens held.
func (s *Sequence) Len() int {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.kv.Len()
}

// Close gives the sequence's pages back.
func (s *Sequence) Close() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.closeState(s.state)
	return nil
}

// MarkResume makes the present length a resume point, where Truncate resumes at no cost.
func (s *Sequence) MarkResume() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	s.kv.MarkResume()
	return nil
}

// Fork returns a sequence that shares the first tokens of s, at most n of them, without computing anything.
func (s *Sequence) Fork(n int) (engine.Sequence, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if err := s.usable(); err != nil {
		return nil, err
	}
	if n < 0 {
		return nil, fmt.Errorf("model: fork of %d tokens", n)
	}
	f := s.kv.Fork(n)
	return s.m.newSequence(f, slices.Clone(s.tokens[:f.Len()]))
}

// Truncate keeps at most the first n tokens. It resumes where the sliding layers' pages still exist; where recomputing from
// there costs more than rebuilding them at n, it rebuilds: a sliding layer's keys at a position depend on window-1 earlier
// positions of the layer below, so a pass over the last (window-1) x sliding layers tokens makes them exact, while the full
// layers' pages stand.
func (s *Sequence) Truncate(ctx context.Context, n int) (int, error) {
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := s.usable(); err != nil {
		return 0, err
	}
	if n < 0 {
		return 0, fmt.Errorf("model: truncate to %d tokens", n)
	}
	if n >= s.kv.Len() {
		return s.kv.Len(), nil
	}
	at := s.kv.Resume(n)
	start := max(0, n-(m.cfg.Window-1)*m.cfg.SlidingLayers())
	if at >= start {
		m.batch.forget(s.state)
		s.kv.Truncate(at)
		s.tokens = s.tokens[:at]
		return at, nil
	}
	if err := ctx.Err(); err != nil {
		return s.kv.Len(), err
	}
	m.batch.forget(s.state)
	tokens := s.tokens[:n]
	s.kv.Rewind(start, n)
	s.tokens = tokens[:start]
	if _, err := m.prefill(ctx, s.state, tokens[start:], kernel.StepKeepFull); err != nil {
		// Only where the pass began at 0 is what it did exact; else the last resume point is left.
		at = s.kv.Resume(s.kv.Len())
		s.kv.Truncate(at)
		s.tokens = s.tokens[:at]
		return at, err
	}
	return n, nil
}

// Extend appends tokens in chunks, or a single one as decoding does, which costs less.
func (s *Sequence) Extend(ctx context.Context, tokens []int32) error {
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := s.admit(tokens); err != nil || len(tokens) == 0 {
		return err
	}
	m.batch.forget(s.state)
	if len(tokens) == 1 {
		return m.batch.given(ctx, s.state, tokens[0]) // there is little to wait for, and Logits does
	}
	last, err := m.prefill(ctx, s.state, tokens, 0)
	if err != nil {
		return err
	}
	if err := m.batch.head(ctx, last); err != nil {
		return err
	}
	m.batch.hold(s.state)
	return m.dev.Wait(ctx)
}

// ExtendRows is Extend that shows the logits after tokens[i] for each i of at.
func (s *Sequence) ExtendRows(ctx context.Context, tokens []int32, at []int, row func(int, []float32) error) error {
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := s.admit(tokens); err != nil || len(tokens) == 0 {
		return err
	}
	if !slices.IsSorted(at) || len(at) > 0 && (at[0] < 0 || at[len(at)-1] >= len(tokens)) {
		return fmt.Errorf("model: rows %v are not ascending indices of %d tokens", at, len(tokens))
	}
	m.batch.forget(s.state)
	logits := make([]float32, m.cfg.Vocab)
	for done := 0; done < len(tokens); {
		n := min(m.chunk, len(tokens)-done)
		if err := m.prefillChunk(ctx, s.state, tokens[done:done+n], 0); err != nil {
			return err
		}
		for ; len(at) > 0 && at[0] < done+n; at = at[1:] {
			if err := m.batch.head(ctx, at[0]-done); err != nil {
				return err
			}
			if err := m.batch.readLogits(ctx, logits); err != nil {
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
		m.batch.hold(s.state)
	}
	return nil
}

// admit checks tokens before anything is changed.
func (s *Sequence) admit(tokens []int32) error {
	if err := s.usable(); err != nil {
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
func (s *Sequence) Logits(ctx context.Context, dst []float32) error {
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	if len(dst) != m.cfg.Vocab {
		return fmt.Errorf("model: logits for %d ids, the vocabulary has %d", len(dst), m.cfg.Vocab)
	}
	if !s.ready {
		return errNoLogits
	}
	if err := m.batch.bind(ctx, []*state{s.state}); err != nil {
		return err
	}
	return m.batch.readLogits(ctx, dst)
}

// Decode samples up to n tokens on the device.
func (s *Sequence) Decode(ctx context.Context, n int, d engine.DeviceSampling, emit func(int32) bool) error {
	return s.m.DecodeRows(ctx, []*Sequence{s}, n, []engine.DeviceSampling{d}, func(_ int, token int32) bool { return emit(token) })
}

// DecodeRows samples up to n tokens of each sequence, all in one program a token. It returns once every sequence has n more, or
// after emit has returned false for a row; the other rows may then have up to a run of tokens more. Each sequence holds exactly
// the tokens that were emitted for it. emit may use the model, but not these sequences.
func (m *Model) DecodeRows(ctx context.Context, seqs []*Sequence, n int, d []engine.DeviceSampling, emit func(row int, token int32) bool) error {
	states := make([]*state, len(seqs))
	for r, s := range seqs {
		if s.m != m {
			return fmt.Errorf("model: the sequence of row %d belongs to another model", r)
		}
		states[r] = s.state
	}
	return m.batch.decode(ctx, &m.mu, states, n, d, emit)
}
