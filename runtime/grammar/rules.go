package grammar

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// term is a piece of a grammar, a number in a table. Equal terms have equal numbers.
type term int32

// nothing is the term of the empty text.
const nothing term = 0

type termKind uint8

const (
	termEmpty   termKind = iota
	termLexeme           // the expression a
	termRule             // the rule a
	termSeq              // kids in order, two of them
	termAlt              // one of kids
	termRepeat           // kids[0], lo to hi times; hi < 0: without bound
	termDiffer           // lo to hi of kids, none twice, in any order
	termMembers          // what is left of an object, see members
)

type termNode struct {
	kind     termKind
	nullable bool // matches the empty text
	a        int32
	lo, hi   int32
	shortest int32 // bytes of the shortest text
	kids     []term
}

// rules are a grammar: terms over lexemes and over rules, which may refer to each other and to themselves. Once sealed, none does so at its
// left end: see unwind.
type rules struct {
	*exprs
	terms   []termNode
	bodies  []term             // of each rule
	rank    []int32            // of each rule: rules at the left end of others have higher ranks
	index   map[string]term    // of terms
	members []members          // of objects whose properties may come in any order
	sealed  bool               // all rules have bodies
	key     []byte             // scratch
	labels  map[int32]string   // what users call rules, for errors
	paths   map[int32][]string // places of the schemas that rules are made of
	source  string             // they stand in
	places  map[int32]int      // bytes of source
}

func newRules(limit int) *rules {
	r := &rules{exprs: newExprs(limit), index: map[string]term{}, labels: map[int32]string{}, paths: map[int32][]string{}, places: map[int32]int{}}
	r.term(termNode{kind: termEmpty})
	r.declareChars()
	return r
}

func (r *rules) clone() *rules {
	c := *r
	c.exprs = r.exprs.clone()
	c.terms, c.key = slices.Clone(r.terms), nil
	c.index = maps.Clone(r.index)
	return &c
}

func (r *rules) term(n termNode) term {
	k := append(r.key[:0], byte(n.kind))
	k = binary.LittleEndian.AppendUint32(k, uint32(n.a))
	k = binary.LittleEndian.AppendUint32(k, uint32(n.lo))
	k = binary.LittleEndian.AppendUint32(k, uint32(n.hi))
	for _, kid := range n.kids {
		k = binary.LittleEndian.AppendUint32(k, uint32(kid))
	}
	r.key = k
	if t, ok := r.index[string(k)]; ok {
		return t
	}
	n.kids = slices.Clone(n.kids)
	r.cells += 1 + len(n.kids)
	if r.limit > 0 && r.cells > r.limit {
		r.full = true
	}
	if r.sealed {
		n.nullable, n.shortest = r.measure(&n)
	}
	t := term(len(r.terms))
	r.terms = append(r.terms, n)
	r.index[string(k)] = t
	return t
}

// dead matches nothing.
func (r *rules) dead() term { return r.lexeme(none) }

func (r *rules) lexeme(e expr) term {
	if e == empty {
		return nothing
	}
	return r.term(termNode{kind: termLexeme, a: int32(e)})
}

func (r *rules) word(text string) term { return r.lexeme(r.literal(text)) }

// declare makes a rule, whose body follows.
func (r *rules) declare() int32 {
	r.bodies = append(r.bodies, r.dead())
	return int32(len(r.bodies) - 1)
}

func (r *rules) rule(i int32) term { return r.term(termNode{kind: termRule, a: i}) }

func (r *rules) isDead(t term) bool {
	return r.terms[t].kind == termLexeme && r.terms[t].a == int32(none)
}

// sequence joins lexemes that follow each other to one.
func (r *rules) sequence(ts ...term) term {
	all := nothing
	for _, t := range slices.Backward(ts) {
		all = r.pair(t, all)
	}
	return all
}

func (r *rules) pair(a, b term) term {
	na, nb := &r.terms[a], &r.terms[b]
	switch {
	case a == nothing:
		return b
	case b == nothing:
		return a
	case r.isDead(a):
		return a
	case r.isDead(b):
		return b
	case na.kind == termSeq:
		return r.pair(na.kids[0], r.pair(na.kids[1], b))
	case na.kind == termLexeme && nb.kind == termLexeme:
		return r.lexeme(r.concat(expr(na.a), expr(nb.a)))
	case na.kind == termLexeme && nb.kind == termSeq && r.terms[nb.kids[0]].kind == termLexeme:
		second, rest := r.terms[nb.kids[0]].a, nb.kids[1]
		a, b = r.lexeme(r.concat(expr(na.a), expr(second))), rest
	}
	kids := [2]term{a, b}
	return r.term(termNode{kind: termSeq, kids: kids[:]})
}

// choice joins lexemes to one.
func (r *rules) choice(ts ...term) term {
	var kids []term
	lexemes := none
	for _, t := range ts {
		n := &r.terms[t]
		list := []term{t}
		if n.kind == termAlt {
			list = n.kids
		}
		for _, k := range list {
			switch kn := &r.terms[k]; kn.kind {
			case termLexeme:
				lexemes = r.exprs.alt(lexemes, expr(kn.a))
			case termEmpty:
				lexemes = r.exprs.alt(lexemes, empty)
			default:
				kids = append(kids, k)
			}
		}
	}
	if lexemes != none {
		kids = append(kids, r.lexeme(lexemes))
	}
	slices.Sort(kids)
	kids = slices.Compact(kids)
	switch len(kids) {
	case 0:
		return r.dead()
	case 1:
		return kids[0]
	}
	return r.term(termNode{kind: termAlt, kids: kids})
}

// times is t, lo to hi times; hi < 0 for no bound.
func (r *rules) times(t term, lo, hi int32) term {
	n := &r.terms[t]
	switch {
	case hi >= 0 && lo > hi:
		return r.dead()
	case hi == 0 || t == nothing || r.isDead(t) && lo == 0:
		return nothing
	case lo == 1 && hi == 1:
		return t
	case n.kind == termLexeme:
		return r.lexeme(r.exprs.repeat(expr(n.a), lo, hi))
	}
	kids := [1]term{t}
	return r.term(termNode{kind: termRepeat, kids: kids[:], lo: lo, hi: max(hi, -1)})
}

// different is lo to hi of some terms, none twice, in any order; hi < 0 for no bound. None of them matches the empty text.
func (r *rules) different(kids []term, lo, hi int32) term {
	kids = slices.DeleteFunc(slices.Clone(kids), r.isDead)
	slices.Sort(kids)
	if hi < 0 || int(hi) > len(kids) {
		hi = int32(len(kids))
	}
	switch {
	case lo > hi:
		return r.dead()
	case hi == 0:
		return nothing
	}
	return r.term(termNode{kind: termDiffer, kids: kids, lo: lo, hi: hi})
}

func (r *rules) maybe(t term) term { return r.choice(nothing, t) }

// measure computes of a term what depends on its kids and on the rules.
func (r *rules) measure(n *termNode) (nullable bool, shortest int32) {
	switch n.kind {
	case termEmpty:
		return true, 0
	case termLexeme:
		return r.exprs.nullable(expr(n.a)), r.exprs.shortest(expr(n.a))
	case termRule:
		body := &r.terms[r.bodies[n.a]]
		return body.nullable, body.shortest
	case termSeq:
		a, b := &r.terms[n.kids[0]], &r.terms[n.kids[1]]
		return a.nullable && b.nullable, add(a.shortest, b.shortest)
	case termAlt:
		shortest = never
		for _, k := range n.kids {
			nullable = nullable || r.terms[k].nullable
			shortest = min(shortest, r.terms[k].shortest)
		}
		return nullable, shortest
	case termDiffer:
		lengths := make([]int32, len(n.kids))
		for i, k := range n.kids {
			lengths[i] = r.terms[k].shortest
		}
		slices.Sort(lengths)
		for _, l := range lengths[:n.lo] {
			shortest = add(shortest, l)
		}
		return n.lo == 0, shortest
	case termMembers:
		return false, r.measureMembers(n)
	default:
		k := &r.terms[n.kids[0]]
		return n.lo == 0 || k.nullable, times(n.lo, k.shortest)
	}
}

// seal measures all terms and ranks the rules once they have bodies. It ends with ctx.
func (r *rules) seal(ctx context.Context) error {
	r.measureAll(ctx)
	if circles := r.circles(); len(circles) > 0 {
		for _, c := range circles {
			r.unwind(c)
		}
		r.measureAll(ctx)
	}
	r.sealed = true
	return r.order()
}

// measureAll measures all terms. They come after their kids, so that a pass from the first to the last misses only what comes through
// rules; passes are repeated for those.
func (r *rules) measureAll(ctx context.Context) {
	users := make([][]term, len(r.terms)) // of each term
	byRule := make([]term, len(r.bodies)) // the term of each rule, or nothing
	var parts []term
	for t := range r.terms {
		n := &r.terms[t]
		n.nullable, n.shortest = false, never
		parts = r.parts(n, parts[:0])
		for _, k := range parts {
			users[k] = append(users[k], term(t))
		}
		if n.kind == termRule {
			byRule[n.a] = term(t)
		}
	}
	bodyOf := map[term][]int32{}
	for i, b := range r.bodies {
		bodyOf[b] = append(bodyOf[b], int32(i))
	}
	queued := make([]bool, len(r.terms))
	var queue []term
	push := func(t term) {
		if !queued[t] {
			queued[t] = true
			queue = append(queue, t)
		}
	}
	for t := range r.terms {
		push(term(t))
	}
	for len(queue) > 0 && ctx.Err() == nil {
		t := queue[0]
		queue = queue[1:]
		queued[t] = false
		n := &r.terms[t]
		nullable, shortest := r.measure(n)
		if nullable == n.nullable && shortest == n.shortest {
			continue
		}
		n.nullable, n.shortest = nullable, shortest
		for _, u := range users[t] {
			push(u)
		}
		for _, i := range bodyOf[t] {
			if byRule[i] != nothing {
				push(byRule[i])
			}
		}
	}
}

// left appends the rules at the left end of t.
func (r *rules) left(t term, to []int32) []int32 {
	switch n := &r.terms[t]; n.kind {
	case termRule:
		return append(to, n.a)
	case termSeq:
		to = r.left(n.kids[0], to)
		if r.terms[n.kids[0]].nullable {
			to = r.left(n.kids[1], to)
		}
	case termAlt, termRepeat, termDiffer:
		for _, k := range n.kids {
			to = r.left(k, to)
		}
	}
	return to
}

// order ranks the rules.
func (r *rules) order() error {
	r.rank = make([]int32, len(r.bodies))
	state := make([]uint8, len(r.bodies)) // 1: on the path, 2: done
	type frame struct {
		rule int32
		left []int32
	}
	rank := int32(len(r.bodies))
	for i := range r.bodies {
		if state[i] != 0 {
			continue
		}
		path := []frame{{int32(i), r.left(r.bodies[i], nil)}}
		state[i] = 1
		for len(path) > 0 {
			f := &path[len(path)-1]
			if len(f.left) == 0 {
				rank--
				r.rank[f.rule], state[f.rule] = rank, 2
				path = path[:len(path)-1]
				continue
			}
			next := f.left[0]
			f.left = f.left[1:]
			switch state[next] {
			case 0:
				state[next] = 1
				path = append(path, frame{next, r.left(r.bodies[next], nil)})
			case 1:
				reason := fmt.Sprintf("the rule %s begins with itself, behind what may be empty", r.labels[next])
				return &SyntaxError{Text: r.source, At: r.places[next], Reason: reason}
			}
		}
	}
	return nil
}
