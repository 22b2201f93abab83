package playback

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"
	"weak"

	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
)

// A step whose rows all pause is waited for this long at most, so that a prompt that arrives meanwhile is not held up.
const longestPause = 10 * time.Millisecond

// With a rate, a step takes about this long, so that replies flow.
const stepTime = 50 * time.Millisecond

// Step takes a step, which Wait does.
func (m *Model) Step(_ context.Context, s *engine.Step) (engine.Pending, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return nil, err
	}
	if len(s.Rows) > maxRows || len(s.Rows) > 0 && (s.Draws < 1 || s.Draws > maxDraws) || len(s.Prefill.Tokens) > maxChunk {
		return nil, fmt.Errorf("playback: a step of %d rows, %d draws and a piece of %d tokens, at most %d, %d and %d are possible",
			len(s.Rows), s.Draws, len(s.Prefill.Tokens), maxRows, maxDraws, maxChunk)
	}
	used := map[*sequence]bool{}
	take := func(s engine.Sequence) error {
		seq, ok := s.(*sequence)
		if !ok || seq.m != m || seq.closed || used[seq] {
			return errors.New("playback: a step with a sequence of another model, with a closed one, or with one twice")
		}
		used[seq] = true
		return nil
	}
	for _, r := range s.Rows {
		if err := take(r.Seq); err != nil {
			return nil, err
		}
		if r.Given == engine.Draw && !r.Seq.(*sequence).ready {
			return nil, errors.New("playback: a row is to be drawn behind a token whose logits are gone")
		}
	}
	if s.Prefill.Seq != nil {
		if err := take(s.Prefill.Seq); err != nil {
			return nil, err
		}
	}
	return &pending{m, s}, nil
}

// pending is a step.
type pending struct {
	m *Model
	s *engine.Step
}

// Wait does the step: it finds the tokens, waits as long as they would take, and appends them.
func (p *pending) Wait(ctx context.Context) (*engine.Outcome, error) {
	now := time.Now()
	rows, pause, err := p.draw(now)
	if err != nil {
		return nil, err
	}
	if err := sleep(ctx, p.duration(rows, pause, now)); err != nil {
		return nil, err
	}
	return p.commit(rows), nil
}

// drawn is what a row gets.
type drawn struct {
	engine.Drawn
	seq    *sequence
	given  []int32 // none or one
	reply  *reply  // nil if nothing was to be drawn
	pauses bool
	full   bool // a play fills the memory
}

// draw finds the tokens of the rows, and when the first one goes on that pauses.
func (p *pending) draw(now time.Time) (rows []drawn, pause time.Time, err error) {
	m := p.m
	m.mu.Lock()
	defer m.mu.Unlock()
	rows = make([]drawn, len(p.s.Rows))
	for i := range rows {
		until, err := m.drawRow(&rows[i], &p.s.Rows[i], p.s.Draws, now)
		if err != nil {
			return nil, pause, err
		}
		if rows[i].pauses = !until.IsZero(); rows[i].pauses && (pause.IsZero() || until.Before(pause)) {
			pause = until
		}
	}
	return rows, pause, nil
}

// drawRow finds at most n tokens for a row, one that is given among them. It returns when the row goes on if it pauses, and an error if
// the device is lost.
func (m *Model) drawRow(d *drawn, row *engine.Row, n int, now time.Time) (until time.Time, lost error) {
	d.seq = row.Seq.(*sequence)
	text := slices.Clip(d.seq.tokens)
	if row.Given != engine.Draw {
		if len(text) == m.context {
			d.Err = m.full()
			return until, nil
		}
		d.given = []int32{row.Given}
		text = append(text, row.Given)
		n--
	}
	if n == 0 {
		return until, nil
	}
	r := m.reply(row, text)
	d.reply = r
	if d.Err = r.err; d.Err != nil {
		return until, nil
	}
	m.follow(r, text[r.prompt:])
	if d.Err = r.err; d.Err != nil {
		return until, nil
	}
	n = min(n, m.atOnce(len(text)))
	for at := r.place; len(d.Tokens) < n; {
		switch o := r.next(at); o.kind {
		case opWait:
			if until = r.pause(at.op, o.wait, now); !until.IsZero() {
				return until, nil
			}
			at.op++
			continue
		case opFail:
			switch {
			case len(d.Tokens) > 0: // they are said first
			case o.fail == failLost:
				m.lost = true
				return until, lostError{}
			case o.fail == failFull:
				d.full = true
				d.Err = fmt.Errorf("playback: play %q: %w", r.play.name, engine.ErrContextFull)
			default:
				d.Err = fmt.Errorf("playback: play %q fails, as it is meant to", r.play.name)
			}
			return until, nil
		}
		if len(text) == m.context {
			d.Err = m.full()
			return until, nil
		}
		id, given, err := m.write(r, at, text, row.Allowed)
		if err != nil {
			d.Err = err
			return until, nil
		}
		d.Tokens = append(d.Tokens, m.token(id, given, row.Logprobs, len(text)))
		text, at = append(text, id), r.after(at, id)
	}
	return until, nil
}

func (m *Model) full() error {
	return fmt.Errorf("playback: a text of %d tokens: %w", m.context, engine.ErrContextFull)
}

// reply is the one that a row's sampler draws. It begins when the sampler is seen for the first time. m.mu is held.
func (m *Model) reply(row *engine.Row, text []int32) *reply {
	key := weak.Make(row.Sampler)
	r := m.replies[key]
	if r != nil && (r.err != nil || len(text) >= r.prompt) {
		return r
	}
	if r == nil {
		runtime.AddCleanup(row.Sampler, func(key weak.Pointer[sample.Sampler]) {
			m.mu.Lock()
			defer m.mu.Unlock()
			delete(m.replies, key)
		}, key)
	}
	r = m.begin(text, row.Allowed)
	m.replies[key] = r
	return r
}

// pause returns when the pause ends that is the step op of the reply; the zero time if it is over.
func (r *reply) pause(op int, d time.Duration, now time.Time) time.Time {
	if op < r.paused {
		return time.Time{}
	}
	if r.until.IsZero() {
		r.until = now.Add(d)
	}
	if now.Before(r.until) {
		return r.until
	}
	r.paused, r.until = op+1, time.Time{}
	return time.Time{}
}

// atOnce is how many tokens a step yields behind a text of some length.
func (m *Model) atOnce(length int) int {
	f := m.file
	n := f.draws[0] + m.random(length).IntN(f.draws[1]-f.draws[0]+1)
	if f.decodeRate > 0 {
		n = min(n, max(1, int(f.decodeRate*stepTime.Seconds())))
	}
	return n
}

// duration is how long a step takes.
func (p *pending) duration(rows []drawn, pause, now time.Time) time.Duration {
	f := p.m.file
	most, moves := 0, len(p.s.Prefill.Tokens) > 0
	for i := range rows {
		d := &rows[i]
		most = max(most, len(d.Tokens))
		moves = moves || len(d.Tokens)+len(d.given) > 0 || d.Err != nil
	}
	if !moves && !pause.IsZero() {
		return min(pause.Sub(now), longestPause)
	}
	seconds := 0.0
	if f.decodeRate > 0 {
		seconds += float64(most) / f.decodeRate
	}
	if f.prefillRate > 0 {
		seconds += float64(len(p.s.Prefill.Tokens)) / f.prefillRate
	}
	return time.Duration(seconds * float64(time.Second))
}

// sleep waits, until ctx ends at the longest.
func sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil || d <= 0 {
		return context.Cause(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// commit appends what was found to the sequences.
func (p *pending) commit(rows []drawn) *engine.Outcome {
	m := p.m
	m.mu.Lock()
	defer m.mu.Unlock()
	out := &engine.Outcome{Rows: make([]engine.Drawn, len(rows))}
	for i := range rows {
		d := &rows[i]
		d.seq.tokens = append(d.seq.tokens, d.given...)
		for _, t := range d.Tokens {
			d.seq.tokens = append(d.seq.tokens, t.ID)
			p.s.Rows[i].Sampler.Accept(t.ID)
		}
		if d.reply != nil && d.reply.err == nil {
			m.follow(d.reply, d.seq.tokens[d.reply.prompt:])
		}
		if len(d.given)+len(d.Tokens) > 0 {
			delete(m.short, d.seq)
		}
		if d.full {
			m.short[d.seq] = true
		}
		if len(d.given) > 0 || p.s.Rows[i].Given == engine.Draw {
			m.seat(d.seq)
		}
		out.Rows[i] = d.Drawn
	}
	if seq := p.s.Prefill.Seq; seq != nil {
		s := seq.(*sequence)
		room := min(len(p.s.Prefill.Tokens), m.context-len(s.tokens))
		m.unseat(s)
		delete(m.short, s)
		s.tokens = append(s.tokens, p.s.Prefill.Tokens[:room]...)
		if room < len(p.s.Prefill.Tokens) {
			out.Prefill = m.full()
		}
	}
	return out
}
