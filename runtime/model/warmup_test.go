package model

import (
	"context"
	"errors"
	"testing"
)

func TestWarmUp(t *testing.T) {
	m := loadSmall(t, Options{Context: 64, Chunk: 16, WarmUp: true})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.WarmUp(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
	prefills := func() (n int) { // programs; others share their kernels with the one that Load records
		for k := range m.programs.recorded {
			if k.prefill {
				n++
			}
		}
		return n
	}
	if got := prefills(); got != 1 {
		t.Errorf("loading has recorded %d prefill programs, want that of a first prompt", got)
	}
	if err := m.WarmUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	warm := prefills()
	if warm == 0 {
		t.Error("nothing was recorded")
	}
	extend(t, newSequence(t, m), text(m, 20, 1))
	if got := prefills(); got != warm {
		t.Errorf("a prompt recorded %d programs more", got-warm)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.WarmUp(t.Context()); err == nil {
		t.Error("a closed model warms up")
	}
}
