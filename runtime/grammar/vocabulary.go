package grammar

import (
	"bytes"
	"cmp"
	"slices"
	"unicode/utf8"
)

// Vocabulary is the bytes of all text tokens, in tries. It is made once and shared.
//
// Most tokens are plain text: whole characters without quotes, backslashes and control characters. They are in parts by kind and by length,
// with a mask each: where a grammar takes every text of such characters, a part is allowed as a whole, and only the others are walked. In
// a walk the same holds for subtrees.
type Vocabulary struct {
	ids    int
	text   func(id int32) []byte
	encode func(text string) []int32
	parts  [otherPart + 1]part
	plain  []uint32                // [(ids+31)/32], the tokens of all parts but the last
	upTo   [longChars + 1][]uint32 // [(ids+31)/32], those of them of at most so many characters
	same   [][2]int32              // a token of a trie, and another one of the same bytes
}

// The parts: words, words after a space, and other plain text, each of at most 8 characters and of at most 16; longer plain text; the other
// tokens.
const (
	shortChars = 8
	longChars  = 16
	wordPart   = 0
	spacedPart = 2
	mixedPart  = 4
	longPart   = 6
	otherPart  = 7
)

type part struct {
	trie  []trieNode
	subs  []subtree
	order []int32  // tokens as the trie has them
	whole subtree  // all of them
	bits  []uint32 // [(ids+31)/32]
}

// trieNode is a byte of tokens. The node after it is its first child, if it has any.
type trieNode struct {
	next uint32 // byte<<24 | index of the node after this one's subtree
	id   int32  // token that ends here, or -1, or -2-i for the entry i of subs
}

// subtree is what stands below a node of plain text.
type subtree struct {
	chars  charSet // of the texts below
	most   int32   // characters of the longest of them
	lo, hi int32   // tokens below, in order
	id     int32   // token of the node itself, or -1
	lead   bool    // the node is the first byte of a character, after which the texts begin
}

// minSubtree is the fewest tokens for which a subtree is described.
const minSubtree = 8

// charSet is a set of characters: of ASCII, and all others together.
type charSet struct {
	ascii  [2]uint64
	others bool
}

func (s *charSet) add(b byte) {
	if b < 0x80 {
		s.ascii[b>>6] |= 1 << (b & 63)
	} else {
		s.others = true
	}
}

func (s *charSet) union(o *charSet) {
	s.ascii[0] |= o.ascii[0]
	s.ascii[1] |= o.ascii[1]
	s.others = s.others || o.others
}

func (s *charSet) within(o *charSet) bool {
	return s.ascii[0]&^o.ascii[0] == 0 && s.ascii[1]&^o.ascii[1] == 0 && (!s.others || o.others)
}

// NewVocabulary reads the text of ids tokens: nil for those that are no text. text must not change what it returned.
func NewVocabulary(ids int, text func(id int32) []byte) *Vocabulary {
	v := &Vocabulary{ids: ids, text: text, plain: make([]uint32, (ids+31)/32)}
	type token struct {
		bytes []byte
		id    int32
	}
	var parts [len(v.parts)][]token
	for id := range int32(ids) {
		if b := text(id); len(b) > 0 {
			i := partOf(b)
			parts[i] = append(parts[i], token{b, id})
		}
	}
	for n := range v.upTo {
		v.upTo[n] = make([]uint32, (ids+31)/32)
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
			if n := utf8.RuneCount(t.bytes); i != otherPart && n <= longChars {
				v.upTo[n][t.id/32] |= 1 << (t.id % 32)
			}
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
			p.order = append(p.order, t.id)
			last = t
		}
		for _, n := range path {
			p.trie[n].next |= uint32(len(p.trie))
		}
		if i != otherPart {
			p.describe(i != longPart)
			for w, b := range p.bits {
				v.plain[w] |= b
			}
		}
	}
	for n := 1; n <= longChars; n++ {
		for w, b := range v.upTo[n-1] {
			v.upTo[n][w] |= b
		}
	}
	return v
}

// describe finds the whole, and the subtrees if they are wanted: of long texts, of which there are few, they are not.
func (p *part) describe(subtrees bool) {
	all := make([]subtree, len(p.trie))
	below := int32(len(p.order))
	add := func(to *subtree, child uint32) {
		c, b := &all[child], byte(p.trie[child].next>>24)
		more := int32(0)
		if b&0xc0 != 0x80 { // not inside of a character
			to.chars.add(b)
			more = 1
		}
		to.chars.union(&c.chars)
		to.most = max(to.most, c.most+more)
	}
	children := func(to *subtree, from, end uint32) {
		for j := from; j < end; j = p.trie[j].next & (1<<24 - 1) {
			add(to, j)
		}
	}
	for i := len(p.trie) - 1; i >= 0; i-- {
		n, s := &p.trie[i], &all[i]
		end := n.next & (1<<24 - 1)
		children(s, uint32(i)+1, end)
		s.id, s.lo, s.hi = n.id, below, int32(len(p.order))
		if int(end) < len(p.trie) {
			s.hi = all[end].lo
			if all[end].id >= 0 {
				s.hi--
			}
		}
		if n.id >= 0 {
			below--
		}
		first := byte(n.next >> 24)
		s.lead = first >= 0xc0
		// Inside of a character and at its end nothing is described but at the end of ASCII and of whole characters: where one ends is
		// where the next byte begins one.
		boundary := first < 0x80 || i+1 < len(p.trie) && uint32(i)+1 < end && byte(p.trie[i+1].next>>24)&0xc0 != 0x80
		if subtrees && s.hi-s.lo >= minSubtree && (s.lead || boundary) {
			n.id = int32(-2 - len(p.subs))
			p.subs = append(p.subs, *s)
		}
	}
	children(&p.whole, 0, uint32(len(p.trie)))
	p.whole.hi = int32(len(p.order))
}

// WithEncoder returns the vocabulary with its tokenizer, for Matcher.Forced.
func (v *Vocabulary) WithEncoder(encode func(text string) []int32) *Vocabulary {
	c := *v
	c.encode = encode
	return &c
}

// partOf returns the index of the part that has a token.
func partOf(b []byte) int {
	if !utf8.Valid(b) || bytes.ContainsFunc(b, func(r rune) bool { return r < 0x20 || r == '"' || r == '\\' }) {
		return otherPart
	}
	chars := utf8.RuneCount(b)
	if chars > longChars {
		return longPart
	}
	part := mixedPart
	isNoWord := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_')
	}
	if word, spaced := bytes.CutPrefix(b, []byte(" ")); len(word) > 0 && !bytes.ContainsFunc(word, isNoWord) {
		part = wordPart
		if spaced {
			part = spacedPart
		}
	}
	if chars > shortChars {
		part++
	}
	return part
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
