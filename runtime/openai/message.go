package openai

import (
	"strings"

	"gossamer/runtime/chat"
	"gossamer/runtime/wire"
)

// decodeMessage reads an element of messages. Which fields there are depends on the role.
func decodeMessage(v wire.Value) (chat.Message, error) {
	var m chat.Message
	o, err := v.Object()
	if err != nil {
		return m, err
	}
	role, ok := o.Get("role")
	if !ok {
		return m, o.Field("role").Refuse(wire.CodeMissing, "is missing")
	}
	if err := wire.Text((*string)(&m.Role))(role); err != nil {
		return m, err
	}
	known := wire.Fields{"role": wire.NoEffect, "name": wire.Text(&m.Name), "content": content(&m.Content), "cache_control": wire.NoEffect}
	switch m.Role {
	case chat.System, chat.Developer, chat.User:
		return m, o.Read(known, "content")
	case chat.Tool:
		known["tool_call_id"] = wire.Text(&m.ToolCallID)
		return m, o.Read(known) // a tool may have nothing to say
	case chat.Assistant:
	default:
		return m, role.Refuse(wire.CodeValue, "is %q, want system, developer, user, assistant or tool", m.Role)
	}

	reasoning := func(v wire.Value) error {
		s, err := v.Text()
		if err == nil && m.Reasoning != "" && m.Reasoning != s {
			return v.Refuse(wire.CodeValue, "reasoning and reasoning_content differ: one of them is enough")
		}
		m.Reasoning = s
		return err
	}
	known["reasoning"], known["reasoning_content"] = reasoning, reasoning
	known["tool_calls"] = func(v wire.Value) error {
		return v.Array(func(v wire.Value) error {
			call, err := decodeToolCall(v)
			m.ToolCalls = append(m.ToolCalls, call)
			return err
		})
	}
	// What OpenAI's replies have, and what its library adds to those that it has put together.
	known["annotations"], known["parsed"] = wire.NoEffect, wire.NoEffect
	known["refusal"] = func(v wire.Value) error {
		if string(v.Raw) == `""` {
			return nil
		}
		return wire.Refused("give the text as content")(v)
	}
	known["content"] = func(v wire.Value) error {
		if string(v.Raw) == "[]" { // as if it were absent
			return nil
		}
		return content(&m.Content)(v)
	}
	known["audio"] = wire.Refused("the model reads text")
	known["function_call"] = wire.Refused("it is deprecated: use tool_calls")
	return m, o.Read(known)
}

// content stores text, or parts that are text, joined by line breaks.
func content(dst *string) func(wire.Value) error {
	return func(v wire.Value) error {
		if v.Kind() == '"' {
			return wire.Text(dst)(v)
		}
		if v.Kind() != '[' {
			return v.Refuse(wire.CodeType, "want a string or an array of parts")
		}
		var parts []string
		err := v.Array(func(v wire.Value) error {
			o, err := v.Object()
			if err != nil {
				return err
			}
			kind, ok := o.Get("type") // before the others, which depend on it
			if !ok {
				return o.Field("type").Refuse(wire.CodeMissing, "is missing")
			}
			if err := wire.Only("text", "the model reads text")(kind); err != nil {
				return err
			}
			var part string
			err = o.Read(wire.Fields{"type": wire.NoEffect, "text": wire.Text(&part), "cache_control": wire.NoEffect}, "text")
			parts = append(parts, part)
			return err
		})
		if err == nil && len(parts) == 0 {
			return v.Refuse(wire.CodeValue, "is empty")
		}
		*dst = strings.Join(parts, "\n")
		return err
	}
}

// decodeToolCall reads an element of tool_calls.
func decodeToolCall(v wire.Value) (chat.ToolCall, error) {
	var c chat.ToolCall
	err := v.ReadObject(wire.Fields{
		"id":    wire.Text(&c.ID),
		"index": wire.NoEffect, // of streamed calls that were put together
		"type":  wire.Only("function", "the model calls functions"),
		"function": func(v wire.Value) error {
			return v.ReadObject(wire.Fields{
				"name": wire.Text(&c.Name), "arguments": wire.Text(&c.Arguments), "parsed_arguments": wire.NoEffect, // as parsed above
			}, "name", "arguments")
		},
	}, "id", "function")
	return c, err
}
