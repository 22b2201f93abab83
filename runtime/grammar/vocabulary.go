package grammar

import (
	"bytes"
	"cmp"
	"slices"
	"unicode/utf8"
)

// Vocabulary is the bytes of all text tokens, in tries. It is made once and shared.
//
// Most tokens are plain text: whole characters without quotes, backslashes and control characters. Those are in slices by length, with
// a mask each: where a lexeme takes every text of such characters, a slice is allowed as a whole, and only the other tokens are walked.
type Vocabulary struct {
	ids    int
	text   func(id int32) []byte
	encode func(text string) []int32
	parts  [len(sliceChars) + 1]part // the last one: the other tokens
	same   [][2]int32                // a token of a trie, and another one of the same bytes
}

// sliceChars are the most characters of the tokens of each slice.
var sliceChars = [...]int{8, 16, 1 << 30}

type part struct {
	trie []trieNode
	bits []uint32 // [(ids+31)/32]
}

// trieNode is a byte of tokens. The node after it is its first child, if it has any.
type trieNode struct {
	next uint32 // byte<<24 | index of the node after this one's subtree
	id   int32  // token that ends here, or -1
}

// NewVocabulary reads the text of ids tokens: nil for those that are no text. text must not change what it returned.
func NewVocabulary(ids int, text func(id int32) []byte) *Vocabulary {
	v := &Vocabulary{ids: ids, text: text}
	type token struct {
		bytes []byte
		id    int32
	}
	var parts [len(v.parts)][]token
	for id := range int32(ids) {
		if b := text(id); len(b) > 0 {
			i := slice(b)
			parts[i] = append(parts[i], token{b, id})
		}
	}
	for i, tokens := range parts {
		p := &v.parts[i]
		p.bits = make([]uint32, (ids+31)/32)
		slices.SortFunc(tokens, func(a, b token) int {
			return cmp.Or(bytes.Compare(a.bytes, b.bytes), cmp.Compare(a.id, b.id))
		})
		var path []int // nodes from the root
		var last token
		for j, t := range tokens {
			p.bits[t.id/32] |= 1 << (t.id % 32)
			if j > 0 && bytes.Equal(last.bytes, t.bytes) {
				v.same = append(v.same, [2]int32{last.id, t.id})
				continue
			}
			common := 0
			for common < min(len(last.bytes), len(t.bytes)) && last.bytes[common] == t.bytes[common] {
				common++
			}
			for _, n := range path[common:] {
				p.trie[n].next |= uint32(len(p.trie))
			}
			path = path[:common]
			for _, b := range t.bytes[common:] {
				path = append(path, len(p.trie))
				p.trie = append(p.trie, trieNode{next: uint32(b) << 24, id: -1})
			}
			p.trie[len(p.trie)-1].id = t.id
			last = t
		}
		for _, n := range path {
			p.trie[n].next |= uint32(len(p.trie))
		}
	}
	return v
}

// WithEncoder returns the vocabulary with its tokenizer, for Matcher.Forced.
func (v *Vocabulary) WithEncoder(encode func(text string) []int32) *Vocabulary {
	c := *v
	c.encode = encode
	return &c
}

// slice returns the index of the slice that has a token, or that of the other tokens.
func slice(b []byte) int {
	if !utf8.Valid(b) || bytes.ContainsFunc(b, func(r rune) bool { return r < 0x20 || r == '"' || r == '\\' }) {
		return len(sliceChars)
	}
	chars := utf8.RuneCount(b)
	return slices.IndexFunc(sliceChars[:], func(most int) bool { return chars <= most })
}

// utf8Step is a machine that reads the characters of slices: from a state by a range of bytes to a state. 0 is between characters.
type utf8Step struct {
	from   uint8
	lo, hi byte
	to     uint8
}

var utf8Steps = [...]utf8Step{
	{0, 0x20, 0x21, 0}, {0, 0x23, 0x5b, 0}, {0, 0x5d, 0x7f, 0},
	{0, 0xc2, 0xdf, 1}, {0, 0xe0, 0xe0, 2}, {0, 0xe1, 0xec, 3}, {0, 0xed, 0xed, 4}, {0, 0xee, 0xef, 3},
	{0, 0xf0, 0xf0, 5}, {0, 0xf1, 0xf3, 6}, {0, 0xf4, 0xf4, 7},
	{1, 0x80, 0xbf, 0}, {2, 0xa0, 0xbf, 1}, {3, 0x80, 0xbf, 1}, {4, 0x80, 0x9f, 1},
	{5, 0x90, 0xbf, 3}, {6, 0x80, 0xbf, 3}, {7, 0x80, 0x8f, 3},
}

// declareChars makes the classes of bytes respect the steps of characters.
func (t *exprs) declareChars() {
	for _, s := range utf8Steps {
		t.set(span(s.lo, s.hi))
	}
}

// cover says of an expression, or of a configuration, how much plain text it takes.
type cover struct {
	chars int                    // every plain text of so many characters begins a text of the expression
	far   [len(sliceChars)]int32 // the most bytes to the end after a text of a slice
}

// maxCover bounds the expressions that are examined for a cover.
const maxCover = 1000

// cover of an expression.
func (e *engine) cover(x expr) cover {
	c, ok := e.covers[int64(x)]
	if !ok {
		c = e.explore(int32(x), func(s int32, b byte) (int32, int32) {
			d := e.after(expr(s), b)
			return int32(d), e.exprs.shortest(d)
		}, e.exprs.shortest(x))
		if !e.full {
			e.covers[int64(x)] = c
		}
	}
	return c
}

// together is the cover of all items of a configuration: one may take what another does not.
func (e *engine) together(at int32) cover {
	c, ok := e.covers[^int64(at)]
	if !ok {
		c = e.explore(at, func(s int32, b byte) (int32, int32) {
			d := e.step(s, b)
			return d, e.configs[d].shortest
		}, e.configs[at].shortest)
		if !e.full {
			e.covers[^int64(at)] = c
		}
	}
	return c
}

// explore follows all plain texts from a state. step returns the state after a byte and its distance.
func (e *engine) explore(from int32, step func(s int32, b byte) (next, shortest int32), far int32) cover {
	type state struct {
		x int32
		u uint8
	}
	var c cover
	seen := map[state]bool{{from, 0}: true}
	level := []state{{from, 0}}
	var scratch []state
walk:
	for c.chars < 1<<30 {
		var next []state
		scratch = append(scratch[:0], level...)
		for len(scratch) > 0 {
			s := scratch[len(scratch)-1]
			scratch = scratch[:len(scratch)-1]
			for _, st := range utf8Steps {
				if st.from != s.u {
					continue
				}
				done := [4]uint64{}
				for b := int(st.lo); b <= int(st.hi); b++ {
					class := e.class[b]
					if done[class>>6]>>(class&63)&1 != 0 {
						continue
					}
					done[class>>6] |= 1 << (class & 63)
					d, short := step(s.x, e.reps[class])
					if short >= never {
						break walk
					}
					n := state{d, st.to}
					if seen[n] {
						continue
					}
					seen[n] = true
					if len(seen) > maxCover {
						break walk
					}
					if st.to == 0 {
						far = max(far, short)
						next = append(next, n)
					} else {
						scratch = append(scratch, n)
					}
				}
			}
		}
		c.chars++
		for i, most := range sliceChars {
			if c.chars <= most {
				c.far[i] = far
			}
		}
		if len(next) == 0 {
			c.chars = 1 << 30
		} else if c.chars >= 16 {
			break
		}
		level = next
	}
	return c
}
