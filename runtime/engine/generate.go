package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"gossamer/runtime/sample"
)

// Request asks for the continuation of a prompt.
type Request struct {
	// Tokens is the whole prompt, at least one token. A prefix that an earlier request left in memory is not computed again.
	Tokens []int32
	// Reply is the beginning of the reply, from an earlier call that was interrupted. It is read as the prompt is, passed to emit before
	// everything else, without log probabilities, and counts as generated. It contains none of Stop.
	Reply []int32
	// ResumePoints are lengths of the prompt, ascending, at which other prompts may go on differently, such as the end of the
	// instructions. The end of the prompt and of the reply are always among them.
	ResumePoints []int
	// Sampling chooses the tokens; the zero value is greedy.
	Sampling sample.Params
	// MaxTokens ends the reply. 0: it may fill the context.
	MaxTokens int
	// Stop are ids that end the reply. They are not part of it.
	Stop []int32
	// Allowed is the bit set of the ids that may be drawn, [(Vocab+31)/32], bit id%32 of word id/32; nil allows all. It must never change.
	Allowed []uint32
	// Constraint says which ids may be drawn as the reply goes on, in place of Allowed; nil: none. It is the
	// engine's from then on.
	Constraint Constraint
	// Logprobs asks for the log probability of each token, and of the TopLogprobs most likely ones, 0 to 20, under the model's
	// own distribution: before sampling parameters and Allowed.
	Logprobs    bool
	TopLogprobs int
	// Key says who asks. Requests of different keys are served in turn, however many each has; those of one in their order.
	Key string
	// Group is that of the calls that begin together, each a choice of one request; nil: none.
	Group *Group
	// Progress is called from time to time with the number of tokens of the prompt that are done, those found in memory included;
	// may be nil.
	Progress func(done, total int)
}

const maxTopLogprobs = 20

// Token is one token of a reply.
type Token struct {
	ID      int32
	LogProb float32          // if asked for
	Top     []sample.LogProb // if asked for: most likely first
}

// Finish says why a reply ended.
type Finish int

const (
	FinishStop      Finish = iota + 1 // a stop id was drawn, or the reply is whole by its Constraint and there is no room for one
	FinishLength                      // MaxTokens were generated, or the context is full
	FinishCaller                      // emit returned false
	FinishCancelled                   // the context.Context ended
)

func (f Finish) String() string {
	switch f {
	case FinishStop:
		return "stop"
	case FinishLength:
		return "length"
	case FinishCaller:
		return "caller"
	case FinishCancelled:
		return "cancelled"
	}
	return fmt.Sprintf("Finish(%d)", int(f))
}

// Result is what Generate did.
type Result struct {
	Finish Finish
	StopID int32 // the id that ended the reply, with FinishStop
	Stats  Stats
}

// Stats counts and times one call of Generate.
type Stats struct {
	PromptTokens    int           // the whole prompt
	CachedTokens    int           // of these, found in memory
	PrefilledTokens int           // of these, computed
	GeneratedTokens int           // of the reply, the stop id not counted
	ResumedTokens   int           // of these, given by the request
	Queued          time.Duration // waiting in line
	FirstToken      time.Duration // from the call to the first token that was generated, waiting included; 0 if there was none
	Prefill         time.Duration // computing the prompt
	Decode          time.Duration // from the first token to the last
}

// PrefillRate is in tokens per second; 0 if nothing was computed.
func (s *Stats) PrefillRate() float64 { return rate(s.PrefilledTokens, s.Prefill) }

// DecodeRate is in tokens per second, not counting the first one, which the prefill yields; 0 if there are fewer than two.
func (s *Stats) DecodeRate() float64 { return rate(s.GeneratedTokens-s.ResumedTokens-1, s.Decode) }

func rate(n int, d time.Duration) float64 {
	if n <= 0 || d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// Generate continues a prompt and passes each token to emit as soon as it is known; false ends the reply. emit and Progress run on the
// caller's goroutine; while they take long, this reply waits and others go on. If ctx ends, the tokens so far are valid, Finish is
// FinishCancelled, and the error is the context's cause. With any other error only the Stats of the Result are valid.
func (e *Engine) Generate(ctx context.Context, r Request, emit func(Token) bool) (Result, error) {
	start := time.Now()
	sampler, err := e.check(&r)
	if err != nil {
		e.skip(r.Group)
		return Result{}, err
	}
	if len(r.Reply) > 0 && r.MaxTokens > 0 && len(r.Reply) >= r.MaxTokens {
		r.Reply = r.Reply[:r.MaxTokens]
	}
	if result, err := r.resume(sampler, emit); result.Finish != 0 || err != nil {
		e.skip(r.Group)
		return result, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(e.closing, func() { cancel(ErrClosed) })
	defer func() {
		stop()
		cancel(nil)
	}()
	j := &job{Request: r.continued(), sampler: sampler, start: start, announced: -1, given: len(r.Tokens)}
	j.tokens = slices.Clip(j.Request.Tokens)
	j.box.ready = make(chan struct{}, 1)
	j.stats.PromptTokens, j.box.stats.PromptTokens = len(r.Tokens), len(r.Tokens)
	if err := e.submit(j); err != nil {
		return Result{}, err
	}
	c := call{job: j, emit: emit}
	c.result.Stats.GeneratedTokens, c.result.Stats.ResumedTokens = len(r.Reply), len(r.Reply)
	defer func() { e.leave(j, c.result.Stats.GeneratedTokens-c.result.Stats.ResumedTokens) }()
	err = c.listen(ctx, e)
	return c.result, err
}

// resume goes through the beginning of the reply. The reply may end within it, which the result then says.
func (r *Request) resume(sampler *sample.Sampler, emit func(Token) bool) (result Result, err error) {
	result.Stats.PromptTokens = len(r.Tokens)
	for _, id := range r.Reply {
		sampler.Accept(id)
		if r.Constraint != nil {
			if err := r.Constraint.Accept(id); err != nil {
				return result, fmt.Errorf("engine: token %d of the reply is %d: %w", result.Stats.GeneratedTokens, id, err)
			}
		}
		result.Stats.GeneratedTokens++
		result.Stats.ResumedTokens++
		if !emit(Token{ID: id}) {
			result.Finish = FinishCaller
			return result, nil
		}
	}
	if r.MaxTokens > 0 && len(r.Reply) == r.MaxTokens {
		end := r.cutOff()
		result.Finish, result.StopID = end.finish, end.stopID
	}
	return result, nil
}

// continued is the request for the rest of a reply whose beginning is known: that is the end of its prompt. What the caller may change
// once Generate has returned, of which the loop hears later, is copied.
func (r Request) continued() Request {
	r.Tokens, r.ResumePoints, r.Stop = slices.Concat(r.Tokens, r.Reply), slices.Clone(r.ResumePoints), slices.Clone(r.Stop)
	if r.MaxTokens > 0 {
		r.MaxTokens -= len(r.Reply)
	}
	r.Reply = nil
	return r
}

// call is the caller's side of a job.
type call struct {
	*job
	emit   func(Token) bool
	first  time.Time // of the first token
	result Result
}

// listen takes the loop's events until the reply ends.
func (c *call) listen(ctx context.Context, e *Engine) error {
	for c.result.Finish == 0 {
		ev, err := c.next(ctx)
		if err == nil {
			switch ev.kind {
			case eventProgress:
				c.Progress(ev.done, len(c.Tokens))
			case eventToken:
				c.take(ev)
			case eventEnd:
				c.result.Finish, c.result.StopID, err = ev.finish, ev.stopID, ev.err
			}
			c.taken.Add(1)
			e.notify()
		} else {
			c.result.Finish = FinishCancelled
		}
		s, own := c.snapshot(), &c.result.Stats
		s.GeneratedTokens, s.ResumedTokens, s.FirstToken, s.Decode = own.GeneratedTokens, own.ResumedTokens, own.FirstToken, own.Decode
		*own = s
		if err != nil {
			return err
		}
	}
	return nil
}

// take counts a token and passes it on.
func (c *call) take(ev event) {
	stats := &c.result.Stats
	if stats.GeneratedTokens == stats.ResumedTokens {
		c.first = ev.at
		stats.FirstToken = ev.at.Sub(c.start)
	}
	stats.GeneratedTokens++
	stats.Decode = ev.at.Sub(c.first)
	if !c.emit(ev.token) {
		c.result.Finish = FinishCaller
	}
}

// check refuses what cannot be done, and returns the request's sampler.
func (e *Engine) check(r *Request) (*sample.Sampler, error) {
	vocab := e.Config().Vocab
	if len(r.Tokens) == 0 {
		return nil, errors.New("engine: the prompt is empty")
	}
	for i, id := range r.Tokens {
		if id < 0 || int(id) >= vocab {
			return nil, fmt.Errorf("engine: token %d of the prompt is %d, the model's ids end at %d", i, id, vocab-1)
		}
	}
	for i, id := range r.Reply {
		if id < 0 || int(id) >= vocab || slices.Contains(r.Stop, id) {
			return nil, fmt.Errorf("engine: token %d of the reply is %d, want one below %d that does not end it", i, id, vocab)
		}
	}
	if n := len(r.Tokens) + len(r.Reply); n >= e.context {
		return nil, &PromptError{n, e.context}
	}
	if r.MaxTokens < 0 {
		return nil, fmt.Errorf("engine: MaxTokens is %d, want 0 or more", r.MaxTokens)
	}
	if r.Allowed != nil && len(r.Allowed) != (vocab+31)/32 {
		return nil, fmt.Errorf("engine: Allowed has %d words, want %d for %d ids", len(r.Allowed), (vocab+31)/32, vocab)
	}
	if r.TopLogprobs < 0 || r.TopLogprobs > maxTopLogprobs {
		return nil, fmt.Errorf("engine: TopLogprobs is %d, want 0 to %d", r.TopLogprobs, maxTopLogprobs)
	}
	if n := len(r.ResumePoints); !slices.IsSorted(r.ResumePoints) || n > 0 && (r.ResumePoints[0] < 0 || r.ResumePoints[n-1] > len(r.Tokens)) {
		return nil, fmt.Errorf("engine: ResumePoints are %v, want ascending lengths of a prompt of %d tokens", r.ResumePoints, len(r.Tokens))
	}
	sampling := r.Sampling
	sampling.LogitBias = maps.Clone(sampling.LogitBias) // see clone
	return sample.New(sampling, vocab, r.Tokens)
}
