package chat

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/engine"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/playback"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer/tokenizertest"
)

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
			[]Event{ReasoningDelta{"Ask."}, call(0, "call_1", "get-weather"), ToolCallDelta{0, `{"city":"Rome"}`}, Done{Reason: FinishToolCalls}},
		},
		{
			"PreambleAndTwoCalls", "<|channel|>commentary<|message|>I'll look.<|end|><|start|>assistant to=functions.get_weather<|channel|>commentary json<|message|>{\"city\":\"A\"}<|end|><|start|>assistant to=functions.get_weather<|channel|>commentary json<|message|>[{\"city\":\"B\"}]<|call|>",
			func(r *Request) { r.Tools, r.Unconstrained = []Function{weather}, true },
			[]Event{
				ContentDelta{Text: "I'll look."},
				call(0, "call_1", "get-weather"), ToolCallDelta{0, `{"city":"A"}`},
				call(1, "call_2", "get-weather"), ToolCallDelta{1, `{"city":"B"}`},
				Done{Reason: FinishToolCalls},
			},
		},
		{
			"UndefinedTool", "<|channel|>analysis to=python code<|message|>print(1)<|call|>", nil,
			[]Event{call(0, "call_1", "python"), ToolCallDelta{0, "print(1)"}, Done{Reason: FinishToolCalls}},
		},
		{
			"NamedCall", `<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city":"Rome"}<|call|>`,
			func(r *Request) { r.Tools, r.ToolChoice = []Function{weather}, ToolChoice{ChoiceNamed, "get-weather"} },
			[]Event{call(0, "call_1", "get-weather"), ToolCallDelta{0, `{"city":"Rome"}`}, Done{Reason: FinishToolCalls}},
		},
		{
			"RequiredCallOfTheOnlyTool", ` to=functions.get_weather<|channel|>commentary json<|message|>{}<|call|>`,
			func(r *Request) { r.Tools, r.ToolChoice = []Function{weather}, ToolChoice{Mode: ChoiceRequired} },
			[]Event{call(0, "call_1", "get-weather"), ToolCallDelta{0, `{}`}, Done{Reason: FinishToolCalls}},
		},
		{
			"StopString", "<|channel|>analysis<|message|>END of thought<|end|><|start|>assistant<|channel|>final<|message|>one two END three",
			func(r *Request) { r.Stop = []string{"wo three", " END"} },
			[]Event{ReasoningDelta{"END of thought"}, ContentDelta{Text: "one two"}, Done{Reason: FinishStop, Stop: " END"}},
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
			"NoHeaderMoreFollows", "Thinking aloud.<|end|><|start|>assistant<|channel|>analysis<|message|>So.<|end|><|start|>assistant<|channel|>final<|message|>42.", nil,
			[]Event{ReasoningDelta{"Thinking aloud.\n\nSo."}, ContentDelta{Text: "42."}, Done{Reason: FinishStop}},
		},
		{
			"NoHeaderCutOff", "I cannot help with that.",
			func(r *Request) { r.MaxTokens = 3 },
			[]Event{ContentDelta{Text: "I cannot help"}, Done{Reason: FinishLength}},
		},
		{
			"NoHeaderWithStopString", "I cannot help with that.",
			func(r *Request) { r.Stop = []string{" with"} },
			[]Event{ContentDelta{Text: "I cannot help"}, Done{Reason: FinishStop, Stop: " with"}},
		},
		{
			"WhiteSpaceBeforeACall", "<|channel|>analysis<|message|>Ask.<|end|>\n<|start|>assistant<|channel|>commentary to=functions.f<|message|>{}<|call|>",
			func(r *Request) { r.Stop = []string{"\n"} },
			[]Event{ReasoningDelta{"Ask."}, call(0, "call_1", "f"), ToolCallDelta{0, `{}`}, Done{Reason: FinishToolCalls}},
		},
		{
			"MessagesOfWhiteSpace", "<|channel|>commentary<|message|>\n<|end|><|start|>assistant<|channel|>final<|message|> \n<|end|><|start|>assistant<|channel|>commentary to=functions.f<|message|>{}<|call|>", nil,
			[]Event{call(0, "call_1", "f"), ToolCallDelta{0, `{}`}, Done{Reason: FinishToolCalls}},
		},
		{
			"BrokenChannelName", "<|channel|>commentary?commentary?<|end|><|start|>assistant<|channel|>final<|message|>42.", nil,
			[]Event{ContentDelta{Text: "42."}, Done{Reason: FinishStop}},
		},
		{
			"UnknownChannel", "<|channel|>notes<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>42.", nil,
			[]Event{ReasoningDelta{"x"}, ContentDelta{Text: "42."}, Done{Reason: FinishStop}},
		},
		{
			"CallWithoutArguments", "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|><|call|>",
			func(r *Request) { r.Tools, r.Unconstrained = []Function{weather}, true },
			[]Event{call(0, "call_1", "get-weather"), ToolCallDelta{0, `{}`}, Done{Reason: FinishToolCalls}},
		},
		{
			"CallCutOffBeforeItsArguments", "<|channel|>commentary to=functions.f<|message|>{}",
			func(r *Request) {
				r.MaxTokens = len(tokenizertest.Encode("<|channel|>commentary to=functions.f<|message|>"))
			},
			[]Event{call(0, "call_1", "f"), Done{Reason: FinishLength}},
		},
		{
			"CallOfAGarbledName", "<|channel|>commentary to=\"functions.get-weather\"()<|message|>{}<|call|>",
			func(r *Request) { r.Tools, r.Unconstrained = []Function{weather}, true },
			[]Event{call(0, "call_1", "get-weather"), ToolCallDelta{0, `{}`}, Done{Reason: FinishToolCalls}},
		},
		{
			"AnswerWithARecipient", "<|channel|>final to=functions.read<|message|>Here is the file.", nil,
			[]Event{ContentDelta{Text: "Here is the file."}, Done{Reason: FinishStop}},
		},
		{
			"CallOnFinal", "<|channel|>final to=functions.read<|message|>{\"path\":\"a\"}<|call|>", nil,
			[]Event{call(0, "call_1", "read"), ToolCallDelta{0, `{"path":"a"}`}, Done{Reason: FinishToolCalls}},
		},
		{
			"StopStringInAPreamble", "<|channel|>commentary<|message|>\nI look ### now<|end|><|start|>assistant<|channel|>commentary to=functions.f<|message|>{}<|call|>",
			func(r *Request) { r.Stop = []string{"###"} },
			[]Event{ContentDelta{Text: "I look "}, Done{Reason: FinishStop, Stop: "###"}},
		},
		{
			"StopStringBehindACall", "<|channel|>commentary to=functions.f<|message|>{}<|end|><|start|>assistant<|channel|>commentary<|message|>I look ### now<|end|>",
			func(r *Request) { r.Stop = []string{"###"} },
			[]Event{call(0, "call_1", "f"), ToolCallDelta{0, `{}`}, ContentDelta{Text: "I look "}, Done{Reason: FinishToolCalls, Stop: "###"}},
		},
		{
			"StopStringBetweenMessages", "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>final<|message|>42.",
			func(r *Request) { r.Stop = []string{"\n"} },
			[]Event{ContentDelta{Text: "I look. 42."}, Done{Reason: FinishStop}},
		},
		{
			"StopStringOverMessages", "<|channel|>commentary<|message|>a#<|end|><|start|>assistant<|channel|>final<|message|>#b",
			func(r *Request) { r.Stop = []string{"#\n\n#"} },
			[]Event{ContentDelta{Text: "a#"}, Done{Reason: FinishStop, Stop: "#\n\n#"}},
		},
		{
			"SomebodyElsesPart", "<|channel|>final<|message|>Hi<|end|><|start|>user<|message|>And you?", nil,
			[]Event{ContentDelta{Text: "Hi"}, ReasoningDelta{"And you?"}, Done{Reason: FinishStop}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := script(t, tt.script)
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

// A text that has no header is the answer or not, and so has log probabilities and counts as reasoning or not, at its end.
func TestUsageAndLogprobsWithoutHeader(t *testing.T) {
	for text, answer := range map[string]string{
		"It is 4.<|end|>":                  "It is 4.",
		"<|channel|>final It is 4.<|end|>": "It is 4.",
		"<|message|>It is 4.<|end|>":       "It is 4.",
		"<|message|>Let me see.<|end|><|start|>assistant<|channel|>final<|message|>It is 5.": "It is 5.",
	} {
		c := script(t, text)
		r := ask("2 + 2?")
		r.Logprobs = true
		got, err := Collect(c.Stream(t.Context(), r))
		if err != nil {
			t.Fatal(err)
		}
		tokens := ""
		for _, p := range got.Logprobs {
			tokens += string(p.Bytes)
		}
		tokens = strings.TrimLeft(tokens, " ")
		if got.Message.Content != answer || tokens != answer {
			t.Errorf("%s: content %q, log probabilities of %q", text, got.Message.Content, tokens)
		}
		if reasons := got.Message.Reasoning != ""; reasons != (got.Usage.ReasoningTokens > 0) {
			t.Errorf("%s: %d tokens of reasoning %q", text, got.Usage.ReasoningTokens, got.Message.Reasoning)
		}
	}
}

func TestUsageAndLogprobs(t *testing.T) {
	c := script(t, "<|channel|>analysis<|message|>Let me think.<|end|><|start|>assistant<|channel|>final<|message|>It is 4 🎉.")
	r := ask("2 + 2?")
	r.Logprobs, r.TopLogprobs = true, 2
	got, err := Collect(c.Stream(t.Context(), r))
	if err != nil {
		t.Fatal(err)
	}
	prompt, err := c.Prompt(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	u := got.Usage
	answer := tokenizertest.Encode("It is 4 🎉.")
	reasoning := tokenizertest.Encode("<|message|>Let me think.<|end|>")
	if u.PromptTokens != len(prompt) || u.CachedTokens != 0 || u.ReasoningTokens != len(reasoning) ||
		u.CompletionTokens != len(tokenizertest.Encode("<|channel|>analysis"))+len(reasoning)+len(tokenizertest.Encode("<|start|>assistant<|channel|>final<|message|>"))+len(answer) {
		t.Errorf("usage %+v", u)
	}
	if u.TimeToFirstToken <= 0 || u.PrefillRate <= 0 || u.DecodeRate <= 0 {
		t.Errorf("no times in %+v", u)
	}
	var ids []int32
	for _, p := range got.Logprobs {
		ids = append(ids, p.ID)
		if len(p.Top) != 2 || p.Top[0].ID != p.ID || math.Abs(float64(p.LogProb)-math.Log(0.9)) > 1e-6 {
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
	if len(got.Logprobs) != len(tokenizertest.Encode("It is")) {
		t.Errorf("%d log probabilities for %q", len(got.Logprobs), got.Message.Content)
	}
}

func TestCancelled(t *testing.T) {
	c := script(t, "<|channel|>final<|message|>one two three four five")
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
	c := script(t, "")
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
	small, err := engine.New(small{played(t)}, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(small, tokenizertest.Vocabulary(), Options{}); err == nil {
		t.Error("a model of 300 ids was accepted")
	}
}

type small struct{ *playback.Model }

func (small) Config() *gptoss.Config { return &gptoss.Config{Vocab: 300} }

// TestReplyGoesOn: a reply with a format, of which some tokens were heard before, brings the same events.
func TestReplyGoesOn(t *testing.T) {
	c := completer(t, random(t))
	r := ask("count")
	r.Sampling, r.MaxTokens = &sample.Params{Temperature: 1, Seed: 7}, 40
	r.Format = &ResponseFormat{Name: "numbers", Schema: json.RawMessage(`{"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"}}},"required":["a"]}`)}
	var heard []int32
	r.Heard = func(id int32) { heard = append(heard, id) }
	want, err := Collect(c.Stream(t.Context(), r))
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Clone(heard)
	for _, n := range []int{1, len(all) / 2, len(all)} {
		heard, r.Reply = nil, all[:n]
		got, err := Collect(c.Stream(t.Context(), r))
		if err != nil || got.Message.Content != want.Message.Content || got.Reason != want.Reason || !slices.Equal(heard, all) {
			t.Errorf("after %d of %d tokens: %q, %v, want %q; %v", n, len(all), got.Message.Content, got.Reason, want.Message.Content, err)
		}
	}
	r.Reply = []int32{all[0], all[0], all[0]}
	if _, err := Collect(c.Stream(t.Context(), r)); err == nil {
		t.Error("a beginning that the format excludes is accepted")
	}
}

// A caller that has gone waits for no prompt: neither is there an error then.
func TestCallerGoneBeforeThePrompt(t *testing.T) {
	c := script(t, "<|channel|>final<|message|>never")
	gone, leave := context.WithCancel(t.Context())
	leave()
	r := ask(strings.Repeat("a", 1<<20))
	if ids, err := c.Prompt(gone, r); !errors.Is(err, context.Canceled) {
		t.Errorf("a prompt of %d tokens and the error %v, want %v", len(ids), err, context.Canceled)
	}
	var events []Event
	for e, err := range c.Stream(gone, r) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	if d := cmp.Diff([]Event{Done{Reason: FinishCancelled}}, events); d != "" {
		t.Error(d)
	}
}
