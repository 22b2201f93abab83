package engine

import (
	"context"
	"errors"
	"slices"
)

// text is a sequence and what it holds.
type text struct {
	seq    Sequence
	tokens []int32 // [seq.Len()]
	prompt int     // length of the last prompt, which may not have been computed to its end
}

// sharedPrefix counts the leading tokens that a text has in common with held ones, without its last token, which is computed for its
// logits.
func sharedPrefix(held, tokens []int32) int {
	limit := min(len(held), len(tokens)-1)
	for n := range limit {
		if held[n] != tokens[n] {
			return n
		}
	}
	return limit
}

// source is where the beginning of a text comes from.
type source struct {
	parked *text // a parked text that becomes the job's own, or
	fork   *text // one that is shared with, or neither
	shared int   // leading tokens
}

// source chooses where the beginning of a job's text comes from.
//
// The candidate is the text with the longest prefix in common, parked or being computed. A parked one is taken over if the job begins
// with its last prompt, or if the tokens that need not be computed again are at least as many as those behind the common prefix, which
// would be lost, and there is no room for another text. Otherwise it may belong to another conversation, which is kept while there is
// room: the job gets a fork of it.
func (l *loop) source(j *job) source {
	var best *text
	shared, parked, tokens := 0, false, j.beginning()
	for _, t := range l.parked {
		if n := sharedPrefix(t.tokens, tokens); n >= shared && n > 0 {
			best, shared, parked = t, n, true
		}
	}
	for _, o := range l.active {
		if n := sharedPrefix(o.shared(), tokens); n > shared {
			best, shared, parked = o.text, n, false
		}
	}
	if !parked {
		return source{fork: best, shared: shared}
	}
	goesOn := shared >= min(best.prompt, len(best.tokens))-1 // a repeated prompt shares all but its last token
	saves := shared >= len(best.tokens)-shared
	if goesOn || saves && !l.room() {
		return source{parked: best, shared: shared}
	}
	return source{fork: best, shared: shared}
}

// follows reports whether another reply is just computing more of what j begins with than there is now: j had better wait. That is not looked
// for again until the other has come to the end of it: many may wait, and their prompts may be long.
func (l *loop) follows(j *job, shared int) bool {
	for _, o := range l.active {
		if !o.prefilling() {
			continue
		}
		common := sharedPrefix(o.beginning(), j.beginning())
		for _, n := range o.stops {
			if n > o.held() && n > shared && n <= common {
				j.leader, j.follow = o, n
				return true
			}
		}
	}
	return false
}

// room reports whether there may be one more text. Where memory is counted that is what decides, see pagesFor.
func (l *loop) room() bool {
	return l.limits.Pages > 0 || len(l.active)+len(l.parked) < l.options.MaxSequences
}

// maxParked is the number of texts that are parked, at most, where memory would hold more: each is compared with every new prompt.
const maxParked = 256

// placing is what became of an attempt to give a job a text.
type placing int

const (
	placed    placing = iota
	following         // it waits for another reply, which computes its beginning
	full              // it waits for room
)

// place gives a job a text.
func (l *loop) place(j *job) (placing, error) {
	if o := j.leader; o != nil && o.text != nil && o.held() < j.follow {
		return following, nil
	}
	companions := l.companions(j)
	if len(l.active)+l.claimed(j)+len(companions) > l.options.MaxSequences {
		return full, nil
	}
	j.leader = nil
	s := l.source(j)
	if l.follows(j, s.shared) {
		return following, nil
	}
	for s.parked == nil && !l.room() {
		if l.parked[0] == s.fork { // it would not outlive the job's own
			s.parked = s.fork
			break
		}
		if err := l.evict(0); err != nil {
			return full, err
		}
	}
	if ok, err := l.pagesFor(j, &s, len(companions)); !ok || err != nil {
		return full, err
	}
	t := s.parked
	if t != nil {
		l.parked = slices.DeleteFunc(l.parked, func(o *text) bool { return o == t })
		if err := l.truncate(t, s.shared); err != nil {
			l.note(t.seq.Close())
			return full, err
		}
	} else if t = l.beginText(s); t == nil {
		if len(l.parked) > 0 { // the backend may have room for fewer than MaxSequences
			if err := l.evict(0); err != nil {
				return full, err
			}
			return l.place(j)
		}
		if len(l.active) > 0 {
			return full, nil
		}
		var err error
		if t, err = l.empty(); err != nil {
			return full, err
		}
	}
	t.prompt = len(j.Request.Tokens)
	j.text = t
	l.claim(companions)
	return placed, nil
}

// beginText makes a text by a source, nil where the backend has no room for it.
func (l *loop) beginText(s source) *text {
	if s.fork != nil {
		if seq, err := s.fork.seq.Fork(s.shared); err == nil {
			return &text{seq: seq, tokens: slices.Clone(s.fork.tokens[:seq.Len()])}
		}
	}
	t, _ := l.empty()
	return t
}

func (l *loop) empty() (*text, error) {
	seq, err := l.backend.NewSequence()
	if err != nil {
		return nil, err
	}
	return &text{seq: seq}, nil
}

// pagesFor drops parked texts until there are pages for what a job computes and one for each reply, its companions' included. It returns
// false if the job has to wait for others. A reply that is alone is let in: it is told when it fills the memory.
func (l *loop) pagesFor(j *job, s *source, companions int) (bool, error) {
	if l.limits.Pages == 0 {
		return true, nil
	}
	need := (len(j.tokens)-s.shared)/l.limits.PageTokens + companions + len(l.active)
	for l.backend.FreePages() < need {
		i := slices.IndexFunc(l.parked, func(t *text) bool { return t != s.parked && t != s.fork })
		if i < 0 {
			return len(l.active) == 0, nil
		}
		if err := l.evict(i); err != nil {
			return false, err
		}
	}
	return true, nil
}

// spare drops parked texts for what the rows of a step may need: a device that lacks it would draw fewer tokens.
func (l *loop) spare(s *Step) {
	if l.limits.Pages == 0 {
		return
	}
	need := len(s.Rows) * ((s.Draws + l.limits.PageTokens - 1) / l.limits.PageTokens)
	for len(l.parked) > 0 && l.backend.FreePages() < need {
		l.note(l.evict(0))
	}
}

// evict closes a parked text.
func (l *loop) evict(i int) error {
	t := l.parked[i]
	l.parked = slices.Delete(l.parked, i, i+1)
	return t.seq.Close()
}

// truncate shortens a text to n tokens or fewer.
func (l *loop) truncate(t *text, n int) error {
	_, err := t.seq.Truncate(context.Background(), n)
	t.tokens = t.tokens[:t.seq.Len()]
	return err
}

// release takes a job out of those that hold a text, and returns the text.
func (l *loop) release(j *job) *text {
	t := j.text
	j.text, l.crowded = nil, false
	l.active = slices.DeleteFunc(l.active, func(o *job) bool { return o == j })
	l.hasNoPlace()
	l.rows = slices.DeleteFunc(l.rows, func(o *job) bool { return o == j })
	return t
}

// park keeps the first n tokens of a job's text for its next turn, as far as others may share them.
func (l *loop) park(j *job, n int) error {
	n = min(n, len(j.shared()))
	t := l.release(j)
	t.tokens = slices.Clip(t.tokens)
	var err error
	if n < len(t.tokens) {
		err = l.truncate(t, n)
	}
	if err == nil {
		err = t.seq.Rest()
	}
	if err != nil || len(t.tokens) == 0 {
		return errors.Join(err, t.seq.Close())
	}
	if l.parked = append(l.parked, t); len(l.parked) > maxParked {
		return l.evict(0)
	}
	return nil
}

// drop closes a job's text.
func (l *loop) drop(j *job) {
	l.note(l.release(j).seq.Close())
}
