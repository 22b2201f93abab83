package playback

import (
	"context"
	"errors"

	"gossamer/runtime/engine"
)

// sequence is a text. There is nothing to compute, so that it is truncated and forked anywhere; but it has logits only while it has one of
// the model's rows, as on a device.
type sequence struct {
	m      *Model
	tokens []int32
	ready  bool
	closed bool
}

var _ engine.Sequence = (*sequence)(nil)

func (s *sequence) Len() int { return len(s.tokens) }

func (s *sequence) Ready() bool {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.ready
}

func (s *sequence) Truncate(_ context.Context, n int) (int, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if n < len(s.tokens) {
		s.m.unseat(s)
		delete(s.m.short, s)
		s.tokens = s.tokens[:max(n, 0)]
	}
	return len(s.tokens), nil
}

func (s *sequence) MarkResume() error { return nil }

// Rest gives up the row.
func (s *sequence) Rest() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.unseat(s)
	return nil
}

func (s *sequence) Fork(n int) (engine.Sequence, error) {
	return s.m.newSequence(s.tokens[:max(0, min(n, len(s.tokens)))])
}

func (s *sequence) Close() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.closed {
		return errors.New("playback: the sequence is closed already")
	}
	s.closed = true
	s.m.unseat(s)
	delete(s.m.short, s)
	s.m.alive--
	return nil
}
