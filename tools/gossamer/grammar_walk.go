package main

import (
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"gossamer/runtime/grammar"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/o200k"
)

// textVocabulary is the tokens that texts are made of.
type textVocabulary struct {
	tok      *tokenizer.Tokenizer
	grammars *grammar.Vocabulary
	single   [256]int32     // tokens of one byte
	sorted   func() []int32 // text tokens in the order of their bytes
}

func newTextVocabulary() (*textVocabulary, error) {
	tok, err := o200k.Load()
	if err != nil {
		return nil, err
	}
	v := &textVocabulary{tok: tok, grammars: grammar.NewVocabulary(tok.Vocab(), tok.Bytes)}
	for id := range int32(tok.Vocab()) {
		if b := tok.Bytes(id); len(b) == 1 {
			v.single[b[0]] = id
		}
	}
	v.sorted = sync.OnceValue(func() []int32 {
		var ids []int32
		for id := range int32(tok.Vocab()) {
			if len(tok.Bytes(id)) > 0 {
				ids = append(ids, id)
			}
		}
		slices.SortFunc(ids, func(a, b int32) int { return cmp.Compare(string(tok.Bytes(a)), string(tok.Bytes(b))) })
		return ids
	})
	return v, nil
}

// tokenization is a way to divide a text into tokens.
type tokenization struct {
	name  string // as it was asked for, and which of them: "canonical", "bytes", "random 2"
	split func(v *textVocabulary, text []byte, random *rand.Rand) []int32
}

// maxRandom bounds the random tokenizations that are asked for at once.
const maxRandom = 1000

// parseTokenizations reads the names "canonical", "bytes" and "random:N", N different ones. Without names it is the canonical one.
func parseTokenizations(names []string) ([]tokenization, error) {
	all := make([]tokenization, 0, max(1, len(names)))
	for _, name := range names {
		switch count, random := strings.CutPrefix(name, "random:"); {
		case name == "canonical":
			all = append(all, tokenization{name, (*textVocabulary).canonical})
		case name == "bytes":
			all = append(all, tokenization{name, (*textVocabulary).bytes})
		case random:
			n, err := strconv.Atoi(count)
			if err != nil || n < 1 || n > maxRandom {
				return nil, fmt.Errorf("tokenization %q: want random:N, N from 1 to %d", name, maxRandom)
			}
			for i := range n {
				all = append(all, tokenization{fmt.Sprintf("random %d", i+1), (*textVocabulary).random})
			}
		default:
			return nil, fmt.Errorf("tokenization %q: want canonical, bytes or random:N", name)
		}
	}
	if len(all) == 0 {
		all = append(all, tokenization{"canonical", (*textVocabulary).canonical})
	}
	return all, nil
}

// canonical is the tokenizer's. What is not UTF-8, which the tokenizer would replace, becomes tokens of one byte.
func (v *textVocabulary) canonical(text []byte, _ *rand.Rand) []int32 {
	var tokens []int32
	for len(text) > 0 {
		n := 0
		for n < len(text) {
			r, size := utf8.DecodeRune(text[n:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			n += size
		}
		tokens = append(tokens, v.tok.Encode(string(text[:n]))...)
		if text = text[n:]; len(text) > 0 {
			tokens = append(tokens, v.single[text[0]])
			text = text[1:]
		}
	}
	return tokens
}

func (v *textVocabulary) bytes(text []byte, _ *rand.Rand) []int32 {
	tokens := make([]int32, len(text))
	for i, b := range text {
		tokens[i] = v.single[b]
	}
	return tokens
}

// random takes at each place one of the tokens that the rest of the text begins with.
func (v *textVocabulary) random(text []byte, random *rand.Rand) []int32 {
	var tokens, fit []int32
	for len(text) > 0 {
		fit = fit[:0]
		left := v.sorted() // that begin with text[:n]
		for n, b := range text {
			at := func(i int) []byte { return v.tok.Bytes(left[i])[n:] }
			left = left[sort.Search(len(left), func(i int) bool { t := at(i); return len(t) > 0 && t[0] >= b }):]
			left = left[:sort.Search(len(left), func(i int) bool { return at(i)[0] > b })]
			if len(left) == 0 {
				break
			}
			if len(at(0)) == 1 {
				fit = append(fit, left[0])
			}
		}
		id := fit[random.IntN(len(fit))] // every byte is a token
		tokens = append(tokens, id)
		text = text[len(v.tok.Bytes(id)):]
	}
	return tokens
}

// matcher is what a walk asks a grammar.Matcher.
type matcher interface {
	Mask(left int) sample.Mask
	Partial() bool
	Allows(id int32) bool
	Accept(id int32) bool
	Rollback(n int)
	Accepting() bool
	Distance() int
}

// observer sees the masks of a walk.
type observer func(mask sample.Mask, took time.Duration)

// walk is what becomes of a text.
type walk struct {
	accepted   bool
	accepting  bool // the text may end where the walk ended
	rejection  *rejection
	difference *difference // the matcher contradicts itself; the walk ends there
}

// rejection is where a text leaves the grammar.
type rejection struct {
	Byte     int    `json:"byte"`  // the first one that cannot follow, or the length of a text that must not end
	Token    int    `json:"token"` // that has the byte, counted from 0
	ID       int32  `json:"id"`    // of that token, -1 at the end
	Expected string `json:"expected"`
}

// difference is a contradiction.
type difference struct {
	Document     int    `json:"document"`
	Tokenization string `json:"tokenization"`
	Token        int    `json:"token"` // of the document, before which it was found
	What         string `json:"what"`
}

// walk feeds tokens to a matcher at its start. Each must be in the mask, unless that is partial, and be accepted. With verify above 0, as many
// ids are compared at each step in every way that the matcher has: half of them are any ids, half are of the mask.
func (v *textVocabulary) walk(ctx context.Context, m matcher, tokens []int32, verify int, random *rand.Rand, see observer) (walk, error) {
	at := 0
	type place struct{ at, distance int }
	var places []place // before each token
	differs := func(i int, format string, args ...any) (walk, error) {
		return walk{difference: &difference{Token: i, What: fmt.Sprintf(format, args...)}}, nil
	}
	for i, id := range tokens {
		if err := ctx.Err(); err != nil {
			return walk{}, err
		}
		start := time.Now()
		mask := m.Mask(0)
		partial := m.Partial()
		if took := time.Since(start); see != nil {
			see(mask, took)
		}
		if verify > 0 {
			if what := v.compare(m, mask, verify, random); what != "" {
				return differs(i, "%s", what)
			}
			places = append(places, place{at, m.Distance()})
		}
		allowed, accepted := inMask(mask, id), m.Accept(id)
		if allowed != accepted && !(accepted && v.mayMiss(partial, id)) {
			return differs(i, "the mask says %t of %s, Accept says %t", allowed, v.name(id), accepted)
		}
		if accepted {
			at += len(v.tok.Bytes(id))
			continue
		}
		for _, b := range v.tok.Bytes(id) {
			if !m.Accept(v.single[b]) {
				return walk{accepting: m.Accepting(), rejection: &rejection{Byte: at, Token: i, ID: id, Expected: v.expected(m)}}, nil
			}
			at++
		}
		return differs(i, "Accept refuses %s and takes its bytes one by one", v.name(id))
	}
	if verify > 0 {
		if what := v.compare(m, m.Mask(0), verify, random); what != "" {
			return differs(len(tokens), "%s", what)
		}
	}
	w := walk{accepting: m.Accepting()}
	if w.accepted = w.accepting; !w.accepted {
		w.rejection = &rejection{Byte: at, Token: len(tokens), ID: -1, Expected: v.expected(m)}
		return w, nil
	}
	for i, p := range places {
		if rest := at - p.at; p.distance > rest {
			return differs(i, "Distance says %d, and the text may end after %d bytes", p.distance, rest)
		}
	}
	return w, nil
}

// compare says in what the answers of a matcher differ, "" if they do not. mask is the one of its place.
func (v *textVocabulary) compare(m matcher, mask sample.Mask, n int, random *rand.Rand) string {
	partial, distance := m.Partial(), m.Distance()
	if accepting := m.Accepting(); accepting != (distance == 0) {
		return fmt.Sprintf("Accepting says %t, Distance %d", accepting, distance)
	}
	left := max(1, distance-2+1<<random.IntN(8))
	near := m.Mask(left)
	nearPartial := m.Partial()
	for i := range n {
		id := random.Int32N(int32(v.tok.Vocab()))
		if i%2 == 1 {
			id = drawn(mask, random, id)
		}
		in, allows, accepts := inMask(mask, id), m.Allows(id), m.Accept(id)
		inTime := accepts && m.Distance() < max(left, distance)
		if accepts {
			m.Rollback(1)
		}
		switch {
		case in != accepts && !(accepts && v.mayMiss(partial, id)) || allows != accepts:
			return fmt.Sprintf("the mask says %t of %s, Allows says %t, Accept says %t", in, v.name(id), allows, accepts)
		case inMask(near, id) != inTime && !(inTime && v.mayMiss(nearPartial, id)):
			return fmt.Sprintf("with %d tokens left the mask says %t of %s, Accept and Distance say %t", left, !inTime, v.name(id), inTime)
		case m.Distance() != distance:
			return fmt.Sprintf("after Accept of %s and Rollback, Distance says %d, before it %d", v.name(id), m.Distance(), distance)
		}
	}
	return ""
}

// mayMiss says whether a mask may leave out a token that is accepted, because the grammar has too many places to look at.
func (v *textVocabulary) mayMiss(partial bool, id int32) bool {
	return partial && len(v.tok.Bytes(id)) > 1
}

func inMask(mask sample.Mask, id int32) bool {
	return int(id/32) < len(mask.Bits) && mask.Bits[id/32]>>(id%32)&1 != 0
}

// drawn is an id of the mask, or other if the mask is empty.
func drawn(mask sample.Mask, random *rand.Rand, other int32) int32 {
	first := random.IntN(max(1, len(mask.Bits)))
	for i := range mask.Bits {
		w := (first + i) % len(mask.Bits)
		if word := mask.Bits[w]; word != 0 {
			for range random.IntN(bits.OnesCount32(word)) {
				word &= word - 1 // the lowest one goes
			}
			return int32(w*32 + bits.TrailingZeros32(word))
		}
	}
	return other
}

// name is a token with its id.
func (v *textVocabulary) name(id int32) string {
	if text, special := v.tok.SpecialText(id); special {
		return fmt.Sprintf("token %d, %s", id, text)
	}
	return fmt.Sprintf("token %d, %q", id, v.tok.Bytes(id))
}

// expected says what could come next at the place of a matcher.
func (v *textVocabulary) expected(m matcher) string {
	var may [256]bool
	for b := range may {
		may[b] = m.Allows(v.single[b])
	}
	return bytesInWords(may, m.Accepting())
}

// mostExpected bounds the list of what could follow.
const mostExpected = 20

// bytesInWords lists bytes for people: classes of characters, ranges, characters.
func bytesInWords(may [256]bool, end bool) string {
	var list []string
	if end {
		list = append(list, "the end")
	}
	type span struct{ lo, hi byte }
	class := func(name string, spans ...span) {
		for _, s := range spans {
			if slices.Contains(may[s.lo:int(s.hi)+1], false) {
				return
			}
		}
		list = append(list, name)
		for _, s := range spans {
			clear(may[s.lo : int(s.hi)+1])
		}
	}
	// 0x80 to 0xbf go on with a character, 0xc2 to 0xf4 begin one.
	class("character", span{' ', '!'}, span{'#', '['}, span{']', 0x7f}, span{0xc2, 0xf4})
	class("digit", span{'0', '9'})
	class("letter", span{'A', 'Z'}, span{'a', 'z'})
	if slices.Contains(may[0xc0:], true) {
		list = append(list, "character beyond ASCII")
	} else if slices.Contains(may[0x80:], true) {
		list = append(list, "rest of a character")
	}
	kind := func(b int) byte { // of characters that ranges are made of
		switch {
		case '0' <= b && b <= '9':
			return '0'
		case 'A' <= b && b <= 'Z':
			return 'A'
		case 'a' <= b && b <= 'z':
			return 'a'
		}
		return 0
	}
	for b := 0; b < 0x80; b++ {
		if !may[b] {
			continue
		}
		last := b
		for kind(b) != 0 && may[last+1] && kind(last+1) == kind(b) {
			last++
		}
		if last-b >= 2 {
			list = append(list, fmt.Sprintf("%c-%c", b, last))
			b = last
			continue
		}
		list = append(list, byteName(byte(b)))
	}
	if len(list) > mostExpected {
		list = append(list[:mostExpected], "...")
	}
	return strings.Join(list, " ")
}

// byteName shows an ASCII character.
func byteName(b byte) string {
	switch {
	case b == ' ':
		return "space"
	case b == '\n':
		return "line feed"
	case b == '\r':
		return "carriage return"
	case b == '\t':
		return "tab"
	case b < ' ' || b > '~':
		return fmt.Sprintf("0x%02x", b)
	}
	return string(rune(b))
}
