package openai

import (
	"strings"

	"gossamer/runtime/chat"
)

// decodeMessage reads an element of messages. Which fields there are depends on the role.
func decodeMessage(v value) (chat.Message, error) {
	var m chat.Message
	o, err := v.object()
	if err != nil {
		return m, err
	}
	role, ok := o.get("role")
	if !ok {
		return m, o.field("role").refuse(codeMissing, "is missing")
	}
	if err := text((*string)(&m.Role))(role); err != nil {
		return m, err
	}
	known := fields{"role": noEffect, "name": text(&m.Name), "content": content(&m.Content), "cache_control": noEffect}
	switch m.Role {
	case chat.System, chat.Developer, chat.User:
		return m, o.read(known, "content")
	case chat.Tool:
		known["tool_call_id"] = text(&m.ToolCallID)
		return m, o.read(known) // a tool may have nothing to say
	case chat.Assistant:
	default:
		return m, role.refuse(codeValue, "is %q, want system, developer, user, assistant or tool", m.Role)
	}

	reasoning := func(v value) error {
		s, err := v.text()
		if err == nil && m.Reasoning != "" && m.Reasoning != s {
			return v.refuse(codeValue, "reasoning and reasoning_content differ: one of them is enough")
		}
		m.Reasoning = s
		return err
	}
	known["reasoning"], known["reasoning_content"] = reasoning, reasoning
	known["tool_calls"] = func(v value) error {
		return v.array(func(v value) error {
			call, err := decodeToolCall(v)
			m.ToolCalls = append(m.ToolCalls, call)
			return err
		})
	}
	// What OpenAI's replies have, and what its library adds to those that it has put together.
	known["annotations"], known["parsed"] = noEffect, noEffect
	known["refusal"] = func(v value) error {
		if string(v.raw) == `""` {
			return nil
		}
		return refused("give the text as content")(v)
	}
	known["content"] = func(v value) error {
		if string(v.raw) == "[]" { // as if it were absent
			return nil
		}
		return content(&m.Content)(v)
	}
	known["audio"] = refused("the model reads text")
	known["function_call"] = refused("it is deprecated: use tool_calls")
	return m, o.read(known)
}

// content stores text, or parts that are text, joined by line breaks.
func content(dst *string) func(value) error {
	return func(v value) error {
		if v.kind() == '"' {
			return text(dst)(v)
		}
		if v.kind() != '[' {
			return v.refuse(codeType, "want a string or an array of parts")
		}
		var parts []string
		err := v.array(func(v value) error {
			o, err := v.object()
			if err != nil {
				return err
			}
			kind, ok := o.get("type") // before the others, which depend on it
			if !ok {
				return o.field("type").refuse(codeMissing, "is missing")
			}
			if err := only("text", "the model reads text")(kind); err != nil {
				return err
			}
			var part string
			err = o.read(fields{"type": noEffect, "text": text(&part), "cache_control": noEffect}, "text")
			parts = append(parts, part)
			return err
		})
		if err == nil && len(parts) == 0 {
			return v.refuse(codeValue, "is empty")
		}
		*dst = strings.Join(parts, "\n")
		return err
	}
}

// decodeToolCall reads an element of tool_calls.
func decodeToolCall(v value) (chat.ToolCall, error) {
	var c chat.ToolCall
	err := v.readObject(fields{
		"id":    text(&c.ID),
		"index": noEffect, // of streamed calls that were put together
		"type":  only("function", "the model calls functions"),
		"function": func(v value) error {
			return v.readObject(fields{
				"name": text(&c.Name), "arguments": text(&c.Arguments), "parsed_arguments": noEffect, // as parsed above
			}, "name", "arguments")
		},
	}, "id", "function")
	return c, err
}
