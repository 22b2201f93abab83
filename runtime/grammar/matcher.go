package grammar

import (
	"math"
	"slices"
	"sync/atomic"

	"gossamer/runtime/sample"
)

// maxRollback is the most tokens that a Matcher can take back.
const maxRollback = 16

// Matcher is a place in a text. It allocates nothing once warm; one goroutine uses it.
type Matcher struct {
	g      *Grammar
	e      *engine
	at     int32                       // configuration
	past   [maxRollback]int32          // configurations before the last tokens, a ring
	tokens [maxRollback]int32          // the last tokens
	n      int                         // tokens accepted
	held   int                         // of them, those that can be taken back
	part   bool                        // tokens may be missing from the last mask
	tries  [maxTokenDepth + 1]walkStep // scratch of walks
}

// NewMatcher returns a matcher at the start of a text.
func (g *Grammar) NewMatcher() *Matcher {
	e := g.engine(nil)
	return &Matcher{g: g, e: e, at: e.start}
}

// do runs f under the engine's lock. If the tables become full, the matcher goes on with new ones, which hold what it needs.
func (m *Matcher) do(f func()) {
	m.e.mu.Lock()
	m.e.hard = m.e.exprs.work + hardWork
	f()
	full := m.e.full
	m.e.note()
	m.e.mu.Unlock()
	from, at, past, e := m.e, m.at, m.past, m.e
	for full {
		// The order of locks is that of making: an engine before those made after it.
		e = m.g.engine(e)
		from.mu.Lock()
		e.mu.Lock()
		fresh := e.cells == e.made // else other matchers may have filled it
		m.at = e.carry(from, at)
		for i := range m.held {
			p := (m.n - 1 - i) % maxRollback
			m.past[p] = e.carry(from, past[p])
		}
		from.mu.Unlock()
		m.e = e
		e.hard = e.exprs.work + hardWork
		f()
		if full = e.full && !fresh; e.full && fresh { // what does not fit even now is refused
			e.full = e.cells > e.limit
		}
		e.note()
		e.mu.Unlock()
	}
}

// walk returns the configuration after bytes.
func (e *engine) walk(c int32, text []byte) int32 {
	for _, b := range text {
		if c = e.step(c, b); c == dead {
			break
		}
	}
	return c
}

// after returns the configuration after a text. What a mask has found is there in tables that it has filled, and perhaps only there.
func (m *Matcher) after(text []byte) (c int32) {
	m.e.mu.Lock()
	m.e.hard = m.e.exprs.work + hardWork
	c = m.e.walk(m.at, text)
	m.e.note()
	m.e.mu.Unlock()
	if c == dead {
		m.do(func() { c = m.e.walk(m.at, text) })
	}
	return c
}

func (m *Matcher) bytes(id int32) []byte {
	if id < 0 || int(id) >= m.g.vocab.ids {
		return nil
	}
	return m.g.vocab.text(id)
}

// Allows says whether id may come next.
func (m *Matcher) Allows(id int32) bool {
	text := m.bytes(id)
	if len(text) == 0 {
		return false
	}
	return m.after(text) != dead
}

// Accept goes on by a token. It returns false, and nothing changes, if the token is not allowed.
func (m *Matcher) Accept(id int32) bool {
	text := m.bytes(id)
	if len(text) == 0 {
		return false
	}
	c := m.after(text)
	if c == dead {
		return false
	}
	m.past[m.n%maxRollback], m.tokens[m.n%maxRollback] = m.at, id
	m.at = c
	m.n++
	m.held = min(m.held+1, maxRollback)
	return true
}

// Rollback takes back the last n tokens: at most 16, and at most those that were accepted.
func (m *Matcher) Rollback(n int) {
	if n < 0 || n > m.held {
		panic("grammar: Rollback of more tokens than are held")
	}
	if n == 0 {
		return
	}
	m.n -= n
	m.held -= n
	m.at = m.past[m.n%maxRollback]
}

// Accepting says whether the text may end here.
func (m *Matcher) Accepting() bool {
	var yes bool
	m.do(func() { yes = m.e.configs[m.at].accepting })
	return yes
}

// Distance is a number of tokens that is enough for the text to end: those of the text that is shortest in bytes, divided into the longest
// tokens from the left. It supposes that each byte is a token.
func (m *Matcher) Distance() int {
	var d int32
	m.do(func() { d = m.e.tokens(m.at) })
	return int(d)
}

// Mask returns the ids that may come next. With left above 0, at most left tokens may follow: ids after which the text could not end in
// time are left out. If it cannot end in time at all, those that bring the end nearer stay. Of a grammar with too many places to look at
// (see maxSight), tokens of more than one byte may be missing that Allows allows, which Partial then says; which ones depends on what was
// looked at before.
func (m *Matcher) Mask(left int) sample.Mask {
	var entry *memoEntry
	m.do(func() { entry = m.mask(left) })
	m.part = entry.part
	return entry.mask
}

// Partial says whether tokens of more than one byte may be missing from the last Mask.
func (m *Matcher) Partial() bool { return m.part }

func (m *Matcher) mask(left int) *memoEntry {
	e := m.e
	bound := int32(math.MaxInt32)
	if left > 0 {
		if bound = int32(min(left, math.MaxInt32)) - 1; bound < e.configs[m.at].shortest {
			bound = max(bound, e.tokens(m.at)-1)
		}
	}
	whole := e.masks.get(memoKey{m.at, math.MaxInt32})
	if whole == nil {
		if whole = m.compute(math.MaxInt32); !e.full {
			e.masks.put(memoKey{m.at, math.MaxInt32}, whole)
		}
	}
	if whole.far <= bound {
		return whole
	}
	if near := e.masks.get(memoKey{m.at, bound}); near != nil {
		return near
	}
	e.findWay(m.at)
	near := m.compute(bound)
	switch {
	case !e.configs[m.at].accepting && !slices.ContainsFunc(near.mask.Bits, func(w uint32) bool { return w != 0 }):
		return whole // rather too long a text than none
	case slices.Equal(near.mask.Bits, whole.mask.Bits): // it holds for what is left, counted in tokens, too
		whole.far = near.far
		return whole
	case !e.full:
		e.masks.put(memoKey{m.at, bound}, near)
	}
	return near
}

// maskKeys counts masks: each has a key of its own.
var maskKeys atomic.Uint64

// maxTokenDepth is the longest token that masks know.
const maxTokenDepth = 1024

type walkStep struct {
	end uint32 // of the subtree
	c   int32  // configuration there
}

// compute makes the mask of tokens after which the text can end within bound tokens; any number of bytes, if that is math.MaxInt32.
func (m *Matcher) compute(bound int32) *memoEntry {
	e, v := m.e, m.g.vocab
	e.mask++
	e.sight, e.maxWork, e.counting = 0, e.derived+maxWork, bound < math.MaxInt32
	entry := &memoEntry{mask: sample.Mask{Key: maskKeys.Add(1), Bits: make([]uint32, (v.ids+31)/32)}}
	bits := entry.mask.Bits
	allow := func(more []uint32, far int32) {
		for w, b := range more {
			bits[w] |= b
		}
		entry.far = max(entry.far, far)
	}
	// The item that takes most plain text.
	var best cover
	for _, x := range e.configs[m.at].items {
		c := e.cover(x.e)
		c.far = add(c.far, e.stacks[x.stack].shortest)
		if c.far <= bound && c.chars > best.chars && e.stacks[x.stack].depth <= maxDepth {
			best = c
		}
	}
	if best.chars >= never {
		allow(v.plain, best.far)
	}
	plain := best.chars >= never
	if best.chars < longChars {
		if n, far, ok := e.characters(m.at); ok && far <= bound {
			allow(v.upTo[n], far)
			plain = true
		}
	}
	for i := range v.parts {
		p := &v.parts[i]
		if i != otherPart && len(p.order) > 0 {
			if plain {
				continue
			}
			if best.chars >= p.whole.most {
				allow(p.bits, best.far)
				continue
			}
			if near, far, ok := e.along(m.at, &p.whole.chars, p.whole.most); ok && near > bound {
				continue
			} else if ok && far <= bound {
				allow(p.bits, far)
				continue
			}
		}
		entry.far = max(entry.far, m.walkTrie(p, bits, bound))
	}
	if e.counting { // the walk may have ended too early for it
		if w := e.ways.at(m.at); w.known && w.id >= 0 && e.tokens(w.to) <= bound {
			bits[w.id/32] |= 1 << (w.id % 32)
			entry.far = max(entry.far, e.tokens(w.to))
		}
	}
	entry.part = e.sight > maxSight || e.derived > e.maxWork || e.full
	for _, s := range v.same {
		bits[s[1]/32] |= bits[s[0]/32] >> (s[0] % 32) & 1 << (s[1] % 32)
	}
	return entry
}

// walkTrie sets the bits of the allowed tokens of a part and returns the largest distance after one of them.
func (m *Matcher) walkTrie(p *part, bits []uint32, bound int32) (far int32) {
	e, trie := m.e, p.trie
	stack := &m.tries
	depth := 0
	stack[0] = walkStep{uint32(len(trie)), m.at}
	steps, class, width := e.steps, &e.class, e.width
	visited := 0
	for i := uint32(0); i < uint32(len(trie)); visited++ {
		for i >= stack[depth].end {
			depth--
		}
		n := trie[i]
		end := n.next & (1<<24 - 1)
		before := stack[depth].c
		c := steps[int(before)*width+int(class[n.next>>24])]
		if c == unknown {
			c = e.step(before, byte(n.next>>24))
			steps = e.steps // it may have grown
		}
		if c == dead {
			i = end
			continue
		}
		id := n.id
		var sub *subtree
		if id < -1 {
			sub = &p.subs[-2-id]
			id = sub.id
		}
		if id >= 0 {
			if d := e.left(c); d <= bound {
				bits[id/32] |= 1 << (id % 32)
				far = max(far, d)
			}
			steps = e.steps
		}
		if c != before && !e.look(c) {
			i = end
			continue
		}
		if sub != nil {
			cover := e.coverAt(c)
			near, most, ok := int32(0), cover.far, !sub.lead && cover.chars >= max(sub.most, 1) && cover.far <= bound
			if !ok {
				near, most, ok = m.below(sub, before, c)
			}
			steps = e.steps
			if ok && near > bound {
				i = end
				continue
			}
			if ok && most <= bound {
				for _, id := range p.order[sub.lo:sub.hi] {
					bits[id/32] |= 1 << (id % 32)
				}
				e.effort.tokens += int(sub.hi - sub.lo)
				far = max(far, most)
				i = end
				continue
			}
		}
		i++
		if i < end && depth < maxTokenDepth {
			depth++
			stack[depth] = walkStep{end, c}
		} else {
			i = end
		}
	}
	e.effort.nodes += visited
	return far
}

// below says what along says of the texts of a subtree, by the configurations before and after its node.
func (m *Matcher) below(s *subtree, before, after int32) (near, far int32, ok bool) {
	if !s.lead {
		return m.e.along(after, &s.chars, s.most)
	}
	r := m.e.run(before)
	if r.next == dead || !s.first.within(&r.chars) {
		return 0, 0, false
	}
	first := m.e.left(r.next)
	if s.most == 0 {
		return first, first, true
	}
	near, far, ok = m.e.along(r.next, &s.chars, s.most)
	return min(near, first), max(far, first), ok
}

// Forced appends the tokens that must follow, as the tokenizer would write them after the last ones. What is left to the model: the end of
// the forced text, whose tokens depend on what it writes next, and texts that the tokenizer would join with the last tokens. With left
// above 0, at most left tokens may follow: those behind which the text could not end in time are left out.
func (m *Matcher) Forced(dst []int32, left int) []int32 {
	v := m.g.vocab
	if v.encode == nil {
		return dst
	}
	var forced []byte
	m.do(func() { forced = m.e.forced(m.at, forced[:0]) })
	if len(forced) <= forcedTail {
		return dst
	}
	held := make([]int32, 0, maxRollback)
	var text []byte
	for i := m.held; i > 0; i-- {
		id := m.tokens[(m.n-i)%maxRollback]
		held = append(held, id)
		text = append(text, v.text(id)...)
	}
	tokens := v.encode(string(append(text, forced...)))
	if len(tokens) < len(held) || !slices.Equal(tokens[:len(held)], held) {
		return dst
	}
	tokens = tokens[len(held):]
	for bytes, n := 0, 0; len(tokens) > 0 && bytes < forcedTail && n < 4; n++ {
		bytes += len(v.text(tokens[len(tokens)-1]))
		tokens = tokens[:len(tokens)-1]
	}
	if left > 0 {
		var n int
		m.do(func() { n = m.e.inTime(m.at, tokens, left) })
		tokens = tokens[:n]
	}
	return append(dst, tokens...)
}

// forcedTail is the number of bytes at the end of a forced text whose tokens are left to the model.
const forcedTail = 7

// maxForced bounds a forced text.
const maxForced = 512

// forced appends the bytes that must follow.
func (e *engine) forced(c int32, to []byte) []byte {
	for len(to) < maxForced && !e.configs[c].accepting {
		only, next := -1, dead
		for class, b := range e.reps {
			d := e.step(c, b)
			if d == dead {
				continue
			}
			if only >= 0 || !e.single(class) {
				return to
			}
			only, next = int(b), d
		}
		if only < 0 {
			return to
		}
		to = append(to, byte(only))
		c = next
	}
	return to
}

// single says whether a class has one byte.
func (e *engine) single(class int) bool {
	n := 0
	for _, c := range e.class {
		if int(c) == class {
			n++
		}
	}
	return n == 1
}
