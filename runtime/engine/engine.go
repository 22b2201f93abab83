package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"gossamer/runtime/gptoss"
)

// ErrClosed is returned by calls to an Engine that is closed, and by those that its closing interrupts.
var ErrClosed = errors.New("engine: closed")

// PromptError means that a prompt leaves no room for a reply. It wraps ErrContextFull.
type PromptError struct {
	Tokens  int // of the prompt
	Context int // positions of a sequence
}

func (e *PromptError) Error() string {
	return fmt.Sprintf("engine: the prompt has %d tokens, the context holds %d and the reply needs room too: shorten the prompt or open the model with a larger context", e.Tokens, e.Context)
}

// Unwrap returns ErrContextFull.
func (e *PromptError) Unwrap() error { return ErrContextFull }

// BusyError means that the queue is full.
type BusyError struct {
	Waiting    int           // requests in the queue
	Tokens     int           // of their prompts, where one more would be too many of these; else 0
	RetryAfter time.Duration // when about as many will have been served as make room, at the speed of the last ones
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("engine: %s: try again in %v", e.Reason(), e.RetryAfter.Round(time.Second))
}

// Reason says what there is too much of.
func (e *BusyError) Reason() string {
	if e.Tokens > 0 {
		return fmt.Sprintf("%d requests with prompts of %d tokens are waiting, and there is no room for the tokens of this one", e.Waiting, e.Tokens)
	}
	return fmt.Sprintf("%d requests are waiting, which is as many as may", e.Waiting)
}

// Options of New. The zero value suits one user.
type Options struct {
	// MaxSequences is the number of replies that are computed at a time; others wait in line. Texts are kept for their next turn as long as
	// memory holds them; a backend that does not count it holds MaxSequences texts of both kinds. 0: 4, or fewer if the backend has room for
	// fewer.
	MaxSequences int
	// MaxQueue is the number of calls that may wait; more are refused with a BusyError. 0: any number.
	MaxQueue int
	// MaxQueueTokens is the number of tokens that the prompts of waiting calls may have together, those of a Group counted once; a call that
	// would add more is refused with a BusyError, unless nobody waits. 0: any number.
	MaxQueueTokens int
	// PrefillTokens is how many tokens of a prompt are computed in one step at most; Progress is called before each piece. 0: as many
	// as the backend computes at once.
	PrefillTokens int
	// TokenInterval is the time between two tokens of a reply that is aimed at while other prompts are computed: their pieces are made
	// so small that a step takes no longer. 0: 50 ms.
	TokenInterval time.Duration
	// Free is called once, when the engine is closed; may be nil.
	Free func() error
	// Rebuild is called after the backend has failed with an error whose method DeviceLost returns true, once every sequence is closed: it closes
	// that backend and returns another one like it. Replies go on where they were. If it fails, they end with its error, and it
	// is called again for the next ones. nil: they end with the backend's.
	Rebuild func(ctx context.Context) (Backend, error)
}

// Defaults of Options.
const (
	DefaultMaxSequences  = 4
	defaultTokenInterval = 50 * time.Millisecond
)

// Engine generates replies with a backend. Its methods may be called from several goroutines.
type Engine struct {
	config  *gptoss.Config
	context int // Backend.Context
	options Options

	closing context.Context // ends with ErrClosed
	close   context.CancelCauseFunc
	wake    chan struct{} // of capacity 1: something changed that the loop may wait for
	done    chan struct{} // closed when the loop has ended
	err     error         // of freeing; set before done is closed
	load    atomic.Pointer[Load]

	mu      sync.Mutex
	closed  bool
	inbox   []*job // that the loop has not seen yet
	waiting int    // jobs that hold no sequence
	tokens  int    // of their prompts
	running int    // jobs that do
	at      watch  // the step that the device is at
}

// New returns an engine for a backend, which stays the caller's to close, not before Options.Free is called.
func New(b Backend, o Options) (*Engine, error) {
	if min(o.MaxSequences, o.PrefillTokens, o.MaxQueue, o.MaxQueueTokens) < 0 || o.TokenInterval < 0 {
		return nil, fmt.Errorf("engine: MaxSequences is %d, PrefillTokens %d, MaxQueue %d, MaxQueueTokens %d, TokenInterval %v, want 0 or more",
			o.MaxSequences, o.PrefillTokens, o.MaxQueue, o.MaxQueueTokens, o.TokenInterval)
	}
	limits := b.Limits()
	if limits.Rows < 1 || limits.Draws < 1 || limits.Chunk < 1 || limits.Pages > 0 && limits.PageTokens < 1 {
		return nil, fmt.Errorf("engine: the backend's limits are %+v, want rows, draws, a chunk and pages of at least 1", limits)
	}
	if o.MaxSequences == 0 {
		o.MaxSequences = DefaultMaxSequences
	}
	if limits.Sequences > 0 {
		o.MaxSequences = min(o.MaxSequences, limits.Sequences)
	}
	if o.PrefillTokens == 0 {
		o.PrefillTokens = limits.Chunk
	}
	o.PrefillTokens = min(o.PrefillTokens, limits.Chunk)
	if o.TokenInterval == 0 {
		o.TokenInterval = defaultTokenInterval
	}
	e := &Engine{config: b.Config(), context: b.Context(), options: o, wake: make(chan struct{}, 1), done: make(chan struct{})}
	e.closing, e.close = context.WithCancelCause(context.Background())
	e.load.Store(&Load{})
	l := &loop{Engine: e, backend: b, limits: limits, served: map[string]float64{}}
	go l.run()
	return e, nil
}

// Config is the model's configuration. Do not modify it.
func (e *Engine) Config() *gptoss.Config { return e.config }

// Close ends all running and waiting calls with ErrClosed and frees every sequence. It waits for the device, not for functions of
// callers, which may be what calls Close.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.close(ErrClosed)
	e.notify()
	<-e.done
	return e.err
}

// notify lets the loop look at what has changed.
func (e *Engine) notify() {
	select {
	case e.wake <- struct{}{}:
	default: // it will
	}
}

// Load is how busy an engine is.
type Load struct {
	Running int // replies that hold a sequence, being computed or prefilled
	Waiting int // replies in the queue
	Queued  int // tokens of their prompts, those of a Group once
	Parked  int // texts that are kept for their next turn

	// Memory, in pages of PageTokens positions; all 0 if the backend has no bound. What is neither free nor used by replies in progress
	// holds parked texts, which make room for those. Replies that share a beginning count it once each, within what is there.
	PageTokens, Pages, FreePages, UsedPages int

	PromptTokens    int64 // of all requests so far that were begun
	CachedTokens    int64 // of these, found in memory
	GeneratedTokens int64
	Preemptions     int64 // replies that were put aside for lack of memory

	ReplyInterval time.Duration // between the ends of two replies, lately, while there were some
}

// Load is a snapshot, at most one step old. It waits for nothing.
func (e *Engine) Load() Load { return *e.load.Load() }

// watch is the step that the device is at, and how many replies still want it.
type watch struct {
	jobs   []*job
	live   int
	cancel context.CancelFunc
}

// watchStep notes a step for jobs. The context that it returns ends when none of them is wanted any more, or the engine closes.
func (e *Engine) watchStep(jobs []*job) context.Context {
	ctx, cancel := context.WithCancel(e.closing)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.at = watch{jobs, 0, cancel}
	for _, j := range jobs {
		if !j.left {
			e.at.live++
		}
	}
	if e.at.live == 0 {
		cancel()
	}
	return ctx
}

// unwatchStep says that the device has done the step.
func (e *Engine) unwatchStep() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.at.cancel()
	e.at = watch{}
}
