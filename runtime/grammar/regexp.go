package grammar

import (
	"fmt"
	"strconv"
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
	panic(regexStop{&UnsupportedError{Reason: fmt.Sprintf("%s in %q", what, p.text)}})
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
