package tokenizer

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pattern cuts text into the pieces that are merged independently (tiktoken_ext/openai_public.py: o200k_base). Of several
// alternatives the first that matches wins. firstPiece is the same, by hand.
const pattern = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
	`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
	`\p{N}{1,3}|` +
	` ?[^\s\p{L}\p{N}]+[\r\n/]*|` +
	`\s*[\r\n]+|` +
	`\s+(?!\S)|` +
	`\s+`

// class says in which of the pattern's character classes a character is. Characters without any are punctuation, symbols,
// control characters and whatever else is neither letter, number nor space.
type class uint8

const (
	upper   class = 1 << iota // Lu, Lt, Lm, Lo, M: may stand in the first part of a word
	lower                     // Ll, Lm, Lo, M: may stand in the second
	letter                    // L
	number                    // N
	space                     // White_Space, line breaks included
	newline                   // CR, LF
)

// classOf follows Unicode 16.0, as tiktoken does: Go's tables, which tiktoken-go has alone, and what they lack.
func classOf(r rune) class {
	switch {
	case 'a' <= r && r <= 'z':
		return letter | lower
	case 'A' <= r && r <= 'Z':
		return letter | upper
	case '0' <= r && r <= '9':
		return number
	case r == '\r' || r == '\n':
		return space | newline
	case r < utf8.RuneSelf:
		if r == ' ' || r == '\t' || r == '\v' || r == '\f' {
			return space
		}
		return 0
	case unicode.Is(unicode.Lo, r) || unicode.Is(unicode.Lm, r):
		return letter | upper | lower
	case unicode.Is(unicode.Ll, r):
		return letter | lower
	case unicode.Is(unicode.Lu, r) || unicode.Is(unicode.Lt, r):
		return letter | upper
	case unicode.Is(unicode.M, r):
		return upper | lower
	case unicode.Is(unicode.N, r):
		return number
	case unicode.Is(unicode.White_Space, r):
		return space
	}
	return classOfNewer(r)
}

// classOfNewer is the class of a character that Go's Unicode tables do not have.
func classOfNewer(r rune) class {
	if r < newer[0].first {
		return 0
	}
	i := sort.Search(len(newer), func(i int) bool { return r <= newer[i].last })
	if i == len(newer) || r < newer[i].first {
		return 0
	}
	return newer[i].class
}

// hasNewer says that text has characters that tiktoken-go takes for symbols.
func hasNewer(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return classOfNewer(r) != 0 })
}

// classAt returns the class and the length in bytes of the character at s[i:], or 0, 0 at the end.
func classAt(s string, i int) (c class, n int) {
	r, n := utf8.DecodeRuneInString(s[i:])
	if n == 0 {
		return 0, 0
	}
	return classOf(r), n
}

// run returns the end of the longest run of characters from s[i:] that have a class in any and none in not, at most limit
// characters.
func run(s string, i, limit int, any, not class) int {
	for ; limit > 0; limit-- {
		c, n := classAt(s, i)
		if n == 0 || c&not != 0 || any != 0 && c&any == 0 {
			break
		}
		i += n
	}
	return i
}

// firstPiece returns the length in bytes of the piece that s, valid UTF-8 and not empty, begins with. It takes time
// proportional to that piece and the run of letters or spaces that it is cut from.
func firstPiece(s string) int {
	c, n := classAt(s, 0)

	// Words, the two first alternatives, each of them with the optional leading character and then without. Both matter: a
	// combining mark can be the leading character or belong to the word.
	lower1, upper1 := 0, 0
	if c&(newline|letter|number) == 0 {
		lower1, upper1 = word(s, n)
	}
	if lower1 > 0 {
		return contraction(s, lower1)
	}
	lower2, upper2 := word(s, 0)
	for _, end := range [3]int{lower2, upper1, upper2} {
		if end > 0 {
			return contraction(s, end)
		}
	}

	if c&number != 0 {
		return run(s, 0, 3, number, 0)
	}

	// Punctuation.
	start := 0
	if s[0] == ' ' {
		start = 1
	}
	if end := run(s, start, len(s), 0, space|letter|number); end > start {
		for end < len(s) && strings.IndexByte("\r\n/", s[end]) >= 0 {
			end++
		}
		return end
	}

	// White space: up to the last line break of the run, or without the last character of the run, which goes with what
	// follows, or, if it is alone or ends the text, all of it.
	end, last, line := 0, 0, 0
	for end < len(s) {
		c, n := classAt(s, end)
		if c&space == 0 {
			break
		}
		last = end
		end += n
		if c&newline != 0 {
			line = end
		}
	}
	switch {
	case line > 0:
		return line
	case end < len(s) && last > 0:
		return last
	}
	return end
}

// word matches at s[i:] the letters of the pattern's alternatives for words, [upper]*[lower]+ and [upper]+[lower]*, and returns
// where each ends, 0 where it does not match.
func word(s string, i int) (withLower, withUpper int) {
	// [upper]* takes all that it can and gives back what [lower]+ needs: the last character that is in both classes. All
	// after that one are upper only, so [lower]+ ends behind it.
	end, back := i, 0
	for {
		c, n := classAt(s, end)
		if c&upper == 0 {
			break
		}
		end += n
		if c&lower != 0 {
			back = end
		}
	}
	lowerEnd := run(s, end, len(s), lower, 0)
	if lowerEnd > end {
		withLower = lowerEnd
	} else {
		withLower = back
	}
	if end > i {
		withUpper = lowerEnd
	}
	return withLower, withUpper
}

// contraction returns the end of (?i:'s|'t|'re|'ve|'m|'ll|'d)? at s[i:]. Unicode folds one letter beyond ASCII to one of these, ſ
// to s, and so does tiktoken, but not tiktoken-go. We don't either: no token joins ſ with a neighbour, so the ids are the same.
func contraction(s string, i int) int {
	rest, ok := strings.CutPrefix(s[i:], "'")
	if !ok {
		return i
	}
	for _, suffix := range [...]string{"s", "t", "re", "ve", "m", "ll", "d"} {
		if len(rest) >= len(suffix) && strings.EqualFold(rest[:len(suffix)], suffix) {
			return i + 1 + len(suffix)
		}
	}
	return i
}
