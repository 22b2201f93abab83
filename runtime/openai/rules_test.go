package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"gossamer/runtime/chat"
	"gossamer/runtime/testenv"
	"gossamer/runtime/wire"
)

// modelsExample is a list of models and the answer to GET /v1/models.
type modelsExample struct {
	Models []modelExample `json:"models"`
	JSON   string         `json:"json"`
}

type modelExample struct {
	ID      string `json:"id"`
	OwnedBy string `json:"ownedBy"`
	Created int64  `json:"created"` // seconds since 1970
}

// sseExample is a streamed reply and the server-sent events it is sent as.
type sseExample struct {
	Chunks []Chunk      `json:"chunks"`
	Error  *ErrorObject `json:"error"` // after the chunks; null: the reply ends well
	Frames []string     `json:"frames"`
}

// replyExample is a reply as it is streamed, and the messages that the page sends next.
type replyExample struct {
	Chunks   []Chunk       `json:"chunks"`
	Messages []pageMessage `json:"messages"`
}

type pageMessage struct {
	Role       string     `json:"role"`
	Content    string     `json:"content"`
	Reasoning  string     `json:"reasoning,omitempty"`
	ToolCalls  []ToolCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

// TestRulesOfReplies writes down what the page must send after replies of all kinds, and makes sure that it is accepted: no reply
// ends a conversation.
func TestRulesOfReplies(t *testing.T) {
	var examples []replyExample
	for _, text := range []string{
		"<|channel|>analysis<|message|>Let me think.<|end|><|start|>assistant<|channel|>final<|message|>It is 4.",
		"Thinking aloud.<|end|><|start|>assistant<|channel|>analysis<|message|>So.<|end|><|start|>assistant<|channel|>final<|message|>42.",
		"I cannot help with that.",
		"",
		"<|channel|>analysis<|message|>Nothing to say.<|end|>",
		"<|channel|>analysis<|message|>Ask.<|end|><|start|>assistant<|channel|>commentary to=functions.list <|constrain|>json<|message|><|call|>",
		"<|channel|>commentary<|message|>I look.<|end|>\n<|start|>assistant<|channel|>commentary to=functions.list()<|message|>{}<|end|><|start|>assistant<|channel|>commentary to=$lookup<|message|>{\"a\":1}<|call|>",
		"<|channel|>commentary to=functions.naïve<|message|>not JSON<|call|>",
		"<|channel|>commentary to=functions." + strings.Repeat("long", 50) + "<|message|>{}<|call|>",
		"<|channel|>commentary to=functions.<|message|>{}<|call|>",
		"<|channel|>analysis to=python code<|message|>print(1)<|call|>",
		"<|channel|>final to=functions.read<|message|>Here is the file.",
		"<|channel|>commentary?commentary?<|end|><|start|>assistant<|channel|>notes<|message|>x",
		"<|channel|>final<|message|>Hi<|end|><|start|>user<|message|>And you?",
	} {
		c := completer(t, played(t, script{"", says(text)}))
		r, err := Decode([]byte(`{"temperature":0,"messages":[{"role":"user","content":"x"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		response, err := chat.Collect(c.Stream(t.Context(), r.Chat))
		if err != nil {
			t.Fatal(err)
		}
		e := replyExample{Messages: []pageMessage{{Role: "user", Content: "x"}}}
		for chunk, err := range Stream(stream(nil, eventsOf(response)...), reply) {
			if err != nil {
				t.Fatal(err)
			}
			e.Chunks = append(e.Chunks, chunk)
		}
		calls := response.Message.ToolCalls
		completion, err := NewCompletion([]*chat.Response{response}, reply)
		if err != nil {
			t.Fatal(err)
		}
		message := pageMessage{Role: "assistant", Content: response.Message.Content, ToolCalls: completion.Choices[0].Message.ToolCalls}
		if len(calls) > 0 {
			message.Reasoning = response.Message.Reasoning
		}
		if message.Content != "" || len(calls) > 0 {
			e.Messages = append(e.Messages, message)
		}
		for _, call := range calls {
			e.Messages = append(e.Messages, pageMessage{Role: "tool", Content: "done", ToolCallID: call.ID})
		}
		if len(calls) == 0 {
			e.Messages = append(e.Messages, pageMessage{Role: "user", Content: "on"})
		}
		examples = append(examples, e)

		sent, err := json.Marshal(map[string]any{"messages": e.Messages})
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeStrict(sent)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if _, err := c.Prompt(t.Context(), back.Chat); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	testenv.ExampleLines(t, "rules/replies.json", examples)
}

// eventsOf is a reply in parts, without what differs from run to run.
func eventsOf(r *chat.Response) (events []chat.Event) {
	if r.Message.Reasoning != "" {
		events = append(events, chat.ReasoningDelta{Text: r.Message.Reasoning})
	}
	if r.Message.Content != "" {
		events = append(events, chat.ContentDelta{Text: r.Message.Content})
	}
	for i, call := range r.Message.ToolCalls {
		events = append(events, chat.ItemStart{Kind: chat.Call, Index: i, ID: call.ID, Name: call.Name}, chat.ToolCallDelta{Index: i, Arguments: call.Arguments})
	}
	return append(events, chat.Done{Reason: r.Reason})
}

// TestRules compares what this package writes with testdata/rules, which the page's tests read, since a service worker answers the
// same API in TypeScript. -update writes those files.
func TestRules(t *testing.T) {
	models := []modelsExample{
		{Models: []modelExample{}},
		{Models: []modelExample{{"gpt-oss-20b", "gossamer", 1754352000}}},
		{Models: []modelExample{{`a "b" <c>`, "gossamer", 0}, {"größer/x", "openai", 1754352001}}},
	}
	for i := range models {
		m := &models[i]
		var list []Model
		for _, e := range m.Models {
			list = append(list, NewModel(e.ID, e.OwnedBy, time.Unix(e.Created, 0)))
		}
		m.JSON = string(wireJSON(t, NewModelList(list...)))
	}
	testenv.ExampleLines(t, "rules/models.json", models)

	text := []chat.Event{
		chat.ReasoningDelta{Text: "a \"b\"\n<c> & "}, chat.ContentDelta{Text: "€ 😀\t\u0001"}, chat.Done{Reason: chat.FinishStop},
	}
	sse := []sseExample{}
	for _, r := range []struct {
		events []chat.Event
		err    error
	}{{events: text}, {text[:1], errors.New("the device is gone: <x>\n\"y\"")}, {text[:2], wire.ErrCancelled}} {
		e := sseExample{Chunks: []Chunk{}}
		for chunk, err := range Stream(stream(r.err, r.events...), reply) {
			if err != nil {
				response, _ := Error(err)
				e.Error = &response.Error
				break
			}
			e.Chunks = append(e.Chunks, chunk)
		}
		w := &recorder{}
		if _, err := WriteSSE(w, w.flush, Stream(stream(r.err, r.events...), reply)); !errors.Is(err, r.err) {
			t.Fatal(err)
		}
		e.Frames = w.frames
		sse = append(sse, e)
	}
	testenv.ExampleLines(t, "rules/sse.json", sse)
}

// wireJSON writes JSON as the API sends it.
func wireJSON(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
