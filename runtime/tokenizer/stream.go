package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Valid returns text with invalid UTF-8 replaced by U+FFFD: one for each byte, but for a character that was begun and not
// completed only one (the maximal subpart of Unicode's chapter 3.9, as in Rust's String::from_utf8_lossy, Python's
// errors="replace" and the browsers' TextDecoder).
func Valid(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	rest := appendValid(&b, []byte(text))
	if len(rest) > 0 {
		b.WriteRune(utf8.RuneError)
	}
	return b.String()
}

// appendValid writes p, invalid bytes replaced, up to a character at the end that is not yet complete, which it returns.
func appendValid(b *strings.Builder, p []byte) (rest []byte) {
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		if r != utf8.RuneError || n > 1 {
			b.Write(p[:n])
			p = p[n:]
			continue
		}
		// FullRune is false for what may yet become a character.
		if !utf8.FullRune(p) {
			return p
		}
		for n < len(p) && !utf8.FullRune(p[:n+1]) {
			n++
		}
		b.WriteRune(utf8.RuneError)
		p = p[n:]
	}
	return nil
}

// Stream decodes tokens to text as they arrive. It holds back the bytes of a character until the character is complete, and
// replaces invalid ones as [Valid] does: all that it returns, put together, is Valid of all bytes.
type Stream struct {
	t       *Tokenizer
	pending []byte // the beginning of a character, at most 3 bytes
}

// NewStream returns a decoder in its initial state.
func (t *Tokenizer) NewStream() *Stream { return &Stream{t: t} }

// Write takes the next token and returns the text that it completes, often a word, sometimes nothing.
func (s *Stream) Write(id int32) string {
	var b strings.Builder
	s.pending = append(s.pending[:0], appendValid(&b, s.t.append(s.pending, id))...)
	return b.String()
}

// Flush returns what is held back, U+FFFD for a character that never was completed, and resets the stream.
func (s *Stream) Flush() string {
	if len(s.pending) == 0 {
		return ""
	}
	s.pending = s.pending[:0]
	return string(utf8.RuneError)
}
