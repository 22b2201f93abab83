package chat

import (
	"errors"

	"gossamer/runtime/grammar"
)

// constraint is the place of a reply in its protocol: an engine.Constraint.
//
// A reply that has to come to an end does so before its tokens run out: near that, the masks hold only what leaves room for the rest.
type constraint struct {
	vocab   *vocabulary
	header  *node            // where content is nil
	content *content         // of the message
	matcher *grammar.Matcher // of the content; nil if it is free
	endable map[*uint32][]uint32
}

// newConstraint returns the place before the first token of a reply.
func newConstraint(t *protocol) *constraint {
	c := &constraint{vocab: t.vocab, header: t.first}
	if t.begun != nil {
		c.open(t.begun)
	}
	return c
}

// Mask returns the tokens that may come next; see engine.Constraint.
func (c *constraint) Mask(left int) (ids []uint32, steady bool) {
	v, k := c.vocab, c.content
	if k == nil {
		return c.header.mask(v, left-1), false
	}
	if c.matcher == nil {
		if k.cost > 0 && left <= k.rest() {
			return v.only(k.end), false
		}
		return v.textAnd(k.end), true
	}
	mask := c.matcher.Mask(max(left-k.rest(), 1)).Bits
	if c.matcher.Accepting() {
		mask = c.withEnd(mask)
	}
	return mask, false
}

// End returns the token that ends the reply behind what has a form and is complete; see engine.Constraint.
func (c *constraint) End() (stop int32, ok bool) {
	k := c.content
	if k == nil || k.next != nil || c.matcher == nil || !c.matcher.Accepting() {
		return 0, false
	}
	return k.end, true
}

// withEnd is a mask of the matcher with the end of the content, always the same for the same one.
func (c *constraint) withEnd(mask []uint32) []uint32 {
	with := c.endable[&mask[0]]
	if with == nil {
		if c.endable == nil || len(c.endable) == maxEndable {
			c.endable = map[*uint32][]uint32{}
		}
		with = c.vocab.with(mask, c.content.end)
		c.endable[&mask[0]] = with
	}
	return with
}

// maxEndable is the number of masks that are kept with an end.
const maxEndable = 64

var errNotAllowed = errors.New("chat: the token is not allowed here, the device is faulty")

// Accept goes on by a token.
func (c *constraint) Accept(id int32) error {
	switch {
	case c.content == nil:
		next := c.header.child(id)
		if next == nil {
			return errNotAllowed
		}
		c.enter(next)
	case id == c.content.end && c.content.next != nil && (c.matcher == nil || c.matcher.Accepting()):
		c.enter(c.content.next)
	case c.matcher != nil && !c.matcher.Accept(id), c.matcher == nil && c.vocab.tok.Bytes(id) == nil:
		return errNotAllowed
	}
	return nil
}

// enter goes to a node, and into the content that it opens.
func (c *constraint) enter(n *node) {
	c.header, c.content, c.matcher = n, nil, nil
	if n.opens != nil {
		c.open(n.opens)
	}
}

func (c *constraint) open(k *content) {
	c.content, c.endable = k, nil
	if k.grammar != nil {
		c.matcher = k.grammar.NewMatcher()
	}
}

// Forced appends the tokens that must follow; see engine.Constraint.
func (c *constraint) Forced(to []int32, left int) []int32 {
	n, k, m := c.header, c.content, c.matcher
	if k == nil {
		for ; len(n.next) == 1; left-- {
			n = n.next[0]
			to = append(to, n.token)
		}
		if k = n.opens; k != nil && k.grammar != nil {
			m = k.grammar.NewMatcher()
		}
	}
	if m == nil {
		return to
	}
	return m.Forced(to, max(left-k.rest(), 1))
}
