package terminal

import (
	"unicode"
	"unicode/utf8"
)

// Printable replaces control characters other than line feed and tab by visible ones, and with them the characters that turn the
// direction of writing, which can make text look like another, and what is not UTF-8.
func Printable(p []byte) []byte {
	out := make([]byte, 0, len(p))
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		switch {
		case r == '\n' || r == '\t':
		case r == '\r' && n < len(p) && p[n] == '\n': // the line feed will do
			p = p[n:]
			continue
		case r < ' ':
			r += '␀' // control pictures, U+2400 and following
		case r == 0x7f:
			r = '␡'
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r) && r != '\u200e' && r != '\u200f' && r != '\u061c':
			r = utf8.RuneError
		}
		out = utf8.AppendRune(out, r)
		p = p[n:]
	}
	return out
}
