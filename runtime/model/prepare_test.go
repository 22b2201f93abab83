//go:build !js

package model

import (
	"context"
	"sync"
	"testing"
	"time"

	"gossamer/runtime/engine"
	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/runtime/sample"
)

// watched lets no step begin while something is being prepared, so that whatever is made during a step is made by it.
type watched struct {
	*Model
	widest int   // rows of a step
	made   []int // pipelines, by step that has rows
}

func (w *watched) Step(ctx context.Context, s *engine.Step) (engine.Pending, error) {
	w.Model.prepared()
	before := w.dev.Stats().Pipelines
	p, err := w.Model.Step(ctx, s)
	if len(s.Rows) > 0 {
		w.made = append(w.made, int(w.dev.Stats().Pipelines-before))
		w.widest = max(w.widest, len(s.Rows))
	}
	return p, err
}

// prepared waits until nothing is being prepared.
func (m *Model) prepared() {
	for {
		m.mu.Lock()
		n := len(m.preparer.wanted)
		m.mu.Unlock()
		if n == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// While a reply streams, others come: more and more rows, prompts of all sizes, sampling of every kind; and it becomes longer than attention stays
// in one piece. None of the pipelines for that is made by a step of it.
func TestNoPipelineIsMadeBetweenTheStepsOfReplies(t *testing.T) {
	w := &watched{Model: loadSmall(t, Options{Context: 1024, KVTokens: 8192, Chunk: 128, Rows: 4, Sequences: 8})}
	e, err := engine.New(w, engine.Options{MaxSequences: 6})
	if err != nil {
		t.Fatal(err)
	}
	var calls, others sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	came := make(chan bool)
	calls.Go(func() {
		defer close(came)
		tokens := 0
		e.Generate(ctx, engine.Request{Tokens: text(w, 200, 1)}, func(engine.Token) bool {
			if tokens++; tokens == 10 || tokens == 100 { // positions from 256 on are split
				came <- true
			}
			return true
		})
	})
	if !<-came {
		t.Fatal("the reply has ended")
	}
	before := w.dev.Stats().Pipelines
	for i, length := range []int{3, 12, 40, 120, 300} {
		r := engine.Request{Tokens: text(w, length, uint32(i)), MaxTokens: 24}
		switch i {
		case 1:
			r.Sampling = sample.Params{Temperature: 1, TopP: 0.9}
		case 3:
			r.Logprobs = true
		}
		others.Go(func() {
			if _, err := e.Generate(t.Context(), r, func(engine.Token) bool { return true }); err != nil {
				t.Error(err)
			}
		})
	}
	others.Wait()
	if !<-came {
		t.Error("the reply has ended before the others")
	}
	cancel()
	calls.Wait()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for i, n := range w.made {
		if i > 0 && n > 0 { // with the first one, nobody waited
			t.Errorf("step %d of %d made %d pipelines", i, len(w.made), n)
		}
	}
	if made := w.dev.Stats().Pipelines - before; w.widest < 4 || made == 0 {
		t.Errorf("the widest step has %d rows, and %d pipelines were made: want the others to need some", w.widest, made)
	}
}

// What is on its way when a model is closed ends, and leaves nothing; nor does what could not be prepared.
func TestCloseWhilePreparing(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	before := dev.Stats().LiveBuffers
	m := loadSmall(t, Options{Context: 512, Chunk: 16, Rows: 8, Sequences: 8})
	s := &engine.Step{Draws: 1}
	for i := range uint32(8) {
		seq := newSequence(t, m)
		extend(t, seq, text(m, 4, i))
		s.Rows = append(s.Rows, drawing{}.row(t, seq))
	}
	if m.Ready(s) {
		t.Error("the programs for 8 rows are there before they are needed")
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if n := dev.Stats().LiveBuffers - before; n != 0 {
		t.Errorf("%d buffers are left", n)
	}
	if !m.Ready(s) {
		t.Error("a closed model is not ready to refuse a step")
	}
}
