package main

import (
	"context"
	"slices"
	"time"

	"gossamer/runtime/engine"
)

// runTimes are what the steps of runs of decode took.
type runTimes struct {
	last         time.Time // when the last step ended
	submit, wait []time.Duration
	whole        []time.Duration // from the end of the step before to its own
	draws        []int
	rates        []float64 // of whole measurements
}

// clocked is a backend whose steps are timed.
type clocked struct {
	engine.Backend
	t *runTimes
}

// Step queues a step.
func (c *clocked) Step(ctx context.Context, s *engine.Step) (engine.Pending, error) {
	start := time.Now()
	p, err := c.Backend.Step(ctx, s)
	c.t.submit = append(c.t.submit, time.Since(start))
	return &clockedStep{p, c.t}, err
}

type clockedStep struct {
	engine.Pending
	t *runTimes
}

// Wait waits for it.
func (p *clockedStep) Wait(ctx context.Context) (*engine.Outcome, error) {
	start := time.Now()
	out, err := p.Pending.Wait(ctx)
	now := time.Now()
	t := p.t
	t.wait, t.whole, t.last = append(t.wait, now.Sub(start)), append(t.whole, now.Sub(t.last)), now
	if err == nil {
		t.draws = append(t.draws, len(out.Rows[0].Tokens))
	}
	return out, err
}

// run is the mean of all steps.
func (t *runTimes) run() runReport {
	var draws int
	var whole, submit, wait time.Duration
	for i := range t.whole {
		draws, whole, submit, wait = draws+t.draws[i], whole+t.whole[i], submit+t.submit[i], wait+t.wait[i]
	}
	n := float64(len(t.whole))
	return runReport{Draws: float64(draws) / n, Micros: micros(whole) / n, Submit: micros(submit) / n, Wait: micros(wait) / n}
}

// intervals are the times between two tokens of a text. Those of a step come together, and count as if they came one by one.
func (t *runTimes) intervals() intervalReport {
	var all []float64
	for i, whole := range t.whole {
		for range t.draws[i] {
			all = append(all, micros(whole)/float64(t.draws[i]))
		}
	}
	slices.Sort(all)
	at := func(share float64) float64 { return all[min(len(all)-1, int(share*float64(len(all))))] }
	return intervalReport{P50: at(0.5), P99: at(0.99)}
}
