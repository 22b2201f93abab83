package server

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gossamer/runtime/chat"
	"gossamer/runtime/engine"
)

// outcome is how a reply ended.
type outcome int

const (
	outcomeStop outcome = iota
	outcomeToolCalls
	outcomeLength
	outcomeCancelled // by the client, or by the end of the server
	outcomeRefused   // since too many wait
	outcomeError
	outcomes // their number
)

func (o outcome) String() string {
	return [outcomes]string{"stop", "tool_calls", "length", "cancelled", "refused", "error"}[o]
}

// tally is what is counted of a model's replies.
type tally struct {
	ended      [outcomes]atomic.Int64
	firstToken prometheus.Histogram // all four in seconds
	interval   prometheus.Histogram
	whole      prometheus.Histogram
	queued     prometheus.Histogram
	lost       atomic.Bool // the last thing heard of the device is that it is gone
}

func newTally() *tally {
	histogram := func(buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: "unnamed", Buckets: buckets}) // the collector names it
	}
	long := []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}
	short := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}
	return &tally{firstToken: histogram(long), interval: histogram(short), whole: histogram(long), queued: histogram(long)}
}

// observed is an engine whose replies are counted. Handlers of all formats ask it, so that none of them counts.
type observed struct {
	Engine
	tally *tally
}

// Chat answers a request; see chat.Completer.Stream.
func (o *observed) Chat(ctx context.Context, r chat.Request) iter.Seq2[chat.Event, error] {
	return o.tally.count(ctx, o.Engine.Chat(ctx, r))
}

// Continue continues a text; see chat.Completer.Continue.
func (o *observed) Continue(ctx context.Context, t chat.Text) iter.Seq2[chat.Event, error] {
	return o.tally.count(ctx, o.Engine.Continue(ctx, t))
}

// count passes the events of a reply on.
func (t *tally) count(ctx context.Context, events iter.Seq2[chat.Event, error]) iter.Seq2[chat.Event, error] {
	return func(yield func(chat.Event, error) bool) {
		start, last := time.Now(), time.Time{}
		ended := outcomeCancelled // unless it says otherwise before its reader goes
		defer func() { t.ended[ended].Add(1) }()
		for e, err := range events {
			now := time.Now()
			switch e := e.(type) {
			case chat.Done:
				if d := e.Usage.TimeToFirstToken; last.IsZero() && d > 0 { // of a reply without text
					t.firstToken.Observe(d.Seconds())
				}
				ended = t.finished(&e, now.Sub(start))
			case chat.ReasoningDelta, chat.ContentDelta, chat.ToolCallDelta:
				if last.IsZero() {
					t.lost.Store(false)
					t.firstToken.Observe(now.Sub(start).Seconds())
				} else {
					t.interval.Observe(now.Sub(last).Seconds())
				}
				last = now
			}
			if err != nil {
				ended = t.failed(ctx, err)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// finished counts a reply that came to its end.
func (t *tally) finished(d *chat.Done, took time.Duration) outcome {
	var o outcome
	switch d.Reason {
	case chat.FinishToolCalls:
		o = outcomeToolCalls
	case chat.FinishLength:
		o = outcomeLength
	case chat.FinishCancelled:
		return outcomeCancelled
	}
	t.queued.Observe(d.Usage.Queued.Seconds())
	t.whole.Observe(took.Seconds())
	return o
}

// failed says what the end of a reply with an error is.
func (t *tally) failed(ctx context.Context, err error) outcome {
	var busy *engine.BusyError
	var device interface{ DeviceLost() bool }
	switch {
	case errors.As(err, &busy):
		return outcomeRefused
	case ctx.Err() != nil:
		return outcomeCancelled
	case errors.As(err, &device) && device.DeviceLost():
		t.lost.Store(true)
	}
	return outcomeError
}
