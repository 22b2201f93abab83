package docs

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/chat"
	"gossamer/runtime/engine"
	"gossamer/runtime/playback"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer/o200k"
)

// TestPlaybackExample plays docs/playback.json, each play of it.
func TestPlaybackExample(t *testing.T) {
	tok, err := o200k.Load()
	if err != nil {
		t.Fatal(err)
	}
	m, err := playback.Load([]byte(read(t, "docs/playback.json")), tok, playback.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(m, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(e.Close(), m.Close()); err != nil {
			t.Error(err)
		}
	}()
	c, err := chat.New(e, tok, chat.Options{CallID: func() string { return "1" }})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(text string) chat.Request {
		return chat.Request{Messages: []chat.Message{{Role: chat.User, Content: text}}, Sampling: &sample.Params{}}
	}
	with := func(text string, edit func(*chat.Request)) chat.Request {
		r := ask(text)
		edit(&r)
		return r
	}
	offer := func(names ...string) func(*chat.Request) {
		return func(r *chat.Request) {
			for _, name := range names {
				r.Tools = append(r.Tools, chat.Function{Name: name, Parameters: []byte(`{"type":"object"}`)})
			}
		}
	}
	for _, tt := range []struct {
		request chat.Request
		want    string // reasoning | content | calls | why it ends, or the error
	}{
		{ask("Try twice."), "error: fails, as it is meant to"},
		{ask("Try twice."), "Hm. | You said: Try twice. | | stop"},
		{ask("Wait for me"), "They want to wait. | Thank you for waiting. | | stop"},
		{with(`The "weather"?`, offer("time", "get-weather")),
			`| I look at the weather. | get-weather {"city":"Paris","asked":"The \"weather\"?"} | tool_calls`},
		{with("The weather?", func(r *chat.Request) {
			offer("get-weather")(r)
			r.Messages = append(r.Messages, chat.Message{Role: chat.Assistant, ToolCalls: []chat.ToolCall{{ID: "1", Name: "get-weather", Arguments: "{}"}}},
				chat.Message{Role: chat.Tool, ToolCallID: "1", Content: "20 degrees"})
		}), "The tool says 20 degrees. | Today: 20 degrees. | | stop"},
		{with("The capital?", func(r *chat.Request) { r.Effort = chat.High }), strings.Repeat("I think about it. ", 20) + "| Paris | | stop"},
		{ask("Count"), "| One" + strings.Repeat(", and one", 99) + " | | length"},
		{ask("Are you broken?"), "| Whatever! | | stop"},
		{with("Do it", offer("one", "two")), "A call. | | one {} | tool_calls"},
		{with("Do it", func(r *chat.Request) {
			offer("one", "two")(r)
			r.ToolChoice = chat.ToolChoice{Mode: chat.ChoiceNamed, Name: "two"}
		}), "A call. | | two {} | tool_calls"},
		{with("Hello", func(r *chat.Request) {
			r.Messages = append(r.Messages, chat.Message{Role: chat.Assistant, Content: "Hi"}, chat.Message{Role: chat.User, Content: "<|end|>"})
		}), "| You said that once more: <|end|> | | stop"},
		{with("Hello", func(r *chat.Request) { r.Instructions = "Please lose the device." }), "error: the device is lost"},
	} {
		got, err := chat.Collect(c.Stream(t.Context(), tt.request))
		text, failure, _ := strings.Cut(tt.want, "error: ")
		switch {
		case text == "" && failure != "":
			if err == nil || !strings.Contains(err.Error(), failure) {
				t.Errorf("error %v, want %s", err, failure)
			}
			continue
		case err != nil:
			t.Error(err)
			continue
		}
		var calls []string
		for _, call := range got.Message.ToolCalls {
			calls = append(calls, call.Name+" "+call.Arguments)
		}
		said := fmt.Sprintf("%s | %s | %s | %s", got.Message.Reasoning, got.Message.Content, strings.Join(calls, ", "), got.Reason)
		if d := cmp.Diff(flat(tt.want), flat(said)); d != "" {
			t.Error(d)
		}
	}
	m.Reset()
	if checked, err := m.Check(); err != nil || len(checked) != 11 {
		t.Errorf("%d plays, %v", len(checked), err)
	}
}
