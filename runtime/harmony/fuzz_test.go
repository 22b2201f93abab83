package harmony

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gossamer/runtime/testenv"
	"gossamer/runtime/tokenizer"
)

// alphabet has what headers are made of, and text.
func alphabet(t testing.TB, tok *tokenizer.Tokenizer) [][]int32 {
	var pieces [][]int32
	for _, id := range []int32{tokenizer.Start, tokenizer.End, tokenizer.Message, tokenizer.Channel, tokenizer.Constrain, tokenizer.Call,
		tokenizer.Return, tokenizer.EndOfText, tokenizer.StartOfText, 200013, -1, 201088, 1 << 30} {
		pieces = append(pieces, []int32{id})
	}
	for _, text := range []string{"assistant", "user", "system", "developer", "tool", "user:bob", "analysis", "commentary", "final", "ana", " to=", " to=functions.f",
		"functions.f", "python", " json", "json", " code", "response", "?", " ??", " ", "\n", "{", "}", `{"a":1}`, "[", " well", "So", " it is", "日本", "\U0001f496", "é", "all"} {
		pieces = append(pieces, tok.Encode(text))
	}
	for _, b := range []byte{0xf0, 0x9f, 0x92, 0x96, 0xc3, 0xff} {
		for id := range int32(300) {
			if bytes := tok.Bytes(id); len(bytes) == 1 && bytes[0] == b {
				pieces = append(pieces, []int32{id})
			}
		}
	}
	return pieces
}

// visible leaves of text what cannot differ by how it is split: no spaces, no markers, no replaced bytes and their neighbours.
func visible(text string) string {
	text = special.ReplaceAllString(text, "")
	return strings.Map(func(c rune) rune {
		if c <= ' ' || c >= utf8.RuneSelf {
			return -1
		}
		return c
	}, text)
}

// checkParser feeds tokens to a parser and checks its promises: events come in order and agree with the messages; all text of
// the tokens is in the events, the content in the tokens' order, nothing is there twice.
func checkParser(t interface {
	Helper()
	Fatalf(string, ...any)
}, tok *tokenizer.Tokenizer, tokens []int32, tools []string) {
	t.Helper()
	p := NewParser(tok, ParserOptions{Tools: tools})
	var carried, content strings.Builder
	var messages []Message
	var text *strings.Builder // of the current message
	var header Header
	var undecided bool
	take := func(events []Event) {
		for _, e := range events {
			carried.WriteString(e.Text)
			if !utf8.ValidString(e.Text) {
				t.Fatalf("%v: event text %q is not valid UTF-8", tokens, e.Text)
			}
			switch e.Kind {
			case MessageStart:
				if text != nil {
					t.Fatalf("%v: a message starts in another", tokens)
				}
				text, header, undecided = new(strings.Builder), e.Header, e.Undecided
			case TextDelta:
				if e.Text == "" {
					t.Fatalf("%v: an empty delta", tokens)
				}
				text.WriteString(e.Text)
				content.WriteString(e.Text)
			case MessageEnd:
				if e.Undecided {
					t.Fatalf("%v: a message ends undecided", tokens)
				}
				if !undecided && e.Header != header {
					t.Fatalf("%v: a message of %+v ends as one of %+v", tokens, header, e.Header)
				}
				messages = append(messages, NewText(e.Header, text.String()))
				text = nil
			}
		}
	}
	for _, token := range tokens {
		take(p.Push(token))
	}
	take(p.Close())
	// What is understood of a header that never ended, and signs behind the last message, have no message to be carried by.
	carried.WriteString(string(p.skipped) + string(p.stray))
	if text != nil {
		t.Fatalf("%v: a message did not end", tokens)
	}
	if diff := cmp.Diff(p.Messages(), messages); diff != "" {
		t.Fatalf("%v: messages and events differ:\n%s", tokens, diff)
	}
	all := visible(string(tok.Decode(tokens)))
	got := visible(carried.String())
	if sorted(got) != sorted(all) {
		t.Fatalf("%v: the events carry %q of %q", tokens, got, all)
	}
	rest := all
	for _, c := range visible(content.String()) {
		i := strings.IndexRune(rest, c)
		if i < 0 {
			t.Fatalf("%v: content %q is not in the order of %q", tokens, content.String(), all)
		}
		rest = rest[i+1:]
	}
}

func sorted(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(b)
}

func TestParserKeepsAllText(t *testing.T) {
	tok := load(t)
	pieces := alphabet(t, tok)
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(
			rapid.SampledFrom(pieces),
			rapid.Custom(func(t *rapid.T) []int32 { return []int32{rapid.Int32Range(0, 201088).Draw(t, "id")} }),
			rapid.Custom(func(t *rapid.T) []int32 { // nearly a header
				h := []int32{tokenizer.Channel}
				h = append(h, tok.Encode(rapid.SampledFrom(channels()).Draw(t, "channel"))...)
				h = append(h, slices.Concat(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 3).Draw(t, "words")...)...)
				return append(h, tokenizer.Message)
			}))
		tokens := slices.Concat(rapid.SliceOfN(piece, 0, 100).Draw(t, "tokens")...)
		var tools []string
		if rapid.Bool().Draw(t, "tools") {
			tools = knownTools
		}
		checkParser(t, tok, tokens, tools)
	})
}

func FuzzParser(f *testing.F) {
	tok := load(f)
	pieces := alphabet(f, tok)
	for i := range pieces { // each piece in a header, between messages and in content
		b := byte(i)
		f.Add([]byte{3, b, b, 2, 20, b, 1, b, 0, b, 3, 15, b, 2, b, 3, b, 2, b, 5, 4, b, 2, b})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var tokens []int32
		for _, b := range data {
			tokens = append(tokens, pieces[int(b)%len(pieces)]...)
		}
		checkParser(t, tok, tokens, knownTools)
	})
}

// FuzzSchema writes functions with any parameters: what is no schema is refused, the rest becomes a type, not much longer than its
// nesting makes it.
func FuzzSchema(f *testing.F) {
	var seeds [][]byte
	for _, c := range readCases[json.RawMessage](f, "harmony_render.json") {
		var conversation struct {
			Messages []struct {
				Content json.RawMessage
			}
		}
		if err := json.Unmarshal(c, &conversation); err != nil {
			f.Fatal(err)
		}
		for _, m := range conversation.Messages {
			content, err := decodeContent(m.Content)
			if err != nil {
				continue // cases of what the library refuses
			}
			for _, c := range content {
				if d, ok := c.(*DeveloperContent); ok {
					for _, ns := range d.Tools {
						for _, function := range ns.Functions {
							seeds = append(seeds, function.Parameters)
						}
					}
				}
			}
		}
	}
	for _, seed := range []string{
		`null`, `[]`, `{}`, `{"type":["string",1,"null"]}`, `{"oneOf":[{"oneOf":[{"default":1e400}]},{},1]}`, `{"type":"object","properties":[]}`,
		`{"type":"object","properties":{"a\n":{"type":"array","items":{"type":"object","properties":{"b":{"enum":[1,"x"],"type":"string","default":"x"}}}}},"required":[1,"a\n"]}`,
		strings.Repeat(`{"type":"array","items":`, 100) + `{}` + strings.Repeat(`}`, 100), strings.Repeat(`[`, 1000), `{"a":1,"a":2} `, `{}{}`,
	} {
		seeds = append(seeds, []byte(seed))
	}
	testenv.Fuzz(f, seeds, func(t testing.TB, schema []byte) {
		text, err := toolsSection([]Namespace{{Name: functions, Functions: []Function{{Name: "f", Parameters: schema}}}})
		if err != nil {
			return
		}
		if !strings.HasPrefix(text, "# Tools\n\n## functions\n\nnamespace functions {\n\ntype f = (") || !strings.HasSuffix(text, ") => any;\n\n} // namespace functions") {
			t.Fatalf("%s becomes %s", schema, text)
		}
		if len(text) > 200+6*maxDepth*(len(schema)+1) {
			t.Fatalf("%d bytes become %d", len(schema), len(text))
		}
		if again, err := toolsSection([]Namespace{{Name: functions, Functions: []Function{{Name: "f", Parameters: schema}}}}); err != nil || again != text {
			t.Fatalf("%s becomes %s, then %s, %v", schema, text, again, err)
		}
	})
}
