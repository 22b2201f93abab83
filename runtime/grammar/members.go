package grammar

import (
	"math/bits"
	"slices"
)

// members are the properties of an object that may come in any order, each once, and its end. What is left of one is a term of the kind
// termMembers: a is its place in rules.members, lo how many others there have been, hi is of memberFlags, and kids, which are no terms, have
// a bit for each of list that has been.
type members struct {
	list    []member
	others  inList // properties that are not declared, any number of them
	another inList // one of the others that must be there; the zero value: none
	end     inList // what stands behind the last property, and behind none
	comma   int32  // bytes of the shortest
	needed  []int  // places in list
	lo, hi  int32  // properties in all; hi < 0: any number
}

// inList is a term where it is the first of a list, and where it is not.
type inList [2]term

type member struct {
	inList
	needed bool
}

const (
	memberStarted int32 = 1 << iota // a property has been
	memberAnother                   // another has been
)

// anyOrder is the objects with these members, without their first bracket.
func (r *rules) anyOrder(m members) term {
	for i := range m.list {
		if m.list[i].needed {
			m.needed = append(m.needed, i)
		}
	}
	r.members = append(r.members, m)
	return r.term(termNode{kind: termMembers, a: int32(len(r.members) - 1), kids: make([]term, (len(m.list)+31)/32)})
}

// used says whether a member has been.
func (n *termNode) used(i int) bool { return n.kids[i/32]>>(i%32)&1 != 0 }

// measureMembers is the shortest text of what is left of an object, its end included.
func (r *rules) measureMembers(n *termNode) int32 {
	m := &r.members[n.a]
	sum, added, have := int32(0), int32(0), n.lo
	for _, word := range n.kids {
		have += int32(bits.OnesCount32(uint32(word)))
	}
	for _, i := range m.needed {
		if !n.used(i) {
			sum = add(sum, r.terms[m.list[i].inList[1]].shortest)
			added++
		}
	}
	if m.another != (inList{}) && n.hi&memberAnother == 0 {
		sum = add(sum, r.terms[m.another[1]].shortest)
		added++
	}
	if have+added < m.lo {
		// The cheapest of the rest; of the others there may be any number.
		other := r.terms[m.others[1]].shortest
		var rest []int32
		for i := range m.list {
			if !m.list[i].needed && !n.used(i) {
				rest = append(rest, r.terms[m.list[i].inList[1]].shortest)
			}
		}
		slices.Sort(rest)
		for ; have+added < m.lo; added++ {
			if len(rest) > 0 && rest[0] < other {
				sum, rest = add(sum, rest[0]), rest[1:]
			} else {
				sum = add(sum, other)
			}
		}
	}
	if sum >= never || m.hi >= 0 && have+added > m.hi {
		return never
	}
	started := n.hi & memberStarted
	if started == 0 && added > 0 {
		sum, started = sum-m.comma, memberStarted
	}
	return add(sum, r.terms[m.end[started]].shortest)
}

// eachLeft calls with what may come next of an object: a term, and what is left after it; at its end, nothing.
func (r *rules) eachLeft(n termNode, with func(next, rest term)) {
	m := &r.members[n.a]
	started := n.hi & memberStarted
	kids := slices.Clone(n.kids)
	then := termNode{kind: termMembers, a: n.a, lo: n.lo, hi: n.hi | memberStarted, kids: kids}
	missing, have := m.another != (inList{}) && n.hi&memberAnother == 0, n.lo
	for i := range m.list {
		x := &m.list[i]
		if n.used(i) {
			have++
			continue
		}
		missing = missing || x.needed
		if r.terms[x.inList[started]].shortest >= never {
			continue
		}
		kids[i/32] |= 1 << (i % 32)
		with(x.inList[started], r.term(then))
		kids[i/32] &^= 1 << (i % 32)
	}
	if !missing && have >= m.lo {
		with(m.end[started], nothing)
	}
	then.lo = min(n.lo+1, max(m.lo, m.hi+1, 0))
	if !r.isDead(m.others[started]) {
		with(m.others[started], r.term(then))
	}
	if m.another != (inList{}) && n.hi&memberAnother == 0 {
		then.hi |= memberAnother
		with(m.another[started], r.term(then))
	}
}

// parts appends the terms that a term is made of, other than rules.
func (r *rules) parts(n *termNode, to []term) []term {
	if n.kind != termMembers {
		return append(to, n.kids...)
	}
	m := &r.members[n.a]
	for _, x := range m.list {
		to = append(to, x.inList[:]...)
	}
	return append(append(append(to, m.others[:]...), m.another[:]...), m.end[:]...)
}
