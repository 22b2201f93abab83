package grammar

import "slices"

// What plain text a place takes is found in two ways, so that masks need not look at every token. Of expressions, by their form: what
// repeats a whole character takes any text of so many. Of configurations, by trying: characters after which all of them lead to one and
// the same configuration are a run, and runs follow each other.

// cover says of an expression that every plain text of 1 to chars characters begins a text of it.
type cover struct {
	chars int32 // never for any number
	far   int32 // after such a text the expression ends within so many bytes
}

// maxCoverDepth bounds the expressions in expressions that cover looks into.
const maxCoverDepth = 40

// cover is a lower bound of what x takes: it looks at alternatives, sequences and repetitions.
func (e *engine) cover(x expr) cover {
	c, ok := e.covers[x]
	if !ok {
		c = e.coverOf(x, 0)
		e.covers[x] = c
	}
	return c
}

// coverAt is the cover of a configuration: of the item that takes most.
func (e *engine) coverAt(c int32) (best cover) {
	for int(c) >= len(e.covering) {
		e.covering = append(e.covering, cover{chars: -1})
	}
	if best = e.covering[c]; best.chars >= 0 {
		return best
	}
	best = cover{}
	for _, x := range e.configs[c].items {
		this := e.cover(x.e)
		this.far = add(this.far, e.stacks[x.stack].shortest)
		if this.chars > best.chars && this.far < never && e.stacks[x.stack].depth <= maxDepth {
			best = this
		}
	}
	if !e.full {
		e.covering[c] = best
	}
	return best
}

func (e *engine) coverOf(x expr, depth int) (best cover) {
	if depth > maxCoverDepth {
		return cover{}
	}
	n := e.exprs.nodes[x] // a copy: the table grows
	switch n.kind {
	case kindAlt:
		for _, k := range n.kids {
			if c := e.coverOf(k, depth+1); c.chars > best.chars || c.chars == best.chars && c.far < best.far {
				best = c
			}
		}
	case kindConcat:
		rest := n.kids[0]
		best = e.coverOf(n.a, depth+1)
		if best.chars == 1 && e.takesChars(n.a) {
			then := e.coverOf(rest, depth+1)
			best.chars = add(1, then.chars)
			if best.far = e.exprs.shortest(rest); then.chars > 0 {
				best.far = max(best.far, then.far)
			}
		} else {
			best.far = add(best.far, e.exprs.shortest(rest))
		}
	case kindRepeat:
		if !e.takesChars(n.a) {
			break
		}
		best = cover{n.hi, times(max(n.lo-1, 0), e.exprs.shortest(n.a))}
		if n.hi < 0 {
			best.chars = never
		}
	case kindAnd:
		// All texts of characters but some: whatever has come, more of them lead beyond the longest of those.
		for _, k := range n.kids {
			kn := e.exprs.nodes[k]
			switch {
			case kn.kind == kindRepeat && kn.lo == 0 && kn.hi < 0 && e.takesChars(kn.a):
				best.chars = never
			case kn.kind == kindNot && e.exprs.longest(kn.a) < never:
				best.far = max(best.far, e.exprs.longest(kn.a)+1)
			default:
				return cover{}
			}
		}
	default:
		if e.takesChars(x) {
			best.chars = 1
		}
	}
	if best.far >= never {
		return cover{}
	}
	return best
}

// longest is the number of bytes of the longest text of an expression, or more; never, if there is no bound or none is known.
func (t *exprs) longest(x expr) int32 {
	if l, ok := t.lengths[x]; ok {
		return l
	}
	n := &t.nodes[x]
	l := int32(0)
	switch n.kind {
	case kindNone, kindEmpty:
	case kindSet:
		l = 1
	case kindConcat:
		l = add(t.longest(n.a), t.longest(n.kids[0]))
	case kindAlt:
		for _, k := range n.kids {
			l = max(l, t.longest(k))
		}
	case kindRepeat:
		if l = never; n.hi >= 0 {
			l = times(n.hi, t.longest(n.a))
		}
	default:
		l = never
	}
	t.lengths[x] = l
	return l
}

// takesChars says whether every plain character is a text of x.
func (e *engine) takesChars(x expr) bool {
	takes, ok := e.taking[x]
	if ok {
		return takes
	}
	type state struct {
		x expr
		u uint8
	}
	takes = true
	seen := map[state]bool{{x, 0}: true}
	for work := []state{{x, 0}}; len(work) > 0 && takes; {
		s := work[len(work)-1]
		work = work[:len(work)-1]
		for _, st := range utf8Steps {
			for b := int(st.lo); b <= int(st.hi) && st.from == s.u && takes; b++ {
				d := e.after(s.x, e.reps[e.class[b]])
				if n := (state{d, st.to}); d == none || st.to == 0 && !e.exprs.nullable(d) {
					takes = false
				} else if st.to != 0 && !seen[n] {
					seen[n] = true
					work = append(work, n)
				}
			}
		}
	}
	if !e.exprs.full {
		e.taking[x] = takes
	}
	return takes
}

// run is a set of plain characters each of which leads from a configuration to next; without any, next is dead.
type run struct {
	chars charSet
	next  int32 // unknown: not made yet
}

// run of a configuration: of characters that lead each of its items to one expression.
func (e *engine) run(c int32) run {
	for int(c) >= len(e.runs) {
		e.runs = append(e.runs, run{})
	}
	if r := e.runs[c]; r.next != unknown {
		return r
	}
	made := run{next: dead, chars: plainChars}
	if e.configs[c].depth > maxDepth {
		made.chars = charSet{}
	}
	for _, x := range e.configs[c].items {
		same := e.alike(x.e)
		made.chars.intersect(&same)
	}
	if b, ok := made.chars.some(); ok {
		made.next = e.step(c, b)
	}
	if made.next == dead || e.full {
		made = run{next: dead}
	}
	if !e.full {
		e.runs[c] = made
	}
	return made
}

// probes are letters that are in most runs. Where two of them lead apart, there is no run.
const probes = "eat"

// alike is a set of plain characters that all lead from x to one expression, which may be none. Of intersections, sequences and repetitions
// it is found by their parts, so that counters make no difference.
func (e *engine) alike(x expr) charSet {
	if s, ok := e.alikes[x]; ok {
		return s
	}
	var s charSet
	switch n := e.exprs.nodes[x]; n.kind { // a copy: the table grows
	case kindNone, kindEmpty:
		return plainChars
	case kindAnd:
		s = plainChars
		for _, k := range n.kids {
			same := e.alike(k)
			s.intersect(&same)
		}
	case kindConcat:
		s = e.alike(n.a)
		if e.exprs.nullable(n.a) {
			same := e.alike(n.kids[0])
			s.intersect(&same)
		}
	case kindRepeat:
		s = e.alike(n.a)
	default:
		s = e.probe(x)
	}
	if !e.full {
		e.alikes[x] = s
	}
	return s
}

// probe finds by trying which characters lead where two of the probes lead.
func (e *engine) probe(x expr) (s charSet) {
	to := expr(-1)
	for i := range probes {
		next := e.after(x, e.reps[e.class[probes[i]]])
		for j := range i {
			if next == e.after(x, e.reps[e.class[probes[j]]]) {
				to = next
			}
		}
	}
	if to < 0 {
		return s
	}
	for b := byte(0x20); b < 0x80; b++ {
		if b != '"' && b != '\\' && e.after(x, e.reps[e.class[b]]) == to {
			s.add(rune(b))
		}
	}
	s.others, s.spaces = e.leads(x, to, otherSteps[:]), e.leads(x, to, spaceSteps[:])
	return s
}

// leads says whether all characters that a machine reads lead from one expression to another.
func (e *engine) leads(from, to expr, steps []utf8Step) bool {
	type state struct {
		x expr
		u uint8
	}
	var seen, work [48]state
	n, left := 0, 1
	work[0] = state{from, 0}
	for left > 0 {
		left--
		s := work[left]
		for _, st := range steps {
			if st.from != s.u {
				continue
			}
			last := -1
			for b := int(st.lo); b <= int(st.hi); b++ {
				class := int(e.class[b])
				if class == last {
					continue
				}
				last = class
				next := state{e.after(s.x, e.reps[class]), st.to}
				if st.to == 0 && next.x != to {
					return false
				}
				if st.to == 0 || slices.Contains(seen[:n], next) {
					continue
				}
				if n == len(seen) || left == len(work) {
					return false
				}
				seen[n], work[left] = next, next
				n++
				left++
			}
		}
	}
	return true
}

// along says whether all texts of 1 to most characters of a set follow runs from c; then it returns the least and the most bytes to the
// end after one of them.
func (e *engine) along(c int32, chars *charSet, most int32) (near, far int32, ok bool) {
	near = never
	for ; most > 0; most-- {
		if e.full {
			return 0, 0, false
		}
		r := e.run(c)
		if r.next == dead || !chars.within(&r.chars) {
			return 0, 0, false
		}
		e.look(r.next)
		d := e.left(r.next)
		near, far = min(near, d), max(far, d)
		if r.next == c {
			break
		}
		if most > longChars { // so far ahead only what stays where it is looks
			return 0, 0, false
		}
		c = r.next
	}
	return near, far, true
}

// characters says whether just the plain texts of at most n characters may come next, and how far the end is after one of them at most. It
// looks no further than longChars.
func (e *engine) characters(c int32) (n int, far int32, ok bool) {
	for ; !e.full; n++ {
		r := e.run(c)
		if r.next == dead {
			return n, far, !e.full && !e.takesPlain(c)
		}
		if n == longChars || r.next == c || r.chars != plainChars {
			break
		}
		e.look(r.next)
		far = max(far, e.left(r.next))
		c = r.next
	}
	return 0, 0, false
}

// takesPlain says whether any plain character may come next.
func (e *engine) takesPlain(c int32) bool {
	for _, s := range utf8Steps {
		for b := int(s.lo); b <= int(s.hi) && s.from == 0; b++ {
			if e.step(c, byte(b)) != dead {
				return true
			}
		}
	}
	return false
}

// What is looked at for one mask is bounded: expressions in the configurations that its tokens lead to, and derivatives. A grammar for
// which this is too little, which has a large configuration for almost every token, allows by masks fewer tokens than it accepts: beyond
// the bounds those of one byte alone.
const (
	maxSight = 30000
	maxWork  = 120000
	hardWork = 400000 // of a mask or a step, whatever comes of it
)

// look notes that a configuration is looked at. It is false beyond the bounds, and if the tables are full.
func (e *engine) look(c int32) bool {
	for int(c) >= len(e.seen) {
		e.seen = append(e.seen, 0)
	}
	if e.seen[c] != e.mask {
		e.seen[c] = e.mask
		for _, x := range e.configs[c].items {
			e.sight += 1 + e.exprs.size(x.e)
		}
	}
	return e.sight <= maxSight && e.derived <= e.maxWork && !e.full
}

// size is the number of the next two levels of expressions in e.
func (t *exprs) size(e expr) int {
	n := &t.nodes[e]
	size := len(n.kids)
	for _, k := range n.kids {
		size += len(t.nodes[k].kids)
	}
	if n.kind == kindConcat || n.kind == kindNot {
		size += len(t.nodes[n.a].kids)
		for _, k := range t.nodes[n.a].kids {
			size += len(t.nodes[k].kids)
		}
	}
	return size
}
