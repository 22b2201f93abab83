package grammar

import (
	"strconv"
	"unicode"
	"unicode/utf8"
)

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
		return p.codePoint()
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

// codePoint reads what follows \u.
func (p *regexParser) codePoint() runes {
	one := func(r rune) runes { return runes{{r, r}}.normal() }
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
