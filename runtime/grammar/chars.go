package grammar

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// runes is a set of characters: ranges in order, both ends included, apart from each other. Surrogates are no characters.
type runes [][2]rune

var anyRune = runes{{0, 0xd7ff}, {0xe000, utf8.MaxRune}}

func (r runes) has(c rune) bool {
	return slices.ContainsFunc(r, func(s [2]rune) bool { return s[0] <= c && c <= s[1] })
}

// normal orders ranges, joins those that touch, and leaves surrogates out.
func (r runes) normal() runes {
	r = slices.Clone(r)
	slices.SortFunc(r, func(a, b [2]rune) int { return int(a[0] - b[0]) })
	var joined runes
	for _, s := range r {
		if n := len(joined); n > 0 && s[0] <= joined[n-1][1]+1 {
			joined[n-1][1] = max(joined[n-1][1], s[1])
		} else if s[0] <= s[1] {
			joined = append(joined, s)
		}
	}
	return joined.and(anyRune)
}

func (r runes) and(o runes) runes {
	var both runes
	for i, j := 0, 0; i < len(r) && j < len(o); {
		if lo, hi := max(r[i][0], o[j][0]), min(r[i][1], o[j][1]); lo <= hi {
			both = append(both, [2]rune{lo, hi})
		}
		if r[i][1] < o[j][1] {
			i++
		} else {
			j++
		}
	}
	return both
}

// not is the complement of a normal set.
func (r runes) not() runes {
	var rest runes
	at := rune(0)
	for _, s := range r {
		if at < s[0] {
			rest = append(rest, [2]rune{at, s[0] - 1})
		}
		at = s[1] + 1
	}
	return append(rest, [2]rune{at, utf8.MaxRune}).normal()
}

// spelling says how a character is written in the text that an expression matches.
type spelling int

const (
	plainText   spelling = iota // in UTF-8
	jsonMinimal                 // in a JSON string; ASCII without needless escapes
	jsonAny                     // in a JSON string in every way; surrogates in pairs
)

// chars matches one character of a normal set.
func (t *exprs) chars(set runes, in spelling) expr {
	if in == plainText {
		return t.utf8(set)
	}
	e := t.utf8(set.and(runes{{0x20, 0x21}, {0x23, 0x5b}, {0x5d, utf8.MaxRune}}))
	var short byteSet
	for _, s := range []struct {
		char rune
		by   byte
	}{{'"', '"'}, {'\\', '\\'}, {'/', '/'}, {'\b', 'b'}, {'\f', 'f'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}} {
		if len(set.and(runes{{s.char, s.char}})) > 0 {
			short.add(s.by, s.by)
		}
	}
	escapes := []expr{t.set(short)}
	coded := set
	if in == jsonMinimal {
		coded = set.and(runes{{0, 0x1f}, {0x7f, utf8.MaxRune}})
	}
	u := t.literal("u")
	for _, s := range coded.and(runes{{0, 0xffff}}) {
		escapes = append(escapes, t.concat(u, t.hex(uint32(s[0]), uint32(s[1]), 4)))
	}
	for _, s := range coded.and(runes{{0x10000, utf8.MaxRune}}) {
		// The pairs of a range: a first half with all or part of the second halves.
		for lo := s[0]; lo <= s[1]; {
			hi := min(s[1], lo|0x3ff)
			first := (lo - 0x10000) >> 10
			if lo&0x3ff == 0 && hi&0x3ff == 0x3ff {
				hi = s[1]
				if hi&0x3ff != 0x3ff {
					hi = hi&^0x3ff - 1
				}
			}
			last := (hi - 0x10000) >> 10
			escapes = append(escapes, t.seq(u, t.hex(0xd800+uint32(first), 0xd800+uint32(last), 4), t.literal(`\u`),
				t.hex(0xdc00+uint32(lo&0x3ff), 0xdc00+uint32(hi&0x3ff), 4)))
			lo = hi + 1
		}
	}
	return t.alt(e, t.concat(t.literal(`\`), t.alt(escapes...)))
}

// hex matches the numbers lo to hi in n hexadecimal digits of either case.
func (t *exprs) hex(lo, hi uint32, n int) expr {
	if n == 0 {
		return empty
	}
	shift := 4 * (n - 1)
	first, last := lo>>shift, hi>>shift
	mask := uint32(1)<<shift - 1
	digit := func(a, b uint32) expr {
		var s byteSet
		for d := a; d <= b; d++ {
			s.add("0123456789abcdef"[d], "0123456789abcdef"[d])
			s.add("0123456789ABCDEF"[d], "0123456789ABCDEF"[d])
		}
		return t.set(s)
	}
	if first == last {
		return t.concat(digit(first, first), t.hex(lo&mask, hi&mask, n-1))
	}
	var parts []expr
	if lo&mask != 0 {
		parts = append(parts, t.concat(digit(first, first), t.hex(lo&mask, mask, n-1)))
		first++
	}
	if hi&mask != mask {
		parts = append(parts, t.concat(digit(last, last), t.hex(0, hi&mask, n-1)))
		last--
	}
	if first <= last {
		parts = append(parts, t.concat(digit(first, last), t.hex(0, mask, n-1)))
	}
	return t.alt(parts...)
}

// utf8 matches the UTF-8 of one character.
func (t *exprs) utf8(set runes) expr {
	var parts []expr
	for n, limit := range []runes{{{0, 0x7f}}, {{0x80, 0x7ff}}, {{0x800, 0xffff}}, {{0x10000, utf8.MaxRune}}} {
		lead := [4]uint32{0, 0xc0, 0xe0, 0xf0}[n]
		for _, s := range set.and(limit) {
			parts = append(parts, t.utf8Range(uint32(s[0]), uint32(s[1]), n, lead))
		}
	}
	return t.alt(parts...)
}

// utf8Range matches the numbers lo to hi in a byte beginning with the bits of lead and n bytes of six bits.
func (t *exprs) utf8Range(lo, hi uint32, n int, lead uint32) expr {
	shift := 6 * n
	first, last := lo>>shift, hi>>shift
	if n == 0 {
		return t.set(span(byte(lead|first), byte(lead|last)))
	}
	mask := uint32(1)<<shift - 1
	one := func(a, b, lo, hi uint32) expr {
		return t.concat(t.set(span(byte(lead|a), byte(lead|b))), t.utf8Range(lo, hi, n-1, 0x80))
	}
	if first == last {
		return one(first, first, lo&mask, hi&mask)
	}
	var parts []expr
	if lo&mask != 0 {
		parts = append(parts, one(first, first, lo&mask, mask))
		first++
	}
	if hi&mask != mask {
		parts = append(parts, one(last, last, 0, hi&mask))
		last--
	}
	if first <= last {
		parts = append(parts, one(first, last, 0, mask))
	}
	return t.alt(parts...)
}

// char matches one character. It is kept: texts are made of few.
func (t *exprs) char(r rune, in spelling) expr {
	key := charKey{r, in}
	e, ok := t.singles[key]
	if !ok {
		e = t.chars(runes{{r, r}}, in)
		if !t.full && !t.live {
			t.singles[key] = e
		}
	}
	return e
}

type charKey struct {
	char rune
	in   spelling
}

// text matches one text.
func (t *exprs) text(s string, in spelling) expr { return t.textThen(s, in, empty) }

// textThen matches a text and then e.
func (t *exprs) textThen(s string, in spelling, e expr) expr {
	all := []rune(s)
	for _, r := range slices.Backward(all) {
		e = t.concat(t.char(r, in), e)
	}
	return e
}

// texts matches each text of a list. It is a tree of their characters, so that few are looked at where many begin.
func (t *exprs) texts(list []string, in spelling) expr {
	list = slices.Clone(list)
	slices.Sort(list)
	return t.tree(slices.Compact(list), 0, in)
}

// tree matches what follows the first at bytes of ordered texts, which share those.
func (t *exprs) tree(list []string, at int, in spelling) expr {
	if len(list) == 0 {
		return none
	}
	first, last := list[0], list[len(list)-1]
	common := at
	for common < len(first) && first[common] == last[common] {
		common++
	}
	for common > at && common < len(last) && !utf8.RuneStart(last[common]) { // not within a character
		common--
	}
	var branches []expr
	for rest := list; len(rest) > 0; {
		if len(rest[0]) == common {
			branches = append(branches, empty)
			rest = rest[1:]
			continue
		}
		r, n := utf8.DecodeRuneInString(rest[0][common:])
		same := 1
		for same < len(rest) && strings.HasPrefix(rest[same][common:], rest[0][common:common+n]) {
			same++
		}
		branches = append(branches, t.concat(t.char(r, in), t.tree(rest[:same], common+n, in)))
		rest = rest[same:]
	}
	return t.textThen(first[at:common], in, t.alt(branches...))
}
