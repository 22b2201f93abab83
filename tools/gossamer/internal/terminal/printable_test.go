package terminal

import (
	"bytes"
	"testing"
)

// TestTerminalGetsNoControlCharacters of texts that are not the program's own.
func TestTerminalGetsNoControlCharacters(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext, ünïcode 日本 🙂\n": "plain\ttext, ünïcode 日本 🙂\n",
		"\x1b[2J\x1b]0;title\a":       "␛[2J␛]0;title␇",
		"over\rwritten":               "over␍written",
		"line\r\nline":                "line\nline",
		"a\bb\x7f\x00":                "a␈b␡␀",
		"\u009b2J \u0085":             "\ufffd2J \ufffd",
		"\x9b2J":                      "\ufffd2J",
		"gpj.\u202eexe":               "gpj.\ufffdexe",
		"\u2066x\u2069 \u200fy":       "\ufffdx\ufffd \u200fy",
	} {
		if got := string(Printable([]byte(in))); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add([]byte("a\x1b[2J\u009b\r\n"))
	f.Fuzz(func(t *testing.T, p []byte) {
		out := Printable(p)
		if !bytes.Equal(Printable(out), out) {
			t.Errorf("%q becomes %q, and that something else", p, out)
		}
		if i := bytes.IndexAny(out, "\x00\x07\x08\r\x1b\x7f\u009b\u202e"); i >= 0 {
			t.Errorf("%q keeps %q", p, out[i:])
		}
	})
}
