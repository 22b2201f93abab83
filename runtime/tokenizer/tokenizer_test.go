package tokenizer_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gossamer/runtime/tokenizer"
)

// TestEncodersAgree holds our splitter and merge against tiktoken-go's.
func TestEncodersAgree(t *testing.T) {
	tok := load(t)
	rapid.Check(t, func(t *rapid.T) {
		text := nastyText().Draw(t, "text")
		want := tokenizer.EncodeLibrary(tok, text)
		if diff := cmp.Diff(want, tokenizer.EncodePieces(tok, text)); diff != "" {
			t.Fatalf("encodePieces(%q) (-encodeLibrary +got):\n%s", text, diff)
		}
		if diff := cmp.Diff(want, tok.Encode(text)); diff != "" {
			t.Fatalf("Encode(%q) (-encodeLibrary +got):\n%s", text, diff)
		}
	})
}

// TestEncodersAgreeOnLongPieces does so where merging has most to decide: pieces of up to a few thousand bytes, with text before
// and after.
func TestEncodersAgreeOnLongPieces(t *testing.T) {
	tok := load(t)
	rapid.Check(t, func(t *rapid.T) {
		unit := strings.Join(rapid.SliceOfN(rapid.SampledFrom(nasty), 1, 4).Draw(t, "unit"), "")
		run := strings.Repeat(unit, rapid.IntRange(1, 600).Draw(t, "n"))
		text := rapid.SampledFrom(nasty).Draw(t, "before") + run + rapid.SampledFrom(nasty).Draw(t, "after")
		if diff := cmp.Diff(tokenizer.EncodeLibrary(tok, text), tokenizer.EncodePieces(tok, text)); diff != "" {
			t.Fatalf("encodePieces(%q) (-encodeLibrary +got):\n%s", text, diff)
		}
	})
}

// TestEncodeLongRuns encodes pieces of a mebibyte, for which a quadratic merge would take minutes. A run of 2^n equal units is
// merged in the same way everywhere, so its tokens are those of a shorter run, repeated. (So says npm's tiktoken 1.0.22 up to
// 64 KiB; at a mebibyte it aborts.)
func TestEncodeLongRuns(t *testing.T) {
	tok := load(t)
	const short, times = 1 << 9, 1 << 11
	for _, unit := range []string{"a", "ab", " ", "\n", "\r\n", "=", "漢", "一二", "\u0301", "😀"} {
		n := short / len(unit) // in bytes about the same
		for n&(n-1) != 0 {
			n &= n - 1
		}
		want := slices.Repeat(tokenizer.EncodeLibrary(tok, strings.Repeat(unit, n)), times)
		got := tok.Encode(strings.Repeat(unit, n*times))
		if !slices.Equal(got, want) {
			t.Errorf("%d times %q: got %d tokens, first %v, want %d, first %v", n*times, unit, len(got), got[:4], len(want), want[:4])
		}
	}
}

// TestEncodeNeverYieldsMarkers: no text may turn into control tokens.
func TestEncodeNeverYieldsMarkers(t *testing.T) {
	tok := load(t)
	for id := tokenizer.StartOfText; int(id) < tok.Vocab(); id++ {
		text, ok := tok.SpecialText(id)
		if !ok {
			t.Fatalf("no text for special token %d", id)
		}
		for _, s := range []string{text, "x" + text + "y" + text, strings.Repeat(text, 300)} {
			for _, got := range tok.Encode(s) {
				if got >= tokenizer.StartOfText {
					t.Fatalf("Encode(%q) contains special token %d", s, got)
				}
			}
		}
	}
	want := []int32{27, 91, 419, 91, 29}
	if diff := cmp.Diff(want, tok.Encode("<|end|>")); diff != "" {
		t.Errorf("Encode(<|end|>) (-want +got):\n%s", diff)
	}
}

func TestSpecial(t *testing.T) {
	tok := load(t)
	if got := tok.Vocab(); got != 201088 {
		t.Errorf("Vocab: got %d, want 201088", got)
	}
	for text, want := range map[string]int32{
		"<|startoftext|>":     199998,
		"<|endoftext|>":       199999,
		"<|reserved_200000|>": 200000,
		"<|return|>":          200002,
		"<|constrain|>":       200003,
		"<|channel|>":         200005,
		"<|start|>":           200006,
		"<|end|>":             200007,
		"<|message|>":         200008,
		"<|call|>":            200012,
		"<|endofprompt|>":     200018,
		"<|reserved_201087|>": 201087,
	} {
		if got, ok := tok.Special(text); !ok || got != want {
			t.Errorf("Special(%q): got %d, %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "end", "<|end|", "<|end|> ", "<|End|>", "<|unknown|>", "<|reserved_|>",
		"<|reserved_200007|>", "<|reserved_+200013|>", "<|reserved_0200013|>", "<|reserved_199997|>", "<|reserved_201088|>",
		"<|reserved_4295167309|>", // 200013 + 2^32
	} {
		if got, ok := tok.Special(text); ok {
			t.Errorf("Special(%q): got %d, want none", text, got)
		}
	}
	for id := tokenizer.StartOfText; int(id) < tok.Vocab(); id++ {
		text, _ := tok.SpecialText(id)
		if got, ok := tok.Special(text); !ok || got != id {
			t.Errorf("Special(SpecialText(%d) = %q): got %d, %v", id, text, got, ok)
		}
		if got := string(tok.Decode([]int32{id})); got != text {
			t.Errorf("Decode(%d): got %q, want %q", id, got, text)
		}
		if got := tok.Bytes(id); got != nil {
			t.Errorf("Bytes(%d): got %q, want nil", id, got)
		}
	}
}

func TestIDsOutsideTheVocabulary(t *testing.T) {
	tok := load(t)
	for _, id := range []int32{-1, -1 << 31, 201088, 1<<31 - 1} {
		if got := tok.Bytes(id); got != nil {
			t.Errorf("Bytes(%d): got %q, want nil", id, got)
		}
		if got, ok := tok.SpecialText(id); ok {
			t.Errorf("SpecialText(%d): got %q, want none", id, got)
		}
		if got := string(tok.Decode([]int32{64, id, 64})); got != "aa" {
			t.Errorf("Decode(64, %d, 64): got %q, want aa", id, got)
		}
	}
}

// TestTextTokens: every text token but the parts of characters encodes to itself where it stands alone, as its rank is its id.
func TestTextTokens(t *testing.T) {
	tok := load(t)
	for id := range tokenizer.StartOfText {
		text := string(tok.Bytes(id))
		if tokenizer.Valid(text) != text || len(pieces(text)) > 1 {
			continue
		}
		if got := tokenizer.EncodePieces(tok, text); len(got) != 1 || got[0] != id {
			t.Errorf("Encode(%q): got %v, want %d", text, got, id)
		}
	}
}

// FuzzEncode: what is encoded decodes to the same text, by text tokens only, whichever encoder did it.
func FuzzEncode(f *testing.F) {
	tok := load(f)
	for _, c := range readEncodeCases(f) {
		f.Add(c.Text)
	}
	f.Add("\xff\xf0\x9f\x98a")
	f.Fuzz(func(t *testing.T, text string) {
		tokens := tok.Encode(text)
		if got, want := string(tok.Decode(tokens)), tokenizer.Valid(text); got != want {
			t.Errorf("Decode(Encode(%q)): got %q, want %q", text, got, want)
		}
		for _, id := range tokens {
			if tok.Bytes(id) == nil {
				t.Errorf("Encode(%q): %d is no text token", text, id)
			}
		}
		if got := tokenizer.EncodePieces(tok, tokenizer.Valid(text)); !slices.Equal(got, tokens) {
			t.Errorf("Encode(%q): got %v, encodePieces gives %v", text, tokens, got)
		}
	})
}

// ranksOf returns the ranks that tok was made of.
func ranksOf(tok *tokenizer.Tokenizer) []byte {
	var lengths, text []byte
	for id := range tokenizer.StartOfText {
		lengths = append(lengths, byte(len(tok.Bytes(id))))
		text = append(text, tok.Bytes(id)...)
	}
	return append(lengths, text...)
}

// FuzzNew damages the ranks: New refuses them, or makes a tokenizer that works.
func FuzzNew(f *testing.F) {
	ranks := ranksOf(load(f))
	f.Add(uint32(0), []byte{}, uint32(len(ranks)))                        // unchanged
	f.Add(uint32(0), []byte{0}, uint32(len(ranks)))                       // an empty token
	f.Add(uint32(0), []byte{2, 0}, uint32(len(ranks)))                    // the same
	f.Add(uint32(0), []byte{255}, uint32(len(ranks)))                     // more bytes than there are
	f.Add(uint32(tokenizer.StartOfText), []byte{'"'}, uint32(len(ranks))) // twice the same token
	f.Add(uint32(0), []byte{}, uint32(len(ranks)-1))
	f.Add(uint32(0), []byte{}, uint32(100))
	f.Add(uint32(0), []byte{}, uint32(0))
	f.Fuzz(func(t *testing.T, at uint32, damage []byte, size uint32) {
		p := slices.Clone(ranks[:min(int(size), len(ranks))])
		copy(p[min(int(at), len(p)):], damage)
		tok, err := tokenizer.New(p)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "tokenizer: ranks") {
				t.Errorf("error %q", err)
			}
			return
		}
		const text = "Any ranks that have all bytes can encode any text: 漢字 😀\x00."
		if got := string(tok.Decode(tokenizer.EncodePieces(tok, text))); got != text {
			t.Errorf("round trip: got %q, want %q", got, text)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	ranks := ranksOf(load(t))
	change := func(at int, to ...byte) []byte {
		p := slices.Clone(ranks)
		copy(p[at:], to)
		return p
	}
	text := int(tokenizer.StartOfText)
	for _, c := range []struct {
		name, want string
		ranks      []byte
	}{
		{"nothing", "ranks have 0 bytes", nil},
		{"compressed", "ranks have 9 bytes", []byte("\x1f\x8b\x08......")},
		{"truncated", "by their lengths", ranks[:len(ranks)-1]},
		{"too long", "by their lengths", append(slices.Clone(ranks), 0)},
		{"empty token", "token 1 is empty", change(1, 0)},
		{"duplicate token", `tokens 0 and 1 are both "!"`, change(text+1, '!')},
		{"missing byte", "no token for the single byte 0x21", slices.Concat([]byte{2}, ranks[1:text+1], []byte{0xfe}, ranks[text+1:])}, // "!\xfe" for "!"
	} {
		if _, err := tokenizer.New(c.ranks); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one with %q", c.name, err, c.want)
		}
	}
}

// document is text of all kinds, 13 kB: the golden cases.
func document(b *testing.B) string {
	var text strings.Builder
	for _, c := range readEncodeCases(b) {
		text.WriteString(c.Text)
	}
	return text.String()
}

func BenchmarkEncode(b *testing.B) {
	tok := load(b)
	run := func(name, text string, encode func(*tokenizer.Tokenizer, string) []int32) {
		b.Run(name, func(b *testing.B) {
			encode(tok, "warm")
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				encode(tok, text)
			}
		})
	}
	text := document(b)
	run("document/Pieces", text, tokenizer.EncodePieces)
	run("document/Library", text, tokenizer.EncodeLibrary)
	short := tokenizer.Valid(text[:200])
	run("short/Pieces", short, tokenizer.EncodePieces)
	run("short/Library", short, tokenizer.EncodeLibrary)
	limit := strings.Repeat(" ", tokenizer.LibraryMax)
	run("worst/Pieces", limit, tokenizer.EncodePieces)
	run("worst/Library", limit, tokenizer.EncodeLibrary)
	run("spaces", strings.Repeat(" ", 1<<20), tokenizer.EncodePieces)
	run("newlines", strings.Repeat("\n", 1<<20), tokenizer.EncodePieces)
	run("letters", strings.Repeat("a", 1<<20), tokenizer.EncodePieces)
	run("CJK", strings.Repeat("漢字", 1<<20/6), tokenizer.EncodePieces)
}

func BenchmarkDecode(b *testing.B) {
	tok := load(b)
	tokens := tok.Encode(document(b))
	b.SetBytes(int64(binary.Size(tokens)))
	for b.Loop() {
		tok.Decode(tokens)
	}
}

func BenchmarkStream(b *testing.B) {
	tok := load(b)
	tokens := tok.Encode(document(b))
	b.ReportAllocs()
	for b.Loop() {
		s := tok.NewStream()
		for _, id := range tokens {
			s.Write(id)
		}
		s.Flush()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(tokens)), "ns/token")
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		load(b)
	}
}

// BenchmarkLoadLibrary includes tiktoken-go's maps, which the first short text waits for.
func BenchmarkLoadLibrary(b *testing.B) {
	for b.Loop() {
		tokenizer.EncodeLibrary(load(b), "a")
	}
}
