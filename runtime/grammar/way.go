package grammar

// How many tokens are enough for the end is told by one way there: the shortest text, of several that which comes first in the order of
// bytes, divided into the longest tokens from the left. Behind each of its tokens the rest of the way is the way from there. So who goes it
// needs one token less after each, whatever stood before, and a mask that holds what leaves enough tokens for the way holds one at least.

// way is how a configuration comes to the end.
type way struct {
	known  bool  // tokens, id and to are
	b      byte  // the first one, where next is not unknown
	next   int32 // configuration behind it
	id     int32 // the first token
	to     int32 // configuration behind it
	tokens int32 // of the whole way
}

// The longest way in bytes that is divided into tokens; of a longer one each byte counts as a token. Where properties may come in any order
// there is a way from each set of them, and the tables must hold many.
const (
	maxWay         = 8192
	maxWayAnyOrder = 256
)

// tokens is a number of tokens that is enough to come from a configuration to an accepting one. There is a token after which it is one less.
func (e *engine) tokens(c int32) int32 {
	longest := int32(maxWay)
	if len(e.members) > 0 {
		longest = maxWayAnyOrder
	}
	if n := e.configs[c].shortest; n <= 1 || n > longest {
		return n
	}
	from := e.ways.at(c)
	if from.known {
		return from.tokens
	}
	chain := append(e.chain[:0], c)
	rest := int32(-1)
	for rest < 0 {
		at := chain[len(chain)-1]
		if e.full || e.exprs.work > e.hard-hardWork/2 || !e.divide(at) {
			return e.giveUp(c) // the tables are full, or it takes too much work
		}
		to := e.ways[at].to
		if w := e.ways.at(to); w.known || e.configs[to].shortest <= 1 {
			rest = e.tokens(to)
		} else {
			chain = append(chain, to)
		}
	}
	for i := len(chain) - 1; i >= 0; i-- {
		rest++
		w := &e.ways[chain[i]]
		w.known, w.tokens = true, rest
	}
	e.chain = chain
	return rest
}

// wayRoom is how many cells more than allowed a way may take.
const wayRoom = 50_000

// findWay makes the way of a configuration known where the tables have become full before: beyond their bound, but not without one.
func (e *engine) findWay(c int32) {
	if !e.full || e.ways.at(c).known {
		return
	}
	limit, hard := e.limit, e.hard
	e.full, e.limit, e.hard = false, e.cells+wayRoom, e.exprs.work+hardWork
	n := e.tokens(c)
	if w := e.ways.at(c); !w.known && e.divide(c) { // of a way that is not divided, the first token
		w = e.ways.at(c)
		w.known, w.tokens = true, n
	}
	e.full, e.limit, e.hard = true, limit, hard
}

// giveUp counts the bytes of a way that is not divided, which it then stays: who looks again is told the same. What was made of it helps
// those that meet it.
func (e *engine) giveUp(c int32) int32 {
	n := e.configs[c].shortest
	if w := e.ways.at(c); !e.full {
		if w.to == unknown {
			w.id = -1
		}
		w.known, w.tokens = true, n
	}
	return n
}

// left is how far the end is from a configuration, as the mask that is made counts it: for one near the end in tokens.
func (e *engine) left(c int32) int32 {
	if e.counting {
		return e.tokens(c)
	}
	return e.configs[c].shortest
}

// inTime returns how many of some tokens can follow a configuration so that behind each the end is near enough for left tokens in all. The
// longest tokens are not always those of the tokenizer, which may be more.
func (e *engine) inTime(c int32, tokens []int32, left int) int {
	for i, id := range tokens {
		if c = e.walk(c, e.vocab.text(id)); c == dead || int(e.tokens(c)) > left-i-1 {
			return i
		}
	}
	return len(tokens)
}

// divide finds the first token of the way.
func (e *engine) divide(c int32) (ok bool) {
	v := e.vocab
	id, to := int32(-1), dead
	lo, hi := 0, len(v.sorted) // of the tokens that begin with the bytes of the way so far
	at := c
	for n := 0; lo < hi && e.configs[at].shortest > 0; n++ {
		b, next := e.nearer(at)
		if next == dead {
			return false
		}
		lo, hi = v.narrow(lo, hi, n, b)
		at = next
		if n == 0 {
			to = at // if there is no token of this byte
		}
		if lo < hi && len(v.text(v.sorted[lo])) == n+1 {
			id, to = v.sorted[lo], at
		}
	}
	w := e.ways.at(c)
	w.id, w.to = id, to
	return to != dead
}

// nearer returns the first byte of the way and the configuration behind it; dead, if the tables are full.
func (e *engine) nearer(c int32) (b byte, next int32) {
	if w := e.ways.at(c); w.next != unknown {
		return w.b, w.next
	}
	for i := range 256 {
		b := byte(i)
		if e.reps[e.class[b]] != b || !e.nears(c, b) {
			continue
		}
		if next = e.step(c, b); next != dead && e.configs[next].shortest < e.configs[c].shortest {
			w := e.ways.at(c)
			w.b, w.next = b, next
			return b, next
		}
	}
	return 0, dead
}

// nears says whether a byte begins a shortest text.
func (e *engine) nears(c int32, b byte) bool {
	shortest := e.configs[c].shortest
	for _, x := range e.configs[c].items {
		below := e.stacks[x.stack].shortest
		if add(e.exprs.shortest(x.e), below) > shortest {
			continue
		}
		if first := e.first(x.e, 0); !first.has(b) {
			continue
		}
		if d := e.after(x.e, b); d != none && add(e.exprs.shortest(d), below) < shortest {
			return true
		}
	}
	return false
}

// ways are those of configurations.
type ways []way

func (w *ways) at(c int32) *way {
	for int(c) >= len(*w) {
		*w = append(*w, way{})
	}
	return &(*w)[c]
}
