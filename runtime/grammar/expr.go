package grammar

import (
	"encoding/binary"
	"maps"
	"slices"
)

// expr is a regular expression over bytes, a number in a table. Equal expressions have equal numbers.
type expr int32

const (
	none  expr = 0 // matches no text
	empty expr = 1 // matches the empty text alone
)

// never is the length of the shortest text of an expression without texts. Other lengths saturate at huge.
const (
	never = 1 << 29
	huge  = never - 1
)

func add(a, b int32) int32 {
	if a >= never || b >= never {
		return never
	}
	return min(a+b, huge)
}

func times(n, a int32) int32 {
	if n == 0 || a == 0 {
		return 0
	}
	if a >= never {
		return never
	}
	return int32(min(int64(n)*int64(a), huge))
}

// byteSet has a bit for each byte.
type byteSet [4]uint64

func (s *byteSet) has(b byte) bool { return s[b>>6]>>(b&63)&1 != 0 }

func (s *byteSet) add(lo, hi byte) {
	for b := int(lo); b <= int(hi); b++ {
		s[b>>6] |= 1 << (b & 63)
	}
}

func span(lo, hi byte) (s byteSet) {
	s.add(lo, hi)
	return s
}

var everyByte = span(0, 255)

type exprKind uint8

const (
	kindNone exprKind = iota
	kindEmpty
	kindSet    // one byte of sets[a]
	kindConcat // a, then kids[0]
	kindAlt    // one of kids
	kindAnd    // all of kids
	kindNot    // not a
	kindRepeat // a, lo to hi times; hi < 0: without bound
	kindMod    // decimal digits, none too, that continue a number with the remainder lo modulo hi to one with the remainder 0
)

type exprNode struct {
	kind     exprKind
	nullable bool // matches the empty text
	a        expr
	lo, hi   int32
	shortest int32 // bytes of the shortest text, -1: not known yet
	kids     []expr
}

// exprs is the table. Derivatives are made as they are asked for and kept. A full table makes no more expressions: what would be new is
// none, so that a text may be refused, never one accepted that the expression does not match.
type exprs struct {
	nodes   []exprNode
	sets    []byteSet
	bySet   map[byteSet]expr // the expression of a set
	index   map[string]expr
	next    map[uint64]expr // by expr<<8 | byte: what may follow that byte
	cells   int             // nodes and their kids
	limit   int             // of cells
	full    bool            // something was left out
	live    bool            // of an engine: nothing is compiled any more
	derived int             // derivatives that were made
	work    int             // these, and what the merging of stacks is worth
	hard    int             // of work, beyond which the table counts as full; 0: no bound

	singles map[charKey]expr // see char
	lengths map[expr]int32   // see longest

	reps    []byte     // one byte of each class: bytes that no set tells apart
	class   [256]uint8 // the class of each byte
	refined int        // sets that the classes respect

	key []byte // scratch
}

func newExprs(limit int) *exprs {
	t := &exprs{index: map[string]expr{}, next: map[uint64]expr{}, bySet: map[byteSet]expr{}, singles: map[charKey]expr{}, lengths: map[expr]int32{}, limit: limit, reps: []byte{0}}
	t.intern(exprNode{kind: kindNone, shortest: never})
	t.intern(exprNode{kind: kindEmpty, nullable: true})
	return t
}

func (t *exprs) clone() *exprs {
	c := *t
	c.nodes, c.sets, c.reps, c.key = slices.Clone(t.nodes), slices.Clone(t.sets), slices.Clone(t.reps), nil
	c.index, c.next, c.bySet, c.singles = maps.Clone(t.index), maps.Clone(t.next), maps.Clone(t.bySet), nil
	c.lengths = map[expr]int32{}
	return &c
}

func (t *exprs) intern(n exprNode) expr {
	k := append(t.key[:0], byte(n.kind))
	k = binary.LittleEndian.AppendUint32(k, uint32(n.a))
	k = binary.LittleEndian.AppendUint32(k, uint32(n.lo))
	k = binary.LittleEndian.AppendUint32(k, uint32(n.hi))
	for _, kid := range n.kids {
		k = binary.LittleEndian.AppendUint32(k, uint32(kid))
	}
	t.key = k
	if e, ok := t.index[string(k)]; ok {
		return e
	}
	if t.cells > t.limit && t.limit > 0 {
		t.full = true
		return none
	}
	n.kids = slices.Clone(n.kids)
	t.cells += 1 + len(n.kids)
	e := expr(len(t.nodes))
	t.nodes = append(t.nodes, n)
	t.index[string(k)] = e
	return e
}

func (t *exprs) nullable(e expr) bool { return t.nodes[e].nullable }

func (t *exprs) set(s byteSet) expr {
	if s == (byteSet{}) {
		return none
	}
	if e, ok := t.bySet[s]; ok {
		return e
	}
	e := t.intern(exprNode{kind: kindSet, a: expr(len(t.sets)), shortest: 1})
	if e != none {
		t.sets = append(t.sets, s)
		t.bySet[s] = e
	}
	return e
}

func (t *exprs) literal(text string) expr {
	e := empty
	for i := len(text) - 1; i >= 0; i-- {
		e = t.concat(t.set(span(text[i], text[i])), e)
	}
	return e
}

// concat keeps sequences as chains to the right.
func (t *exprs) concat(a, b expr) expr {
	switch {
	case a == none || b == none:
		return none
	case a == empty:
		return b
	case b == empty:
		return a
	}
	var spine []expr
	for t.nodes[a].kind == kindConcat {
		spine = append(spine, t.nodes[a].a)
		a = t.nodes[a].kids[0]
	}
	for {
		kids := [1]expr{b}
		if b = t.intern(exprNode{kind: kindConcat, a: a, kids: kids[:], nullable: t.nullable(a) && t.nullable(b), shortest: -1}); b == none {
			return none
		}
		if len(spine) == 0 {
			return b
		}
		a, spine = spine[len(spine)-1], spine[:len(spine)-1]
	}
}

func (t *exprs) seq(es ...expr) expr {
	all := empty
	for _, e := range slices.Backward(es) {
		all = t.concat(e, all)
	}
	return all
}

// everything matches all texts.
func (t *exprs) everything() expr { return t.not(none) }

func (t *exprs) alt(es ...expr) expr {
	var kids []expr
	var set byteSet
	for _, e := range es {
		switch n := &t.nodes[e]; n.kind {
		case kindNone:
		case kindAlt:
			for _, k := range n.kids {
				if t.nodes[k].kind == kindSet {
					union(&set, &t.sets[t.nodes[k].a])
				} else {
					kids = append(kids, k)
				}
			}
		case kindSet:
			union(&set, &t.sets[n.a])
		default:
			kids = append(kids, e)
		}
	}
	if s := t.set(set); s != none {
		kids = append(kids, s)
	}
	slices.Sort(kids)
	kids = slices.Compact(kids)
	nullable := false
	for _, k := range kids {
		if n := &t.nodes[k]; n.kind == kindNot && n.a == none {
			return k
		} else if n.nullable {
			nullable = true
		}
	}
	if nullable && kids[0] == empty && len(kids) > 1 && slices.ContainsFunc(kids[1:], t.nullable) {
		kids = kids[1:] // another one matches the empty text
	}
	switch len(kids) {
	case 0:
		return none
	case 1:
		return kids[0]
	}
	return t.intern(exprNode{kind: kindAlt, kids: kids, nullable: nullable, shortest: -1})
}

func union(a, b *byteSet) {
	for i := range a {
		a[i] |= b[i]
	}
}

func (t *exprs) and(es ...expr) expr {
	var kids []expr
	set, sets := everyByte, false
	for _, e := range es {
		n := &t.nodes[e]
		list := []expr{e}
		if n.kind == kindAnd {
			list = n.kids
		}
		for _, k := range list {
			switch kn := &t.nodes[k]; {
			case k == none:
				return none
			case kn.kind == kindSet:
				sets = true
				for i := range set {
					set[i] &= t.sets[kn.a][i]
				}
			case kn.kind == kindNot && kn.a == none: // everything
			default:
				kids = append(kids, k)
			}
		}
	}
	if sets {
		s := t.set(set)
		if s == none {
			return none
		}
		kids = append(kids, s)
	}
	slices.Sort(kids)
	kids = slices.Compact(kids)
	nullable := true
	for _, k := range kids {
		nullable = nullable && t.nullable(k)
	}
	switch {
	case len(kids) == 0:
		return t.everything()
	case len(kids) == 1:
		return kids[0]
	case kids[0] == empty:
		if nullable {
			return empty
		}
		return none
	}
	for _, k := range kids {
		n := &t.nodes[k]
		if n.kind != kindNot {
			continue
		}
		if slices.Contains(kids, n.a) {
			return none
		}
		if inner := &t.nodes[n.a]; inner.kind == kindAlt && slices.ContainsFunc(inner.kids, func(x expr) bool { return slices.Contains(kids, x) }) {
			return none
		}
	}
	return t.intern(exprNode{kind: kindAnd, kids: kids, nullable: nullable, shortest: -1})
}

func (t *exprs) not(a expr) expr {
	if n := &t.nodes[a]; n.kind == kindNot {
		return n.a
	}
	if a == none {
		return t.intern(exprNode{kind: kindNot, a: none, nullable: true})
	}
	return t.intern(exprNode{kind: kindNot, a: a, nullable: !t.nullable(a), shortest: -1})
}

// repeat is a, lo to hi times, hi < 0 for no bound. A count is a number in the expression: nothing is unrolled.
func (t *exprs) repeat(a expr, lo, hi int32) expr {
	n := &t.nodes[a]
	if n.nullable {
		lo = 0
	}
	switch {
	case a == none && lo > 0 || hi >= 0 && lo > hi:
		return none
	case hi == 0 || a == empty || a == none:
		return empty
	case lo == 1 && hi == 1:
		return a
	case n.kind == kindRepeat && n.lo == 0 && n.hi < 0:
		return a
	}
	if n.kind == kindRepeat && n.lo <= 1 { // counts of counts without gaps: one count
		most := int64(hi) * int64(n.hi)
		if hi < 0 || n.hi < 0 {
			most = -1
		}
		if least := int64(lo) * int64(n.lo); least < never && most < never {
			return t.repeat(n.a, int32(least), int32(most))
		}
	}
	return t.intern(exprNode{kind: kindRepeat, a: a, lo: lo, hi: max(hi, -1), nullable: lo == 0, shortest: -1})
}

func (t *exprs) optional(a expr) expr { return t.alt(empty, a) }

func (t *exprs) star(a expr) expr { return t.repeat(a, 0, -1) }
