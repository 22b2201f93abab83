package chat

import (
	"context"
	"iter"

	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
)

// ChoiceEvent is an event of one of several replies to the same request.
type ChoiceEvent struct {
	Choice int // from 0
	Event  Event
}

// Choices answers a request n times with stream, all at the same time: they begin together. The choices differ by their seeds, which count
// up from the request's; Progress and Heard hear of the first, and the others do not begin with Reply.
func Choices(ctx context.Context, stream func(context.Context, Request) iter.Seq2[Event, error], r Request, n int) iter.Seq2[ChoiceEvent, error] {
	if n == 1 {
		return Together(ctx, n, func(ctx context.Context, _ int) iter.Seq2[Event, error] { return stream(ctx, r) })
	}
	return func(yield func(ChoiceEvent, error) bool) { // each time with groups of its own
		each := groups(n)
		Together(ctx, n, func(ctx context.Context, i int) iter.Seq2[Event, error] { return stream(ctx, r.choice(i, each[i])) })(yield)
	}
}

// groups are those of n choices that Together asks for: one, or several where not all are under way at a time.
func groups(n int) []*engine.Group {
	each := make([]*engine.Group, n)
	for i := range each {
		if i%maxTogether == 0 {
			each[i] = engine.NewGroup(min(maxTogether, n-i))
		} else {
			each[i] = each[i-1]
		}
	}
	return each
}

// maxTogether is how many replies of one request are asked for at a time: as many as an engine computes together. More would fill its queue,
// so that the request is refused for its own sake.
const maxTogether = 32

// Together mixes the events of n replies as they come; at most 32 are under way at a time, begun in their order. The last events are a Done of each, or an error,
// which ends all.
func Together(ctx context.Context, n int, stream func(ctx context.Context, i int) iter.Seq2[Event, error]) iter.Seq2[ChoiceEvent, error] {
	if n == 1 {
		return func(yield func(ChoiceEvent, error) bool) {
			for e, err := range stream(ctx, 0) {
				if !yield(ChoiceEvent{Event: e}, err) {
					return
				}
			}
		}
	}
	type arrival struct {
		ChoiceEvent
		err error
		end bool
	}
	return func(yield func(ChoiceEvent, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		arrivals, gone, turns := make(chan arrival), make(chan struct{}), make(chan struct{}, maxTogether)
		running := n
		defer func() {
			cancel()
			close(gone)
			for running > 0 { // the replies end by themselves now
				if (<-arrivals).end {
					running--
				}
			}
		}()
		answer := func(i int) {
			defer func() {
				<-turns
				arrivals <- arrival{end: true}
			}()
			for e, err := range stream(ctx, i) {
				select {
				case arrivals <- arrival{ChoiceEvent: ChoiceEvent{i, e}, err: err}:
				case <-gone:
					return
				}
			}
		}
		go func() {
			for i := range n {
				select {
				case turns <- struct{}{}:
					go answer(i)
				case <-gone:
					arrivals <- arrival{end: true}
				}
			}
		}()
		for running > 0 {
			a := <-arrivals
			if a.end {
				running--
				continue
			}
			if !yield(a.ChoiceEvent, a.err) || a.err != nil {
				return
			}
		}
	}
}

// choice is the request for the choice with an index.
func (r Request) choice(i int, g *engine.Group) Request {
	r.Group = g
	sampling := sample.Recommended()
	if r.Sampling != nil {
		sampling = *r.Sampling
	}
	sampling.Seed += uint64(i)
	r.Sampling = &sampling
	if i > 0 {
		r.Progress, r.Heard, r.Reply = nil, nil, nil
	}
	return r
}

// CollectChoices reads n replies to their ends.
func CollectChoices(events iter.Seq2[ChoiceEvent, error], n int) ([]*Response, error) {
	all := make([]collector, n)
	for e, err := range events {
		if err != nil {
			return nil, err
		}
		all[e.Choice].add(e.Event)
	}
	responses := make([]*Response, n)
	for i := range all {
		responses[i] = all[i].response()
	}
	return responses, nil
}

// TotalUsage is that of several replies to one prompt, which counts once. The first token is the first of all; rates of decoding add up.
func TotalUsage(each ...Usage) Usage {
	total := each[0]
	for _, u := range each[1:] {
		total.CachedTokens = min(total.CachedTokens, u.CachedTokens)
		total.Queued = min(total.Queued, u.Queued)
		total.CompletionTokens += u.CompletionTokens
		total.ReasoningTokens += u.ReasoningTokens
		total.PrefillRate = max(total.PrefillRate, u.PrefillRate)
		total.DecodeRate += u.DecodeRate
		if t := u.TimeToFirstToken; t > 0 && (total.TimeToFirstToken == 0 || t < total.TimeToFirstToken) {
			total.TimeToFirstToken = t
		}
	}
	return total
}
