package harmony

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/o200k"
)

var loadOnce = sync.OnceValues(o200k.Load)

func load(t testing.TB) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := loadOnce()
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// readCases reads a golden file: what OpenAI's harmony crate 0.0.8 gave.
func readCases[T any](t testing.TB, name string) []T {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "golden", name))
	if err != nil {
		t.Fatal(err)
	}
	var golden struct{ Cases []T }
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(golden.Cases) == 0 {
		t.Fatalf("%s has no cases", name)
	}
	return golden.Cases
}

func TestRenderGolden(t *testing.T) {
	tok := load(t)
	type result struct {
		Tokens []int32
		Text   string
		Error  string
	}
	for _, raw := range readCases[json.RawMessage](t, "harmony_render.json") {
		var c struct {
			ID, About string
			Expect    result
		}
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		t.Run(c.ID, func(t *testing.T) {
			out, err := RenderJSON(tok, raw)
			if err != nil {
				t.Fatal(err)
			}
			var got result
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.Expect, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.About, diff)
			}
		})
	}
}

type parseResult struct {
	Messages json.RawMessage
	Error    string
}

type parseCase struct {
	ID, About         string
	Role              Role
	Tokens            []int32
	Wellformed, Quirk bool
	Strict, Lenient   parseResult
	Text              string
}

func TestStrictParserGolden(t *testing.T) {
	tok := load(t)
	for _, c := range readCases[parseCase](t, "harmony_parse.json") {
		for name, want := range map[string]parseResult{"strict": c.Strict, "lenient": c.Lenient} {
			t.Run(c.ID+"/"+name, func(t *testing.T) {
				messages, err := ParseStrict(tok, c.Tokens, c.Role, name == "lenient")
				if want.Error != "" {
					if err == nil || err.Error() != "harmony: "+want.Error {
						t.Errorf("%s: error %v, want %s", c.About, err, want.Error)
					}
					return
				}
				if err != nil {
					t.Fatalf("%s: %v", c.About, err)
				}
				compareMessages(t, c.About, want.Messages, messages)
			})
		}
	}
}

// What is well formed is read as OpenAI's parser reads it; the rest without an error. What the rest becomes is in
// TestParser.
func TestParserGolden(t *testing.T) {
	tok := load(t)
	for _, c := range readCases[parseCase](t, "harmony_parse.json") {
		t.Run(c.ID, func(t *testing.T) {
			in, err := json.Marshal(map[string]any{"tokens": c.Tokens, "role": c.Role})
			if err != nil {
				t.Fatal(err)
			}
			out, err := ParseJSON(tok, in)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: %q: %s", c.About, c.Text, out)
			if !c.Wellformed {
				return
			}
			var got parseResult
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatal(err)
			}
			messages, err := decodeMessages(got.Messages)
			if err != nil {
				t.Fatal(err)
			}
			compareMessages(t, c.About, c.Strict.Messages, messages)
		})
	}
}

func compareMessages(t *testing.T, about string, want json.RawMessage, got []Message) {
	t.Helper()
	data, err := encodeMessages(got)
	if err != nil {
		t.Fatal(err)
	}
	var w, g any
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("%s (-want +got):\n%s", about, diff)
	}
}

type streamStep struct {
	Token       int32
	Role        Role
	Channel     string
	Recipient   string
	ContentType string `json:"content_type"`
	Delta       string
	Content     string
	NMessages   int `json:"n_messages"`
}

type streamCase struct {
	ID, About string
	Role      Role
	Steps     []streamStep
}

func TestStrictParserStreamGolden(t *testing.T) {
	tok := load(t)
	for _, c := range readCases[streamCase](t, "harmony_stream.json") {
		p := NewStrictParser(tok, c.Role, false)
		for i, want := range c.Steps {
			if err := p.Push(want.Token); err != nil {
				t.Fatalf("%s, step %d: %v", c.About, i, err)
			}
			s := p.State()
			got := streamStep{want.Token, s.Author.Role, s.Channel, s.Recipient, s.ContentType, s.Delta, s.Content, len(p.Messages())}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, step %d (-want +got):\n%s", c.About, i, diff)
			}
		}
	}
}

// The same streams: the deltas come with the same tokens.
func TestParserStreamGolden(t *testing.T) {
	tok := load(t)
	for _, c := range readCases[streamCase](t, "harmony_stream.json") {
		p := NewParser(tok, ParserOptions{Role: c.Role})
		for i, want := range c.Steps {
			got := streamStep{Token: want.Token, NMessages: want.NMessages, Content: want.Content, Role: want.Role}
			var delta string
			for _, e := range p.Push(want.Token) {
				if e.Kind == TextDelta {
					delta += e.Text
				}
				if e.Kind != MessageEnd {
					got.Channel, got.Recipient, got.ContentType = e.Header.Channel, e.Header.Recipient, e.Header.ContentType
				}
			}
			if delta != want.Delta || len(p.Messages()) != want.NMessages {
				t.Errorf("%s, step %d: delta %q with %d messages, want %q with %d", c.About, i, delta, len(p.Messages()), want.Delta, want.NMessages)
			}
			if got.Channel != "" && (got.Channel != want.Channel || got.Recipient != want.Recipient || got.ContentType != want.ContentType) {
				t.Errorf("%s, step %d: header %+v, want %+v", c.About, i, got, want)
			}
		}
	}
}
