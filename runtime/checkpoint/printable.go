package checkpoint

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable is a text of others, such as a name in a file or a server's words, as messages show it: as it is where a terminal
// shows every character of it as itself, else quoted as in Go, without control characters and marks that reorder the line.
func Printable(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// WithoutLogin is a text that should be a URL, without what may be a user and a password in it, for messages about what is wrong with it.
func WithoutLogin(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return "…" + s[i:]
	}
	return s
}
