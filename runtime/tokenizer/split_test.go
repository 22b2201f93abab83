package tokenizer_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/dlclark/regexp2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gossamer/runtime/tokenizer"
)

// nasty are strings at which the split pattern has something to decide.
var nasty = []string{
	" ", "  ", "\t", "\v", "\f", "\n", "\r", "\r\n", "\u0085", "\u00a0", "\u1680", "\u2003", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", // white space
	"\u200b", "\ufeff", "\u180e", "\x00", "\x1f", "\x7f", "\ufffd", // none
	"'", "’", "s", "S", "'t", "'T", "'re", "'rE", "'VE", "'m", "'ll", "'Ll", "'d", "'D", "'sa", "ſ", "\u212a", "\u0130", // contractions
	"a", "Z", "the", " The", "HTTPServer", "é", "É", "ß", "ΑΩ", "хо", "ǅ", // Lu, Ll, Lt
	"ʰ", "ˮ", "あ", "漢", "漢字", "ㅎ", "א", "ا", "क", "ª", // Lm, Lo
	"\u0301", "\u0903", "\u20dd", "्", // M
	"1", "12", "1234", "٣", "Ⅷ", "½", "²", // N
	"/", "//", "\n/", ".", "!", "(", "$", "_", "-", "==", "€", "😀", "👨‍👩‍👧", "🇨🇭", // P and S
	"<|start|>", "<|end|>", "<|", "|>",
}

func nastyText() *rapid.Generator[string] {
	some := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(nasty), 0, 300).Draw(t, "parts"), "")
	})
	return rapid.OneOf(some, rapid.String())
}

func pieces(s string) []string {
	var all []string
	for s != "" {
		n := tokenizer.FirstPiece(s)
		all = append(all, s[:n])
		s = s[n:]
	}
	return all
}

func patternPieces(t rapid.TB, pattern *regexp2.Regexp, s string) []string {
	t.Helper()
	var all []string
	m, err := pattern.FindStringMatch(s)
	for ; m != nil; m, err = pattern.FindNextMatch(m) {
		all = append(all, m.String())
	}
	if err != nil {
		t.Fatalf("regexp2: %v", err)
	}
	return all
}

func TestSplit(t *testing.T) {
	pattern := regexp2.MustCompile(tokenizer.Pattern, regexp2.None)
	for _, want := range [][]string{
		{"a", "  ", " b"},          // a run of spaces gives its last to the word
		{"a", "  ", " ", "1"},      // no number takes it
		{"a", "   "},               // the end of the text does not either
		{" \n \n", " ", " x"},      // up to the last line break
		{"\u3000x", "\u00a0", "1"}, // any space leads a word, only U+0020 punctuation
		{"\u00a0", "(", "1"},
		{" (", "1"},
		{"\u200bx"}, // no space, but a leading character
		{"123", "456", "7"},
		{"1", "st"},
		{"HTTPServer"},
		{"a", "B"},
		{"ああ", "AB"}, // upper gives back what lower needs
		{"ABあ"},
		{"A\u0301A\u0301", "B"},
		{"!\u0301a"},          // a mark belongs to the word,
		{"\u0301", "AB"},      // or is one,
		{"1", "\u0301", "  "}, // also alone
		{"don't", "!"},
		{"we'Ll", "ama"},
		{"it", "’s"}, // the ASCII apostrophe only
		{"a's", "'s're"},
		{"A'S", "b"},
		{"(a", ")"},
		{"a", "://", "b"},
		{"a", ".\r\n/\n/", "b"}, // line breaks and slashes after punctuation
		{"\x00a", "\x00\x00"},
	} {
		text := strings.Join(want, "")
		if diff := cmp.Diff(want, pieces(text)); diff != "" {
			t.Errorf("pieces of %q (-want +got):\n%s", text, diff)
		}
		if diff := cmp.Diff(want, patternPieces(t, pattern, text)); diff != "" {
			t.Errorf("pieces of %q by regexp2 (-want +got):\n%s", text, diff)
		}
	}
}

// TestSplitIsPattern holds the splitter against a real regular expression engine. ſ after an apostrophe is a difference between
// that engine and tiktoken's (see contraction), and no difference here.
func TestSplitIsPattern(t *testing.T) {
	pattern := regexp2.MustCompile(tokenizer.Pattern, regexp2.None)
	rapid.Check(t, func(t *rapid.T) {
		text := nastyText().Draw(t, "text")
		if diff := cmp.Diff(patternPieces(t, pattern, text), pieces(text)); diff != "" {
			t.Fatalf("pieces of %q (-regexp2 +got):\n%s", text, diff)
		}
	})
}

// TestSplitClasses puts every character where its class decides.
func TestSplitClasses(t *testing.T) {
	pattern := regexp2.MustCompile(tokenizer.Pattern, regexp2.None)
	var text strings.Builder
	for r := rune(0); r <= 0x323af; r++ {
		if 0xd800 <= r && r < 0xe000 { // surrogates
			continue
		}
		if tokenizer.HasNewer(string(r)) { // unknown to the engine
			if unicode.In(r, unicode.L, unicode.M, unicode.N) {
				t.Errorf("%U is in Go's tables: write newer.go anew, or remove it", r)
			}
			continue
		}
		fmt.Fprintf(&text, "a%cB%c1%c %c%c'm", r, r, r, r, r)
		if r&0xfff == 0xfff {
			if diff := cmp.Diff(patternPieces(t, pattern, text.String()), pieces(text.String())); diff != "" {
				t.Errorf("up to %U (-regexp2 +got):\n%s", r, diff)
			}
			text.Reset()
		}
	}
}
