package engine

import (
	"context"
	"slices"
)

// slot holds one text in memory. It belongs to one call of Generate, or is idle and keeps what it holds for a later one.
type slot struct {
	seq    Sequence // nil until the first use
	tokens []int32  // what seq holds
	prompt int      // length of the last prompt, which may not have been computed to its end
}

// waiter is a call that waits for a slot.
type waiter struct {
	prompt []int32
	ready  chan place // of capacity 1
}

// place is the slot that was chosen for a prompt.
type place struct {
	slot   *slot
	source *slot // to fork from, or nil; reserved until then
	shared int   // leading tokens to fork
}

// acquire returns a place for a prompt, in the order of the calls. ctx ends the wait.
func (e *Engine) acquire(ctx context.Context, prompt []int32) (place, error) {
	if ctx.Err() != nil {
		return place{}, context.Cause(ctx)
	}
	e.mu.Lock()
	if len(e.waiting) == 0 {
		if p, ok := e.choose(prompt); ok {
			e.mu.Unlock()
			return p, nil
		}
	}
	w := &waiter{prompt, make(chan place, 1)}
	e.waiting = append(e.waiting, w)
	e.mu.Unlock()

	select {
	case p := <-w.ready:
		return p, nil
	case <-ctx.Done():
	}
	e.mu.Lock()
	e.waiting = slices.DeleteFunc(e.waiting, func(o *waiter) bool { return o == w })
	e.mu.Unlock()
	select {
	case p := <-w.ready: // a slot became free at the same time: the next call in line gets it
		if p.source != nil {
			e.release(p.source)
		}
		e.release(p.slot)
	default:
	}
	return place{}, context.Cause(ctx)
}

// release makes a slot idle, or removes it if it holds nothing, and hands slots to the calls that wait.
func (e *Engine) release(s *slot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.seq == nil {
		e.live--
	} else {
		e.idle = append(e.idle, s)
	}
	for len(e.waiting) > 0 {
		p, ok := e.choose(e.waiting[0].prompt)
		if !ok {
			return
		}
		e.waiting[0].ready <- p
		e.waiting = e.waiting[1:]
	}
}

// choose takes a slot for a prompt; e.mu is held. It returns false if all slots are in use.
//
// The candidate is the idle slot with the longest prefix in common with the prompt. It is taken if the prompt begins with the slot's
// last prompt, or if the tokens that need not be computed again are at least as many as those behind the common prefix, which would be
// lost. Otherwise its text may belong to another conversation, which is kept while there are fewer slots than MaxSequences: the prompt
// gets a new slot, forked from the candidate if the backend can fork. When all slots exist, the least recently used idle one is
// replaced.
func (e *Engine) choose(prompt []int32) (place, bool) {
	room := e.live < e.options.MaxSequences
	if len(e.idle) == 0 {
		if !room {
			return place{}, false
		}
		e.live++
		return place{slot: &slot{}}, true
	}
	var best *slot
	shared := -1
	for _, s := range e.idle {
		if n := sharedPrefix(s.tokens, prompt); n > shared {
			best, shared = s, n
		}
	}
	_, forks := best.seq.(Forker)
	goesOn := shared > 0 && shared >= min(best.prompt, len(best.tokens))-1 // a repeated prompt shares all but its last token
	saves := shared > 0 && shared >= len(best.tokens)-shared
	if goesOn || saves && !(forks && room) {
		e.takeIdle(best)
		return place{slot: best}, true
	}
	p := place{slot: &slot{}}
	if room {
		e.live++
	} else {
		p.slot = e.idle[0]
		e.takeIdle(p.slot)
	}
	if forks && shared > sharedPrefix(p.slot.tokens, prompt) {
		e.takeIdle(best)
		p.source, p.shared = best, shared
	}
	return p, true
}

func (e *Engine) takeIdle(s *slot) {
	e.idle = slices.DeleteFunc(e.idle, func(o *slot) bool { return o == s })
}

// evict closes the least recently used idle sequence, so that others get its memory; false if none is idle. No call waits for a slot
// while there is an idle one, because release hands it on at once.
func (e *Engine) evict() (bool, error) {
	e.mu.Lock()
	if len(e.idle) == 0 {
		e.mu.Unlock()
		return false, nil
	}
	s := e.idle[0]
	e.idle = e.idle[1:]
	e.live--
	e.mu.Unlock()
	return true, s.seq.Close()
}

// sharedPrefix counts the leading tokens that a prompt has in common with held ones, without its last token, which must be
// computed for its logits.
func sharedPrefix(held, prompt []int32) int {
	limit := min(len(held), len(prompt)-1)
	for n := range limit {
		if held[n] != prompt[n] {
			return n
		}
	}
	return limit
}
