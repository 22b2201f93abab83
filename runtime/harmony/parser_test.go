package harmony

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/tokenizer"
)

var special = regexp.MustCompile(`<\|[a-z_0-9]+\|>`)

// markup turns text into tokens, markers recognised.
func markup(t testing.TB, tok *tokenizer.Tokenizer, text string) []int32 {
	t.Helper()
	var tokens []int32
	end := 0
	for _, m := range special.FindAllStringIndex(text, -1) {
		id, ok := tok.Special(text[m[0]:m[1]])
		if !ok {
			t.Fatalf("no special token %q", text[m[0]:m[1]])
		}
		tokens = append(append(tokens, tok.Encode(text[end:m[0]])...), id)
		end = m[1]
	}
	return append(tokens, tok.Encode(text[end:])...)
}

func TestMarkupAgreesWithGolden(t *testing.T) {
	tok := load(t)
	for _, c := range readCases[parseCase](t, "harmony_parse.json") {
		if c.Text != "" {
			if diff := cmp.Diff(c.Tokens, markup(t, tok, c.Text)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.About, diff)
			}
		}
	}
}

// short writes a message on one line: author, recipient, channel, content type, content.
func short(m Message) string {
	s := string(m.Author.Role)
	if m.Author.Name != "" {
		s += ":" + m.Author.Name
	}
	if m.Recipient != "" {
		s += " to=" + m.Recipient
	}
	if m.Channel != "" {
		s += " " + m.Channel
	}
	if m.ContentType != "" {
		s += " " + m.ContentType
	}
	return s + ": " + m.Text()
}

var knownTools = []string{"functions.f", "functions.get_weather", "browser.search", "python"}

// Each case is a row of the table of what models really emit.
func TestParser(t *testing.T) {
	tok := load(t)
	cases := []struct {
		name, in string
		want     []string
		finish   FinishReason
	}{
		{"normal call", `<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a":1}<|call|>`,
			[]string{`assistant to=functions.f commentary <|constrain|>json: {"a":1}`}, FinishToolCalls},
		{"recipient after the role", `<|channel|>analysis<|message|>x<|end|><|start|>assistant to=functions.f<|channel|>commentary json<|message|>{}<|call|>`,
			[]string{"assistant analysis: x", "assistant to=functions.f commentary json: {}"}, FinishToolCalls},
		{"constrain without space", `<|channel|>commentary to=functions.f<|constrain|>json<|message|>{}<|call|>`,
			[]string{"assistant to=functions.f commentary <|constrain|>json: {}"}, FinishToolCalls},
		{"content type code", `<|channel|>commentary to=functions.f code<|message|>{}<|call|>`,
			[]string{"assistant to=functions.f commentary code: {}"}, FinishToolCalls},
		{"content type that nobody knows", `<|channel|>commentary to=functions.f xml<|message|><a/><|call|>`,
			[]string{"assistant to=functions.f commentary xml: <a/>"}, FinishToolCalls},
		{"no content type", `<|channel|>commentary to=functions.f<|message|>{}<|call|>`,
			[]string{"assistant to=functions.f commentary: {}"}, FinishToolCalls},
		{"content type glued to the name", `<|channel|>commentary to=functions.fjson<|message|>{}<|call|>`,
			[]string{"assistant to=functions.f commentary json: {}"}, FinishToolCalls},
		{"namespace left out", `<|channel|>commentary to=get_weather<|message|>{}<|call|>`,
			[]string{"assistant to=functions.get_weather commentary: {}"}, FinishToolCalls},
		{"to= left out", `<|channel|>commentary functions.f<|constrain|>json<|message|>{}<|call|>`,
			[]string{"assistant to=functions.f commentary <|constrain|>json: {}"}, FinishToolCalls},
		{"space after to=", `<|channel|>commentary to= functions.f json<|message|>{}<|call|>`,
			[]string{"assistant to=functions.f commentary json: {}"}, FinishToolCalls},
		{"built-in tool on analysis", `<|channel|>analysis to=browser.search code<|message|>{"query":"x"}<|call|>`,
			[]string{`assistant to=browser.search analysis code: {"query":"x"}`}, FinishToolCalls},
		{"function on analysis", `<|channel|>analysis to=functions.f<|message|>{}<|call|>`,
			[]string{"assistant to=functions.f analysis: {}"}, FinishToolCalls},
		{"structured output", `<|channel|>final <|constrain|>json<|message|>{"a":1}<|return|>`,
			[]string{`assistant final <|constrain|>json: {"a":1}`}, FinishStop},
		{"structured output without the marker", `<|channel|>final json<|message|>{}<|return|>`,
			[]string{"assistant final json: {}"}, FinishStop},
		{"no message token", `<|channel|>analysis We think.<|end|><|start|>assistant<|channel|>final<|message|>yes<|return|>`,
			[]string{"assistant analysis: We think.", "assistant final: yes"}, FinishStop},
		{"no message token in a call", `<|channel|>commentary to=functions.f json{"a": [1]}<|call|>`,
			[]string{`assistant to=functions.f commentary json: {"a": [1]}`}, FinishToolCalls},
		{"no message token, nothing else", `<|channel|>final<|return|>`,
			[]string{"assistant final: "}, FinishStop},
		{"no header", `I'm sorry, but I can't help with that.<|return|>`,
			[]string{"assistant: I'm sorry, but I can't help with that."}, FinishStop},
		{"no header, cut off", `I'm sorry, but`,
			[]string{"assistant: I'm sorry, but"}, FinishLength},
		{"no header after start", `<|start|>assistant I'm sorry,  but no.<|return|>`,
			[]string{"assistant: I'm sorry,  but no."}, FinishStop},
		{"no header, words of a header", `final answers are analysis<|return|>`,
			[]string{"assistant: final answers are analysis"}, FinishStop},
		{"no channel", `<|message|>hi<|return|>`,
			[]string{"assistant: hi"}, FinishStop},
		{"start and channel lost", `<|channel|>analysis<|message|>a<|end|>commentary to=functions.f json<|message|>{}<|call|>`,
			[]string{"assistant analysis: a", "assistant to=functions.f commentary json: {}"}, FinishToolCalls},
		{"start, channel and message lost", `<|channel|>analysis<|message|>a<|end|>commentary to=functions.f {"a":1}<|call|>`,
			[]string{"assistant analysis: a", `assistant to=functions.f commentary: {"a":1}`}, FinishToolCalls},
		{"start lost", `<|channel|>analysis<|message|>a<|end|>assistant<|channel|>final<|message|>b<|return|>`,
			[]string{"assistant analysis: a", "assistant final: b"}, FinishStop},
		{"text after the end", `<|channel|>analysis<|message|>a<|end|>So it is b.<|return|>`,
			[]string{"assistant analysis: a", "assistant: So it is b."}, FinishStop},
		{"text between messages", `<|channel|>analysis<|message|>a<|end|>comment<|start|>assistant<|channel|>final<|message|>b<|return|>`,
			[]string{"assistant analysis: a", "assistant analysis: comment", "assistant final: b"}, FinishStop},
		{"doubled ends", `<|end|><|channel|>final<|message|>a<|end|><|end|><|return|><|call|><|return|>`,
			[]string{"assistant final: a"}, FinishStop},
		{"end forgotten", `<|channel|>analysis<|message|>a<|start|>assistant<|channel|>final<|message|>b<|return|>`,
			[]string{"assistant analysis: a", "assistant final: b"}, FinishStop},
		{"end and start forgotten", `<|channel|>analysis<|message|>a<|channel|>final<|message|>b<|return|>`,
			[]string{"assistant analysis: a", "assistant final: b"}, FinishStop},
		{"end and start forgotten before a call", `<|channel|>analysis<|message|>a<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>`,
			[]string{"assistant analysis: a", "assistant to=functions.f commentary <|constrain|>json: {}"}, FinishToolCalls},
		{"channel token in content", `<|channel|>final<|message|>a <|channel|>b final<|channel|> analysis<|channel|>analysis is<|return|>`,
			[]string{"assistant final: a <|channel|>b final<|channel|> analysis<|channel|>analysis is"}, FinishStop},
		{"channel and message tokens in content", `<|channel|>final<|message|>a<|channel|>ana<|message|>b<|message|><|constrain|>c<|return|>`,
			[]string{"assistant final: a<|channel|>ana<|message|>b<|message|><|constrain|>c"}, FinishStop},
		{"channel with a question mark", `<|channel|>commentary?<|message|>a<|end|>`,
			[]string{"assistant commentary: a"}, FinishLength},
		{"channel of question marks", `<|channel|>??<|message|>a<|end|>`,
			[]string{"assistant analysis: a"}, FinishLength},
		{"channel written twice", `<|channel|>commentary commentary<|message|>a<|end|>`,
			[]string{"assistant commentary: a"}, FinishLength},
		{"prose for a channel", `<|channel|>We need to  look<|message|>a<|end|>`,
			[]string{"assistant analysis: We need to  look", "assistant analysis: a"}, FinishLength},
		{"prose after the channel", `<|channel|>final The answer<|message|>is 4<|return|>`,
			[]string{"assistant analysis: The answer", "assistant final: is 4"}, FinishStop},
		{"prose in the header of a call", `<|channel|>commentary to=functions.f extra words json<|message|>{}<|call|>`,
			[]string{"assistant analysis: extra words", "assistant to=functions.f commentary json: {}"}, FinishToolCalls},
		{"constrain with response", `<|channel|>final <|constrain|>response<|message|>a<|return|>`,
			[]string{"assistant final: a"}, FinishStop},
		{"constrain with prose", `<|channel|>final<|constrain|>as you wish<|message|>a<|return|>`,
			[]string{"assistant analysis: as you wish", "assistant final: a"}, FinishStop},
		{"constrain with a recipient", `<|channel|>commentary<|constrain|>functions.f:<|message|>{}<|call|>`,
			[]string{"assistant to=functions.f commentary: {}"}, FinishToolCalls},
		{"role repeated", `<|channel|>analysis<|message|>a<|end|><|start|>assistantassistant<|channel|>final<|message|>b<|return|>`,
			[]string{"assistant analysis: a", "assistant final: b"}, FinishStop},
		{"start and role repeated", `<|start|>assistant<|start|>assistant<|start|>assistant<|channel|>final<|message|>b<|return|>`,
			[]string{"assistant final: b"}, FinishStop},
		{"unknown function", `<|channel|>commentary to=functions.nothing<|message|>{}<|call|>`,
			[]string{"assistant to=functions.nothing commentary: {}"}, FinishToolCalls},
		{"to the assistant", `<|channel|>commentary to=assistant<|message|>a<|call|>`,
			[]string{"assistant to=assistant commentary: a"}, FinishStop},
		{"preamble, two calls", `<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=functions.f<|message|>{}<|call|><|start|>assistant<|channel|>commentary to=python<|message|>1<|end|>`,
			[]string{"assistant commentary: I look.", "assistant to=functions.f commentary: {}", "assistant to=python commentary: 1"}, FinishToolCalls},
		{"call cut off", `<|channel|>commentary to=functions.f<|message|>{"a`,
			[]string{`assistant to=functions.f commentary: {"a`}, FinishLength},
		{"end of text", `<|channel|>final<|message|>a<|endoftext|>`,
			[]string{"assistant final: a"}, FinishStop},
		{"header cut off", `<|channel|>final`, nil, FinishLength},
		{"a tool's result made up", `<|channel|>commentary to=functions.f<|message|>{}<|call|><|start|>functions.f to=assistant<|channel|>commentary<|message|>1<|end|>`,
			[]string{"assistant to=functions.f commentary: {}", "tool:functions.f to=assistant commentary: 1"}, FinishToolCalls},
		{"a tool's result made up, start lost", `<|end|>browser.search to=assistant<|channel|>analysis<|message|>1<|end|>`,
			[]string{"tool:browser.search to=assistant analysis: 1"}, FinishLength},
		{"recipient written twice", `<|start|>assistant to=functions.f<|channel|>commentary to=functions.f json<|message|>{}<|call|>`,
			[]string{"assistant to=functions.f commentary json: {}"}, FinishToolCalls},
		{"two recipients", `<|start|>assistant to=functions.f<|channel|>commentary to=python<|message|>{}<|call|>`,
			[]string{"assistant analysis: to=python", "assistant to=functions.f commentary: {}"}, FinishToolCalls},
		{"channel glued to the role", `<|start|>assistantfinal<|message|>a<|return|>`,
			[]string{"assistant final: a"}, FinishStop},
		{"channel glued to prose", `<|channel|>analysisWe look<|message|>a<|end|>`,
			[]string{"assistant analysis: We look", "assistant analysis: a"}, FinishLength},
		{"call without message token before the next start", `<|channel|>commentary to=functions.f<|start|>assistant<|channel|>final<|message|>a<|return|>`,
			[]string{"assistant to=functions.f commentary: ", "assistant final: a"}, FinishToolCalls},
		{"no header, more follows", `Thinking aloud.<|end|><|start|>assistant<|channel|>analysis<|message|>So.<|end|><|start|>assistant<|channel|>final<|message|>42.<|return|>`,
			[]string{"assistant analysis: Thinking aloud.", "assistant analysis: So.", "assistant final: 42."}, FinishStop},
		{"no channel, more follows", `<|message|>Thinking aloud.<|end|><|start|>assistant<|channel|>final<|message|>42.<|return|>`,
			[]string{"assistant analysis: Thinking aloud.", "assistant final: 42."}, FinishStop},
		{"no header, a call follows", `I look.<|start|>assistant to=functions.f<|channel|>commentary<|message|>{}<|call|>`,
			[]string{"assistant analysis: I look.", "assistant to=functions.f commentary: {}"}, FinishToolCalls},
		{"no header, somebody else's part follows", `Hi.<|end|><|start|>user<|message|>And you?<|end|>`,
			[]string{"assistant: Hi.", "user: And you?"}, FinishLength},
		{"no header, half a header follows", `Hi.<|end|><|start|>assistant<|channel|>fin`,
			[]string{"assistant: Hi."}, FinishLength},
		{"white space between messages", "<|channel|>analysis<|message|>a<|end|>\n <|end|>\n<|start|>assistant<|channel|>final<|message|>b<|return|>",
			[]string{"assistant analysis: a", "assistant final: b"}, FinishStop},
		{"white space before text without a header", "<|channel|>analysis<|message|>a<|end|>\n So it is.<|return|>",
			[]string{"assistant analysis: a", "assistant: So it is."}, FinishStop},
		{"white space alone", "\n <|return|>", nil, FinishStop},
		{"signs between messages", "<|channel|>analysis<|message|>a<|end|>?<|end|> .<|start|>assistant<|channel|>final<|message|>b<|end|>?<|return|>",
			[]string{"assistant analysis: a", "assistant final: b"}, FinishStop},
		{"signs alone", "<|channel|>analysis<|message|>a<|end|>?!<|return|>", []string{"assistant analysis: a", "assistant: ?!"}, FinishStop},
		{"signs behind text without a header", "Yes<|end|>.<|return|>", []string{"assistant: Yes"}, FinishStop},
		{"an emoji alone", "👍<|end|>", []string{"assistant: 👍"}, FinishLength},
		{"an emoji glued to the channel", "<|channel|>final👍<|return|>", []string{"assistant final: 👍"}, FinishStop},
		{"words of a header alone", "<|channel|>analysis<|message|>a<|end|>assistant<|end|>commentary?<|end|><|start|>assistantfinal<|end|><|channel|>final<|message|>b<|return|>",
			[]string{"assistant analysis: a", "assistant final: b"}, FinishStop},
		{"channel written twice, no message token", `<|channel|>commentary?commentary?<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>`,
			[]string{"assistant commentary: ", "assistant final: b"}, FinishStop},
		{"channel written three times, then prose", `<|channel|>final?final? final? The answer.<|return|>`,
			[]string{"assistant final: The answer."}, FinishStop},
		{"channel glued to a channel and prose", `<|channel|>analysisfinalThe answer.<|return|>`,
			[]string{"assistant analysis: The answer."}, FinishStop},
		{"channel glued to a word like it", `<|channel|>analysisfinally it is<|end|>`,
			[]string{"assistant analysis: finally it is"}, FinishLength},
		{"channel of a longer name", `<|channel|>final_answer<|message|>a<|end|><|channel|>commentary2 to=functions.f json<|message|>{}<|call|>`,
			[]string{"assistant final: a", "assistant to=functions.f commentary json: {}"}, FinishToolCalls},
		{"text before a message token", `Thinking aloud.<|message|>42.<|return|>`,
			[]string{"assistant analysis: Thinking aloud.", "assistant: 42."}, FinishStop},
		{"text before a header", `Thinking aloud.<|channel|>final<|message|>42.<|return|>`,
			[]string{"assistant analysis: Thinking aloud.", "assistant final: 42."}, FinishStop},
		{"recipient written twice in two ways", `<|start|>assistant to=functions.f<|channel|>commentary to="f" json<|message|>{}<|call|>`,
			[]string{"assistant to=functions.f commentary json: {}"}, FinishToolCalls},
		{"no header, a word of a header first", `tool use is allowed.<|return|>`,
			[]string{"assistant: tool use is allowed."}, FinishStop},
		{"content type, no message token", `<|channel|>final json<|return|>`, []string{"assistant final: "}, FinishStop},
		{"unknown channel", `<|channel|>notes<|message|>x<|end|><|channel|>my_notes <|constrain|>json<|message|>y<|return|>`,
			[]string{"assistant notes: x", "assistant my_notes <|constrain|>json: y"}, FinishStop},
		{"unknown channel of a call", `<|channel|>tools to=functions.f json<|message|>{}<|call|>`,
			[]string{"assistant to=functions.f tools json: {}"}, FinishToolCalls},
		{"answer with a recipient", `<|channel|>final to=functions.f<|message|>Here is the file.<|return|>`,
			[]string{"assistant final: Here is the file."}, FinishStop},
		{"answer with a recipient and braces", `<|channel|>final to=functions.f<|message|>{x} is a set.<|call|>`,
			[]string{"assistant final: {x} is a set."}, FinishStop},
		{"call on final", `<|channel|>final to=functions.f<|message|>{"a":1}<|return|>`,
			[]string{`assistant to=functions.f final: {"a":1}`}, FinishToolCalls},
		{"call on final without arguments", `<|channel|>final to=functions.f<|message|><|call|>`,
			[]string{`assistant to=functions.f final: `}, FinishToolCalls},
		{"prose for arguments, no message token", `<|channel|>commentary to=functions.f Here is the file.<|call|>`,
			[]string{"assistant commentary: Here is the file."}, FinishStop},
		{"source text for arguments, no message token", `<|channel|>analysis to=python code print(1)<|call|>`,
			[]string{"assistant to=python analysis code: print(1)"}, FinishToolCalls},
		{"prose for arguments", `<|channel|>commentary to=functions.f<|message|>Here is the file.<|call|>`,
			[]string{"assistant to=functions.f commentary: Here is the file."}, FinishToolCalls},
		{"named user", `<|start|>user:alice<|message|>hi<|end|>`, []string{"user:alice: hi"}, FinishLength},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := NewParser(tok, ParserOptions{Tools: knownTools})
			for _, token := range markup(t, tok, c.in) {
				p.Push(token)
			}
			p.Close()
			var got []string
			for _, m := range p.Messages() {
				got = append(got, short(m))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.in, diff)
			}
			if got := p.FinishReason(); got != c.finish {
				t.Errorf("%s: finish reason %s, want %s", c.in, got, c.finish)
			}
		})
	}
}

// What can only mean one tool means it.
func TestParserRecipients(t *testing.T) {
	tok := load(t)
	tools := []string{"functions.list", "functions.get_weather", "functions.a_b", "functions.ab", "functions.functions_of", "python"}
	for _, c := range []struct{ written, want string }{
		{`to="functions.list"`, "functions.list"},
		{"to=`list`", "functions.list"},
		{`to='functions.list()'`, "functions.list"},
		{`to=functions.list()`, "functions.list"},
		{`to=functions.list(path="x")`, "functions.list"},
		{`to=functions:list`, "functions.list"},
		{`to=functions::list`, "functions.list"},
		{`to=functions/list`, "functions.list"},
		{`to=functions.functions.list`, "functions.list"},
		{`to=function.list`, "functions.list"},
		{`to=tools.list`, "functions.list"},
		{`to=functionslist`, "functions.list"},
		{`to=functions.List`, "functions.list"},
		{`to=functions.list;`, "functions.list"},
		{`to=<functions.list>`, "functions.list"},
		{`to==functions.list`, "functions.list"},
		{`to = functions.list`, "functions.list"},
		{`to =functions.list`, "functions.list"},
		{`to functions.list`, "functions.list"},
		{`to=functions list`, "functions.list"},
		{`to=functions. list`, "functions.list"},
		{`to= "functions.list"`, "functions.list"},
		{`functions:list`, "functions.list"},
		{`"functions.list"`, "functions.list"},
		{`to=functions.listjson`, "functions.list"},
		{`to=functions:listjson`, "functions.list"},
		{`to=functions.getWeather`, "functions.get_weather"},
		{`to=get-weather`, "functions.get_weather"},
		{`to=functions.a_b`, "functions.a_b"},
		{`to=functions.ab`, "functions.ab"},
		{`to=functions.a-b`, "functions.a-b"}, // either
		{`to=functions_of`, "functions.functions_of"},
		{`to=python()`, "python"},
		{`to=browser.list`, "browser.list"}, // another tool's
		{`to="functions.other"`, "functions.other"},
		{`to=functions`, "functions"},
	} {
		for _, header := range []string{"<|channel|>commentary %s<|message|>", "<|channel|>commentary %s <|constrain|>json<|message|>", "<|start|>assistant %s<|channel|>commentary json<|message|>"} {
			p := NewParser(tok, ParserOptions{Tools: tools})
			for _, token := range markup(t, tok, strings.ReplaceAll(header, "%s", c.written)+"{}<|call|>") {
				p.Push(token)
			}
			p.Close()
			if m := p.Messages(); len(m) != 1 || m[0].Recipient != c.want || m[0].Channel != Commentary || m[0].Text() != "{}" {
				t.Errorf("%s, %s: %+v, want the recipient %s", header, c.written, m, c.want)
			}
		}
	}
	p := NewParser(tok, ParserOptions{Tools: []string{"functions.only"}})
	for _, token := range markup(t, tok, "<|channel|>commentary to=functions json<|message|>{}<|call|>") {
		p.Push(token)
	}
	if m := p.Messages(); len(m) != 1 || m[0].Recipient != "functions.only" {
		t.Errorf("the namespace of a single function: %+v", m)
	}
}

// A text without a header reaches the reader at once, not when it ends.
func TestParserStreamsTextWithoutHeader(t *testing.T) {
	tok := load(t)
	for _, text := range []string{"I'm sorry, but I can't help with that.", "日本語 is fine", " \U0001f496 and more"} {
		p := NewParser(tok, ParserOptions{})
		var got string
		tokens := tok.Encode(text)
		for i, token := range tokens {
			for _, e := range p.Push(token) {
				if e.Kind == TextDelta {
					got += e.Text
				}
			}
			whole := tok.Decode(tokens[:i+1])
			if want := strings.TrimLeft(string(whole), " "); utf8.Valid(whole) && want != "" && got != want {
				t.Errorf("after %q the text is %q", want, got)
			}
		}
	}
}

// A header that never ends becomes content after maxHeader tokens, whole characters only.
func TestParserBoundsHeaders(t *testing.T) {
	tok := load(t)
	text := "<|start|>assistant<|channel|>final" + strings.Repeat(" \U0001f9ff\u200d\U0001f9ff", 60)
	for cut := range 4 {
		in := append(markup(t, tok, text), tok.Encode(strings.Repeat(" x", cut)+strings.Repeat("\U0001f9ff", 30))...)
		p := NewParser(tok, ParserOptions{})
		var got string
		for i, token := range in {
			for _, e := range p.Push(token) {
				if e.Kind == TextDelta {
					got += e.Text
				}
			}
			if i > maxHeader+8 && got == "" {
				t.Fatalf("no text after %d tokens", i)
			}
		}
		for _, e := range p.Close() {
			if e.Kind == TextDelta {
				got += e.Text
			}
		}
		want := strings.TrimLeft(strings.TrimPrefix(string(tok.Decode(in)), "<|start|>assistant<|channel|>final"), " ")
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestParserBeginsInsideMessage(t *testing.T) {
	tok := load(t)
	h := Header{Recipient: "functions.f", Channel: Commentary, ContentType: ConstrainJSON}
	p := NewParser(tok, ParserOptions{Begin: &h})
	var kinds []EventKind
	for _, token := range markup(t, tok, `{}<|call|>`) {
		for _, e := range p.Push(token) {
			kinds = append(kinds, e.Kind)
		}
	}
	if diff := cmp.Diff([]EventKind{MessageStart, TextDelta, MessageEnd}, kinds); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if got := short(p.Messages()[0]); got != "assistant to=functions.f commentary <|constrain|>json: {}" {
		t.Errorf("message %s", got)
	}
	prompt, err := Render(t.Context(), tok, []Message{NewText(Header{Author: Author{Role: User}}, "x")}, Options{Begin: &h})
	if err != nil {
		t.Fatal(err)
	}
	if want := markup(t, tok, "<|start|>user<|message|>x<|end|><|start|>assistant to=functions.f<|channel|>commentary <|constrain|>json<|message|>"); !slices.Equal(prompt, want) {
		t.Errorf("prompt %q", tok.Decode(prompt))
	}
}
