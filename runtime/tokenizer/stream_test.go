package tokenizer_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"gossamer/runtime/tokenizer"
)

func TestValid(t *testing.T) {
	for in, want := range map[string]string{
		"":                                     "",
		"a\u00e9漢😀":                            "a\u00e9漢😀",
		"\ufffd":                               "\ufffd",
		"\xff":                                 "\ufffd",
		"a\x80b":                               "a\ufffdb",
		"\x80\x80":                             "\ufffd\ufffd",
		"\xf0\x9f\x98":                         "\ufffd", // a character begun
		"\xf0\x9f\x98a":                        "\ufffda",
		"\xf0\x9f\xf0\x9f":                     "\ufffd\ufffd",
		"\xe2\x82":                             "\ufffd",
		"\xe2\x82\xe2\x82\xac":                 "\ufffd€",
		"\xc3":                                 "\ufffd",
		"\xc3\xc3\xa9":                         "\ufffdé",
		"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82":     "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd", // overlong: Unicode 16, table 3-8
		"\xed\xa0\x80\xed\xbf\xbf":             "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd",             // surrogates: table 3-9
		"\xf4\x91\x92\x93\xff\x41\x80\xbf":     "\ufffd\ufffd\ufffd\ufffd\ufffdA\ufffd\ufffd",      // beyond U+10FFFF: table 3-10
		"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41": "\ufffd\ufffd\ufffd\ufffdA",                        // truncated: table 3-11
	} {
		if got := tokenizer.Valid(in); got != want {
			t.Errorf("Valid(%q): got %q, want %q", in, got, want)
		}
	}
}

// whatwg decodes as the Encoding Standard's "UTF-8 decoder" says, which replaces maximal subparts.
func whatwg(p []byte) string {
	var out strings.Builder
	var code rune
	var needed int
	lower, upper := byte(0x80), byte(0xbf)
	for i := 0; i < len(p); i++ {
		b := p[i]
		if needed == 0 {
			switch {
			case b < 0x80:
				out.WriteByte(b)
			case 0xc2 <= b && b <= 0xdf:
				needed, code = 1, rune(b&0x1f)
			case 0xe0 <= b && b <= 0xef:
				if b == 0xe0 {
					lower = 0xa0
				}
				if b == 0xed {
					upper = 0x9f
				}
				needed, code = 2, rune(b&0xf)
			case 0xf0 <= b && b <= 0xf4:
				if b == 0xf0 {
					lower = 0x90
				}
				if b == 0xf4 {
					upper = 0x8f
				}
				needed, code = 3, rune(b&7)
			default:
				out.WriteRune(utf8.RuneError)
			}
			continue
		}
		if b < lower || b > upper {
			needed, lower, upper = 0, 0x80, 0xbf
			i-- // the byte is read again
			out.WriteRune(utf8.RuneError)
			continue
		}
		lower, upper = 0x80, 0xbf
		code = code<<6 | rune(b&0x3f)
		if needed--; needed == 0 {
			out.WriteRune(code)
		}
	}
	if needed > 0 {
		out.WriteRune(utf8.RuneError)
	}
	return out.String()
}

// checkStream feeds tokens to a stream.
func checkStream(t rapid.TB, tok *tokenizer.Tokenizer, tokens []int32) {
	t.Helper()
	var text strings.Builder
	s := tok.NewStream()
	for _, id := range tokens {
		got := s.Write(id)
		if !utf8.ValidString(got) {
			t.Errorf("Write(%d) in %v: %q is not UTF-8", id, tokens, got)
		}
		text.WriteString(got)
	}
	text.WriteString(s.Flush())
	want := tokenizer.Valid(string(tok.Decode(tokens)))
	if text.String() != want {
		t.Errorf("stream of %v: got %q, want %q", tokens, text.String(), want)
	}
	if again := s.Flush(); again != "" {
		t.Errorf("stream of %v: a second Flush returns %q", tokens, again)
	}
}

// partial are bytes at which a decoder has something to decide, boundaries of the lead and continuation ranges.
var partial = []byte{'a', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff}

func TestValidIsTheEncodingStandard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(rapid.SampledFrom(partial), 0, 300).Draw(t, "bytes")
		if got, want := tokenizer.Valid(string(p)), whatwg(p); got != want {
			t.Fatalf("Valid(%q): got %q, want %q", p, got, want)
		}
	})
}

func TestStreamIsValid(t *testing.T) {
	tok := load(t)
	var single [256]int32
	for id := range tokenizer.StartOfText {
		if b := tok.Bytes(id); len(b) == 1 {
			single[b[0]] = id
		}
	}
	one := rapid.Map(rapid.SampledFrom(partial), func(b byte) int32 { return single[b] })
	any := rapid.Int32Range(-1, 201088)
	rapid.Check(t, func(t *rapid.T) {
		checkStream(t, tok, rapid.SliceOfN(rapid.OneOf(one, any), 0, 100).Draw(t, "tokens"))
	})
}

// TestStreamIsPrompt: a character is returned with the token that completes it, not later.
func TestStreamIsPrompt(t *testing.T) {
	tok := load(t)
	s := tok.NewStream()
	for _, step := range []struct {
		token int32
		want  string
	}{
		{24912, "hello"},
		{28823, ""},     // f0 9f 91
		{101, "👨"},      // a8
		{9552, " "},     // 20 f0 9f
		{64, "\ufffda"}, // no continuation
		{172, ""},       // f0
		{tokenizer.End, "\ufffd<|end|>"},
		{171, ""}, // ef
	} {
		if got := s.Write(step.token); got != step.want {
			t.Errorf("Write(%d): got %q, want %q", step.token, got, step.want)
		}
	}
	if got := s.Flush(); got != "\ufffd" {
		t.Errorf("Flush: got %q, want U+FFFD", got)
	}
}

func FuzzStream(f *testing.F) {
	tok := load(f)
	f.Add([]byte("\x00\x00\x00\x00\x97\x70\x00\x00\x65"))
	f.Fuzz(func(t *testing.T, p []byte) {
		var tokens []int32
		for ; len(p) >= 3; p = p[3:] {
			tokens = append(tokens, (int32(p[0])<<16|int32(p[1])<<8|int32(p[2]))%201089)
		}
		checkStream(t, tok, tokens)
	})
}
