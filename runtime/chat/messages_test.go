package chat_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/anthropic"
	"gossamer/runtime/chat"
)

// checkMessages sends a reply back by Anthropic's API, with what the model was thinking in each way of showing it.
func checkMessages(c *chat.Completer, reply *chat.Response, events []chat.Event, tools []chat.Function) error {
	for _, thinking := range []anthropic.Thinking{anthropic.Shown, anthropic.Omitted, anthropic.Hidden} {
		o := anthropic.Options{
			ID: "1", Prompt: &anthropic.Prompt{}, Request: &anthropic.Request{Thinking: thinking, Chat: chat.Request{Tools: tools}},
		}
		whole, err := anthropic.NewMessage(reply, o)
		if err != nil {
			return err
		}
		streamed, err := joinMessage(events, o)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(compact(whole), compact(streamed)); diff != "" {
			return fmt.Errorf("whole and streamed differ: %s", diff)
		}
		if err := checkReturn(c, reply, whole, thinking); err != nil {
			return err
		}
	}
	return nil
}

func compact(v any) string {
	text, err := json.Marshal(v) // without space in inputs
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// joinMessage puts a streamed reply together as clients do, who insist on the order of events.
func joinMessage(events []chat.Event, o anthropic.Options) (*anthropic.Message, error) {
	var m *anthropic.Message
	var input bytes.Buffer
	open, ended := false, false
	for e, err := range anthropic.Stream(func(yield func(chat.ChoiceEvent, error) bool) {
		for _, e := range events {
			if !yield(chat.ChoiceEvent{Event: e}, nil) {
				return
			}
		}
	}, o) {
		switch {
		case err != nil:
			return nil, err
		case ended || (m == nil) != (e.Type == "message_start"):
			return nil, fmt.Errorf("%s is out of place", e.Type)
		case e.Index != nil && *e.Index != len(m.Content)-1 && (e.Type != "content_block_start" || *e.Index != len(m.Content)):
			return nil, fmt.Errorf("%s of block %d after %d", e.Type, *e.Index, len(m.Content))
		case strings.HasPrefix(e.Type, "content_block") && open != (e.Type != "content_block_start"):
			return nil, fmt.Errorf("%s of block %d, which is open: %v", e.Type, *e.Index, open)
		}
		switch e.Type {
		case "message_start":
			m = e.Message
		case "content_block_start":
			open = true
			m.Content = append(m.Content, *e.ContentBlock)
			input.Reset()
		case "content_block_delta":
			d, b := e.Delta, &m.Content[*e.Index]
			for _, part := range []struct {
				to   *string
				text string
			}{{b.Thinking, d.Thinking}, {b.Signature, d.Signature}, {b.Text, d.Text}} {
				if part.text != "" {
					*part.to += part.text
				}
			}
			input.WriteString(d.PartialJSON)
		case "content_block_stop":
			open = false
			if b := &m.Content[*e.Index]; b.Input != nil && json.Valid(input.Bytes()) { // else it was cut off, and is empty
				b.Input = json.RawMessage(slices.Clone(input.Bytes()))
			}
		case "message_delta":
			m.StopReason, m.StopSequence, m.Usage = &e.Delta.StopReason, e.Delta.StopSequence, *e.Usage
		case "message_stop":
			ended = true
		}
	}
	if !ended {
		return nil, fmt.Errorf("the stream has no end")
	}
	return m, nil
}

// checkReturn sends a whole reply back.
func checkReturn(c *chat.Completer, reply *chat.Response, m *anthropic.Message, thinking anthropic.Thinking) error {
	messages := []any{map[string]string{"role": "user", "content": "x"}, m}
	var results []any
	for _, b := range m.Content {
		if b.Type == "tool_use" {
			results = append(results, map[string]string{"type": "tool_result", "tool_use_id": b.ID, "content": "done"})
		}
	}
	messages = append(messages, map[string]any{"role": "user", "content": append(results, map[string]string{"type": "text", "text": "on"})})
	body, err := json.Marshal(map[string]any{"max_tokens": 1, "messages": messages})
	if err != nil {
		return err
	}
	r, err := anthropic.Decode(body, true)
	if err != nil {
		return fmt.Errorf("%s: %v", body, err)
	}
	got := r.Chat.Messages[1]
	var reasoning, content []string
	calls := 0
	for _, i := range reply.Items {
		switch i.Kind {
		case chat.Reasoning:
			reasoning = append(reasoning, i.Text)
		case chat.Call:
			if call := got.ToolCalls[calls]; call.Name != i.Name || !sameArguments(call.Arguments, i.Text) {
				return fmt.Errorf("the call %s(%s) comes back as %+v", i.Name, i.Text, call)
			}
			calls++
		default:
			content = append(content, i.Text)
		}
	}
	if thinking == anthropic.Hidden {
		reasoning = nil
	}
	if got.Reasoning != strings.Join(reasoning, "\n\n") || got.Content != strings.Join(content, "\n\n") || calls != len(got.ToolCalls) {
		return fmt.Errorf("%+v comes back as %+v", reply.Items, got)
	}
	return c.Check(r.Chat)
}

// sameArguments reports whether arguments are what was written, but for the form of its JSON. An object that was cut off is empty.
func sameArguments(got, written string) bool {
	var a, b map[string]any
	if json.Unmarshal([]byte(written), &b) != nil || b == nil {
		return got == written || got == "{}" && (written == "" || strings.HasPrefix(written, "{"))
	}
	return json.Unmarshal([]byte(got), &a) == nil && cmp.Equal(a, b)
}
