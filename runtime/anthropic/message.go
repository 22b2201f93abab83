package anthropic

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"gossamer/runtime/chat"
	"gossamer/runtime/wire"
)

// paragraph joins blocks of text.
const paragraph = "\n\n"

// billingHeader begins a line that Claude Code puts before its instructions. It differs in each request, so that no prompt would begin as one
// before, and the model has no use for it.
const billingHeader = "x-anthropic-billing-header:"

// add adds a message that comes from v.
func (r *Request) add(m chat.Message, v wire.Value) {
	r.Chat.Messages, r.messages = append(r.Chat.Messages, m), append(r.messages, v.Path())
}

// message reads an element of messages.
func (r *Request) message(v wire.Value) error {
	o, err := v.Object()
	if err != nil {
		return err
	}
	role, ok := o.Get("role")
	if !ok {
		return o.Field("role").Refuse(wire.CodeMissing, "is missing")
	}
	name, err := role.Text()
	if err != nil {
		return err
	}
	known := wire.Fields{"role": wire.NoEffect}
	switch name {
	case "user":
		known["content"] = r.user
	case "assistant":
		known["content"] = r.assistant
		for _, ours := range []string{"id", "type", "model", "stop_reason", "stop_sequence", "usage"} { // whole replies come back, too
			known[ours] = wire.NoEffect
		}
	case "system":
		known["content"] = func(v wire.Value) error {
			text, err := system(v)
			if text != "" {
				r.add(chat.Message{Role: chat.Developer, Content: text}, v)
			}
			return err
		}
	default:
		return role.Refuse(wire.CodeValue, "is %q, want user, assistant or system", name)
	}
	return o.Read(known, "content")
}

// blocks says what to do with each type of block. Text is also given as a string, without a block.
type blocks map[string]func(*wire.Object) error

// read reads a content.
func (b blocks) read(v wire.Value, text func(string)) error {
	if v.Kind() == '"' {
		s, err := v.Text()
		text(s)
		return err
	}
	if v.Kind() != '[' {
		return v.Refuse(wire.CodeType, "want a string or an array of blocks")
	}
	return v.Array(func(v wire.Value) error {
		o, err := v.Object()
		if err != nil {
			return err
		}
		kind, ok := o.Get("type")
		if !ok {
			return o.Field("type").Refuse(wire.CodeMissing, "is missing")
		}
		name, err := kind.Text()
		if err != nil {
			return err
		}
		switch read := b[name]; {
		case read != nil:
			return read(o)
		case name == "text":
			var s string
			err := o.Read(wire.Fields{"type": wire.NoEffect, "text": wire.Text(&s), "citations": wire.NoEffect, "cache_control": wire.NoEffect}, "text")
			text(s)
			return err
		case name == "image" || name == "document" || name == "search_result":
			return v.Refuse(wire.CodeUnsupported, "has the type %s, which is not supported: the model reads text", name)
		}
		want := append([]string{"text"}, slices.Sorted(maps.Keys(b))...)
		return kind.Refuse(wire.CodeUnsupported, "is %q, want %s", name, strings.Join(want, " or "))
	})
}

// system reads instructions.
func system(v wire.Value) (string, error) {
	var texts []string
	err := blocks{}.read(v, func(text string) {
		if kept := withoutBilling(text); kept != "" {
			texts = append(texts, kept)
		}
	})
	return strings.Join(texts, paragraph), err
}

// withoutBilling takes the lines with a billing header away.
func withoutBilling(text string) string {
	if !strings.Contains(text, billingHeader) {
		return text
	}
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return strings.HasPrefix(line, billingHeader) })
	return strings.Join(lines, "\n")
}

// user reads what a user's message has: texts, and results of calls, which become messages of their own.
func (r *Request) user(v wire.Value) error {
	var texts []string
	before := len(r.Chat.Messages)
	flush := func() {
		if texts != nil {
			r.add(chat.Message{Role: chat.User, Content: strings.Join(texts, paragraph)}, v)
		}
		texts = nil
	}
	err := blocks{"tool_result": func(o *wire.Object) error {
		flush()
		m, err := toolResult(o)
		r.add(m, o.Value)
		return err
	}}.read(v, func(text string) { texts = append(texts, text) })
	flush()
	if err == nil && len(r.Chat.Messages) == before {
		return v.Refuse(wire.CodeValue, "is empty")
	}
	return err
}

// toolResult reads the result of a call.
func toolResult(o *wire.Object) (chat.Message, error) {
	m := chat.Message{Role: chat.Tool}
	failed := false
	var texts []string
	err := o.Read(wire.Fields{
		"type":        wire.NoEffect,
		"tool_use_id": wire.Text(&m.ToolCallID),
		"content": func(v wire.Value) error {
			text := func(s string) { texts = append(texts, s) }
			return blocks{"tool_reference": func(o *wire.Object) error { // a tool that was searched for; all of them are shown to the model
				var name string
				err := o.Read(wire.Fields{"type": wire.NoEffect, "tool_name": wire.Text(&name), "cache_control": wire.NoEffect}, "tool_name")
				text(name)
				return err
			}}.read(v, text)
		},
		"is_error":      wire.Truth(&failed),
		"cache_control": wire.NoEffect, "toolset_name": wire.NoEffect,
	}, "tool_use_id")
	m.Content = strings.Join(texts, paragraph)
	if failed { // the model's format has no other place for it
		m.Content = "Error: " + cmp.Or(m.Content, "the call failed")
	}
	return m, err
}

// assistant reads what an assistant's message has, as replies have it.
func (r *Request) assistant(v wire.Value) error {
	m := chat.Message{Role: chat.Assistant}
	var thoughts, texts []string
	err := blocks{
		"thinking": func(o *wire.Object) error {
			var text, signature string
			err := o.Read(wire.Fields{
				"type": wire.NoEffect, "thinking": wire.Text(&text), "signature": wire.Text(&signature), "cache_control": wire.NoEffect,
			}, "thinking")
			if text == "" {
				text = signed(signature)
			}
			if text != "" {
				thoughts = append(thoughts, text)
			}
			return err
		},
		"redacted_thinking": func(o *wire.Object) error { // by another model
			return o.Read(wire.Fields{"type": wire.NoEffect, "data": wire.NoEffect, "cache_control": wire.NoEffect})
		},
		"tool_use": func(o *wire.Object) error {
			call, err := toolUse(o)
			m.ToolCalls = append(m.ToolCalls, call)
			return err
		},
	}.read(v, func(text string) { texts = append(texts, text) })
	m.Reasoning, m.Content = strings.Join(thoughts, paragraph), strings.Join(texts, paragraph)
	r.add(m, v)
	return err
}

// toolUse reads a call.
func toolUse(o *wire.Object) (call chat.ToolCall, err error) {
	return call, o.Read(wire.Fields{
		"type": wire.NoEffect,
		"id":   wire.Text(&call.ID),
		"name": wire.Text(&call.Name),
		"input": func(v wire.Value) error {
			if v.Kind() != '{' {
				return v.Refuse(wire.CodeType, "want an object")
			}
			call.Arguments = argumentsOf(v.Raw)
			return nil
		},
		"cache_control": wire.NoEffect, "caller": wire.NoEffect, "toolset_name": wire.NoEffect,
	}, "id", "name", "input")
}
