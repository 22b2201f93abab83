package grammar

import (
	"strings"
	"unicode/utf8"
)

// ebnf compiles a grammar of rules, of which root is the start:
//
//	name ::= alternatives       # a comment
//	"text" [a-z] [^\n] .        texts and characters; escapes as in regular expressions
//	( ) | * + ? {2} {2,} {2,5}  groups, alternatives, repetitions
//
// A rule ends where the next one begins. It may begin with itself, but not behind what may be empty.
func (r *rules) ebnf(text string) (root term, err error) {
	if !utf8.ValidString(text) {
		return nothing, &SyntaxError{Text: text, Reason: "invalid UTF-8"}
	}
	p := &ebnfParser{regexParser: regexParser{t: r.exprs, text: text}, r: r, rules: map[string]int32{}, defined: map[string]bool{}}
	defer func() {
		if x := recover(); x != nil {
			stop, ok := x.(regexStop)
			if !ok {
				panic(x)
			}
			root, err = nothing, stop.err
		}
	}()
	r.source = text
	for p.space(); p.at < len(p.text); p.space() {
		at := p.at
		name := p.name()
		p.space()
		if name == "" || !p.skip("::=") {
			p.fail("want a rule: name ::= ...")
		}
		if p.defined[name] {
			p.fail("a second rule " + name)
		}
		p.defined[name] = true
		body := p.alternatives()
		r.bodies[p.ruleNumber(name)], r.places[p.ruleNumber(name)] = body, at
	}
	for name := range p.rules {
		if !p.defined[name] {
			p.fail("no rule " + name)
		}
	}
	if !p.defined["root"] {
		p.fail("no rule root")
	}
	return r.rule(p.ruleNumber("root")), nil
}

type ebnfParser struct {
	regexParser
	r       *rules
	rules   map[string]int32
	defined map[string]bool
}

func (p *ebnfParser) ruleNumber(name string) int32 {
	i, ok := p.rules[name]
	if !ok {
		i = p.r.declare()
		p.rules[name], p.r.labels[i] = i, name
	}
	return i
}

func (p *ebnfParser) space() {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			p.at++
		case c == '#':
			for p.at < len(p.text) && p.text[p.at] != '\n' {
				p.at++
			}
		default:
			return
		}
	}
}

func (p *ebnfParser) name() string {
	start := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || p.at > start && (c >= '0' && c <= '9' || c == '-')) {
			break
		}
		p.at++
	}
	return p.text[start:p.at]
}

func (p *ebnfParser) alternatives() term {
	if p.depth++; p.depth > maxNesting {
		panic(regexStop{&LimitError{What: "groups in groups of a grammar", Limit: maxNesting}})
	}
	var all []term
	for {
		all = append(all, p.sequence())
		if !p.skip("|") {
			break
		}
	}
	p.depth--
	return p.r.choice(all...)
}

func (p *ebnfParser) sequence() term {
	var parts []term
	for {
		p.space()
		if p.at >= len(p.text) || p.text[p.at] == '|' || p.text[p.at] == ')' {
			break
		}
		start := p.at
		var t term
		switch c := p.text[p.at]; {
		case c == '"' || c == '\'':
			p.at++
			t = p.r.lexeme(p.literal(rune(c)))
		case c == '[':
			p.at++
			t = p.r.lexeme(p.t.chars(p.class(), plainText))
		case c == '.':
			p.at++
			t = p.r.lexeme(p.t.chars(anyRune, plainText))
		case c == '(':
			p.at++
			t = p.alternatives()
			if !p.skip(")") {
				p.fail("missing )")
			}
		default:
			name := p.name()
			if name == "" {
				p.fail("want a text, a name or a group")
			}
			after := p.at
			if p.space(); strings.HasPrefix(p.text[p.at:], "::=") {
				p.at = start
				return p.r.sequence(parts...)
			}
			p.at = after
			t = p.r.rule(p.ruleNumber(name))
		}
		if lo, hi, ok := p.quantifier(); ok {
			if hi >= 0 && lo > hi {
				p.fail("numbers of a repetition out of order")
			}
			t = p.r.times(t, lo, hi)
		}
		parts = append(parts, t)
	}
	return p.r.sequence(parts...)
}

func (p *ebnfParser) literal(quote rune) expr {
	var chars []runes
	for !p.skip(string(quote)) {
		if r := p.next(); r != '\\' {
			chars = append(chars, runes{{r, r}})
		} else {
			chars = append(chars, p.escape(true))
		}
	}
	e := empty
	for i := len(chars) - 1; i >= 0; i-- {
		e = p.t.concat(p.t.chars(chars[i], plainText), e)
	}
	return e
}
