package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gossamer/runtime/sample"
)

// Request asks for the continuation of a prompt.
type Request struct {
	// Tokens is the whole prompt, at least one token. A prefix that an earlier request left in memory is not computed again.
	Tokens []int32
	// ResumePoints are lengths of the prompt, ascending, at which other prompts may go on differently, such as the end of the
	// instructions. The end of the prompt and of the reply are always among them.
	ResumePoints []int
	// Sampling chooses the tokens; the zero value is greedy.
	Sampling sample.Params
	// MaxTokens ends the reply. 0: it may fill the context.
	MaxTokens int
	// Stop are ids that end the reply. They are not part of it.
	Stop []int32
	// Allowed is the bit set of ids that may be drawn, [(Vocab+31)/32], bit id%32 of word id/32; nil allows all.
	Allowed []uint32
	// Logprobs asks for the log probability of each token, and of the TopLogprobs most likely ones, 0 to 20, under the model's
	// own distribution: before sampling parameters and Allowed.
	Logprobs    bool
	TopLogprobs int
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
	FinishStop      Finish = iota + 1 // a stop id was drawn
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
	Queued          time.Duration // waiting in line
	FirstToken      time.Duration // from the call to the first token, waiting included; 0 if there was none
	Prefill         time.Duration // computing the prompt
	Decode          time.Duration // from the first token to the last
}

// PrefillRate is in tokens per second; 0 if nothing was computed.
func (s *Stats) PrefillRate() float64 { return rate(s.PrefilledTokens, s.Prefill) }

// DecodeRate is in tokens per second, not counting the first one, which the prefill yields; 0 if there are fewer than two.
func (s *Stats) DecodeRate() float64 { return rate(s.GeneratedTokens-1, s.Decode) }

func rate(n int, d time.Duration) float64 {
	if n <= 0 || d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// Generate continues a prompt and passes each token to emit as soon as it is known; false ends the reply. emit runs on the
// caller's goroutine. If ctx ends, the tokens so far are valid, Finish is FinishCancelled, and the error is the context's
// cause. With any other error only the Stats of the Result are valid.
func (e *Engine) Generate(ctx context.Context, r Request, emit func(Token) bool) (Result, error) {
	start := time.Now()
	sampler, err := e.check(&r)
	if err != nil {
		return Result{}, err
	}
	ctx, cancel, leave, err := e.enter(ctx)
	if err != nil {
		return Result{}, err
	}
	defer leave()
	g := &generation{Engine: e, Request: r, ctx: ctx, cancel: cancel, sampler: sampler, start: start}
	g.result.Stats.PromptTokens = len(r.Tokens)
	err = g.run(emit)
	if err != nil && ctx.Err() != nil {
		if g.result.Finish != 0 { // the reply was complete by then
			return g.result, nil
		}
		g.result.Finish = FinishCancelled
		err = context.Cause(ctx)
	}
	return g.result, err
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
	if len(r.Tokens) >= e.backend.Context() {
		return nil, &PromptError{len(r.Tokens), e.backend.Context()}
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
	return sample.New(r.Sampling, vocab, r.Tokens)
}

// generation is one call of Generate.
type generation struct {
	*Engine
	Request
	ctx     context.Context
	cancel  context.CancelCauseFunc
	slot    *slot
	sampler *sample.Sampler
	start   time.Time
	first   time.Time // of the first token
	result  Result
}

func (g *generation) run(emit func(Token) bool) (err error) {
	p, err := g.acquire(g.ctx, g.Tokens)
	g.result.Stats.Queued = time.Since(g.start)
	if err != nil {
		return err
	}
	g.slot = p.slot
	whole := false // the sequence is in order and holds slot.tokens; not if a panic passes through here
	defer func() {
		if !whole && g.slot.seq != nil {
			err = errors.Join(err, g.slot.seq.Close())
			*g.slot = slot{}
		}
		g.release(g.slot)
	}()

	begin := time.Now()
	if err = g.resume(p); err == nil {
		err = g.prefill()
	}
	g.result.Stats.Prefill = time.Since(begin)
	if err == nil {
		err = g.decode(emit)
	}
	harmless := err == nil || g.ctx.Err() != nil || errors.Is(err, ErrContextFull) || errors.Is(err, sample.ErrNoToken)
	whole = harmless && g.slot.seq != nil && g.slot.seq.Len() == len(g.slot.tokens)
	return err
}

// resume makes the slot hold as many leading tokens of the prompt as are available without computing them.
func (g *generation) resume(p place) error {
	s := g.slot
	if p.source != nil {
		err := g.fork(p)
		g.release(p.source)
		if err != nil {
			return err
		}
	}
	if s.seq == nil {
		seq, err := g.backend.NewSequence()
		if err != nil {
			// The backend may have room for fewer than MaxSequences.
			if ok, evictErr := g.evict(); !ok || evictErr != nil {
				return errors.Join(err, evictErr)
			}
			if seq, err = g.backend.NewSequence(); err != nil {
				return err
			}
		}
		*s = slot{seq: seq}
	}
	if shared := sharedPrefix(s.tokens, g.Tokens); shared < len(s.tokens) {
		if err := g.truncate(shared); err != nil {
			return err
		}
	}
	s.prompt = len(g.Tokens)
	g.result.Stats.CachedTokens = len(s.tokens)
	return nil
}

// fork replaces the slot's sequence by one that shares the beginning of the source's, or by none if the backend has no room for it.
func (g *generation) fork(p place) error {
	s := g.slot
	if s.seq != nil {
		if err := s.seq.Close(); err != nil {
			return err
		}
		*s = slot{}
	}
	if seq, err := p.source.seq.(Forker).Fork(p.shared); err == nil {
		*s = slot{seq: seq, tokens: slices.Clone(p.source.tokens[:seq.Len()])}
	}
	return nil
}

// truncate shortens the sequence to n tokens or fewer.
func (g *generation) truncate(n int) error {
	_, err := g.slot.seq.Truncate(g.ctx, n)
	g.slot.tokens = g.slot.tokens[:g.slot.seq.Len()]
	return err
}

// prefill computes the rest of the prompt in pieces, which end at resume points.
func (g *generation) prefill() error {
	s, total := g.slot, len(g.Tokens)
	stops := append(slices.Clone(g.ResumePoints), total)
	for len(s.tokens) < total {
		for stops[0] <= len(s.tokens) {
			stops = stops[1:]
		}
		if g.Progress != nil {
			g.call(func() { g.Progress(len(s.tokens), total) })
		}
		before := len(s.tokens)
		err := g.extend(g.Tokens[before:min(before+g.options.PrefillTokens, stops[0], total)])
		g.result.Stats.PrefilledTokens += len(s.tokens) - before
		if err != nil {
			return err
		}
		if len(s.tokens) == stops[0] {
			if err := s.seq.MarkResume(); err != nil {
				return err
			}
		}
	}
	if g.Progress != nil {
		g.call(func() { g.Progress(total, total) })
	}
	return nil
}

// extend appends tokens to the sequence. If memory is short, idle sequences are closed.
func (g *generation) extend(tokens []int32) error {
	s := g.slot
	for {
		err := s.seq.Extend(g.ctx, tokens)
		n := s.seq.Len() - len(s.tokens)
		s.tokens = append(s.tokens, tokens[:n]...)
		tokens = tokens[n:]
		if err == nil || !errors.Is(err, ErrContextFull) {
			return err
		}
		if ok, evictErr := g.evict(); !ok || evictErr != nil {
			return errors.Join(err, evictErr)
		}
	}
}

// decode generates the reply and leaves a resume point at its end.
func (g *generation) decode(emit func(Token) bool) error {
	limit := g.backend.Context() - len(g.Tokens)
	if g.MaxTokens > 0 {
		limit = min(limit, g.MaxTokens)
	}
	decoder, ok := g.slot.seq.(Decoder)
	var err error
	if ok && g.Sampling.TemperatureOnly() && !g.Logprobs {
		err = g.decodeOnDevice(decoder, limit, emit)
	} else {
		err = g.decodeFromLogits(limit, emit)
	}
	if errors.Is(err, ErrContextFull) { // other texts that are being generated fill the memory
		g.result.Finish, err = FinishLength, nil
	}
	if err != nil {
		return err
	}
	// A stop id that the device appended is not part of the text.
	if n := len(g.Tokens) + g.result.Stats.GeneratedTokens; n < len(g.slot.tokens) {
		if err := g.truncate(n); err != nil {
			return err
		}
	}
	return g.slot.seq.MarkResume()
}

// decodeOnDevice generates with the backend's own sampler.
func (g *generation) decodeOnDevice(d Decoder, limit int, emit func(Token) bool) error {
	s, stats := g.slot, &g.result.Stats
	sampling := DeviceSampling{Temperature: g.Sampling.Temperature, Seed: g.Sampling.Seed, Allowed: g.Allowed}
	if g.Sampling.Greedy() {
		sampling.Temperature = 0
	}
	for {
		err := d.Decode(g.ctx, limit-stats.GeneratedTokens, sampling, func(id int32) bool {
			s.tokens = append(s.tokens, id)
			return g.take(Token{ID: id}, emit)
		})
		switch {
		case g.result.Finish != 0:
			return err
		case err == nil:
			g.result.Finish = FinishLength
			return nil
		case !errors.Is(err, ErrContextFull):
			return err
		}
		if ok, evictErr := g.evict(); !ok || evictErr != nil {
			return errors.Join(err, evictErr)
		}
		// The logits are gone: compute the last token again.
		held := slices.Clone(s.tokens)
		if err := g.truncate(len(held) - 1); err != nil {
			return err
		}
		if err := g.extend(held[len(s.tokens):]); err != nil {
			return err
		}
	}
}

// decodeFromLogits generates with this program's sampler.
func (g *generation) decodeFromLogits(limit int, emit func(Token) bool) error {
	s := g.slot
	row := make([]float32, g.Config().Vocab)
	var raw []float32 // the row before the sampler changes it
	if g.Logprobs {
		raw = make([]float32, len(row))
	}
	for n := 0; ; n++ {
		if err := s.seq.Logits(g.ctx, row); err != nil {
			return err
		}
		copy(raw, row)
		id, err := g.sampler.Choose(row, len(s.tokens), g.Allowed)
		if err != nil {
			return fmt.Errorf("engine: after %d tokens: %w", len(s.tokens), err)
		}
		token := Token{ID: id}
		if g.Logprobs {
			own, top, err := sample.LogProbs(nil, raw, id, g.TopLogprobs)
			if err != nil {
				return err
			}
			token.LogProb, token.Top = own.LogProb, top
		}
		if !g.take(token, emit) {
			return nil
		}
		if n+1 == limit {
			g.result.Finish = FinishLength
			return nil
		}
		if err := g.extend([]int32{id}); err != nil {
			return err
		}
		if g.ctx.Err() != nil {
			return g.ctx.Err()
		}
		g.sampler.Accept(id)
	}
}

// take counts a token and passes it on, unless it ends the reply.
func (g *generation) take(t Token, emit func(Token) bool) bool {
	if slices.Contains(g.Stop, t.ID) {
		g.result.Finish, g.result.StopID = FinishStop, t.ID
		return false
	}
	stats, now := &g.result.Stats, time.Now()
	if stats.GeneratedTokens == 0 {
		g.first = now
		stats.FirstToken = now.Sub(g.start)
	}
	stats.GeneratedTokens++
	stats.Decode = now.Sub(g.first)
	var more bool
	if g.call(func() { more = emit(t) }); !more {
		g.result.Finish = FinishCaller
		return false
	}
	return true
}
