package engine

import (
	"cmp"
	"slices"
)

// plan decides on the next step: the jobs of its rows, and the one whose prompt goes on, or nil. Without a step there is nothing to do.
func (l *loop) plan() (s *Step, rows []*job, reader *job) {
	l.heed()
	s = &Step{Draws: min(l.limits.Draws, backtrack/2)}
	if slices.ContainsFunc(l.active, (*job).prefilling) {
		s.Draws = 1 // they wait for the device
	}
	l.rows = l.seat()
	for _, j := range slices.Clone(l.rows) {
		if j.prefilling() || !j.known() {
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
		s.Draws = given + j.restrict(s.Draws-given, l.config.Vocab)
		if j.held() < len(j.tokens)-1 {
			s.Draws = 1 // the next token is given too
		}
		row.Allowed = j.allowed
		rows, s.Rows = append(rows, j), append(s.Rows, row)
	}
	tokens := l.pieceTokens(len(rows) > 0)
	if reader = l.reader(tokens); reader != nil {
		s.Prefill = l.piece(reader, tokens)
		if !prepares || len(rows) == 0 || l.backend.Ready(&Step{Prefill: s.Prefill}) {
			l.passOver(reader, len(s.Prefill.Tokens))
		} else {
			s.Prefill, reader = Piece{}, nil // rows don't wait for a compiler
		}
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
	r := j.asks()
	if len(t.tokens) < len(j.tokens) {
		r.Given = j.tokens[len(t.tokens)]
	}
	return r, true
}

// asks is a row that draws for j.
func (j *job) asks() Row {
	r := Row{Seq: j.text.seq, Given: Draw, Sampler: j.sampler, Logprobs: -1}
	if j.Logprobs {
		r.Logprobs = j.TopLogprobs
	}
	return r
}

// seat chooses the jobs that get tokens. Those that have a row keep it for a turn; then others take it who wait for one: first who has
// no token yet, then whose key got least. Before them comes who has waited for very long: there may be no end of new ones. Beside others nobody
// gets a row for whom the backend is not ready: they would wait for it.
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
	if prepares {
		l.foresee(rows, bench)
	}
	for _, j := range bench {
		j.turn, j.ramp = 0, 1
		if len(rows) == 0 || len(rows) < l.limits.Rows && (!prepares || l.ready(append(slices.Clip(rows), j))) {
			rows = append(rows, j)
			continue
		}
		at := slices.Index(rows, slices.MaxFunc(rows, func(a, b *job) int { return a.turn - b.turn }))
		if prepares && !l.ready(append(slices.Concat(rows[:at], rows[at+1:]), j)) {
			continue
		}
		turn := longTurn
		if fresh(j) || len(rows) < l.limits.Rows { // it is not long until all have one
			turn = shortTurn
		}
		if rows[at].turn < turn {
			break
		}
		rows[at].since = l.steps
		rows[at] = j
	}
	return rows
}

// foresee has the backend prepare what rows will need soon, and then what they need together with those who wait for a row: before what some of
// them would need.
func (l *loop) foresee(rows, bench []*job) {
	if len(rows) > 0 {
		l.ready(rows)
	}
	if all := slices.Concat(rows, bench); len(bench) > 0 && len(all) > 1 {
		l.ready(all[:min(len(all), l.limits.Rows)])
	}
}

// ready reports whether the backend is ready for rows of these jobs.
func (l *loop) ready(jobs []*job) bool {
	s := &Step{Draws: min(l.limits.Draws, backtrack/2)}
	for _, j := range jobs {
		s.Rows = append(s.Rows, j.asks())
	}
	return l.backend.Ready(s)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// overduePieces is how many whole pieces of other prompts go before one of a prompt that waits, at most.
const overduePieces = 8

// reader chooses whose prompt goes on: of the key that got least, the one that ends soonest. So a short prompt waits for no long one, and no
// key for the many prompts of another. Before them comes who has waited for the tokens of many pieces, which it gets one for: so a long
// prompt gets on, whatever comes. First of all come tokens that a reply was forced to, for its next one waits for them. Callers hear of the
// progress before a piece is computed; who does not listen waits.
func (l *loop) reader(piece int) *job {
	var best *job
	overdue := func(j *job) int {
		if j.passed >= overduePieces*piece {
			return j.passed
		}
		return 0
	}
	before := func(a, b *job) bool {
		return cmp.Or(-cmp.Compare(number(a.replying()), number(b.replying())), -cmp.Compare(overdue(a), overdue(b)),
			cmp.Compare(l.served[a.Key], l.served[b.Key]), cmp.Compare(a.unread(), b.unread())) < 0
	}
	for _, j := range l.active {
		if !j.prefilling() {
			continue
		}
		if j.Progress != nil && !j.prompted && j.announced != j.held() {
			j.announced = j.held()
			j.send(event{kind: eventProgress, done: j.announced})
		}
		if j.free() && (best == nil || before(j, best)) {
			best = j
		}
	}
	return best
}

// passOver counts a piece of n tokens for those whose prompts have waited for it, though they could have gone on.
func (l *loop) passOver(best *job, n int) {
	for _, j := range l.active {
		if j != best && j.prefilling() && j.free() {
			j.passed += n
		}
	}
	best.passed = 0
}

// pieceTokens is how many tokens of a prompt go with a step at most: beside rows as many as keep it short.
func (l *loop) pieceTokens(busy bool) int {
	if busy {
		return min(l.options.PrefillTokens, l.costs.piece(l.options.TokenInterval, leastPiece))
	}
	return l.options.PrefillTokens
}

// piece is what is computed next of a job's prompt. It ends at a resume point, or where a page does: so the same pieces are computed again
// whatever was found in memory.
func (l *loop) piece(j *job, n int) Piece {
	held := j.held()
	last := j.pieces()
	if stop, _ := slices.BinarySearch(j.stops, held+1); stop < len(j.stops) { // else it is text that the reply was forced to
		last = j.stops[stop]
	}
	end := min(held+n, last)
	if page := l.limits.PageTokens; page > 0 && end < last && end-end%page > held {
		end -= end % page
	}
	return Piece{Seq: j.text.seq, Tokens: j.tokens[held:end]}
}
