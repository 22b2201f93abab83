package grammar

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
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
	sorted []int32                 // all tokens in the order of their texts
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
	first  charSet // of the characters that begin with the node
	chars  charSet // of the texts below
	most   int32   // characters of the longest of them
	lo, hi int32   // tokens below, in order
	id     int32   // token of the node itself, or -1
	lead   bool    // the node is the first byte of a character, after which the texts begin
}

// minSubtree is the fewest tokens for which a subtree is described.
const minSubtree = 8

// NewVocabulary reads the text of ids tokens: nil for those that are no text. text must not change what it returned.
func NewVocabulary(ids int, text func(id int32) []byte) *Vocabulary {
	v := &Vocabulary{ids: ids, text: text, plain: make([]uint32, (ids+31)/32)}
	var builders [len(v.parts)]trieBuilder
	for i := range builders {
		v.parts[i].bits = make([]uint32, (ids+31)/32)
		builders[i].part, builders[i].leads = &v.parts[i], map[uint32]charSet{}
	}
	for n := range v.upTo {
		v.upTo[n] = make([]uint32, (ids+31)/32)
	}
	v.sorted = byText(ids, text)
	for _, id := range v.sorted {
		b := text(id)
		i := partOf(b)
		v.parts[i].bits[id/32] |= 1 << (id % 32)
		if n := utf8.RuneCount(b); i != otherPart && n <= longChars {
			v.upTo[n][id/32] |= 1 << (id % 32)
		}
		if other, ok := builders[i].add(b, id); !ok {
			v.same = append(v.same, [2]int32{other, id})
		}
	}
	for i := range v.parts {
		p := &v.parts[i]
		builders[i].leave(0)
		if i != otherPart {
			builders[i].describe(i != longPart)
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

// narrow returns which of the sorted tokens from lo to hi, which have the first n bytes in common, have b behind them.
func (v *Vocabulary) narrow(lo, hi, n int, b byte) (from, to int) {
	// The ones without a byte there come first.
	at := func(i int) int {
		if text := v.text(v.sorted[lo+i]); n < len(text) {
			return int(text[n])
		}
		return -1
	}
	from = lo + sort.Search(hi-lo, func(i int) bool { return at(i) >= int(b) })
	to = lo + sort.Search(hi-lo, func(i int) bool { return at(i) > int(b) })
	return from, to
}

// byText returns the tokens that have a text in the order of their texts, those of the same text in the order of their ids.
//
// Texts are compared by their first eight bytes, as numbers, digit by digit; few have more of them in common. Comparing the texts
// themselves would take most of the time in which a vocabulary is made.
func byText(ids int, text func(id int32) []byte) []int32 {
	type token struct {
		start uint64 // of the text, its first byte the highest, zeros behind a shorter one
		id    int32
	}
	tokens := make([]token, 0, ids)
	var counts [8][256]int32 // of the values of each byte of start, the lowest first
	for id := range int32(ids) {
		b := text(id)
		if len(b) == 0 {
			continue
		}
		var start [8]byte
		copy(start[:], b)
		t := token{binary.BigEndian.Uint64(start[:]), id}
		for d := range counts {
			counts[d][byte(t.start>>(8*d))]++
		}
		tokens = append(tokens, t)
	}
	sorted := make([]token, len(tokens))
	for d := range counts {
		at, next := &counts[d], int32(0)
		for i, n := range at {
			at[i] = next
			next += n
		}
		for _, t := range tokens {
			to := &at[byte(t.start>>(8*d))]
			sorted[*to] = t
			*to++
		}
		tokens, sorted = sorted, tokens
	}
	order := make([]int32, len(tokens))
	for i, t := range tokens {
		order[i] = t.id
	}
	for from := 0; from < len(tokens); {
		to := from + 1
		for to < len(tokens) && tokens[to].start == tokens[from].start {
			to++
		}
		if to > from+1 {
			slices.SortFunc(order[from:to], func(a, b int32) int { return cmp.Or(bytes.Compare(text(a), text(b)), cmp.Compare(a, b)) })
		}
		from = to
	}
	return order
}

// trieBuilder makes the trie of a part, whose tokens come in the order of their texts.
type trieBuilder struct {
	*part
	last  []byte             // the text that came last
	path  []uint32           // its nodes
	leads map[uint32]charSet // the characters beyond ASCII that begin with a node
}

// add adds a token, unless there is another one of the same text, which it returns.
func (p *trieBuilder) add(text []byte, id int32) (other int32, ok bool) {
	common, most := 0, min(len(p.last), len(text))
	for common < most && p.last[common] == text[common] {
		common++
	}
	if common == len(text) { // the one before is as long: it is not longer, since it came first
		return p.order[len(p.order)-1], false
	}
	p.leave(common)
	for _, b := range text[common:] {
		p.path = append(p.path, uint32(len(p.trie)))
		p.trie = append(p.trie, trieNode{next: uint32(b) << 24, id: -1})
	}
	p.trie[len(p.trie)-1].id = id
	for i, r := range string(text) {
		if r >= utf8.RuneSelf {
			s := p.leads[p.path[i]]
			s.add(r)
			p.leads[p.path[i]] = s
		}
	}
	p.order = append(p.order, id)
	p.last = text
	return 0, true
}

// leave ends the subtrees of all nodes of the path but the first so many.
func (p *trieBuilder) leave(keep int) {
	for _, n := range p.path[keep:] {
		p.trie[n].next |= uint32(len(p.trie))
	}
	p.path = p.path[:keep]
}

// describe finds the whole, and the subtrees if they are wanted: of long texts, of which there are few, they are not.
func (p *trieBuilder) describe(subtrees bool) {
	type described struct {
		subtree
		at uint32
	}
	// From the end, so that what stands below a node is known before it: the nodes that have no node above them yet, the first one last.
	var loose []described
	below := int32(len(p.order))
	take := func(to *subtree, end uint32) {
		for len(loose) > 0 && loose[len(loose)-1].at < end {
			c := &loose[len(loose)-1]
			more := int32(0)
			if c.first != (charSet{}) { // not inside of a character
				to.chars.union(&c.first)
				more = 1
			}
			to.chars.union(&c.chars)
			to.most = max(to.most, c.most+more)
			to.hi = max(to.hi, c.hi)
			loose = loose[:len(loose)-1]
		}
	}
	for i := len(p.trie) - 1; i >= 0; i-- {
		n := &p.trie[i]
		end, first := n.next&(1<<24-1), byte(n.next>>24)
		s := subtree{id: n.id, first: p.leads[uint32(i)], lead: first >= 0xc0, lo: below, hi: below}
		if first < 0x80 {
			s.first.add(rune(first))
		}
		take(&s, end)
		if n.id >= 0 {
			below--
		}
		// Inside of a character and at its end nothing is described but at the end of ASCII and of whole characters: where one ends is
		// where the next byte begins one.
		boundary := first < 0x80 || uint32(i)+1 < end && byte(p.trie[i+1].next>>24)&0xc0 != 0x80
		if subtrees && s.hi-s.lo >= minSubtree && (s.lead || boundary) {
			n.id = int32(-2 - len(p.subs))
			p.subs = append(p.subs, s)
		}
		loose = append(loose, described{s, uint32(i)})
	}
	take(&p.whole, uint32(len(p.trie)))
	p.whole.hi = int32(len(p.order))
}

// WithEncoder returns the vocabulary with its tokenizer, for Matcher.Forced.
func (v *Vocabulary) WithEncoder(encode func(text string) []int32) *Vocabulary {
	c := *v
	c.encode = encode
	return &c
}

// partOf returns the index of the part that has a token.
func partOf(text []byte) int {
	chars, word := 0, true
	for i := 0; i < len(text); chars++ {
		c := text[i]
		switch {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && n == 1 {
				return otherPart
			}
			word = false
			i += n
			continue
		case c < 0x20 || c == '"' || c == '\\':
			return otherPart
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_':
		case c != ' ' || i > 0:
			word = false
		}
		i++
	}
	part := mixedPart
	switch spaced := text[0] == ' '; {
	case chars > longChars:
		return longPart
	case word && !spaced:
		part = wordPart
	case word && chars > 1:
		part = spacedPart
	}
	if chars > shortChars {
		part++
	}
	return part
}
