package grammar

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
)

// The recogniser is a machine that is made while it runs. Its states are configurations: what may follow a text. A configuration has
// items, each an expression (what is left of a lexeme) and a stack (what must follow the lexeme). Stacks are shared: a node stands for a
// set of stacks, by edges to what follows next and to the node below it. All three are interned, so that texts after which the same may
// follow lead to one number, and a step is an entry of a table once it has been made.
//
// An Earley recogniser with a row per lexeme finds the same; its rows hold positions of the text, so that equal places of a text differ,
// and masks could not be kept by them. What Earley's positions do for ambiguity, merging nodes of equal calls does here; the price is
// that a rule must not begin with itself.

type edge struct {
	next  term
	below int32 // a node
}

type stackNode struct {
	edges    []edge
	end      bool // nothing need follow
	depth    int32
	shortest int32 // bytes of the shortest text that completes it
}

type item struct {
	e     expr
	stack int32
}

type config struct {
	items     []item
	accepting bool
	depth     int32
	shortest  int32 // bytes of the shortest text to an accepting one
}

const (
	unknown int32 = 0 // not made yet
	dead    int32 = 1 // no text follows
)

// maxDepth bounds stacks. Above it only steps that shorten what is left are allowed, so that every text can be completed.
const maxDepth = 512

type engine struct {
	mu sync.Mutex
	*rules
	width      int // classes of bytes
	made       int // cells at the start
	stacks     []stackNode
	stackIndex map[string]int32
	configs    []config
	index      map[string]int32
	steps      []int32 // [configs][width]
	start      int32
	covers     map[expr]cover
	covering   []cover       // of configurations; chars is below 0 until it is known
	taking     map[expr]bool // see takesChars
	runs       []run         // of configurations
	alikes     map[expr]charSet
	seen       []uint32 // by configuration: the mask for which it was last looked at
	mask       uint32   // number of the mask that is made
	sight      int      // what was looked at for it
	maxWork    int      // derivatives that it may have made at its end
	counting   bool     // it is one near the end: what is left is counted in tokens, not in bytes
	vocab      *Vocabulary
	ways       ways // of configurations
	masks      maskMemo
	effort     effort
	bytes      atomic.Int64 // about what tables and masks take

	// Scratch of a step.
	items   []item
	pops    []int32
	popped  map[int32]bool
	work    []edge
	pending []edge // next is a rule's term
	joined  []edge
	key     []byte
	chain   []int32
}

// effort counts what has been done, for measurements and bounds.
type effort struct {
	nodes  int // of tries, visited
	steps  int // entries of the table of steps made
	tokens int // allowed with a subtree as a whole
}

// newEngine makes an engine for a sealed grammar, of which it makes a copy.
func newEngine(v *Vocabulary, base *rules, root term) *engine {
	e := &engine{vocab: v, rules: base.clone(), stackIndex: map[string]int32{}, index: map[string]int32{}, popped: map[int32]bool{},
		covers: map[expr]cover{}, taking: map[expr]bool{}, alikes: map[expr]charSet{}}
	e.limit += e.cells
	e.full, e.live = false, true
	e.hard = e.exprs.work + hardWork
	e.refine()
	e.width = len(e.reps)
	e.configs = make([]config, 2)
	e.steps = make([]int32, 2*e.width)
	for i := range e.steps {
		e.steps[i] = dead
	}
	e.configs[dead].shortest = never
	end := e.stack(nil, true)
	e.begin()
	e.follow(root, end)
	e.start = e.finish(e.terms[root].nullable, never)
	e.made = e.cells
	return e
}

func (e *engine) stack(edges []edge, end bool) int32 {
	slices.SortFunc(edges, func(a, b edge) int {
		if a.next != b.next {
			return int(a.next - b.next)
		}
		return int(a.below - b.below)
	})
	edges = slices.Compact(edges)
	k := e.key[:0]
	if end {
		k = append(k, 1)
	} else {
		k = append(k, 0)
	}
	for _, x := range edges {
		k = binary.LittleEndian.AppendUint32(k, uint32(x.next))
		k = binary.LittleEndian.AppendUint32(k, uint32(x.below))
	}
	e.key = k
	if s, ok := e.stackIndex[string(k)]; ok {
		return s
	}
	n := stackNode{edges: slices.Clone(edges), end: end, shortest: never}
	if end {
		n.shortest = 0
	}
	for _, x := range edges {
		n.depth = max(n.depth, e.stacks[x.below].depth+1)
		n.shortest = min(n.shortest, add(e.terms[x.next].shortest, e.stacks[x.below].shortest))
	}
	e.count(1 + len(edges))
	s := int32(len(e.stacks))
	e.stacks = append(e.stacks, n)
	e.stackIndex[string(k)] = s
	return s
}

// note counts what tables and masks take.
func (e *engine) note() { e.bytes.Store(int64(e.cells)*cellBytes + e.masks.bytes) }

// count notes that the tables have grown.
func (e *engine) count(cells int) {
	if e.cells += cells; e.cells > e.limit {
		e.full = true
	}
}

func (e *engine) push(next term, below int32) int32 {
	if next == nothing {
		return below
	}
	one := [1]edge{{next, below}}
	return e.stack(one[:], false)
}

// edgesOfWork are about as much work as a derivative.
const edgesOfWork = 64

func (e *engine) merge(a, b int32) int32 {
	if a == b {
		return a
	}
	na, nb := &e.stacks[a], &e.stacks[b]
	if e.worked((len(na.edges) + len(nb.edges)) / edgesOfWork) {
		return a
	}
	return e.stack(slices.Concat(na.edges, nb.edges), na.end || nb.end)
}

// join is one node for the stacks of items.
func (e *engine) join(items []item) int32 {
	if items = slices.Compact(items); len(items) == 1 {
		return items[0].stack
	}
	edges, end := e.joined[:0], false
	for _, x := range items {
		n := &e.stacks[x.stack]
		edges, end = append(edges, n.edges...), end || n.end
	}
	e.joined = edges
	return e.stack(edges, end)
}

func (e *engine) begin() {
	e.items, e.pops, e.work, e.pending = e.items[:0], e.pops[:0], e.work[:0], e.pending[:0]
	clear(e.popped)
}

func (e *engine) follow(t term, stack int32) { e.work = append(e.work, edge{t, stack}) }

// pop completes what is above a stack.
func (e *engine) pop(stack int32) (end bool) {
	e.pops = append(e.pops, stack)
	for len(e.pops) > 0 {
		s := e.pops[len(e.pops)-1]
		e.pops = e.pops[:len(e.pops)-1]
		if e.popped[s] {
			continue
		}
		e.popped[s] = true
		n := &e.stacks[s]
		end = end || n.end
		for _, x := range n.edges {
			e.work = append(e.work, x)
			if e.terms[x.next].nullable {
				e.pops = append(e.pops, x.below)
			}
		}
	}
	return end
}

// expand turns work into items: the texts of terms that are not empty. Rules wait until all calls of them are known, so that a rule is
// entered once.
func (e *engine) expand() {
	for (len(e.work) > 0 || len(e.pending) > 0) && !e.worked(len(e.pending)/edgesOfWork) {
		if len(e.work) == 0 {
			first := 0
			for i, p := range e.pending {
				if e.rank[e.terms[p.next].a] < e.rank[e.terms[e.pending[first].next].a] {
					first = i
				}
			}
			p := e.pending[first]
			e.pending = slices.Delete(e.pending, first, first+1)
			e.work = append(e.work, edge{e.bodies[e.terms[p.next].a], p.below})
			continue
		}
		w := e.work[len(e.work)-1]
		e.work = e.work[:len(e.work)-1]
		n := e.terms[w.next] // a copy: the table grows
		if n.shortest >= never {
			continue
		}
		switch n.kind {
		case termLexeme:
			e.items = append(e.items, item{expr(n.a), w.below})
		case termRule:
			i := slices.IndexFunc(e.pending, func(p edge) bool { return p.next == w.next })
			if i < 0 {
				e.pending = append(e.pending, w)
			} else {
				e.pending[i].below = e.merge(e.pending[i].below, w.below)
			}
		case termSeq:
			if e.terms[n.kids[1]].shortest >= never {
				continue
			}
			e.follow(n.kids[0], e.push(n.kids[1], w.below))
			if e.terms[n.kids[0]].nullable {
				e.follow(n.kids[1], w.below)
			}
		case termAlt:
			for _, k := range n.kids {
				e.follow(k, w.below)
			}
		case termRepeat:
			rest := e.rules.times(n.kids[0], max(n.lo-1, 0), n.hi-1)
			e.follow(n.kids[0], e.push(rest, w.below))
		case termDiffer:
			for i, k := range n.kids {
				rest := e.different(slices.Delete(slices.Clone(n.kids), i, i+1), max(n.lo-1, 0), n.hi-1)
				if e.terms[rest].shortest < never {
					e.follow(k, e.push(rest, w.below))
				}
			}
		case termMembers:
			e.eachLeft(n, func(next, rest term) {
				if e.terms[rest].shortest < never {
					e.follow(next, e.push(rest, w.below))
				}
			})
		}
	}
}

// finish makes the configuration of the items. Above maxDepth it must be nearer to the end than before.
func (e *engine) finish(accepting bool, before int32) int32 {
	e.expand()
	slices.SortFunc(e.items, func(a, b item) int {
		if a.e != b.e {
			return int(a.e - b.e)
		}
		return int(a.stack - b.stack)
	})
	items := e.items[:0]
	for i := 0; i < len(e.items); {
		n := 1
		for i+n < len(e.items) && e.items[i+n].e == e.items[i].e {
			n++
		}
		items = append(items, item{e.items[i].e, e.join(e.items[i : i+n])})
		i += n
	}
	if len(items) == 0 && !accepting {
		return dead
	}
	c := config{accepting: accepting, shortest: never}
	if accepting {
		c.shortest = 0
	}
	k := e.key[:0]
	if accepting {
		k = append(k, 1)
	} else {
		k = append(k, 0)
	}
	for _, x := range items {
		k = binary.LittleEndian.AppendUint32(k, uint32(x.e))
		k = binary.LittleEndian.AppendUint32(k, uint32(x.stack))
		c.depth = max(c.depth, e.stacks[x.stack].depth)
		c.shortest = min(c.shortest, add(e.exprs.shortest(x.e), e.stacks[x.stack].shortest))
	}
	e.key = k
	if c.shortest >= never || c.depth > maxDepth && c.shortest >= before {
		return dead
	}
	if i, ok := e.index[string(k)]; ok {
		return i
	}
	if e.full {
		return dead
	}
	c.items = slices.Clone(items)
	e.count(1 + len(items) + e.width/4)
	i := int32(len(e.configs))
	e.configs = append(e.configs, c)
	e.index[string(k)] = i
	e.steps = append(e.steps, make([]int32, e.width)...)
	return i
}

// step returns the configuration after a byte.
func (e *engine) step(c int32, b byte) int32 {
	at := int(c)*e.width + int(e.class[b])
	if next := e.steps[at]; next != unknown {
		return next
	}
	e.begin()
	accepting := false
	b = e.reps[e.class[b]]
	items, before := e.configs[c].items, e.configs[c].shortest
	e.effort.steps++
	for _, x := range items {
		d := e.after(x.e, b)
		if d == none || e.exprs.shortest(d) >= never {
			continue
		}
		if e.exprs.nullable(d) {
			accepting = e.pop(x.stack) || accepting
		}
		if d != empty {
			e.items = append(e.items, item{d, x.stack})
		}
	}
	next := e.finish(accepting, before)
	if !e.full || next != dead {
		e.steps[at] = next
	}
	return next
}
