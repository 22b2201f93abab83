package grammar

import "math/bits"

// mod matches digits after which a number has the remainder 0 modulo m, if it had the remainder r before.
func (t *exprs) mod(r, m int32) expr {
	for _, b := range []byte("0123456789.") { // which it tells apart
		t.set(span(b, b))
	}
	return t.intern(exprNode{kind: kindMod, lo: r, hi: m, nullable: r == 0, shortest: -1})
}

// after is the derivative: what may follow b in the texts of e that begin with it.
func (t *exprs) after(e expr, b byte) expr {
	if e <= empty {
		return none
	}
	n := t.nodes[e] // a copy: the table grows
	if n.kind == kindSet {
		if t.sets[n.a].has(b) {
			return empty
		}
		return none
	}
	if n.kind == kindConcat && t.nodes[n.a].kind == kindSet { // the next byte of a text
		if t.sets[t.nodes[n.a].a].has(b) {
			return n.kids[0]
		}
		return none
	}
	// What is quickly found again is not kept.
	keep := n.kind != kindRepeat && (n.kind != kindConcat || t.nullable(n.a))
	key := uint64(e)<<8 | uint64(b)
	if keep {
		if d, ok := t.next[key]; ok {
			return d
		}
	}
	t.derived++
	if t.worked(1) {
		return none
	}
	var d expr
	switch n.kind {
	case kindConcat:
		d = t.concat(t.after(n.a, b), n.kids[0])
		if t.nullable(n.a) {
			d = t.alt(d, t.after(n.kids[0], b))
		}
	case kindAlt, kindAnd:
		kids := make([]expr, 0, len(n.kids))
		for _, k := range n.kids {
			dk := t.after(k, b)
			if dk == none {
				if n.kind == kindAnd {
					kids = append(kids[:0], none)
					break
				}
				continue
			}
			kids = append(kids, dk)
		}
		if n.kind == kindAlt {
			d = t.alt(kids...)
		} else {
			d = t.and(kids...)
		}
	case kindNot:
		wasFull := t.full
		t.full = false
		inner := t.after(n.a, b)
		if t.full { // inner lacks texts: its complement would have too many
			return none
		}
		t.full = wasFull
		d = t.not(inner)
	case kindRepeat:
		d = t.concat(t.after(n.a, b), t.repeat(n.a, max(n.lo-1, 0), n.hi-1))
	case kindMod:
		if b == '.' {
			d = e // the point of a fraction: the digits go on
		} else if b >= '0' && b <= '9' {
			d = t.mod(int32((int64(n.lo)*10+int64(b-'0'))%int64(n.hi)), n.hi)
		}
	}
	if keep && !t.full {
		t.next[key] = d
	}
	return d
}

// worked notes work. It reports whether there was too much of it: then the table counts as full, and nothing more is found.
func (t *exprs) worked(n int) bool {
	t.work += n
	if t.hard == 0 || t.work <= t.hard {
		return false
	}
	t.full = true
	return true
}

// matches says whether text is one of e's.
func (t *exprs) matches(e expr, text string) bool {
	for i := 0; i < len(text) && e != none; i++ {
		e = t.after(e, text[i])
	}
	return t.nullable(e)
}

// refine makes the classes of bytes respect all sets.
func (t *exprs) refine() {
	if t.refined == len(t.sets) {
		return
	}
	for ; t.refined < len(t.sets); t.refined++ {
		s := &t.sets[t.refined]
		moved := map[uint8]uint8{} // from a class to the new one of its members in s, if others are outside
		var inside, outside byteSet
		for b := range 256 {
			if c := t.class[b]; s.has(byte(b)) {
				inside.add(c, c)
			} else {
				outside.add(c, c)
			}
		}
		for i := range inside {
			for both := inside[i] & outside[i]; both != 0; both &= both - 1 {
				moved[uint8(i*64+bits.TrailingZeros64(both))] = uint8(len(t.reps))
				t.reps = append(t.reps, 0)
			}
		}
		for b := range 256 {
			if c, ok := moved[t.class[b]]; ok && s.has(byte(b)) {
				t.class[b] = c
			}
		}
	}
	for b := 255; b >= 0; b-- {
		t.reps[t.class[b]] = byte(b)
	}
}

// shortest is the number of bytes of the shortest text of e; never, if there is none. Without intersections, complements and remainders
// it is arithmetic; those are searched, by breadth.
func (t *exprs) shortest(e expr) int32 {
	n := t.nodes[e]
	if n.shortest >= 0 {
		return n.shortest
	}
	var s int32
	switch {
	case n.nullable:
		s = 0
	case n.kind == kindConcat:
		for s = 0; ; { // along the chain, which may be long
			s = add(s, t.shortest(n.a))
			e2 := n.kids[0]
			n = t.nodes[e2]
			if n.kind != kindConcat || n.shortest >= 0 {
				s = add(s, t.shortest(e2))
				break
			}
		}
	case n.kind == kindAlt:
		s = never
		for _, k := range n.kids {
			s = min(s, t.shortest(k))
		}
	case n.kind == kindRepeat:
		s = times(n.lo, t.shortest(n.a))
	default:
		var exact bool
		if s, exact = t.search(e); !exact {
			return s
		}
	}
	t.nodes[e].shortest = s
	return s
}

// outlook is how long the shortest text of an expression is, or if that is not known, -1, how long it is at least, and the sum of what the parts
// of an intersection take.
func (t *exprs) outlook(x expr) (rest, least, sum int32) {
	n := &t.nodes[x]
	rest, least = n.shortest, 1
	switch {
	case n.nullable:
		rest = 0
	case rest >= 0:
	case n.kind == kindAnd:
		for _, k := range n.kids {
			if kind := t.nodes[k].kind; kind != kindNot && kind != kindMod {
				s := t.shortest(k)
				least, sum = max(least, s), add(sum, s)
			}
		}
	case n.kind != kindNot && n.kind != kindMod:
		rest = t.shortest(x)
	}
	return rest, least, sum
}

// search finds the shortest text of an intersection, complement or remainder: the first of those that may be nearest, as a text of an
// intersection is no shorter than those of its parts. Beyond maxExact expressions it takes the text that it finds first, going where the
// parts together come nearer. Either way the length is that of a text, and what the text leads through is known from then on, so that
// distances become less by one with each byte of some text. exact is false if the table becomes full, which while a grammar is compiled
// it is taken to be where no text is found in maxSearch expressions.
func (t *exprs) search(e expr) (length int32, exact bool) {
	t.refine()
	wasFull := t.full
	t.full = false
	defer func() { t.full = t.full || wasFull }()
	type way struct {
		at   int32 // the fewest bytes on a way there
		from expr
	}
	seen := map[expr]way{}
	best, end := int32(never), none
	var queue []ahead
	greedy := false
	push := func(x, from expr, at int32) (length int32) { // that it has at least
		if was, ok := seen[x]; ok && was.at <= at {
			return never
		}
		seen[x] = way{at, from}
		rest, least, sum := t.outlook(x)
		if rest >= 0 {
			if rest = add(at, rest); rest < best {
				best, end = rest, x
			}
		} else if least = add(at, least); least < best {
			a := ahead{x: x, at: at, least: least, sum: sum, first: least}
			if greedy {
				a.first = sum
			}
			queue = append(queue, a)
			heapUp(queue)
			return least
		}
		return rest
	}
	push(e, none, 0)
	for len(queue) > 0 && (!greedy && queue[0].least < best || greedy && best == never) {
		s := queue[0]
		queue[0] = queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		heapDown(queue)
		if seen[s.x].at < s.at {
			continue
		}
		first := t.first(s.x, 0)
		for i, b := range t.reps[s.tried:] {
			if !first.has(b) {
				continue
			}
			if d := t.after(s.x, b); d != none && push(d, s.x, s.at+1) <= s.least && !greedy { // no other byte leads nearer: they wait
				s.tried += i + 1
				queue = append(queue, s)
				heapUp(queue)
				break
			}
		}
		if len(seen) > maxSearch && t.live { // not known to have a text: taken to have none
			return best, !t.full
		}
		if t.full || len(seen) > maxSearch {
			t.full = true
			return best, false
		}
		if !greedy && len(seen) > maxExact {
			greedy = true
			rest := queue
			queue = nil
			for _, a := range rest {
				a.first = a.sum
				queue = append(queue, a)
				heapUp(queue)
			}
		}
	}
	for x := end; x != none; x = seen[x].from {
		if n := &t.nodes[x]; n.shortest < 0 && !n.nullable {
			n.shortest = best - seen[x].at
		}
	}
	return best, !t.full
}

const (
	maxExact  = 300  // expressions that are visited for the shortest text
	maxSearch = 5000 // and for any text
)

// ahead is a place of a search.
type ahead struct {
	x     expr
	at    int32 // bytes from the start
	least int32 // the fewest bytes of a text by this way
	sum   int32 // of the shortest texts of the parts
	first int32 // least or sum: those with the least are looked at first
	tried int   // classes of bytes that were followed
}

// before says which place is looked at first.
func (a *ahead) before(b *ahead) bool { return a.first < b.first || a.first == b.first && a.at > b.at }

// heapUp moves the last element of a heap to its place.
func heapUp(q []ahead) {
	for i := len(q) - 1; i > 0 && q[i].before(&q[(i-1)/2]); i = (i - 1) / 2 {
		q[i], q[(i-1)/2] = q[(i-1)/2], q[i]
	}
}

// heapDown moves the first element of a heap to its place.
func heapDown(q []ahead) {
	for i := 0; ; {
		first := i
		for _, j := range [2]int{2*i + 1, 2*i + 2} {
			if j < len(q) && q[j].before(&q[first]) {
				first = j
			}
		}
		if first == i {
			return
		}
		q[i], q[first] = q[first], q[i]
		i = first
	}
}

// first is a set of bytes that has all with which texts of e begin.
func (t *exprs) first(e expr, depth int) byteSet {
	n := &t.nodes[e]
	if depth > 8 {
		return everyByte
	}
	switch n.kind {
	case kindNone, kindEmpty:
		return byteSet{}
	case kindSet:
		return t.sets[n.a]
	case kindConcat:
		s := t.first(n.a, depth+1)
		if t.nullable(n.a) {
			more := t.first(n.kids[0], depth+1)
			union(&s, &more)
		}
		return s
	case kindRepeat:
		return t.first(n.a, depth+1)
	case kindAlt:
		var s byteSet
		for _, k := range n.kids {
			more := t.first(k, depth+1)
			union(&s, &more)
		}
		return s
	case kindAnd:
		s := everyByte
		for _, k := range n.kids {
			also := t.first(k, depth+1)
			for i := range s {
				s[i] &= also[i]
			}
		}
		return s
	}
	return everyByte
}
