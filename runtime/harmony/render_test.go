package harmony

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gossamer/runtime/tokenizer"
)

// say makes messages: "u" user, "a" analysis, "c" call, "t" result, "p" preamble, "f" final, "P" a call of python on analysis.
func say(kinds string) []Message {
	headers := map[rune]Header{
		'u': {Author: Author{Role: User}},
		'a': {Author: Author{Role: Assistant}, Channel: Analysis},
		'c': {Author: Author{Role: Assistant}, Channel: Commentary, Recipient: "functions.f", ContentType: ConstrainJSON},
		'P': {Author: Author{Role: Assistant}, Channel: Analysis, Recipient: "python", ContentType: "code"},
		't': {Author: Author{Role: Tool, Name: "functions.f"}, Channel: Commentary, Recipient: "assistant"},
		'p': {Author: Author{Role: Assistant}, Channel: Commentary},
		'f': {Author: Author{Role: Assistant}, Channel: Final},
	}
	var messages []Message
	for i, k := range kinds {
		messages = append(messages, NewText(headers[k], fmt.Sprint(i)))
	}
	return messages
}

func TestDrop(t *testing.T) {
	tok := load(t)
	for _, c := range []struct{ kinds, finished, official string }{
		{"uaf", "uf", "uf"},
		{"uafuafu", "ufufu", "ufuafu"}, // the crate's weakness: the second turn's reasoning stays
		{"uact", "uact", "uact"},
		{"uactaf", "uctf", "uctf"},
		{"uafuact", "ufuact", "uafuact"}, // the crate drops nothing while a call is pending
		{"uafuactactpafu", "ufuctctpfu", "ufuactactpafu"},
		{"uaPtfu", "uPtfu", "utfu"}, // the crate drops calls on analysis
		{"ufua", "ufua", "ufua"},
		{"u", "u", "u"},
		{"", "", ""},
	} {
		for drop, want := range map[Drop]string{DropFinished: c.finished, DropOfficial: c.official, DropNothing: c.kinds} {
			got, err := Render(t.Context(), tok, say(c.kinds), Options{Mode: ForConversation, Drop: drop})
			if err != nil {
				t.Fatal(err)
			}
			// The contents are positions, so the expected messages are found by matching kinds in order.
			var expected []Message
			all := say(c.kinds)
			i := 0
			for _, k := range want {
				for rune(c.kinds[i]) != k {
					i++
				}
				expected = append(expected, all[i])
				i++
			}
			w, err := Render(t.Context(), tok, expected, Options{Mode: ForConversation, Drop: DropNothing})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, w) {
				t.Errorf("%s with %d: %q, want %s", c.kinds, drop, tok.Decode(got), want)
			}
		}
	}
}

// genText draws texts, often with markers spelled in them.
func genText() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		part := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|call|>",
			"<|return|>", "<|endoftext|>", "assistant", "final", " ", "\n\n", "{}", "to=functions.f"}))
		return strings.Join(rapid.SliceOfN(part, 0, 5).Draw(t, "parts"), "")
	})
}

func genMessage() *rapid.Generator[Message] {
	return rapid.Custom(func(t *rapid.T) Message {
		m := say(rapid.SampledFrom([]string{"u", "a", "c", "P", "t", "p", "f"}).Draw(t, "kind"))[0]
		m.Content = nil
		for _, text := range rapid.SliceOfN(genText(), 1, 3).Draw(t, "content") {
			m.Content = append(m.Content, Text(text))
		}
		return m
	})
}

// What is rendered is parsed back, by both parsers.
func TestRenderAndParseBack(t *testing.T) {
	tok := load(t)
	rapid.Check(t, func(t *rapid.T) {
		messages := rapid.SliceOfN(genMessage(), 0, 8).Draw(t, "messages")
		tokens, err := Render(t.Context(), tok, messages, Options{Mode: ForConversation, Drop: DropNothing})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, m := range messages {
			want = append(want, short(m))
		}
		strict, err := ParseStrict(tok, tokens, "", false)
		if err != nil {
			t.Fatal(err)
		}
		p := NewParser(tok, ParserOptions{})
		for _, token := range tokens {
			p.Push(token)
		}
		for name, parsed := range map[string][]Message{"StrictParser": strict, "Parser": p.Messages()} {
			var got []string
			for _, m := range parsed {
				got = append(got, short(m))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", name, diff)
			}
		}
	})
}

// The key/value cache of a conversation serves the longer one: nothing that follows changes the tokens before.
func TestPrefixIsStable(t *testing.T) {
	tok := load(t)
	head := []Message{
		{Header: Header{Author: Author{Role: System}}, Content: []Content{DefaultSystem(Medium, "2025-06-28")}},
		{Header: Header{Author: Author{Role: Developer}}, Content: []Content{&DeveloperContent{Instructions: new("x"), Tools: []Namespace{{Name: "functions", Functions: []Function{{Name: "f"}}}}}}},
	}
	render := func(t *rapid.T, messages []Message, o Options) []int32 {
		o.Mode = ForConversation
		tokens, err := Render(t.Context(), tok, append(slices.Clone(head), messages...), o)
		if err != nil {
			t.Fatal(err)
		}
		return tokens
	}
	rapid.Check(t, func(t *rapid.T) {
		messages := rapid.SliceOfN(genMessage(), 0, 10).Draw(t, "messages")
		n := rapid.IntRange(0, len(messages)).Draw(t, "n")
		long := render(t, messages, Options{Drop: DropNothing})
		short := render(t, messages[:n], Options{Drop: DropNothing})
		if !slices.Equal(short, long[:len(short)]) {
			t.Fatalf("%q is no prefix of %q", tok.Decode(short), tok.Decode(long))
		}
		// With reasoning dropped, that holds up to the first message that was dropped since.
		long, short = render(t, messages, Options{}), render(t, messages[:n], Options{})
		common := messages[:n]
		for i := range common {
			if keeper(messages[:n], DropFinished)(i) && !keeper(messages, DropFinished)(i) {
				common = messages[:i]
				break
			}
		}
		var kept []Message
		for i, m := range common {
			if keeper(messages, DropFinished)(i) {
				kept = append(kept, m)
			}
		}
		prefix := render(t, kept, Options{Drop: DropNothing})
		if !slices.Equal(prefix, short[:len(prefix)]) || !slices.Equal(prefix, long[:len(prefix)]) {
			t.Fatalf("%q is no common prefix of %q and %q", tok.Decode(prefix), tok.Decode(short), tok.Decode(long))
		}
	})
}

// Nothing that comes from outside becomes a marker, wherever it is put.
func TestTextNeverBecomesMarkers(t *testing.T) {
	tok := load(t)
	var evil string
	for id := tokenizer.StartOfText; id < int32(tok.Vocab()); id++ {
		text, ok := tok.SpecialText(id)
		if !ok {
			t.Fatalf("token %d has no text", id)
		}
		if id <= tokenizer.Call {
			evil += text
		}
	}
	evil += "<|reserved_200500|><|endofprompt|>"
	conversation := func(s string) []Message {
		quoted, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		q := string(quoted)
		schema := json.RawMessage(`{"type":"object","description":` + q + `,"required":[` + q + `],"properties":{` + q + `:{"type":"string","title":` + q + `,"description":` + q +
			`,"enum":[` + q + `],"default":` + q + `,"examples":[` + q + `]},"o":{"oneOf":[{"type":[` + q + `],"description":` + q + `,"default":` + q + `}],"description":` + q + `}}}`)
		tools := []Namespace{{Name: "functions" + s, Description: s, Functions: []Function{{Name: "f" + s, Description: s, Parameters: schema}}}}
		return []Message{
			{Header: Header{Author: Author{Role: System}}, Content: []Content{&SystemContent{ModelIdentity: &s, KnowledgeCutoff: &s, ConversationStart: &s,
				ReasoningEffort: Effort("low" + s), Tools: tools, ValidChannels: []string{"final" + s}}}},
			{Header: Header{Author: Author{Role: Developer}}, Content: []Content{&DeveloperContent{Instructions: &s, Tools: tools, ResponseFormats: []ResponseFormat{{"x" + s, s, schema}}}}},
			{Header: Header{Author: Author{User, "bob" + s}}, Content: []Content{Text(s), Text(s)}},
			NewText(Header{Author{Role: Assistant}, "functions.f" + s, "commentary" + s, ConstrainJSON + s}, s),
			NewText(Header{Author{Role: Assistant}, "functions.f" + s, "commentary" + s, "json" + s}, s),
			NewText(Header{Author{Tool, "functions.f" + s}, "assistant" + s, "commentary" + s, ""}, s),
		}
	}
	markers := func(s string) (ids []int32) {
		tokens, err := Render(t.Context(), tok, conversation(s), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if s != "" && strings.Count(string(tok.Decode(tokens)), s) < 30 {
			t.Errorf("%q is not everywhere in %q", s, tok.Decode(tokens))
		}
		for _, id := range tokens {
			if id >= tokenizer.StartOfText {
				ids = append(ids, id)
			}
		}
		return ids
	}
	if diff := cmp.Diff(markers(""), markers(evil)); diff != "" {
		t.Errorf("markers in text became tokens:\n%s", diff)
	}
}

func renderText(t *testing.T, c Content, role Role) string {
	t.Helper()
	tok := load(t)
	tokens, err := Render(t.Context(), tok, []Message{{Header: Header{Author: Author{Role: role}}, Content: []Content{c}}}, Options{Mode: ForConversation})
	if err != nil {
		t.Fatal(err)
	}
	text := string(tok.Decode(tokens))
	text, _ = strings.CutPrefix(text, "<|start|>"+string(role)+"<|message|>")
	return strings.TrimSuffix(text, "<|end|>")
}

func TestResponseFormats(t *testing.T) {
	format := ResponseFormat{Name: "shopping_list", Schema: json.RawMessage(`{"properties": {"items": {"type": "array", "items": {"type": "string"}}}, "type": "object", "n": 1.50}`)}
	want := "# Response Formats\n\n## shopping_list\n\n" + `{"properties":{"items":{"type":"array","items":{"type":"string"}}},"type":"object","n":1.5}`
	if got := renderText(t, &DeveloperContent{ResponseFormats: []ResponseFormat{format}}, Developer); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	d := &DeveloperContent{
		Instructions:    new("Be brief."),
		Tools:           []Namespace{{Name: "functions", Functions: []Function{{Name: "f"}}}},
		ResponseFormats: []ResponseFormat{{Name: "a", Description: "First.\nSecond.", Schema: json.RawMessage(`{}`)}, {Name: "b", Schema: json.RawMessage(`true`)}},
	}
	want = "# Instructions\n\nBe brief.\n\n# Tools\n\n## functions\n\nnamespace functions {\n\ntype f = () => any;\n\n} // namespace functions\n\n" +
		"# Response Formats\n\n## a\n\n// First.\n// Second.\n{}\n\n## b\n\ntrue"
	if got := renderText(t, d, Developer); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// Schemas that the golden file doesn't have; expected by reading json_schema_to_typescript.
func TestTypeOf(t *testing.T) {
	for _, c := range []struct{ name, schema, want string }{
		{"no object", `true`, `any`},
		{"unknown type", `{"type":"tuple"}`, `any`},
		{"list of no types", `{"type":[1]}`, `any`},
		{"array without items", `{"type":"array"}`, `Array<any>`},
		{"array of enum", `{"type":"array","items":{"type":"string","enum":["a","b"]}}`, `"a" | "b"[]`},
		{"empty enum", `{"type":"string","enum":[]}`, `string`},
		{"enum of numbers", `{"type":"string","enum":[1,2]}`, `string`},
		{"oneOf", `{"oneOf":[{"type":"string","description":"s","default":"x"},{"type":"integer","nullable":true,"default":3},{"type":"string","enum":["a"],"default":"a"}]}`,
			"\n | string // s default: \"x\"\n | number | null // default: 3\n | \"a\" // default: \"a\""},
		{"oneOf of objects", `{"oneOf":[{"type":"object","properties":{"a":{"type":"number"}},"required":["a"]},{"type":"null"}]}`,
			"\n | {\n   a: number,\n   }\n | any"},
		{"property oneOf, description of the first variant", `{"type":"object","properties":{"p":{"description":"d","oneOf":[{"type":"string","description":"d"},{"type":"number","description":"e"}]}}}`,
			"{\np?:\n | string\n | number // e\n,\n}"},
		{"property oneOf, description above", `{"type":"object","properties":{"p":{"description":"d","default":{"b":1,"a":[true,null]},"oneOf":[{"type":"string","description":"x"},{"type":"number","description":"d"},{"type":"string","enum":["a"],"default":"a"}]}},"required":["p"]}`,
			"{\n// d\n// default: {\"b\":1,\"a\":[true,null]}\np:\n | string\n | number\n | \"a\" // default: a\n,\n}"},
		{"property oneOf that is no list", `{"type":"object","properties":{"p":{"type":"string","description":"d","default":"x","oneOf":3}}}`, "{\np?: string,\n}"},
		{"nullable with null already", `{"type":"object","properties":{"p":{"type":["string","null"],"nullable":true},"q":{"type":"number","nullable":true},"r":{"type":"number","nullable":false}}}`,
			"{\np?: string | null,\nq?: number | null,\nr?: number,\n}"},
		{"order and repeated keys", `{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"},"z":{"type":"number"}}}`, "{\nz?: number,\na?: string,\n}"},
		{"escapes in defaults", `{"type":"object","properties":{"p":{"type":"object","default":{"k\n":"\u0001\t\"\\/<é\u007f\b\f\r"}},"s":{"type":"string","default":"a\"b"}}}`,
			"{\np?: {\n    }, // default: {\"k\\n\":\"\\u0001\\t\\\"\\\\/<é\x7f\\b\\f\\r\"}\ns?: string, // default: \"a\"b\"\n}"},
	} {
		v, err := decodeValue([]byte(c.schema))
		if err != nil {
			t.Fatal(err)
		}
		if got := typeOf(v, ""); got != c.want {
			t.Errorf("%s: got:\n%s\nwant:\n%s", c.name, got, c.want)
		}
	}
}

// serde_json prints 64-bit integers as they are and floats by ryu.
func TestNumber(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "-1": "-1", "-0": "-0.0", "18446744073709551615": "18446744073709551615", "18446744073709551616": "1.8446744073709552e19",
		"1.0": "1.0", "1.50": "1.5", "1e2": "100.0", "1E15": "1000000000000000.0", "1e16": "1e16", "0.00001": "0.00001", "0.000001": "1e-6",
		"-1.25e-7": "-1.25e-7", "0.1": "0.1", "1e300": "1e300", "0e5": "0.0", "1e999": "1e999",
	} {
		if got := number(in); got != want {
			t.Errorf("number(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestLines(t *testing.T) {
	for in, want := range map[string][]string{
		"": nil, "a": {"a"}, "a\n": {"a"}, "a\n\nb": {"a", "", "b"}, "a\r\nb\r": {"a", "b\r"}, "\n": {""},
	} {
		if diff := cmp.Diff(want, lines(in)); diff != "" {
			t.Errorf("lines(%q) (-want +got):\n%s", in, diff)
		}
	}
}

func TestRenderErrors(t *testing.T) {
	tok := load(t)
	deep := json.RawMessage(strings.Repeat(`{"items":`, maxDepth+1) + "1" + strings.Repeat("}", maxDepth+1))
	functions := func(f ...Function) *DeveloperContent {
		return &DeveloperContent{Tools: []Namespace{{Name: "functions", Functions: f}}}
	}
	for _, c := range []struct {
		name string
		m    Message
		want string
	}{
		{"tool without a name", NewText(Header{Author: Author{Role: Tool}}, "x"), "harmony: message 0: Tools should have a name!"},
		{"no role", NewText(Header{}, "x"), `unknown role ""`},
		{"system content for the user", Message{Header: Header{Author: Author{Role: User}}, Content: []Content{&SystemContent{}}}, "SystemContent may only appear in system messages, found in User"},
		{"developer content for the system", Message{Header: Header{Author: Author{Role: System}}, Content: []Content{&DeveloperContent{}}}, "DeveloperContent may only appear in developer messages, found in System"},
		{"no content", Message{Header: Header{Author: Author{Role: User}}, Content: []Content{nil}}, "content of type <nil>"},
		{"schema that is no JSON", Message{Header: Header{Author: Author{Role: Developer}}, Content: []Content{functions(Function{Name: "f", Parameters: json.RawMessage(`{"type":`)})}}, "parameters of functions.f: unexpected EOF"},
		{"two schemas", Message{Header: Header{Author: Author{Role: Developer}}, Content: []Content{functions(Function{Name: "f", Parameters: json.RawMessage(`{} {}`)})}}, "parameters of functions.f: more than one value"},
		{"deep schema", Message{Header: Header{Author: Author{Role: Developer}}, Content: []Content{functions(Function{Name: "f", Parameters: deep})}}, "nested deeper than 128"},
		{"two namespaces of one name", Message{Header: Header{Author: Author{Role: System}}, Content: []Content{&SystemContent{Tools: []Namespace{{Name: "a"}, {Name: "a"}}}}}, `namespace "a" is defined twice`},
		{"response format", Message{Header: Header{Author: Author{Role: Developer}}, Content: []Content{&DeveloperContent{ResponseFormats: []ResponseFormat{{Name: "r"}}}}}, `response format "r": schema: unexpected EOF`},
	} {
		if _, err := Render(t.Context(), tok, []Message{c.m}, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := Render(t.Context(), tok, nil, Options{Begin: &Header{}, NextRole: Tool}); err == nil {
		t.Error("a tool without a name is begun")
	}
}

func TestJSONErrors(t *testing.T) {
	tok := load(t)
	for _, c := range []struct{ in, want string }{
		{`{`, "unexpected end of JSON input"},
		{`{"messages":[{"role":"robot","content":"x"}]}`, `message 0: unknown role`},
		{`{"messages":[{"role":"user","content":3}]}`, "message 0: content: "},
		{`{"messages":[{"role":"user","content":[{"type":"image"}]}]}`, `unknown type`},
		{`{"messages":[{"role":"user","content":[{"type":"text"}]}]}`, "part 0 has no text"},
		{`{"messages":[{"role":"system","content":[{"type":"system_content","reasoning_effort":"Huge"}]}]}`, "unknown reasoning effort"},
		{`{"messages":[],"mode":"poem"}`, "unknown mode"},
		{`{"messages":[],"next_role":"poet"}`, "unknown next_role"},
	} {
		out, err := RenderJSON(tok, []byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ Error string }
		if err := json.Unmarshal(out, &got); err != nil || !strings.Contains(got.Error, c.want) {
			t.Errorf("%s: %s, want the error %q", c.in, out, c.want)
		}
	}
	if out, err := RenderJSON(tok, []byte(`{"messages":[],"mode":"conversation"}`)); err != nil || string(out) != `{"tokens":[],"text":""}` {
		t.Errorf("empty conversation: %s, %v", out, err)
	}
	for _, in := range []string{`{`, `{"role":"robot"}`} {
		if out, err := ParseJSON(tok, []byte(in)); err == nil {
			t.Errorf("ParseJSON(%s) = %s, want an error", in, out)
		}
	}
	if out, err := ParseJSON(tok, []byte(`{"tokens":[]}`)); err != nil || string(out) != `{"messages":[]}` {
		t.Errorf("no tokens: %s, %v", out, err)
	}
	if _, err := encodeMessages([]Message{{Content: []Content{&SystemContent{}}}}); err == nil {
		t.Error("system content is encoded")
	}
}

func BenchmarkRender(b *testing.B) {
	tok := load(b)
	messages := say(strings.Repeat("uactaf", 50))
	for b.Loop() {
		if _, err := Render(b.Context(), tok, messages, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParser(b *testing.B) {
	tok := load(b)
	tokens, err := Render(b.Context(), tok, say(strings.Repeat("uactaf", 50)), Options{Mode: ForConversation, Drop: DropNothing})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p := NewParser(tok, ParserOptions{})
		for _, token := range tokens {
			p.Push(token)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(tokens)), "ns/token")
}
