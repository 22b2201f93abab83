package chat

import (
	"encoding/json"
	"strings"

	"gossamer/runtime/harmony"
)

// argumentStream passes on a call's arguments while they arrive, repaired as harmony.Arguments repairs whole ones: an object is
// passed on until it is complete, and what follows it is dropped; anything else is held back until its end.
type argumentStream struct {
	state    argumentState
	depth    int
	inString bool
	escaped  bool
	sent     strings.Builder
	held     strings.Builder // what may have to be dropped
}

type argumentState int

const (
	beforeObject argumentState = iota
	inObject
	afterObject
	notObject
)

// write returns what of text can be passed on.
func (a *argumentStream) write(text string) string {
	from := 0
	for i := range len(text) {
		c := text[i]
		switch a.state {
		case beforeObject:
			switch c {
			case ' ', '\t', '\n', '\r':
				from = i + 1
			case '{':
				a.state, a.depth = inObject, 1
			default:
				a.state = notObject
			}
		case inObject:
			switch {
			case a.escaped:
				a.escaped = false
			case a.inString:
				a.escaped = c == '\\'
				a.inString = c != '"'
			case c == '"':
				a.inString = true
			case c == '{':
				a.depth++
			case c == '}':
				if a.depth--; a.depth == 0 {
					a.state = afterObject
					a.sent.WriteString(text[from : i+1])
					a.held.WriteString(text[i+1:])
					return text[from : i+1]
				}
			}
		}
	}
	text = text[from:]
	if a.state == inObject {
		a.sent.WriteString(text)
		return text
	}
	a.held.WriteString(text)
	return ""
}

// begun reports whether there is anything but white space.
func (a *argumentStream) begun() bool { return a.state != beforeObject }

// flush returns the rest: the call is complete.
func (a *argumentStream) flush() string {
	switch {
	case a.state == beforeObject, a.state == notObject:
		return harmony.Arguments(a.held.String())
	case a.state == afterObject && !json.Valid([]byte(a.sent.String())):
		return a.held.String() // braces alone don't make an object: nothing is lost
	}
	return ""
}
