package engine

import "fmt"

// Constraint restricts a reply token by token. One goroutine uses it at a time.
type Constraint interface {
	// Mask returns the ids that may come next, a bit set as Request.Allowed is, where at most left tokens follow; one that stops the reply
	// is not among them. Equal sets should be the same slice. If steady, the same set is likely after the next tokens: several are drawn at
	// a time, and those that it turns out not to hold for are taken back.
	Mask(left int) (ids []uint32, steady bool)
	// Accept goes on by a token that Mask allows, other than one that stops the reply.
	Accept(id int32) error
	// Forced appends the tokens that must follow, if it is known, where at most left follow as for Mask.
	Forced(to []int32, left int) []int32
	// End returns the id that stops the reply, if that is whole as it is. Where no tokens are left the reply then ends as if it were drawn.
	End() (stop int32, ok bool)
}

// restrict sets the ids that a job's next tokens may be, of so many in all, and returns how many of them can be drawn at a time: at most most.
func (j *job) restrict(most, vocab int) int {
	if j.Constraint == nil || most == 0 {
		return most
	}
	if len(j.due) > 0 {
		j.allowed = make([]uint32, (vocab+31)/32)
		j.allowed[j.due[0]/32] |= 1 << (j.due[0] % 32)
		return 1
	}
	j.allowed = j.outlook.ids
	if !j.outlook.steady || j.penalized() { // what the sampler has counted can't be taken back
		return 1
	}
	return most
}

// holds reports whether the ids that a run of draws is restricted to are still those that may come next.
func (j *job) holds() bool {
	if j.Constraint == nil {
		return true
	}
	ids, _ := j.Constraint.Mask(j.limit - len(j.tokens))
	return same(ids, j.allowed)
}

// same reports whether two sets are one slice.
func same(a, b []uint32) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// accept goes on by the tokens that were written since the constraint last heard of any.
func (j *job) accept() error {
	for i, id := range j.unsaid {
		if err := j.Constraint.Accept(id); err != nil {
			return fmt.Errorf("engine: token %d of the reply is %d: %w", len(j.tokens)-len(j.unsaid)+i-len(j.Request.Tokens), id, err)
		}
	}
	j.unsaid = j.unsaid[:0]
	return nil
}

// cutOff is the end of a reply that has no room for more tokens.
func (r *Request) cutOff() event {
	if r.Constraint != nil {
		if stop, whole := r.Constraint.End(); whole {
			return event{finish: FinishStop, stopID: stop}
		}
	}
	return event{finish: FinishLength}
}

func (j *job) penalized() bool {
	p := j.sampler.Params()
	return p.Penalized()
}

// forced returns the tokens that must follow.
func (j *job) forced() []int32 {
	left := j.limit - len(j.tokens)
	forced := j.Constraint.Forced(nil, left)
	return forced[:min(left, len(forced))]
}
