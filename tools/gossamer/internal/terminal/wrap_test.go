package terminal

import (
	"strings"
	"testing"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"gossamer/runtime/testenv"
)

func wrapped(width int, parts ...string) string {
	w := Wrapper{Width: func() int { return width }}
	var b strings.Builder
	for _, part := range parts {
		b.WriteString(w.Add(part))
	}
	return b.String() + w.End()
}

func TestWrap(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"prose", "one two three four", "one two\nthree four"},
		{"exactly a line", "1234567890\n12345 7890 2", "1234567890\n12345 7890\n2"},
		{"a word that is wider than a line", "a 123456789012345", "a\n1234567890\n12345"},
		{"blank lines stay", "a\n\n\nb\n", "a\n\n\nb\n"},
		{"an item of a list", "- one two three\n- x", "- one two\n  three\n- x"},
		{"a numbered item", "12. one two three", "12. one\n    two\n    three"},
		{"indented prose", "  one two three", "  one two\n  three"},
		{"code", "```go\nx := 1 + 2 + 3 + 4\n```\none two three", "```go\nx := 1 + 2 + 3 + 4\n```\none two\nthree"},
		{"code within tildes", "~~~\n1 2 3 4 5 6 7\n~~~\n1 2 3 4 5 6 7", "~~~\n1 2 3 4 5 6 7\n~~~\n1 2 3 4 5\n6 7"},
		{"a fence within another", "~~~~\n```\n1 2 3 4 5 6 7\n~~~~\n1 2 3 4 5 6", "~~~~\n```\n1 2 3 4 5 6 7\n~~~~\n1 2 3 4 5\n6"},
		{"wide characters", "日本語の文章です。", "日本語の文\n章です。"},
		{"wide among narrow ones", "abc日本語def", "abc日本語\ndef"},
		{"an emoji of several characters", "12345678 👩‍👩‍👧 x", "12345678\n👩‍👩‍👧 x"},
		{"tabs", "\ta\tb", "    a   b"},
	} {
		if got := wrapped(10, c.in); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if got := wrapped(0, c.in); got != c.in {
			t.Errorf("%s: without a width %q becomes %q", c.name, c.in, got)
		}
	}
}

// FuzzWrap: no character is lost, rows are no wider than the terminal, and it does not matter in which parts the text comes.
func FuzzWrap(f *testing.F) {
	const width = 12
	testenv.Fuzz(f, []string{
		"Some prose that is longer.\n\n- an item of a list\n  goes on\n1. x\n", "日本語 and 한국어, é 👩‍👩‍👧\t.", "```\ncode that is not broken\n```\n", "averyveryverylongword(with).punctuation",
	}, func(t testing.TB, text string) {
		text = string(Printable([]byte(text)))
		whole := wrapped(width, text)
		parts := strings.Split(text, "")
		if got := wrapped(width, parts...); got != whole {
			t.Errorf("%q becomes %q, and character by character %q", text, whole, got)
		}
		if got, want := letters(whole), letters(text); got != want {
			t.Errorf("%q becomes %q, which has other characters", text, whole)
		}
		if strings.Contains(text, "```") || strings.Contains(text, "~~~") {
			return
		}
		for row := range strings.SplitSeq(whole, "\n") {
			if ansi.StringWidth(row) > width && ansi.StringWidth(strings.TrimSpace(row)) > 1 {
				t.Errorf("%q has the row %q of width %d", text, row, ansi.StringWidth(row))
			}
		}
	})
}

// letters are what is no space.
func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
}
