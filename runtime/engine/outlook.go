package engine

import (
	"slices"
	"time"
)

// outlook is what may follow the tokens of a job that has a Constraint. It is found out beside the loop, since for some grammars it takes
// as long as many steps.
type outlook struct {
	done   chan struct{}
	late   bool // it was waited for, for a moment
	heeded bool // the loop has acted by it

	// Once done is closed:
	err    error    // one of the tokens was not allowed
	end    event    // of the reply, which has no room for more tokens
	forced []int32  // what must follow
	ids    []uint32 // where nothing must: what may
	steady bool     // see Constraint.Mask
}

// shortWait is how long a step waits for outlooks. Rows for which they take longer are left out of steps until they are there.
const shortWait = 10 * time.Millisecond

// lookOut begins to find out what may follow a job's tokens, and where force is set what must.
func (l *loop) lookOut(j *job, force bool) {
	if j.Constraint == nil {
		return
	}
	o := &outlook{done: make(chan struct{})}
	j.outlook = o
	go func() {
		defer l.notify()
		defer close(o.done)
		left := j.limit - len(j.tokens)
		if o.err = j.accept(); o.err != nil {
			return
		}
		if left == 0 {
			o.end = j.cutOff()
			return
		}
		if force {
			o.forced = j.forced()
		}
		if len(o.forced) == 0 {
			o.ids, o.steady = j.Constraint.Mask(left)
		}
	}()
}

// known reports whether it is known what may follow a job's tokens.
func (j *job) known() bool { return j.Constraint == nil || j.outlook != nil && j.outlook.heeded }

// heed acts by the outlooks that are there. For those of jobs that could be part of the next step it waits a moment, once.
func (l *loop) heed() {
	var moment <-chan time.Time
	there := func(j *job, o *outlook) bool {
		if !o.late && !j.prefilling() && j.free() {
			if moment == nil {
				moment = time.After(shortWait)
			}
			select {
			case <-o.done:
			case <-moment:
				o.late = true
				moment = time.After(0)
			}
		}
		select {
		case <-o.done:
			return true
		default:
			return false
		}
	}
	for _, j := range slices.Clone(l.active) {
		for o := j.outlook; o != nil && !o.heeded && j.text != nil && there(j, o); o = j.outlook {
			o.heeded = true
			switch {
			case o.err != nil:
				l.finish(j, event{err: o.err})
			case len(j.tokens) == j.limit:
				l.finish(j, o.end)
			case len(o.forced) > 0:
				l.force(j, o.forced)
			}
		}
	}
}

// force goes on by tokens that must follow. Where log probabilities are asked for, the device counts tokens, or a piece would have other bits,
// they are drawn, each from itself alone.
func (l *loop) force(j *job, forced []int32) {
	if j.Logprobs || j.penalized() || j.exact {
		j.due = forced
		return
	}
	now := time.Now()
	for _, id := range forced {
		if l.write(j, Token{ID: id}, now) {
			return
		}
	}
	l.lookOut(j, false)
}

// settle lets a job's constraint hear of all its tokens.
func (j *job) settle() {
	if o := j.outlook; o != nil {
		<-o.done
	}
	_ = j.accept() // a token that is not allowed leaves the reply as incomplete as it is
}
