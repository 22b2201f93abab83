package chat

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/detect"
	"gossamer/runtime/engine"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/harmony"
	"gossamer/runtime/ref"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/o200k"
)

// vocabulary is loaded once for all tests.
var vocabulary = sync.OnceValue(func() *tokenizer.Tokenizer {
	tok, err := o200k.Load()
	if err != nil {
		panic(err)
	}
	return tok
})

// encode turns text with markers into tokens.
func encode(text string) []int32 {
	tok := vocabulary()
	var tokens []int32
	marker := regexp.MustCompile(`<\|[a-z]+\|>`)
	for text != "" {
		at := marker.FindStringIndex(text)
		if at == nil {
			return append(tokens, tok.Encode(text)...)
		}
		tokens = append(tokens, tok.Encode(text[:at[0]])...)
		id, ok := tok.Special(text[at[0]:at[1]])
		if !ok {
			panic("no marker " + text[at[0]:at[1]])
		}
		tokens = append(tokens, id)
		text = text[at[1]:]
	}
	return tokens
}

// scripted is a backend that writes what a test wants: no model does that. Its logits are large for the next token of the script,
// which it finds by how much of the script stands at the end of the text.
type scripted struct {
	script []int32
}

type scriptedSequence struct {
	b      *scripted
	tokens []int32
}

func (b *scripted) Config() *gptoss.Config                { return &gptoss.Config{Vocab: vocabulary().Vocab()} }
func (b *scripted) Context() int                          { return 10000 }
func (b *scripted) Close() error                          { return nil }
func (b *scripted) NewSequence() (engine.Sequence, error) { return &scriptedSequence{b: b}, nil }
func (s *scriptedSequence) Len() int                      { return len(s.tokens) }
func (s *scriptedSequence) MarkResume() error             { return nil }
func (s *scriptedSequence) Close() error                  { return nil }

func (s *scriptedSequence) Extend(ctx context.Context, tokens []int32) error {
	s.tokens = append(s.tokens, tokens...)
	return ctx.Err()
}

func (s *scriptedSequence) Truncate(_ context.Context, n int) (int, error) {
	s.tokens = s.tokens[:n]
	return n, nil
}

func (s *scriptedSequence) Logits(_ context.Context, dst []float32) error {
	clear(dst)
	script := append(slices.Clone(s.b.script), tokenizer.Return)
	for n := len(script) - 1; n >= 0; n-- {
		if len(s.tokens) >= n && slices.Equal(s.tokens[len(s.tokens)-n:], script[:n]) {
			dst[script[n]] = 30
			return nil
		}
	}
	return nil
}

// script returns a Completer whose model writes the given text, then <|return|>.
func script(t *testing.T, text string) (*Completer, *scripted) {
	t.Helper()
	b := &scripted{script: encode(text)}
	return completer(t, b), b
}

// completer makes a Completer on a fixed day that counts the calls of tools.
func completer(t *testing.T, b engine.Backend) *Completer {
	t.Helper()
	e, err := engine.New(b, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	c, err := New(e, vocabulary(), Options{
		Clock: func() time.Time { return time.Date(2025, 6, 28, 0, 0, 0, 0, time.UTC) },
		CallID: func() string {
			calls++
			return fmt.Sprintf("call_%d", calls)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(e.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// random returns a real model with random weights and the whole vocabulary, on the reference backend.
func random(t *testing.T) *ref.Model {
	t.Helper()
	config, err := checkpointtest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	checkpointtest.SetLayers(config, 2)
	config.Hidden, config.Intermediate, config.Heads, config.KVHeads, config.HeadDim = 32, 32, 2, 1, 16
	config.Vocab = vocabulary().Vocab()
	config.EOS, config.Pad = stopIDs(), tokenizer.EndOfText
	dir := t.TempDir()
	if err := checkpointtest.Write(dir, config, 1, checkpointtest.Options{}); err != nil {
		t.Fatal(err)
	}
	ck, err := detect.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ref.Load(t.Context(), ck, ref.Options{Context: 2048})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// read returns the events of a reply, deltas of the same kind put together, without usage.
func read(t *testing.T, c *Completer, r Request) []Event {
	t.Helper()
	var events []Event
	for e, err := range c.Stream(t.Context(), r) {
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := e.(Done); ok {
			d.Usage = Usage{}
			e = d
		}
		if n := len(events); n > 0 {
			switch last := events[n-1].(type) {
			case ReasoningDelta:
				if d, ok := e.(ReasoningDelta); ok {
					events[n-1] = ReasoningDelta{last.Text + d.Text}
					continue
				}
			case ContentDelta:
				if d, ok := e.(ContentDelta); ok {
					events[n-1] = ContentDelta{last.Text + d.Text, append(last.Logprobs, d.Logprobs...)}
					continue
				}
			case ToolCallDelta:
				if d, ok := e.(ToolCallDelta); ok && d.Index == last.Index {
					events[n-1] = ToolCallDelta{d.Index, last.Arguments + d.Arguments}
					continue
				}
			}
		}
		events = append(events, e)
	}
	return events
}

func ask(text string) Request {
	return Request{Messages: []Message{{Role: User, Content: text}}, Sampling: &sample.Params{}}
}

func TestStream(t *testing.T) {
	weather := Function{Name: "get-weather", Parameters: []byte(`{"type":"object","properties":{"city":{"type":"string"}}}`)}
	for _, tt := range []struct {
		name   string
		script string
		edit   func(*Request)
		want   []Event
	}{
		{
			"ReasoningThenAnswer", "<|channel|>analysis<|message|>Let me think 🤔.<|end|><|start|>assistant<|channel|>final<|message|>It is 4 🎉.", nil,
			[]Event{ReasoningDelta{"Let me think 🤔."}, ContentDelta{Text: "It is 4 🎉."}, Done{Reason: FinishStop}},
		},
		{
			"TwoReasonings", "<|channel|>analysis<|message|>A<|end|><|start|>assistant<|channel|>analysis<|message|>B<|end|><|start|>assistant<|channel|>final<|message|>C", nil,
			[]Event{ReasoningDelta{"A\n\nB"}, ContentDelta{Text: "C"}, Done{Reason: FinishStop}},
		},
		{
			"Call", "<|channel|>analysis<|message|>Ask.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\":\"Rome\"}<|call|>",
			func(r *Request) { r.Tools = []Function{weather} },
			[]Event{ReasoningDelta{"Ask."}, ToolCallStart{0, "call_1", "get-weather"}, ToolCallDelta{0, `{"city":"Rome"}`}, Done{Reason: FinishToolCalls}},
		},
		{
			"PreambleAndTwoCalls", "<|channel|>commentary<|message|>I'll look.<|end|><|start|>assistant to=functions.get_weather<|channel|>commentary json<|message|>{\"city\":\"A\"}<|end|><|start|>assistant to=functions.get_weather<|channel|>commentary json<|message|>[{\"city\":\"B\"}]<|call|>",
			func(r *Request) { r.Tools = []Function{weather} },
			[]Event{
				ContentDelta{Text: "I'll look."},
				ToolCallStart{0, "call_1", "get-weather"}, ToolCallDelta{0, `{"city":"A"}`},
				ToolCallStart{1, "call_2", "get-weather"}, ToolCallDelta{1, `{"city":"B"}`},
				Done{Reason: FinishToolCalls},
			},
		},
		{
			"UndefinedTool", "<|channel|>analysis to=python code<|message|>print(1)<|call|>", nil,
			[]Event{ToolCallStart{0, "call_1", "python"}, ToolCallDelta{0, "print(1)"}, Done{Reason: FinishToolCalls}},
		},
		{
			"NamedCall", `{"city":"Rome"}<|call|>`,
			func(r *Request) { r.Tools, r.ToolChoice = []Function{weather}, ToolChoice{ChoiceNamed, "get-weather"} },
			[]Event{ToolCallStart{0, "call_1", "get-weather"}, ToolCallDelta{0, `{"city":"Rome"}`}, Done{Reason: FinishToolCalls}},
		},
		{
			"RequiredCallOfTheOnlyTool", `{}<|call|>`,
			func(r *Request) { r.Tools, r.ToolChoice = []Function{weather}, ToolChoice{Mode: ChoiceRequired} },
			[]Event{ToolCallStart{0, "call_1", "get-weather"}, ToolCallDelta{0, `{}`}, Done{Reason: FinishToolCalls}},
		},
		{
			"StopString", "<|channel|>analysis<|message|>END of thought<|end|><|start|>assistant<|channel|>final<|message|>one two END three",
			func(r *Request) { r.Stop = []string{"wo three", " END"} },
			[]Event{ReasoningDelta{"END of thought"}, ContentDelta{Text: "one two"}, Done{Reason: FinishStop}},
		},
		{
			"StopStringNotCompleted", "<|channel|>final<|message|>one two EN",
			func(r *Request) { r.Stop = []string{" END"} },
			[]Event{ContentDelta{Text: "one two EN"}, Done{Reason: FinishStop}},
		},
		{
			"Length", "<|channel|>final<|message|>one two three four",
			func(r *Request) { r.MaxTokens = 5 }, // two markers and a word before the text
			[]Event{ContentDelta{Text: "one two"}, Done{Reason: FinishLength}},
		},
		{
			"LengthInTheReasoning", "<|channel|>analysis<|message|>one two three four",
			func(r *Request) { r.MaxTokens = 5 },
			[]Event{ReasoningDelta{"one two"}, Done{Reason: FinishLength}},
		},
		{
			"NoHeader", "I cannot help with that.", nil,
			[]Event{ContentDelta{Text: "I cannot help with that."}, Done{Reason: FinishStop}},
		},
		{
			"SomebodyElsesPart", "<|channel|>final<|message|>Hi<|end|><|start|>user<|message|>And you?", nil,
			[]Event{ContentDelta{Text: "Hi"}, ReasoningDelta{"And you?"}, Done{Reason: FinishStop}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := script(t, tt.script)
			r := ask("2 + 2?")
			if tt.edit != nil {
				tt.edit(&r)
			}
			if d := cmp.Diff(tt.want, read(t, c, r)); d != "" {
				t.Error(d)
			}
		})
	}
}

// The model chooses among the tools, not outside them, and the whole header is as if it had been rendered.
func TestRequiredCallOfOneOfSeveralTools(t *testing.T) {
	r := ask("hello")
	for _, name := range []string{"get_weather", "get_weather_forecast", "send"} {
		r.Tools = append(r.Tools, Function{Name: name})
	}
	r.ToolChoice.Mode = ChoiceRequired
	plain := completer(t, &scripted{})
	for _, name := range []string{"get_weather", "get_weather_forecast", "send"} {
		header := " to=functions." + name + "<|channel|>commentary <|constrain|>json<|message|>"
		c, _ := script(t, header+`{"a":1}<|call|>`)
		want := []Event{ToolCallStart{0, "call_1", name}, ToolCallDelta{0, `{"a":1}`}, Done{Reason: FinishToolCalls}}
		if d := cmp.Diff(want, read(t, c, r)); d != "" {
			t.Errorf("%s: %s", name, d)
		}

		named := r
		named.ToolChoice = ToolChoice{ChoiceNamed, name}
		prompt, err := plain.Prompt(named)
		if err != nil {
			t.Fatal(err)
		}
		if tail := encode("<|start|>assistant" + header); !slices.Equal(prompt[len(prompt)-len(tail):], tail) {
			t.Errorf("%s: the prompt ends with %q", name, vocabulary().Decode(prompt[len(prompt)-len(tail):]))
		}
	}
}

func TestPrompt(t *testing.T) {
	c := completer(t, &scripted{})
	for _, tt := range []struct {
		name string
		r    Request
		want string
	}{
		{
			"Plain", Request{Messages: []Message{{Role: User, Content: "Hi <|end|>"}}, Effort: Low},
			system("low", "", "2025-06-28") + "<|start|>user<|message|>Hi §<|end|><|start|>assistant",
		},
		{
			"Instructions", Request{Instructions: "A", Messages: []Message{{Role: System, Content: "B"}, {Role: User, Content: "Hi", Name: "ann"}, {Role: Developer, Content: "C"}}, Date: "2020-01-01"},
			system("medium", "", "2020-01-01") + "<|start|>developer<|message|># Instructions\n\nA\n\nB\n\nC<|end|><|start|>user:ann<|message|>Hi<|end|><|start|>assistant",
		},
		{
			"EarlierReasoningIsDropped", Request{Messages: []Message{
				{Role: User, Content: "1"}, {Role: Assistant, Reasoning: "R1", Content: "A1"},
				{Role: User, Content: "2"}, {Role: Assistant, Reasoning: "R2", Content: "A2"},
				{Role: User, Content: "3"},
			}},
			system("medium", "", "2025-06-28") + "<|start|>user<|message|>1<|end|><|start|>assistant<|channel|>final<|message|>A1<|end|>" +
				"<|start|>user<|message|>2<|end|><|start|>assistant<|channel|>final<|message|>A2<|end|><|start|>user<|message|>3<|end|><|start|>assistant",
		},
		{
			"ReasoningBehindAPendingCallStays", Request{
				Messages: []Message{
					{Role: User, Content: "1"}, {Role: Assistant, Reasoning: "R1", Content: "A1"},
					{Role: User, Content: "2"},
					{Role: Assistant, Reasoning: "R2", Content: "Wait.", ToolCalls: []ToolCall{{"x", "2-f", `{"a": 1}`}, {"y", "g", "{}"}}},
					{Role: Tool, ToolCallID: "x", Content: "\"1\""}, {Role: Tool, ToolCallID: "y", Content: "2"},
				},
				Tools: []Function{{Name: "2-f", Description: "D"}, {Name: "g", Parameters: []byte(`{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"number"}}}`)}},
			},
			system("medium", "\nCalls to these tools must go to the commentary channel: 'functions'.", "2025-06-28") +
				"<|start|>developer<|message|># Tools\n\n## functions\n\nnamespace functions {\n\n// D\ntype _2_f = () => any;\n\ntype g = (_: {\nz?: string,\na?: number,\n}) => any;\n\n} // namespace functions<|end|>" +
				"<|start|>user<|message|>1<|end|><|start|>assistant<|channel|>final<|message|>A1<|end|><|start|>user<|message|>2<|end|>" +
				"<|start|>assistant<|channel|>analysis<|message|>R2<|end|><|start|>assistant<|channel|>commentary<|message|>Wait.<|end|>" +
				"<|start|>assistant to=functions._2_f<|channel|>commentary <|constrain|>json<|message|>{\"a\": 1}<|call|>" +
				"<|start|>assistant to=functions.g<|channel|>commentary <|constrain|>json<|message|>{}<|call|>" +
				"<|start|>functions._2_f to=assistant<|channel|>commentary<|message|>\"1\"<|end|>" +
				"<|start|>functions.g to=assistant<|channel|>commentary<|message|>2<|end|><|start|>assistant",
		},
		{
			"NoTools", Request{Messages: []Message{{Role: User, Content: "1"}}, Tools: []Function{{Name: "f"}}, ToolChoice: ToolChoice{Mode: ChoiceNone}},
			system("medium", "", "2025-06-28") + "<|start|>user<|message|>1<|end|><|start|>assistant",
		},
		{
			"ResponseFormat", Request{Messages: []Message{{Role: User, Content: "1"}}, Format: &ResponseFormat{Name: "n", Schema: []byte(`{ "type": "object" }`)}},
			system("medium", "", "2025-06-28") + "<|start|>developer<|message|># Response Formats\n\n## n\n\n{\"type\":\"object\"}<|end|><|start|>user<|message|>1<|end|><|start|>assistant",
		},
	} {
		got, err := c.Prompt(tt.r)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		// Markup in a message is text; § stands for it, so that encode does not read it.
		text := string(vocabulary().Decode(got))
		if d := cmp.Diff(strings.ReplaceAll(tt.want, "§", "<|end|>"), text); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
		if ends := strings.Count(tt.want, "<|end|>"); count(got, tokenizer.End) != ends {
			t.Errorf("%s: %d tokens <|end|>, want %d", tt.name, count(got, tokenizer.End), ends)
		}
	}
}

func count(tokens []int32, id int32) (n int) {
	for _, t := range tokens {
		if t == id {
			n++
		}
	}
	return n
}

func system(effort, calls, date string) string {
	return "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\nCurrent date: " + date +
		"\n\nReasoning: " + effort + "\n\n# Valid channels: analysis, commentary, final. Channel must be included for every message." + calls + "<|end|>"
}

func TestRefusedFields(t *testing.T) {
	c := completer(t, &scripted{})
	for _, tt := range []struct {
		field string
		edit  func(*Request)
	}{
		{"Messages", func(r *Request) { r.Messages = nil }},
		{"Messages[0].Role", func(r *Request) { r.Messages[0].Role = "function" }},
		{"Messages[0].Role", func(r *Request) { r.Messages[0].Reasoning = "hm" }},
		{"Messages[0].ToolCallID", func(r *Request) { r.Messages[0].ToolCallID = "x" }},
		{"Messages[0].Name", func(r *Request) { r.Messages[0].Name = "a b" }},
		{"Messages[1].Name", func(r *Request) { r.Messages = append(r.Messages, Message{Role: Assistant, Name: "a"}) }},
		{"Messages[1].ToolCallID", func(r *Request) { r.Messages = append(r.Messages, Message{Role: Tool, ToolCallID: "x"}) }},
		{"Messages[1].ToolCallID", func(r *Request) { r.Messages = append(r.Messages, Message{Role: Tool}) }},
		{"Messages[1].ToolCalls[0].Name", func(r *Request) {
			r.Messages = append(r.Messages, Message{Role: Assistant, ToolCalls: []ToolCall{{}}})
		}},
		{"Tools[0].Name", func(r *Request) { r.Tools = []Function{{Name: "a b"}} }},
		{"Tools[1].Name", func(r *Request) { r.Tools = []Function{{Name: "a"}, {Name: "a"}} }},
		{"ToolChoice.Mode", func(r *Request) { r.ToolChoice.Mode = ChoiceRequired }},
		{"ToolChoice.Mode", func(r *Request) { r.ToolChoice.Mode = 9 }},
		{"ToolChoice.Name", func(r *Request) { r.ToolChoice = ToolChoice{ChoiceNamed, "f"} }},
		{"ToolChoice.Name", func(r *Request) { r.ToolChoice.Name = "f" }},
		{"Format.Strict", func(r *Request) { r.Format = &ResponseFormat{Name: "a", Schema: []byte("{}"), Strict: true} }},
		{"Format.Name", func(r *Request) { r.Format = &ResponseFormat{Schema: []byte("{}")} }},
		{"Format.Schema", func(r *Request) { r.Format = &ResponseFormat{Name: "a"} }},
		{"Effort", func(r *Request) { r.Effort = "huge" }},
		{"Date", func(r *Request) { r.Date = "today" }},
		{"MaxTokens", func(r *Request) { r.MaxTokens = -1 }},
		{"Stop", func(r *Request) { r.Stop = make([]string, 17) }},
		{"Stop[0]", func(r *Request) { r.Stop = []string{""} }},
		{"Stop[1]", func(r *Request) { r.Stop = []string{"a", "\xff"} }},
		{"TopLogprobs", func(r *Request) { r.TopLogprobs = 3 }},
		{"TopLogprobs", func(r *Request) { r.Logprobs, r.TopLogprobs = true, 21 }},
		{"Sampling", func(r *Request) { r.Sampling = &sample.Params{Temperature: -1} }},
	} {
		r := ask("hello")
		tt.edit(&r)
		_, err := Collect(c.Stream(t.Context(), r))
		var refused *FieldError
		if !errors.As(err, &refused) || refused.Field != tt.field {
			t.Errorf("%v, want an error about %s", err, tt.field)
		}
	}
}

func TestUsageAndLogprobs(t *testing.T) {
	c, _ := script(t, "<|channel|>analysis<|message|>Let me think.<|end|><|start|>assistant<|channel|>final<|message|>It is 4 🎉.")
	r := ask("2 + 2?")
	r.Logprobs, r.TopLogprobs = true, 2
	got, err := Collect(c.Stream(t.Context(), r))
	if err != nil {
		t.Fatal(err)
	}
	prompt, err := c.Prompt(r)
	if err != nil {
		t.Fatal(err)
	}
	u := got.Usage
	answer := encode("It is 4 🎉.")
	reasoning := encode("<|message|>Let me think.<|end|>")
	if u.PromptTokens != len(prompt) || u.CachedTokens != 0 || u.ReasoningTokens != len(reasoning) ||
		u.CompletionTokens != len(encode("<|channel|>analysis"))+len(reasoning)+len(encode("<|start|>assistant<|channel|>final<|message|>"))+len(answer) {
		t.Errorf("usage %+v", u)
	}
	if u.TimeToFirstToken <= 0 || u.PrefillRate <= 0 || u.DecodeRate <= 0 {
		t.Errorf("no times in %+v", u)
	}
	var ids []int32
	for _, p := range got.Logprobs {
		ids = append(ids, p.ID)
		if len(p.Top) != 2 || p.Top[0].ID != p.ID || p.LogProb > 0 || p.LogProb < -1e-3 {
			t.Errorf("token %d: %+v", p.ID, p)
		}
	}
	if d := cmp.Diff(answer, ids); d != "" {
		t.Errorf("tokens with log probabilities: %s", d)
	}

	r.Stop = []string{" 4"}
	if got, err = Collect(c.Stream(t.Context(), r)); err != nil {
		t.Fatal(err)
	}
	if len(got.Logprobs) != len(encode("It is")) {
		t.Errorf("%d log probabilities for %q", len(got.Logprobs), got.Message.Content)
	}
}

// Through tokens, characters and messages: the answer ends before the stop string that is completed first, and everything else is
// as the model wrote it.
func TestStopStringsInTheAnswerOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("ab 🎉→ж\n.")), 1, 40, -1).Draw(t, "text")
		runes := []rune(text)
		from := rapid.IntRange(0, len(runes)-1).Draw(t, "from")
		stop := string(runes[from:rapid.IntRange(from+1, min(from+4, len(runes))).Draw(t, "to")])
		var reasoning, content strings.Builder
		r := &reader{
			tok:    vocabulary(),
			parser: harmony.NewParser(vocabulary(), harmony.ParserOptions{}),
			stop:   stopper{stops: []string{stop}},
			send: func(e Event) bool {
				switch e := e.(type) {
				case ReasoningDelta:
					reasoning.WriteString(e.Text)
				case ContentDelta:
					content.WriteString(e.Text)
				}
				return true
			},
		}
		// One token for each byte or so, where text tokens allow it, so that characters are divided.
		tokens := encode("<|channel|>analysis<|message|>" + text + "<|end|><|start|>assistant<|channel|>final<|message|>")
		for _, b := range []byte(text) {
			for id := int32(0); ; id++ {
				if bytes := vocabulary().Bytes(id); len(bytes) == 1 && bytes[0] == b {
					tokens = append(tokens, id)
					break
				}
			}
		}
		for _, id := range tokens {
			if !r.push(engine.Token{ID: id}) {
				break
			}
		}
		if want, _, _ := strings.Cut(text, stop); content.String() != want || !r.stopped {
			t.Fatalf("answer %q before %q: got %q, stopped %v", text, stop, content.String(), r.stopped)
		}
		if reasoning.String() != text {
			t.Fatalf("reasoning %q, want %q", reasoning.String(), text)
		}
	})
}

func TestCancelled(t *testing.T) {
	c, _ := script(t, "<|channel|>final<|message|>one two three four five")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last Event
	text := ""
	for e, err := range c.Stream(ctx, ask("count")) {
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := e.(ContentDelta); ok {
			if text += d.Text; text == "one two" {
				cancel()
			}
		}
		last = e
	}
	if done, ok := last.(Done); !ok || done.Reason != FinishCancelled || text != "one two" {
		t.Errorf("%q, then %+v", text, last)
	}
	for range c.Stream(t.Context(), ask("count")) {
		break // ends the reply, and nothing hangs
	}
	if r, err := Collect(c.Stream(t.Context(), ask("count"))); err != nil || r.Message.Content != "one two three four five" {
		t.Errorf("afterwards: %+v, %v", r, err)
	}
}

func TestErrorsOfTheEngine(t *testing.T) {
	c, _ := script(t, "")
	_, err := Collect(c.Stream(t.Context(), ask(strings.Repeat("word ", 10000))))
	if _, ok := errors.AsType[*engine.PromptError](err); !ok {
		t.Errorf("a prompt that is too long: %v", err)
	}
	if err := c.engine.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Collect(c.Stream(t.Context(), ask("hello"))); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("with a closed engine: %v", err)
	}
	small, err := engine.New(&small{}, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(small, vocabulary(), Options{}); err == nil {
		t.Error("a model of 300 ids was accepted")
	}
}

type small struct{ scripted }

func (*small) Config() *gptoss.Config { return &gptoss.Config{Vocab: 300} }

// The second turn computes the previous answer and the new message, and nothing else: the reasoning is dropped and the rest is
// still there.
func TestSecondTurnResumesAtTheLastUserMessage(t *testing.T) {
	c, b := script(t, "<|channel|>analysis<|message|>Let me think about this for a while.<|end|><|start|>assistant<|channel|>final<|message|>It is 4.")
	v := NewConversation(c.Stream, Request{Sampling: &sample.Params{}})
	first, err := Collect(v.Say(t.Context(), "2 + 2?"))
	if err != nil {
		t.Fatal(err)
	}
	b.script = encode("<|channel|>final<|message|>It is 6.")
	second, err := Collect(v.Say(t.Context(), "3 + 3?"))
	if err != nil {
		t.Fatal(err)
	}
	// Reasoning and answer begin with the same marker, which therefore is not computed either.
	added := encode("final<|message|>It is 4.<|end|><|start|>user<|message|>3 + 3?<|end|><|start|>assistant")
	if got, want := second.Usage.CachedTokens, first.Usage.PromptTokens+1; got != want {
		t.Errorf("%d tokens cached, want the first prompt and a marker, %d", got, want)
	}
	if got := second.Usage.PromptTokens - second.Usage.CachedTokens; got != len(added) {
		t.Errorf("%d tokens computed, want %d", got, len(added))
	}
	want := []Message{
		{Role: User, Content: "2 + 2?"}, {Role: Assistant, Reasoning: "Let me think about this for a while.", Content: "It is 4."},
		{Role: User, Content: "3 + 3?"}, {Role: Assistant, Content: "It is 6."},
	}
	if d := cmp.Diff(want, v.Request.Messages); d != "" {
		t.Errorf("history: %s", d)
	}
}

// The same with a real model, which writes nonsense.
func TestSecondTurnOnTheReferenceBackend(t *testing.T) {
	c := completer(t, random(t))
	v := NewConversation(c.Stream, Request{Instructions: "Be brief.", Sampling: &sample.Params{Temperature: 1, Seed: 3}, MaxTokens: 12})
	first, err := Collect(v.Say(t.Context(), "Hello"))
	if err != nil {
		t.Fatal(err)
	}
	if first.Reason != FinishLength || first.Message.Content == "" || first.Usage.CompletionTokens != 12 {
		t.Fatalf("first reply %+v", first)
	}
	again, err := Collect(c.Stream(t.Context(), Request{Instructions: "Be brief.", Sampling: &sample.Params{Temperature: 1, Seed: 3}, MaxTokens: 12,
		Messages: []Message{{Role: User, Content: "Hello"}}}))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(first.Message, again.Message); d != "" {
		t.Errorf("the same request again: %s", d)
	}
	if got := again.Usage.PromptTokens - again.Usage.CachedTokens; got != 1 {
		t.Errorf("the same request computes %d tokens of its prompt, want the last one", got)
	}

	second, err := Collect(v.Say(t.Context(), "And now?"))
	if err != nil {
		t.Fatal(err)
	}
	added, err := harmony.Render(vocabulary(), []harmony.Message{
		harmony.NewText(harmony.Header{Author: harmony.Author{Role: harmony.Assistant}, Channel: harmony.Final}, first.Message.Content),
		harmony.NewText(harmony.Header{Author: harmony.Author{Role: harmony.User}}, "And now?"),
	}, harmony.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// <|start|>assistant of the answer was the end of the first prompt.
	if got, want := second.Usage.PromptTokens-second.Usage.CachedTokens, len(added)-2; got != want {
		t.Errorf("%d tokens computed, want the answer and the new message, %d", got, want)
	}
	if got := second.Usage.CachedTokens; got != first.Usage.PromptTokens {
		t.Errorf("%d tokens cached, want the first prompt, %d", got, first.Usage.PromptTokens)
	}
}

func TestConversation(t *testing.T) {
	c, b := script(t, "<|channel|>analysis<|message|>Ask.<|end|><|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>")
	v := NewConversation(c.Stream, Request{Sampling: &sample.Params{}, Tools: []Function{{Name: "f"}}})
	reply, err := Collect(v.Say(t.Context(), "Do it"))
	if err != nil || reply.Reason != FinishToolCalls {
		t.Fatalf("%+v, %v", reply, err)
	}
	b.script = encode("<|channel|>final<|message|>Done.")
	if _, err := Collect(v.Send(t.Context(), Message{Role: Tool, ToolCallID: reply.Message.ToolCalls[0].ID, Content: "ok"})); err != nil {
		t.Fatal(err)
	}
	want := []Message{
		{Role: User, Content: "Do it"},
		{Role: Assistant, Reasoning: "Ask.", ToolCalls: []ToolCall{{"call_1", "f", "{}"}}},
		{Role: Tool, ToolCallID: "call_1", Content: "ok"},
		{Role: Assistant, Content: "Done."},
	}
	if d := cmp.Diff(want, v.Request.Messages); d != "" {
		t.Errorf("history: %s", d)
	}

	// Nothing is added where nothing came.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Collect(v.Say(ctx, "More")); err != nil {
		t.Error(err)
	}
	v.Request.Effort = "huge"
	if _, err := Collect(v.Say(t.Context(), "More")); err == nil {
		t.Error("a wrong effort was accepted")
	}
	if d := cmp.Diff(want, v.Request.Messages); d != "" {
		t.Errorf("history after failures: %s", d)
	}

	// What came is added where the reader has enough.
	v.Request.Effort = ""
	b.script = encode("<|channel|>final<|message|>one two three")
	for e := range v.Say(t.Context(), "Count") {
		if _, ok := e.(ContentDelta); ok {
			break
		}
	}
	want = append(want, Message{Role: User, Content: "Count"}, Message{Role: Assistant, Content: "one"})
	if d := cmp.Diff(want, v.Request.Messages); d != "" {
		t.Errorf("history after a break: %s", d)
	}
}
