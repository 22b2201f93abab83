package main

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"
)

// key is what the line editor is given at a time: text, or a key that has a meaning.
type key struct {
	kind keyKind
	end  enterKind // of keyEnter
	text string    // of keyText and keyMove, in the form that golang.org/x/term wants
}

type keyKind int

const (
	keyText keyKind = iota
	keyMove         // moves the cursor or deletes
	keyEnter
	keyInterrupt // Ctrl-C
	keySuspend   // Ctrl-Z
	keyEnd       // Ctrl-D
)

// code stands for keys that the line editor leaves to us. As typed, both would end its reading for good.
func (k keyKind) code() byte {
	if k == keyEnd {
		return 0x1d
	}
	return 0x1c
}

// enterKind says what the end of a line means.
type enterKind int

const (
	enterSend   enterKind = iota // the prompt is complete
	enterMore                    // a line feed in the prompt
	enterCancel                  // forget the prompt
	enterLeave                   // the same on an empty line: end the conversation
	enterEnd                     // the input has ended, on an empty line
)

// pasteGap is the time within which no hand types a key after Enter.
const pasteGap = 40 * time.Millisecond

// shownTab stands for a tab while a line is edited: the editor counts on characters that are one cell wide.
const shownTab = "␉"

// keys turns what a terminal sends into keys. Its zero value is ready.
type keys struct {
	pasting bool   // between the marks of a paste
	rest    []byte // the beginning of a character, of an escape sequence, or an Enter that may be part of a paste
}

// undecided says that the rest may be complete: what comes within pasteGap decides.
func (k *keys) undecided() bool { return len(k.rest) > 0 }

// decide says what the rest is if nothing has come: an Enter ends the prompt, and the beginning of an escape sequence was Escape. Of a
// character, and in a paste, the remainder is under way.
func (k *keys) decide() []key {
	if len(k.rest) == 0 || k.pasting {
		return nil
	}
	switch k.rest[0] {
	case '\r', '\n':
		k.rest = nil
		return []key{{kind: keyEnter, end: enterSend}}
	case 0x1b:
		k.rest = nil
	}
	return nil
}

// parse takes bytes that came so long after those before.
func (k *keys) parse(p []byte, gap time.Duration) (list []key) {
	if gap > pasteGap {
		list = k.decide()
	}
	p = append(k.rest, p...)
	k.rest = nil
	for len(p) > 0 {
		if key, n := k.one(p); n > 0 {
			if key.kind != keyText || key.text != "" {
				list = append(list, key)
			}
			p = p[n:]
			continue
		}
		k.rest = bytes.Clone(p)
		break
	}
	return list
}

// one takes the key that p begins with; n is 0 if more bytes are needed to tell.
func (k *keys) one(p []byte) (_ key, n int) {
	switch c := p[0]; {
	case c == '\r' || c == '\n':
		return k.enter(p)
	case c == 0x1b:
		return k.escape(p)
	case k.pasting || c >= ' ' && c != 0x7f || c == '\t':
		return text(p)
	case c == 3:
		return key{kind: keyInterrupt}, 1
	case c == 4:
		return key{kind: keyEnd}, 1
	case c == 26:
		return key{kind: keySuspend}, 1
	case strings.IndexByte("\x01\x02\x05\x06\x08\x0b\x0c\x0e\x10\x14\x15\x17\x7f", c) >= 0:
		return key{kind: keyMove, text: string(c)}, 1
	}
	return key{}, 1 // no meaning
}

// enter is an Enter, or a line feed in a paste. Carriage return and line feed together are one.
func (k *keys) enter(p []byte) (key, int) {
	n := 1
	if p[0] == '\r' && len(p) > 1 && p[1] == '\n' {
		n = 2
	}
	if k.pasting || n < len(p) {
		return key{kind: keyEnter, end: enterMore}, n
	}
	return key{}, 0
}

// text is a run of characters, wrapped in the marks of a paste: what is pasted is never cut by the line editor.
func text(p []byte) (key, int) {
	var b strings.Builder
	n := 0
	for n < len(p) && b.Len() < 128 && p[n] != '\r' && p[n] != '\n' && p[n] != 0x1b && (p[n] >= ' ' || n == 0 || p[n] == '\t') && (p[n] != 0x7f || n == 0) {
		if !utf8.FullRune(p[n:]) {
			break
		}
		r, size := utf8.DecodeRune(p[n:])
		if r == '\t' {
			b.WriteString(shownTab)
		} else {
			b.Write(printable([]byte(string(r))))
		}
		n += size
	}
	if n == 0 {
		return key{}, 0
	}
	return textKey(b.String()), n
}

func textKey(s string) key { return key{kind: keyText, text: "\x1b[200~" + s + "\x1b[201~"} }

// escape is an escape sequence: of a key that moves the cursor, in the one form that the line editor knows; a mark of a paste; or a key
// without meaning.
func (k *keys) escape(p []byte) (key, int) {
	if k.pasting {
		const end = "\x1b[201~"
		switch begin := string(p[:min(len(p), len(end))]); {
		case begin == end:
			k.pasting = false
			return key{}, len(end)
		case strings.HasPrefix(end, begin):
			return key{}, 0
		}
		return textKey(string(printable(p[:1]))), 1
	}
	if len(p) < 2 {
		return key{}, 0
	}
	move := func(s string) key { return key{kind: keyMove, text: "\x1b[" + s} }
	n := 2
	switch p[1] {
	case '[':
		for n < len(p) && p[n] >= 0x20 && p[n] < 0x40 {
			n++
		}
	case 'O':
	case 'b':
		return move("1;3D"), 2
	case 'f':
		return move("1;3C"), 2
	default:
		return key{}, 1 // Escape, and then another key
	}
	switch {
	case n > 32: // no key is so long
		return key{}, 2
	case n >= len(p):
		return key{}, 0
	}
	sequence := string(p[2 : n+1])
	n++
	switch sequence {
	case "200~":
		k.pasting = true
	case "A", "B", "C", "D", "H", "F", "3~":
		return move(sequence), n
	case "1~", "7~":
		return move("H"), n
	case "4~", "8~":
		return move("F"), n
	case "1;3C", "1;5C":
		return move("1;3C"), n
	case "1;3D", "1;5D":
		return move("1;3D"), n
	}
	return key{}, n
}
