package grammar

import (
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// parser of regular expressions as ECMA-262 has them, without the flags i, m, s: characters are code points. What looks around, refers
// back or asks for the borders of words is refused.
type regexParser struct {
	t     *exprs
	in    spelling
	text  string
	at    int
	depth int
}

// maxNesting bounds groups in groups, schemas in schemas and rules in rules.
const maxNesting = 400

// anchored are the texts of a part of an expression, by whether they must stand at the start (1) and at the end (2) of the whole.
type anchored [4]expr

// regex compiles an expression that matches the whole text, or with search a part of it.
func (t *exprs) regex(text string, in spelling, search bool) (e expr, err error) {
	if len(text) > 64<<10 {
		return none, &LimitError{What: "bytes of a regular expression", Limit: 64 << 10}
	}
	if !utf8.ValidString(text) {
		return none, &SyntaxError{Text: text, Reason: "invalid UTF-8"}
	}
	p := &regexParser{t: t, in: in, text: text}
	defer func() {
		if r := recover(); r != nil {
			stop, ok := r.(regexStop)
			if !ok {
				panic(r)
			}
			e, err = none, stop.err
		}
	}()
	a := p.alternation()
	if p.at < len(p.text) {
		p.fail("unmatched )")
	}
	padding := empty
	if search {
		padding = t.star(t.chars(anyRune, in))
	}
	return t.alt(t.seq(padding, a[0], padding), t.seq(a[1], padding), t.seq(padding, a[2]), a[3]), nil
}

// regexStop carries an error up to regex.
type regexStop struct{ err error }

func (p *regexParser) fail(reason string) {
	panic(regexStop{&SyntaxError{Text: p.text, At: p.at, Reason: reason}})
}

func (p *regexParser) refuse(what string) {
	panic(regexStop{&UnsupportedError{Keyword: "pattern", Reason: fmt.Sprintf("%s in %q", what, p.text)}})
}

func (p *regexParser) peek() rune {
	if p.at >= len(p.text) {
		return -1
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.at:])
	return r
}

func (p *regexParser) next() rune {
	r, n := utf8.DecodeRuneInString(p.text[p.at:])
	if n == 0 {
		p.fail("ends too soon")
	}
	p.at += n
	return r
}

func (p *regexParser) skip(s string) bool {
	if len(p.text)-p.at >= len(s) && p.text[p.at:p.at+len(s)] == s {
		p.at += len(s)
		return true
	}
	return false
}

func (p *regexParser) alternation() anchored {
	if p.depth++; p.depth > maxNesting {
		panic(regexStop{&LimitError{What: "groups in groups of a regular expression", Limit: maxNesting}})
	}
	var alts [4][]expr
	for {
		for i, e := range p.sequence() {
			alts[i] = append(alts[i], e)
		}
		if !p.skip("|") {
			break
		}
	}
	p.depth--
	var a anchored
	for i := range a {
		a[i] = p.t.alt(alts[i]...)
	}
	return a
}

func (p *regexParser) sequence() anchored {
	var parts []anchored
	for p.at < len(p.text) && p.peek() != '|' && p.peek() != ')' {
		parts = append(parts, p.term())
	}
	all := anchored{empty, none, none, none}
	for i := len(parts) - 1; i >= 0; i-- {
		all = p.join(parts[i], all)
	}
	return all
}

// join puts b after a. What must stand at the start has only the empty text before it, what must stand at the end only that after it.
func (p *regexParser) join(a, b anchored) anchored {
	var alts [4][]expr
	for i, x := range a {
		for j, y := range b {
			if x == none || y == none {
				continue
			}
			if j&1 != 0 {
				if !p.t.nullable(x) {
					continue
				}
				x = empty
			}
			if i&2 != 0 {
				if !p.t.nullable(y) {
					continue
				}
				y = empty
			}
			alts[i|j] = append(alts[i|j], p.t.concat(x, y))
		}
	}
	var all anchored
	for i := range all {
		all[i] = p.t.alt(alts[i]...)
	}
	return all
}

func (p *regexParser) term() anchored {
	switch {
	case p.skip("^"):
		return anchored{none, empty, none, none}
	case p.skip("$"):
		return anchored{none, none, empty, none}
	}
	a := p.atom()
	for first := true; ; first = false {
		lo, hi, ok := p.quantifier()
		if !ok {
			return a
		}
		if !first {
			p.fail("nothing to repeat")
		}
		p.skip("?") // lazy: the same texts
		if hi >= 0 && lo > hi {
			p.fail("numbers of a quantifier out of order")
		}
		b := anchored{p.t.repeat(a[0], lo, hi), none, none, none}
		if a[1] != none || a[2] != none || a[3] != none {
			if lo > 1 || lo == 1 && hi != 1 {
				p.refuse("a repeated anchor")
			}
			// Texts with anchors occur once, or the part is left out.
			b[0] = p.t.alt(b[0], empty)
			if lo == 1 {
				b[0] = a[0]
			}
			if hi != 0 {
				b[1], b[2], b[3] = a[1], a[2], a[3]
			}
			if hi != 0 && hi != 1 && a[0] != none {
				p.refuse("a repeated anchor")
			}
		}
		a = b
	}
}

func (p *regexParser) quantifier() (lo, hi int32, ok bool) {
	switch {
	case p.skip("*"):
		return 0, -1, true
	case p.skip("+"):
		return 1, -1, true
	case p.skip("?"):
		return 0, 1, true
	}
	start := p.at
	if !p.skip("{") {
		return 0, 0, false
	}
	lo, ok = p.number()
	hi = lo
	if ok && p.skip(",") {
		var bounded bool
		if hi, bounded = p.number(); !bounded {
			hi = -1
		}
	}
	if !ok || !p.skip("}") {
		p.at = start
		return 0, 0, false
	}
	return lo, hi, true
}

// maxCount bounds the counts of repetitions.
const maxCount = 1 << 24

func (p *regexParser) number() (int32, bool) {
	start := p.at
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
	}
	if start == p.at {
		return 0, false
	}
	n, err := strconv.Atoi(p.text[start:p.at])
	if err != nil || n > maxCount {
		panic(regexStop{&LimitError{What: "repetitions in a regular expression", Limit: maxCount}})
	}
	return int32(n), true
}

func (p *regexParser) atom() anchored {
	one := func(set runes) anchored { return anchored{p.t.chars(set, p.in), none, none, none} }
	switch r := p.next(); r {
	case '(':
		if p.skip("?") {
			switch {
			case p.skip(":"):
			case p.skip("="), p.skip("!"), p.skip("<="), p.skip("<!"):
				p.refuse("lookaround")
			case p.skip("<"):
				for p.next() != '>' {
				}
			default:
				p.refuse("a group of another kind")
			}
		}
		a := p.alternation()
		if !p.skip(")") {
			p.fail("missing )")
		}
		return a
	case '.':
		return one(runes{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}.not())
	case '[':
		return one(p.class())
	case '\\':
		return one(p.escape(false))
	case '*', '+', '?':
		p.at--
		p.fail("nothing to repeat")
	default:
		return one(runes{{r, r}}.normal())
	}
	panic("unreachable")
}

func (p *regexParser) class() runes {
	negated := p.skip("^")
	var set runes
	for !p.skip("]") {
		lo := p.classAtom()
		if p.at+1 < len(p.text) && p.text[p.at] == '-' && p.text[p.at+1] != ']' {
			p.at++
			hi := p.classAtom()
			switch {
			case !single(lo) || !single(hi): // a class and a hyphen
				set = append(append(append(set, lo...), hi...), [2]rune{'-', '-'})
				continue
			case lo[0][0] > hi[0][0]:
				p.fail("range out of order")
			}
			set = append(set, [2]rune{lo[0][0], hi[0][0]})
			continue
		}
		set = append(set, lo...)
	}
	set = set.normal()
	if negated {
		return set.not()
	}
	return set
}

func single(r runes) bool { return len(r) == 1 && r[0][0] == r[0][1] }

func (p *regexParser) classAtom() runes {
	if r := p.next(); r != '\\' {
		return runes{{r, r}}
	}
	return p.escape(true)
}

var (
	digitRunes = runes{{'0', '9'}}
	wordRunes  = runes{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}
	spaceRunes = runes{{'\t', '\r'}, {' ', ' '}, {0xa0, 0xa0}, {0x1680, 0x1680}, {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f},
		{0x205f, 0x205f}, {0x3000, 0x3000}, {0xfeff, 0xfeff}}
)

func (p *regexParser) escape(inClass bool) runes {
	one := func(r rune) runes { return runes{{r, r}}.normal() }
	switch r := p.next(); r {
	case 'd':
		return digitRunes
	case 'D':
		return digitRunes.not()
	case 'w':
		return wordRunes
	case 'W':
		return wordRunes.not()
	case 's':
		return spaceRunes
	case 'S':
		return spaceRunes.not()
	case 't':
		return one('\t')
	case 'n':
		return one('\n')
	case 'v':
		return one('\v')
	case 'f':
		return one('\f')
	case 'r':
		return one('\r')
	case '0':
		if d := p.peek(); d >= '0' && d <= '9' {
			p.refuse("an octal escape")
		}
		return one(0)
	case 'c':
		c := p.next()
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return one(c % 32)
		}
		p.fail(`\c without a letter`)
	case 'x':
		return one(p.hexDigits(2))
	case 'u':
		if p.skip("{") {
			v := rune(0)
			for !p.skip("}") {
				if v = v<<4 | p.hexDigits(1); v > utf8.MaxRune {
					p.fail("no such character")
				}
			}
			return one(v)
		}
		v := p.hexDigits(4)
		if v>>10 == 0xd800>>10 && p.skip(`\u`) {
			if low := p.hexDigits(4); low>>10 == 0xdc00>>10 {
				return one(0x10000 + v&0x3ff<<10 + low&0x3ff)
			}
			p.refuse("half of a surrogate pair")
		}
		if v >= 0xd800 && v < 0xe000 {
			p.refuse("half of a surrogate pair")
		}
		return one(v)
	case 'p', 'P':
		set := p.property()
		if r == 'P' {
			return set.not()
		}
		return set
	case 'b':
		if inClass {
			return one('\b')
		}
		p.refuse(`\b`)
	case 'B':
		p.refuse(`\B`)
	case 'k':
		p.refuse("a backreference")
	case '-':
		return one('-')
	default:
		switch {
		case r >= '1' && r <= '9':
			p.refuse("a backreference")
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
			p.at--
			p.fail("no such escape")
		}
		return one(r)
	}
	panic("unreachable")
}

func (p *regexParser) hexDigits(n int) (v rune) {
	for range n {
		d, err := strconv.ParseUint(string(p.next()), 16, 8)
		if err != nil {
			p.fail("not a hexadecimal digit")
		}
		v = v<<4 | rune(d)
	}
	return v
}

// property reads {NAME} of a Unicode property: general categories alone.
func (p *regexParser) property() runes {
	if !p.skip("{") {
		p.fail(`\p without {`)
	}
	start := p.at
	for p.next() != '}' {
	}
	name := p.text[start : p.at-1]
	var table *unicode.RangeTable
	switch name {
	case "L", "Letter":
		table = unicode.L
	case "Lu", "Uppercase_Letter":
		table = unicode.Lu
	case "Ll", "Lowercase_Letter":
		table = unicode.Ll
	case "N", "Number":
		table = unicode.N
	case "Nd", "Decimal_Number", "digit":
		table = unicode.Nd
	case "P", "Punctuation", "punct":
		table = unicode.P
	case "S", "Symbol":
		table = unicode.S
	case "Z", "Separator":
		table = unicode.Z
	default:
		p.refuse(`\p{` + name + `}`)
	}
	var set runes
	ranges := func(lo, hi, stride rune) {
		if stride == 1 {
			set = append(set, [2]rune{lo, hi})
			return
		}
		for r := lo; r <= hi; r += stride {
			set = append(set, [2]rune{r, r})
		}
	}
	for _, r := range table.R16 {
		ranges(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	for _, r := range table.R32 {
		ranges(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	return set.normal()
}
