package engine

import (
	"errors"
	"slices"
	"time"

	"gossamer/runtime/sample"
)

// drew takes what a row got. It returns true if memory was short.
func (l *loop) drew(j *job, d *Drawn, unwanted bool) (short bool) {
	held := j.tokens
	for _, t := range d.Tokens {
		held = append(held, t.ID)
	}
	j.text.tokens = held[:j.text.seq.Len()]
	if !j.prompted && len(j.text.tokens) >= len(j.Request.Tokens) {
		j.prompted = true
		j.stats.PrefilledTokens++
		j.stats.Prefill = time.Since(j.begun)
		if j.Progress != nil {
			j.send(event{kind: eventProgress, done: len(j.Request.Tokens)})
		}
	}
	if j.exact && len(d.Tokens) == 0 {
		j.turn++ // a token that it had before
	}
	now, given := time.Now(), len(j.due) > 0
	for i, t := range d.Tokens {
		if i > 0 && !j.holds() { // the others were drawn from a set that does not apply to them
			l.cut(j)
			l.lookOut(j, false)
			return false
		}
		if l.write(j, t, now) {
			return false
		}
		if len(j.due) > 0 {
			j.due = j.due[1:]
		}
		switch {
		case j.Constraint == nil:
		case i == len(d.Tokens)-1 && (len(j.due) == 0 || len(j.tokens) == j.limit):
			l.lookOut(j, !given)
		case len(j.due) == 0:
			if err := j.accept(); err != nil {
				l.finish(j, event{err: err})
				return false
			}
			if forced := j.forced(); len(forced) > 0 {
				l.cut(j)
				l.force(j, forced)
				return false
			}
		}
	}
	j.ramp = min(2*j.ramp, l.limits.Draws)
	switch err := d.Err; {
	case err == nil || unwanted:
	case errors.Is(err, ErrContextFull):
		return true
	case j.Constraint != nil && len(d.Tokens) > 0: // the draw that failed was from a set for those before: it is repeated from its own
	case errors.Is(err, sample.ErrNoToken):
		l.finish(j, event{err: err})
	default:
		l.fail(j, err)
	}
	return false
}

// write adds a token to a reply. It returns true if the reply has ended.
func (l *loop) write(j *job, t Token, now time.Time) (ended bool) {
	if slices.Contains(j.Stop, t.ID) {
		l.finish(j, event{finish: FinishStop, stopID: t.ID})
		return true
	}
	j.tokens = append(j.tokens, t.ID)
	if j.Constraint != nil {
		j.unsaid = append(j.unsaid, t.ID)
	}
	j.turn++
	j.losses = 0
	l.count.GeneratedTokens++
	l.serve(j.Key, drawWeight)
	j.send(event{kind: eventToken, token: t, at: now})
	if len(j.tokens) == j.limit && j.Constraint == nil { // else the constraint says how it ends
		l.finish(j, event{finish: FinishLength})
		return true
	}
	return false
}

// cut takes back what a job's text holds beyond its reply.
func (l *loop) cut(j *job) {
	if len(j.text.tokens) > len(j.tokens) {
		if err := l.truncate(j.text, len(j.tokens)); err != nil {
			l.fail(j, err)
		}
	}
}

// read takes what became of a piece of a prompt. It returns true if memory was short.
func (l *loop) read(j *job, err error, unwanted bool) (short bool) {
	before := len(j.text.tokens)
	j.text.tokens = j.tokens[:j.text.seq.Len()]
	n := len(j.text.tokens) - before
	l.serve(j.Key, prefillWeight*float64(n))
	if !j.prompted {
		j.stats.PrefilledTokens += n
	}
	if err == nil && slices.Contains(j.stops, len(j.text.tokens)) {
		err = j.text.seq.MarkResume()
	}
	switch {
	case err == nil || unwanted:
	case errors.Is(err, ErrContextFull):
		return true
	default:
		l.fail(j, err)
	}
	return false
}
