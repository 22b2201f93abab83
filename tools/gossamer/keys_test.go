package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// typed is what the line editor is given, in a form to read: text, <more>, <send>, <^C>, <^D>, <^Z> and [sequences].
func typed(list []key) string {
	var b strings.Builder
	for _, k := range list {
		switch k.kind {
		case keyText:
			b.WriteString(strings.TrimSuffix(strings.TrimPrefix(k.text, "\x1b[200~"), "\x1b[201~"))
		case keyMove:
			fmt.Fprintf(&b, "[%s]", strings.TrimPrefix(k.text, "\x1b["))
		case keyEnter:
			b.WriteString(map[enterKind]string{enterSend: "<send>", enterMore: "<more>"}[k.end])
		case keyInterrupt:
			b.WriteString("<^C>")
		case keyEnd:
			b.WriteString("<^D>")
		case keySuspend:
			b.WriteString("<^Z>")
		}
	}
	return b.String()
}

// TestKeys: each list is what comes within a paste's gap; between two of them a hand had time to type.
func TestKeys(t *testing.T) {
	for _, c := range []struct {
		name   string
		pieces [][]string
		want   string
	}{
		{"Line", [][]string{{"hello\r"}}, "hello<send>"},
		{"LinesByHand", [][]string{{"a\r"}, {"b\r"}}, "a<send>b<send>"},
		{"LinesAtOnce", [][]string{{"a\rb\r"}}, "a<more>b<send>"},
		{"LinesAtOnceInPieces", [][]string{{"a\r", "b", "\r", "c\r"}}, "a<more>b<more>c<send>"},
		{"LineFeeds", [][]string{{"a\nb\r\nc\n"}}, "a<more>b<more>c<send>"},
		{"Paste", [][]string{{"\x1b[200~a\rb\r\x1b[201~"}}, "a<more>b<more>"},
		{"PasteInPieces", [][]string{{"\x1b[20", "0~a\r", "b\x1b[2"}, {"01~", "\r"}}, "a<more>b<send>"},
		{"ControlsInAPaste", [][]string{{"\x1b[200~\x03\x04\x1b[31mred\x1b[201~"}}, "␃␄␛[31mred"},
		{"Tab", [][]string{{"\tx"}}, shownTab + "x"},
		{"Arrows", [][]string{{"\x1b[A\x1bOB\x1b[1;5C\x1b[1~\x1b[4~\x1b[3~"}}, "[A][B][1;3C][H][F][3~]"},
		{"KeysWithoutMeaning", [][]string{{"\x1b[15~\x1b[5~a\x1c\x1d"}}, "a"},
		{"Escape", [][]string{{"\x1b"}, {"a"}}, "a"},
		{"AltArrowsAndWords", [][]string{{"\x1bb\x1bf"}}, "[1;3D][1;3C]"},
		{"Signals", [][]string{{"a\x03b\x1a\x04"}}, "a<^C>b<^Z><^D>"},
		{"CharacterInPieces", [][]string{{"\xe6\x97"}, {"\xa5\r"}}, "日<send>"},
		{"NoCharacter", [][]string{{"\xff\xfe\r"}}, "\ufffd\ufffd<send>"},
		{"Deleting", [][]string{{"ab\x7f\x17"}}, "ab[\x7f][\x17]"},
	} {
		var k keys
		var list []key
		for _, atOnce := range c.pieces {
			gap := time.Second
			for _, p := range atOnce {
				list = append(list, k.parse([]byte(p), gap)...)
				gap = time.Millisecond
			}
		}
		list = append(list, k.decide()...)
		if got := typed(list); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestLongLinesAreNotCut, by the terminal's driver at 4,095 bytes or by the line editor.
func TestLongLinesAreNotCut(t *testing.T) {
	var k keys
	want := strings.Repeat("a long line, ", 4000)
	if got := typed(append(k.parse([]byte(want+"\r"), time.Second), k.decide()...)); got != want+"<send>" {
		t.Errorf("%d bytes became %d", len(want), len(got))
	}
}

// FuzzKeys: what is given to the line editor does not depend on the pieces in which it comes, and its buffer holds each key.
func FuzzKeys(f *testing.F) {
	f.Add([]byte("a\rb\x1b[200~\x1b[A\r\xe6\x97\xa5\x1b[201~\x1bOA\x03"), byte(3))
	f.Fuzz(func(t *testing.T, p []byte, n byte) {
		var whole, pieces keys
		want := typed(append(whole.parse(p, 0), whole.decide()...))
		var list []key
		for rest := p; len(rest) > 0; {
			m := min(len(rest), int(n)%7+1)
			list = append(list, pieces.parse(rest[:m], 0)...)
			rest = rest[m:]
		}
		list = append(list, pieces.decide()...)
		if got := typed(list); got != want {
			t.Errorf("%q: %q at once, %q in pieces of %d", p, want, got, int(n)%7+1)
		}
		for _, k := range list {
			if len(k.text) > 255 {
				t.Errorf("a key of %d bytes", len(k.text))
			}
		}
	})
}
