package engine

import (
	"cmp"
	"slices"
)

// plan decides on the next step: the jobs of its rows, and the one whose prompt goes on, or nil. Without a step there is nothing to do.
func (l *loop) plan() (s *Step, rows []*job, reader *job) {
	s = &Step{Draws: min(l.limits.Draws, backtrack/2)}
	if slices.ContainsFunc(l.active, (*job).prefilling) {
		s.Draws = 1 // they wait for the device
	}
	l.rows = l.seat()
	for _, j := range slices.Clone(l.rows) {
		if j.prefilling() {
			continue
		}
		row, ok := l.row(j)
		if !ok {
			continue
		}
		given := 0
		if row.Given != Draw {
			given, j.ramp = 1, max(j.ramp, min(2, l.limits.Draws))
		}
		s.Draws = min(s.Draws, given+j.limit-len(j.tokens), j.ramp)
		s.Draws = given + j.restrict(s.Draws-given)
		row.Allowed = j.allowed
		rows, s.Rows = append(rows, j), append(s.Rows, row)
	}
	if reader = l.reader(); reader != nil {
		s.Prefill = l.piece(reader, len(rows) > 0)
	}
	if len(rows) == 0 && reader == nil {
		return nil, nil, nil
	}
	return s, rows, reader
}

// row is what a step is asked for j.
func (l *loop) row(j *job) (Row, bool) {
	t := j.text
	if len(t.tokens) == len(j.tokens) && !t.seq.Ready() {
		if err := l.truncate(t, len(t.tokens)-1); err != nil {
			l.fail(j, err)
			return Row{}, false
		}
		if j.prefilling() {
			return Row{}, false
		}
	}
	r := Row{Seq: t.seq, Given: Draw, Sampler: j.sampler, Logprobs: -1}
	if len(t.tokens) < len(j.tokens) {
		r.Given = j.tokens[len(t.tokens)]
	}
	if j.Logprobs {
		r.Logprobs = j.TopLogprobs
	}
	return r, true
}

// seat chooses the jobs that get tokens. Those that have a row keep it for a turn; then others take it who wait for one: first who has
// no token yet, then whose key got least. Before them comes who has waited for very long: there may be no end of new ones.
func (l *loop) seat() []*job {
	able := func(j *job) bool { return !j.prefilling() && j.free() }
	var rows []*job
	for _, j := range l.rows {
		if able(j) || j.prompted && j.prefilling() { // it is back in a moment
			rows = append(rows, j)
		} else {
			j.since = l.steps
		}
	}
	var bench []*job
	for _, j := range l.active {
		if able(j) && !slices.Contains(rows, j) {
			bench = append(bench, j)
		}
	}
	fresh := func(j *job) bool { return len(j.tokens) == len(j.Request.Tokens) }
	overdue := func(j *job) int64 {
		if n := l.steps - j.since; n >= longestWait {
			return n
		}
		return 0
	}
	slices.SortStableFunc(bench, func(a, b *job) int {
		return cmp.Or(-cmp.Compare(overdue(a), overdue(b)), -cmp.Compare(number(fresh(a)), number(fresh(b))),
			cmp.Compare(l.served[a.Key], l.served[b.Key]), cmp.Compare(a.since, b.since))
	})
	for _, j := range bench {
		j.turn, j.ramp = 0, 1
		if len(rows) < l.limits.Rows {
			rows = append(rows, j)
			continue
		}
		long := slices.MaxFunc(rows, func(a, b *job) int { return a.turn - b.turn })
		turn := longTurn
		if fresh(j) {
			turn = shortTurn
		}
		if long.turn < turn {
			break
		}
		long.since = l.steps
		rows[slices.Index(rows, long)] = j
	}
	return rows
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// reader chooses whose prompt goes on: the one that ends soonest, but each piece that went before it counts for one of its own, so that
// a long one gets its turn. Callers hear of the progress before a piece is computed; who does not listen waits.
func (l *loop) reader() *job {
	var best *job
	left := func(j *job) int { return len(j.tokens) - 1 - j.held() - j.passed*l.options.PrefillTokens }
	for _, j := range l.active {
		if !j.prefilling() {
			continue
		}
		if j.Progress != nil && !j.prompted && j.announced != j.held() {
			j.announced = j.held()
			j.send(event{kind: eventProgress, done: j.announced})
		}
		if j.free() && (best == nil || left(j) < left(best)) {
			best = j
		}
	}
	for _, j := range l.active {
		if best != nil && j != best && j.prefilling() && j.free() {
			j.passed++
		}
	}
	return best
}

// piece is what is computed next of a job's prompt. It ends at a resume point, or where a page does: so the same pieces are computed again
// whatever was found in memory.
func (l *loop) piece(j *job, busy bool) Piece {
	held, n := j.held(), l.options.PrefillTokens
	if busy {
		n = min(n, l.costs.piece(l.options.TokenInterval, leastPiece))
	}
	last := len(j.tokens) - 1
	if stop, _ := slices.BinarySearch(j.stops, held+1); stop < len(j.stops) { // else it is text that the reply was forced to
		last = j.stops[stop]
	}
	end := min(held+n, last)
	if page := l.limits.PageTokens; page > 0 && end < last && end-end%page > held {
		end -= end % page
	}
	return Piece{Seq: j.text.seq, Tokens: j.tokens[held:end]}
}
