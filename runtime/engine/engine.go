package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

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

// Options of New. The zero value suits one user.
type Options struct {
	// MaxSequences is the number of texts that are held at a time, being generated or kept for their next turn. It bounds how
	// many calls of Generate run at once; others wait in line. 0: 4.
	MaxSequences int
	// PrefillTokens is how many tokens of a prompt the backend is given at a time; Progress is called before each piece. 0: 512.
	PrefillTokens int
	// Free is called once, when the engine is closed and its last call has ended; may be nil.
	Free func() error
}

// Defaults of Options.
const (
	DefaultMaxSequences = 4
	defaultPrefill      = 512
)

// Engine generates replies with a backend. Its methods may be called from several goroutines.
type Engine struct {
	backend Backend
	options Options

	closing context.Context // ends with ErrClosed
	close   context.CancelCauseFunc

	mu      sync.Mutex
	closed  bool
	running int        // calls of Generate
	outside int        // of those, in functions of their callers
	changed *sync.Cond // of the three above
	freed   bool
	freeErr error
	live    int       // slots in use or idle, at most MaxSequences
	idle    []*slot   // least recently used first
	waiting []*waiter // first come first; not empty only while no slot can be had
}

// New returns an engine for a backend, which stays the caller's to close, not before Options.Free is called.
func New(b Backend, o Options) (*Engine, error) {
	if o.MaxSequences < 0 || o.PrefillTokens < 0 {
		return nil, fmt.Errorf("engine: MaxSequences is %d and PrefillTokens %d, want 0 or more", o.MaxSequences, o.PrefillTokens)
	}
	if o.MaxSequences == 0 {
		o.MaxSequences = DefaultMaxSequences
	}
	if o.PrefillTokens == 0 {
		o.PrefillTokens = defaultPrefill
	}
	e := &Engine{backend: b, options: o}
	e.changed = sync.NewCond(&e.mu)
	e.closing, e.close = context.WithCancelCause(context.Background())
	return e, nil
}

// Config is the model's configuration. Do not modify it.
func (e *Engine) Config() *gptoss.Config { return e.backend.Config() }

// Close ends all running and waiting calls with ErrClosed, waits for them and frees every sequence. It does not wait for functions of
// callers, which may be what calls Close: a call that is in one frees what is left when that function has returned.
func (e *Engine) Close() error {
	e.close(ErrClosed)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	for e.running > e.outside {
		e.changed.Wait()
	}
	if e.running > 0 {
		return nil
	}
	e.free()
	return e.freeErr
}

// free closes the sequences, once; no call is running, and none will be. The caller holds mu.
func (e *Engine) free() {
	if e.freed {
		return
	}
	e.freed = true
	var errs []error
	for _, s := range e.idle {
		errs = append(errs, s.seq.Close())
	}
	e.idle, e.live = nil, 0
	if e.options.Free != nil {
		errs = append(errs, e.options.Free())
	}
	e.freeErr = errors.Join(errs...)
}

// enter begins a call: its context also ends when the engine closes, or by cancel. leave must be called at its end.
func (e *Engine) enter(ctx context.Context) (_ context.Context, cancel context.CancelCauseFunc, leave func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, nil, nil, ErrClosed
	}
	e.running++
	ctx, cancel = context.WithCancelCause(ctx)
	stop := context.AfterFunc(e.closing, func() { cancel(ErrClosed) })
	return ctx, cancel, func() {
		stop()
		cancel(nil)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.running--
		e.changed.Broadcast()
		if e.closed && e.running == 0 {
			e.free()
		}
	}, nil
}

// call runs a function of the caller of Generate. Close, if that calls it, does not let the call go on.
func (g *generation) call(f func()) {
	g.step(1)
	defer g.step(-1)
	f()
	if g.closing.Err() != nil {
		g.cancel(ErrClosed)
	}
}

// step counts calls that are in functions of their callers.
func (e *Engine) step(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.outside += n
	e.changed.Broadcast()
}
