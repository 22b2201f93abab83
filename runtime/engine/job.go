package engine

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gossamer/runtime/sample"
)

// job is one call of Generate, between its caller and the loop.
type job struct {
	Request
	sampler *sample.Sampler
	start   time.Time
	box     mailbox
	taken   atomic.Int64 // events that the caller is done with
	left    bool         // the caller has gone; Engine.mu
	kept    int          // tokens of the reply that count then; Engine.mu
	queued  bool         // counted in Engine.waiting; Engine.mu
	weight  int          // of its prompt in Engine.tokens
	given   int          // tokens that are no part of the reply: Request.Tokens without Request.Reply

	// The loop's own:
	tokens    []int32  // the prompt and the reply so far
	text      *text    // that holds the first of them; nil while the job waits
	sent      int64    // events
	limit     int      // tokens of the whole text at most
	exact     bool     // see Limits.Deterministic
	allowed   []uint32 // that the next draws are from; see Request.Allowed
	outlook   *outlook // what may follow tokens; nil: there is no Constraint, or the job never had a text
	unsaid    []int32  // the last tokens, of which the Constraint has not heard; lookOut's until that is done
	due       []int32  // the next tokens, which are drawn though they are known
	stops     []int    // lengths that become resume points, ascending; the last is all but the last token
	age       int64    // number of the admission; 0: it never was
	begun     time.Time
	prompted  bool  // the whole prompt is computed
	announced int   // the last progress; -1: none
	claims    bool  // a place is kept for it
	leader    *job  // computes what the job begins with; nil: nobody, as far as is known
	follow    int   // tokens that the leader computes first
	passed    int   // tokens of others' prompts since its own got on
	ramp      int   // draws of its next step
	turn      int   // tokens since it has a row
	since     int64 // number of the step when it lost its row
	stats     Stats
	losses    int // of the device, since the reply last got a token

	heard   int64     // taken when the loop last looked
	unheard time.Time // since when that has not grown, while the job can't go on without
}

// event is what the loop tells a caller.
type event struct {
	kind  eventKind
	token Token     // eventToken
	at    time.Time // eventToken: when it was known
	done  int       // eventProgress: tokens of the prompt

	finish Finish // eventEnd
	stopID int32
	err    error
}

type eventKind int

const (
	eventToken eventKind = iota
	eventProgress
	eventEnd
)

// mailbox holds events until the caller takes them. The loop never waits for it.
type mailbox struct {
	ready  chan struct{} // of capacity 1
	mu     sync.Mutex
	events []event
	stats  Stats
}

// send adds an event.
func (j *job) send(e event) {
	j.sent++
	j.box.mu.Lock()
	j.box.events = append(j.box.events, e)
	j.box.stats = j.stats
	j.box.mu.Unlock()
	select {
	case j.box.ready <- struct{}{}:
	default:
	}
}

// next waits for an event. ctx ends the wait.
func (j *job) next(ctx context.Context) (event, error) {
	for {
		if ctx.Err() != nil {
			return event{}, context.Cause(ctx)
		}
		j.box.mu.Lock()
		if len(j.box.events) > 0 {
			e := j.box.events[0]
			j.box.events = j.box.events[1:]
			j.box.mu.Unlock()
			return e, nil
		}
		j.box.mu.Unlock()
		select {
		case <-j.box.ready:
		case <-ctx.Done():
		}
	}
}

// snapshot returns what the loop has counted.
func (j *job) snapshot() Stats {
	j.box.mu.Lock()
	defer j.box.mu.Unlock()
	return j.box.stats
}

// heardOf reports whether the caller has taken enough of the events, of which it has taken that many, for the reply to go on.
func (j *job) heardOf(taken int64) bool {
	if j.prefilling() && !j.prompted {
		return taken == j.sent
	}
	return j.sent-taken <= backtrack/2
}

// free reports whether the reply can go on, as far as its caller goes.
func (j *job) free() bool { return j.heardOf(j.taken.Load()) }

// held is the number of tokens that are computed.
func (j *job) held() int {
	if j.text == nil {
		return 0
	}
	return len(j.text.tokens)
}

// pieces is the number of tokens that are computed as pieces: all but the last one, or but those of the reply and the one before.
func (j *job) pieces() int {
	if j.exact {
		return j.given - 1
	}
	return len(j.tokens) - 1
}

// prefilling reports whether a piece is to be computed.
func (j *job) prefilling() bool { return j.held() < j.pieces() }

// unread is the number of tokens that are to be computed in pieces.
func (j *job) unread() int { return j.pieces() - j.held() }

// beginning are the tokens that are computed in pieces, and the next one.
func (j *job) beginning() []int32 { return j.tokens[:j.pieces()+1] }

// shared are the tokens that other texts may begin with.
func (j *job) shared() []int32 {
	if j.exact {
		return j.text.tokens[:min(j.held(), j.pieces())]
	}
	return j.text.tokens
}

// replying reports whether what is to be computed is of the reply itself: tokens that it was forced to.
func (j *job) replying() bool { return j.prompted && j.held() >= len(j.Request.Tokens) }

// leave tells the loop that the caller has gone, and that it has taken kept tokens.
func (e *Engine) leave(j *job, kept int) {
	e.inLine(j, false)
	e.mu.Lock()
	j.left, j.kept = true, kept
	if slices.Contains(e.at.jobs, j) {
		if e.at.live--; e.at.live == 0 {
			e.at.cancel()
		}
	}
	e.mu.Unlock()
	e.notify()
}

// submit hands a job to the loop.
func (e *Engine) submit(j *job) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	if err := e.refuses(j); err != nil {
		return err
	}
	e.queue(j, true)
	e.inbox = append(e.inbox, j)
	e.notify()
	return nil
}

// queue counts a job in the line, or no longer. e.mu is held.
func (e *Engine) queue(j *job, waits bool) {
	by := 1
	if !waits {
		by = -1
	}
	e.waiting += by
	e.tokens += by * j.weight
	j.queued = waits
}

// hasPlace counts a job among those that hold a text instead of those that wait for one, in one step: whoever submits sees it once.
func (e *Engine) hasPlace(j *job) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running++
	if j.queued {
		e.queue(j, false)
	}
}

// hasNoPlace takes a job out of those that hold a text.
func (e *Engine) hasNoPlace() {
	e.mu.Lock()
	e.running--
	e.mu.Unlock()
}

// inLine counts a job among those that wait for a text, or not any more.
func (e *Engine) inLine(j *job, waits bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if waits != j.queued && !(waits && j.left) {
		e.queue(j, waits)
	}
}
