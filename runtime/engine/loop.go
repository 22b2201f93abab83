package engine

import (
	"cmp"
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"time"
)

// loop is the goroutine that owns the backend's sequences: it admits replies, plans steps and hands out what they yield.
type loop struct {
	*Engine
	backend Backend
	lost    bool // its device is, and Rebuild has not replaced it yet
	limits  Limits
	waiting []*job             // in the order of their arrival
	active  []*job             // that hold a text, oldest first
	rows    []*job             // of active: those that had a row in the last step
	crowded bool               // one was put aside for the memory of the others, of which none has ended since
	parked  []*text            // for their next turn, least recently used first
	served  map[string]float64 // by key: what its replies have got, in tokens; only of keys with a reply here
	clock   float64            // what a key has that always got as much as the others on average
	steps   int64
	ages    int64
	costs   costs
	last    time.Time // when the last step ended; zero after a pause
	ended   time.Time // when the last reply ended; the same
	count   Load
	errs    []error // of closing sequences
}

// A token that is drawn costs about as much as two of a prompt (arXiv 2401.00588, VTC).
const (
	prefillWeight = 1
	drawWeight    = 2
)

// Tokens after which a text gives its row to one that waits for a row; or to one that has no token yet, or while more rows are prepared.
const (
	longTurn  = 64
	shortTurn = 8
)

// longestWait is the number of steps after which a text that waits for a row comes before those that have no token yet.
const longestWait = 4 * longTurn

// patience is how long the caller of a reply that can't go on without it may keep its place from others.
const patience = 2 * time.Second

// leastPiece is the number of tokens of a prompt that go with a step however long they take.
const leastPiece = 128

func (l *loop) run() {
	defer close(l.done)
	for {
		l.intake()
		if l.closing.Err() != nil {
			break
		}
		l.admit()
		if l.lost && l.rebuild() {
			continue
		}
		if l.step() {
			goruntime.Gosched() // callers get their tokens, where there is one processor
			continue
		}
		l.last, l.ended = time.Time{}, time.Time{}
		var later <-chan time.Time // for those who wait for a reply that nobody listens to
		if len(l.waiting) > 0 && len(l.active) > 0 {
			later = time.After(patience)
		}
		select {
		case <-l.wake:
		case <-later:
		}
	}
	l.free()
}

// note keeps an error that nobody else is told of, one of the first few: of a device that is lost there could be any number.
func (l *loop) note(err error) {
	if err != nil && len(l.errs) < 8 {
		l.errs = append(l.errs, err)
	}
}

// free ends all that is left.
func (l *loop) free() {
	for _, j := range slices.Concat(l.waiting, l.active) {
		j.send(event{kind: eventEnd, finish: FinishCancelled, err: ErrClosed})
	}
	for len(l.active) > 0 {
		l.drop(l.active[0])
	}
	for _, t := range l.parked {
		l.note(t.seq.Close())
	}
	if l.options.Free != nil {
		l.note(l.options.Free())
	}
	l.err = errors.Join(l.errs...)
}

// intake takes what callers have said since.
func (l *loop) intake() {
	l.mu.Lock()
	arrived := l.inbox
	l.inbox = nil
	var gone []*job
	kept := func(j *job) bool {
		if j.left {
			gone = append(gone, j)
		}
		return !j.left
	}
	for _, j := range arrived {
		if kept(j) {
			l.arrive(j)
		}
	}
	l.waiting = slices.DeleteFunc(l.waiting, func(j *job) bool { return !kept(j) })
	for _, j := range l.active {
		kept(j)
	}
	l.mu.Unlock()
	for _, j := range gone {
		if j.text != nil {
			l.note(l.park(j, len(j.Request.Tokens)+j.kept))
		}
		l.forget(j.Key)
	}
	l.publish()
}

// arrive puts a job in line. Its key begins where one is that always got its share: as that moves on, whoever waits comes before those who
// arrive later, however many keys they have.
func (l *loop) arrive(j *job) {
	if _, ok := l.served[j.Key]; !ok {
		l.served[j.Key] = l.clock
	}
	j.limit, j.allowed, j.exact = l.context, j.Allowed, l.limits.Deterministic
	if n := j.limit - len(j.Request.Tokens); j.MaxTokens > 0 && j.MaxTokens < n { // their sum may be no number
		j.limit -= n - j.MaxTokens
	}
	l.waiting = append(l.waiting, j)
}

// serve counts what a key got, in tokens.
func (l *loop) serve(key string, n float64) {
	l.served[key] += n
	l.clock += n / float64(len(l.served))
}

// forget drops a key of which there is no reply left.
func (l *loop) forget(key string) {
	is := func(j *job) bool { return j.Key == key }
	if !slices.ContainsFunc(l.waiting, is) && !slices.ContainsFunc(l.active, is) {
		delete(l.served, key)
	}
}

// admit gives texts to waiting jobs: first to those for which a place is kept, then to those that had one, then to the key that got least. A
// job that finds no room holds up those behind it, so that it gets the next.
func (l *loop) admit() {
	for _, j := range slices.Clone(l.active) {
		if l.deaf(j) && len(l.waiting) > 0 {
			l.putAside(j)
		}
	}
	if len(l.waiting) == 0 || len(l.active) == l.options.MaxSequences || l.crowded || l.lost {
		return
	}
	line := slices.Clone(l.waiting)
	slices.SortStableFunc(line, func(a, b *job) int {
		return cmp.Or(-cmp.Compare(number(a.claims), number(b.claims)), -cmp.Compare(min(a.age, 1), min(b.age, 1)),
			cmp.Compare(a.age, b.age), cmp.Compare(l.served[a.Key], l.served[b.Key]))
	})
	for _, j := range line {
		if l.deaf(j) || !l.gathered(j) {
			continue
		}
		state, err := l.place(j)
		switch {
		case err != nil:
			l.leaveLine(j)
			l.conclude(j, event{err: err})
			if l.lost {
				return
			}
		case state == full:
			return
		case state == placed:
			l.waiting = slices.DeleteFunc(l.waiting, func(o *job) bool { return o == j })
			l.enter(j)
			l.publish()
		}
	}
}

// deaf reports whether a job is held up by its caller, who has taken nothing for long.
func (l *loop) deaf(j *job) bool {
	now, taken := time.Now(), j.taken.Load()
	if j.heardOf(taken) || taken != j.heard || j.unheard.IsZero() {
		j.heard, j.unheard = taken, now
	}
	return now.Sub(j.unheard) >= patience
}

// putAside takes its place from a job whose caller does not listen, so that others get it. It comes back before all others once the caller
// does; its text is kept like those that have ended.
func (l *loop) putAside(j *job) {
	l.note(l.park(j, len(j.tokens)))
	l.putBack(j)
}

// putBack puts a job that had a text into the line again.
func (l *loop) putBack(j *job) {
	l.waiting = append(l.waiting, j)
	l.inLine(j, true)
}

// leaveLine takes a job out of the line, to give it a text or an end.
func (l *loop) leaveLine(j *job) {
	l.waiting = slices.DeleteFunc(l.waiting, func(o *job) bool { return o == j })
	l.inLine(j, false)
}

// enter makes a job that has a text an active one.
func (l *loop) enter(j *job) {
	if j.age == 0 {
		l.ages++
		j.age, j.begun = l.ages, time.Now()
		j.stats.Queued = j.begun.Sub(j.start)
		l.count.PromptTokens += int64(len(j.tokens))
		l.count.CachedTokens += int64(len(j.text.tokens))
	}
	if !j.prompted { // it may have been put aside before the end of its prompt, of which nothing is left then
		j.stats.CachedTokens, j.stats.PrefilledTokens = len(j.text.tokens), 0
	}
	end := j.pieces()
	j.stops = slices.DeleteFunc(slices.Clone(j.ResumePoints), func(n int) bool { return n >= end })
	j.stops = append(j.stops, end)
	j.passed, j.ramp, j.turn, j.since = 0, 1, 0, l.steps
	if j.outlook == nil {
		l.lookOut(j, false)
	}
	l.active = append(l.active, j)
	l.hasPlace(j)
	slices.SortFunc(l.active, func(a, b *job) int { return int(a.age - b.age) })
}

// step plans a step and does it. It returns false if there is nothing to do.
func (l *loop) step() bool {
	s, rows, reader := l.plan()
	if s == nil {
		return false
	}
	jobs := rows
	if reader != nil {
		jobs = append(slices.Clone(rows), reader)
	}
	start := time.Now()
	if !l.last.IsZero() {
		start = l.last
	}
	l.spare(s)
	ctx := l.watchStep(jobs)
	var out *Outcome
	pending, err := l.backend.Step(ctx, s)
	if err == nil {
		out, err = pending.Wait(ctx)
	}
	unwanted := ctx.Err() != nil
	l.unwatchStep()
	l.steps++
	l.last = time.Now()
	if err != nil {
		l.stepFailed(jobs, err, unwanted)
		return true
	}
	draws := 0
	for i, r := range s.Rows {
		n := len(out.Rows[i].Tokens)
		if r.Given != Draw {
			n++
		}
		draws = max(draws, n)
	}
	l.costs.took(l.last.Sub(start), draws, len(s.Prefill.Tokens))
	short := false
	for i, j := range rows {
		short = l.drew(j, &out.Rows[i], unwanted) || short
	}
	if reader != nil {
		short = l.read(reader, out.Prefill, unwanted) || short
	}
	if short {
		l.makeRoom()
	}
	return true
}

// stepFailed deals with a step of which nothing came. It was unwanted if all its callers have gone.
func (l *loop) stepFailed(jobs []*job, err error, unwanted bool) {
	for _, j := range jobs {
		if j.text.seq.Len() > len(j.tokens) {
			if err := l.truncate(j.text, len(j.tokens)); err != nil {
				l.fail(j, err)
				continue
			}
		}
		j.text.tokens = j.tokens[:j.text.seq.Len()]
		if !unwanted && !errors.Is(err, ErrContextFull) {
			l.fail(j, err)
		}
	}
	if !unwanted && errors.Is(err, ErrContextFull) {
		l.makeRoom()
	}
}

// makeRoom frees memory: that of the parked text that was not used for longest, or of the youngest reply, which goes back into the
// line and begins where it was when there is room again. If there is but one reply, it has all the memory, and ends.
func (l *loop) makeRoom() {
	if len(l.parked) > 0 {
		l.note(l.evict(0))
		return
	}
	if len(l.active) == 0 {
		return
	}
	j := l.active[len(l.active)-1]
	switch {
	case len(l.active) > 1:
		l.drop(j)
		l.crowded = true
		l.count.Preemptions++
		l.putBack(j)
	case len(j.tokens) > len(j.Request.Tokens):
		j.settle()
		l.finish(j, j.cutOff())
	default:
		l.fail(j, fmt.Errorf("engine: the prompt of %d tokens does not fit into the device's memory: %w", len(j.tokens), ErrContextFull))
	}
}

// finish ends a reply whose text is kept.
func (l *loop) finish(j *job, end event) {
	if err := l.park(j, len(j.tokens)); err != nil && end.err == nil && !l.tellsLoss(err) {
		end = event{err: err}
	}
	l.conclude(j, end)
}

// fail ends a reply whose text is not to be trusted.
func (l *loop) fail(j *job, err error) {
	l.drop(j)
	l.conclude(j, event{err: err})
}

// conclude tells the caller of a job, which holds no text, that it has ended.
func (l *loop) conclude(j *job, end event) {
	if end.err != nil && l.survives(j, end.err) {
		l.putBack(j)
		return
	}
	now := time.Now()
	if !l.ended.IsZero() {
		l.count.ReplyInterval = blend(l.count.ReplyInterval, now.Sub(l.ended))
	}
	l.ended = now
	l.forget(j.Key)
	l.publish()
	end.kind = eventEnd
	j.send(end)
}

// publish shows what Load returns.
func (l *loop) publish() {
	c := l.count
	c.Running, c.Waiting, c.Parked = len(l.active), len(l.waiting), len(l.parked)
	for _, j := range l.waiting {
		c.Queued += j.weight
	}
	if l.limits.Pages > 0 && !l.lost {
		c.PageTokens, c.Pages, c.FreePages = l.limits.PageTokens, l.limits.Pages, l.backend.FreePages()
		for _, j := range l.active {
			c.UsedPages += (j.held() + c.PageTokens - 1) / c.PageTokens
		}
		c.UsedPages = min(c.UsedPages, c.Pages-c.FreePages)
	}
	l.load.Store(&c)
}
