package engine

import (
	"slices"
	"time"
)

// Group is that of calls of Generate that begin together: the choices of a request. The queue takes all or none of them, as one; they wait
// until there is room for as many of them as get tokens in one step, and what their prompts have in common is computed once before. Then
// those begin, and the others, if there are more, follow when there is room. Make one with NewGroup, for one Engine.
type Group struct {
	size    int
	came    int   // calls that were made; Engine.mu
	refused error // why there is no place in the queue for them; Engine.mu
	begun   bool  // the first of them have places, or a claim to one; the loop's own
}

// NewGroup returns a group of n calls. All of them have to be made, by callers that do not wait for each other: none begins before.
func NewGroup(n int) *Group { return &Group{size: n} }

// skip counts a call of a group that does not come to the queue.
func (e *Engine) skip(g *Group) {
	if g == nil {
		return
	}
	e.mu.Lock()
	g.came++
	e.mu.Unlock()
	e.notify()
}

// refuses returns a BusyError if the queue is full for j, which is about to join it. Of a group the first decides, and its prompt counts for
// all. e.mu is held.
func (e *Engine) refuses(j *job) error {
	g := j.Group
	if g != nil {
		if g.came++; g.came > 1 {
			return g.refused
		}
	}
	j.weight = len(j.tokens)
	// Those who are about to get a free place wait as well, for a moment.
	free := max(0, e.options.MaxSequences-e.running)
	err := &BusyError{Waiting: e.waiting}
	served := 1 // requests that make room
	switch {
	case e.options.MaxQueue > 0 && e.waiting >= e.options.MaxQueue+free:
	case e.options.MaxQueueTokens > 0 && e.waiting > free && e.tokens+j.weight > e.options.MaxQueueTokens:
		err.Tokens = e.tokens
		served = min(e.waiting, 1+(e.tokens+j.weight-e.options.MaxQueueTokens)*e.waiting/max(1, e.tokens))
	default:
		return nil
	}
	err.RetryAfter = max(time.Second, time.Duration(served)*e.Load().ReplyInterval)
	if g != nil {
		g.refused = err
	}
	return err
}

// gathered reports whether all calls of a job's group have been made, and are in line.
func (l *loop) gathered(j *job) bool {
	g := j.Group
	if g == nil || g.begun {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return g.came >= g.size && !slices.ContainsFunc(l.inbox, func(o *job) bool { return o.Group == g })
}

// companions are the jobs that wait for the same beginning as j: of its group as many as get tokens in one step, j among them.
func (l *loop) companions(j *job) []*job {
	jobs := []*job{j}
	if j.Group == nil || j.Group.begun {
		return jobs
	}
	for _, o := range l.waiting {
		if o != j && o.Group == j.Group && len(jobs) < min(l.limits.Rows, l.options.MaxSequences) {
			jobs = append(jobs, o)
		}
	}
	return jobs
}

// claim keeps places for those that begin with j, which has its own, until what they share is computed.
func (l *loop) claim(companions []*job) {
	for i, j := range companions {
		j.claims = i > 0
		if j.Group != nil {
			j.Group.begun = true
		}
	}
}

// claimed is the number of places that are kept for jobs other than j.
func (l *loop) claimed(j *job) int {
	n := 0
	for _, o := range l.waiting {
		if o.claims && o != j {
			n++
		}
	}
	return n
}
