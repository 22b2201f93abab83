package anthropic

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"

	"gossamer/runtime/chat"
	"gossamer/runtime/wire"
)

// Request is a request to create a message, or to count its tokens.
type Request struct {
	Model    string // as asked for, perhaps ""
	Stream   bool   // the reply is to be sent in parts
	Thinking Thinking
	// Ignored names what was left out, once each and without indices, such as "context_management" or "tools[web_search_20250305]".
	Ignored []string
	Chat    chat.Request

	messages []string // where those of Chat come from, such as "messages[2].content[1]"
	tools    []string // the same of its functions
	schema   string   // where its format's schema comes from
}

// Thinking is how a reply shows what the model thinks.
type Thinking int

const (
	Shown   Thinking = iota
	Omitted          // its place is told, and what it was comes back with the signature, which clients don't read
	Hidden           // not even its place is told
)

// Decode reads the JSON of a request to create a message. What is wrong with it or not supported is a *wire.FieldError; what is unknown is
// refused if strict, else left out and named in the Request. Rules that need the model or the whole conversation are left to package chat,
// whose errors Failure gives the same form.
func Decode(data []byte, strict bool) (*Request, error) {
	r, o, err := decode(data, strict)
	if err != nil {
		return nil, err
	}
	if _, ok := o.Get("max_tokens"); !ok {
		return nil, o.Field("max_tokens").Refuse(wire.CodeMissing, "is missing: how many tokens may the reply have?")
	}
	if n := len(r.Chat.Messages); n > 0 && r.Chat.Messages[n-1].Role == chat.Assistant {
		return nil, o.Field("messages").Refuse(wire.CodeUnsupported, "end with the assistant's, which the model does not continue: add one of the user")
	}
	return r, nil
}

// DecodeCount is Decode for a request to count tokens, which may also lack max_tokens or the last message of the user.
func DecodeCount(data []byte, strict bool) (*Request, error) {
	r, _, err := decode(data, strict)
	return r, err
}

func decode(data []byte, strict bool) (*Request, *wire.Object, error) {
	var ignored *wire.Ignored
	if !strict {
		ignored = &wire.Ignored{}
	}
	body, err := wire.Parse(data, ignored)
	if err != nil {
		return nil, nil, err
	}
	o, err := body.Object()
	if err != nil {
		return nil, nil, err
	}
	r := &Request{}
	if err := r.read(o); err != nil {
		return nil, nil, err
	}
	if !strict {
		r.Ignored = ignored.Names
	}
	return r, o, nil
}

func (r *Request) read(o *wire.Object) error {
	c := &r.Chat
	var thinking chat.Effort
	known := wire.Fields{
		"model":    wire.Text(&r.Model),
		"messages": func(v wire.Value) error { return v.Array(r.message) },
		"system": func(v wire.Value) (err error) {
			c.Instructions, err = system(v)
			return err
		},
		"max_tokens": wire.MaxTokens(&c.MaxTokens, ""),
		"tools":      func(v wire.Value) error { return v.Array(r.tool) },
		"tool_choice": func(v wire.Value) (err error) {
			c.ToolChoice, err = toolChoice(v)
			return err
		},
		"thinking": func(v wire.Value) (err error) {
			thinking, err = r.thinking(v)
			return err
		},
		"output_config": func(v wire.Value) error {
			return v.ReadObject(wire.Fields{"effort": wire.Effort(&c.Effort, ""), "format": r.format})
		},
		"output_format":  r.format,
		"stop_sequences": wire.Stop(&c.Stop),
		"stream":         wire.Truth(&r.Stream),

		"service_tier": oneOf("auto", "standard_only"),
		"speed":        oneOf("standard", "fast"),

		"metadata": wire.NoEffect, "cache_control": wire.NoEffect, "inference_geo": wire.NoEffect, "diagnostics": wire.NoEffect,
		"betas": wire.NoEffect, "anthropic_beta": wire.NoEffect, "anthropic_version": wire.NoEffect, "user_profile_id": wire.NoEffect,
		"billing_policy": wire.NoEffect, "fallback_credit_token": wire.NoEffect,

		"container": wire.Refused("no code is executed: define a tool that does it"),
		"thread":    wire.Refused("nothing is stored: give the messages"),
		"mcp_servers": func(v wire.Value) error {
			if string(v.Raw) == "[]" {
				return nil
			}
			return wire.Refused("connect to them yourself, and define their tools")(v)
		},
	}
	maps.Copy(known, wire.Sampling(c))
	if err := o.Read(known, "messages"); err != nil {
		return err
	}
	if c.Effort == "" {
		c.Effort = thinking
	}
	choice := o.Field("tool_choice")
	switch name := c.ToolChoice.Name; {
	case c.ToolChoice.Mode == chat.ChoiceRequired && len(c.Tools) == 0:
		return choice.Refuse(wire.CodeValue, "asks for a call, but there are no tools")
	case c.ToolChoice.Mode == chat.ChoiceNamed && !r.offers(name):
		return choice.Field("name").Refuse(wire.CodeValue, "is %q, which is not among the tools that the model can call", name)
	}
	return nil
}

// offers reports whether a function is among the tools.
func (r *Request) offers(name string) bool {
	return slices.ContainsFunc(r.Chat.Tools, func(f chat.Function) bool { return f.Name == name })
}

// oneOf accepts one of some strings, which have no effect.
func oneOf(want ...string) func(wire.Value) error {
	return func(v wire.Value) error {
		s, err := v.Text()
		if err == nil && !slices.Contains(want, s) {
			return v.Refuse(wire.CodeUnsupported, "is %q, want %s", s, strings.Join(want, " or "))
		}
		return err
	}
}

// tool reads an element of tools. Those that others host, or that have a schema of their own, are left out.
func (r *Request) tool(v wire.Value) error {
	o, err := wire.Tool(v, "custom")
	if o == nil {
		return err
	}
	f := chat.Function{}
	if err := o.Read(wire.Fields{
		"type":         wire.Only("custom", "define a tool with an input_schema"),
		"name":         wire.Text(&f.Name),
		"description":  wire.Text(&f.Description),
		"input_schema": wire.Schema(&f.Parameters),
		"strict":       wire.Truth(&f.Strict),

		"cache_control": wire.NoEffect, "eager_input_streaming": wire.NoEffect, "defer_loading": wire.NoEffect, "allowed_callers": wire.NoEffect,
	}, "name", "input_schema"); err != nil {
		return err
	}
	r.Chat.Tools, r.tools = append(r.Chat.Tools, f), append(r.tools, v.Path())
	return nil
}

// toolChoice reads a mode, perhaps with the name of a function.
func toolChoice(v wire.Value) (c chat.ToolChoice, err error) {
	modes := map[string]chat.ToolMode{"auto": chat.ChoiceAuto, "any": chat.ChoiceRequired, "tool": chat.ChoiceNamed, "none": chat.ChoiceNone}
	o, err := v.Object()
	if err != nil {
		return c, err
	}
	err = o.Read(wire.Fields{
		"type": func(v wire.Value) error {
			kind, err := v.Text()
			mode, ok := modes[kind]
			if err == nil && !ok {
				return v.Refuse(wire.CodeValue, "is %q, want auto, any, tool or none", kind)
			}
			c.Mode = mode
			return err
		},
		"name":                      wire.Text(&c.Name),
		"disable_parallel_tool_use": wire.Truth(new(bool)), // the model makes one call at a time, which either value allows
	}, "type")
	switch _, named := o.Get("name"); {
	case err != nil:
	case c.Mode == chat.ChoiceNamed && !named:
		return c, o.Field("name").Refuse(wire.CodeMissing, "is missing")
	case c.Mode != chat.ChoiceNamed && named:
		return c, o.Field("name").Refuse(wire.CodeValue, "is there, but the type is not tool")
	}
	return c, err
}

// Budgets of thinking from which on the model's effort is medium or high.
const (
	mediumBudget = 4096
	highBudget   = 16384
)

// thinking reads how long the model thinks, in tokens, and what of that is shown.
func (r *Request) thinking(v wire.Value) (effort chat.Effort, err error) {
	o, err := v.Object()
	if err != nil {
		return "", err
	}
	kind, ok := o.Get("type")
	if !ok {
		return "", o.Field("type").Refuse(wire.CodeMissing, "is missing")
	}
	name, err := kind.Text()
	if err != nil {
		return "", err
	}
	fields := wire.Fields{"type": wire.NoEffect, "display": func(v wire.Value) error {
		s, err := v.Text()
		switch {
		case err != nil:
			return err
		case s == "omitted":
			r.Thinking = Omitted
		case s != "summarized":
			return v.Refuse(wire.CodeUnsupported, "is %q, want summarized or omitted", s)
		}
		return nil
	}}
	switch name {
	case "enabled":
		fields["budget_tokens"] = func(v wire.Value) error {
			n, err := v.Integer(1, math.MaxInt32)
			switch {
			case n < mediumBudget:
				effort = chat.Low
			case n < highBudget:
				effort = chat.Medium
			default:
				effort = chat.High
			}
			return err
		}
		return effort, o.Read(fields, "budget_tokens")
	case "disabled":
		err = o.Read(wire.Fields{"type": wire.NoEffect})
		r.Thinking = Hidden
		return chat.Low, err
	case "adaptive", "between_tools":
		return "", o.Read(fields)
	}
	return "", kind.Refuse(wire.CodeValue, "is %q, want enabled, adaptive, between_tools or disabled", name)
}

// format reads what the answer has to be.
func (r *Request) format(v wire.Value) error {
	if r.Chat.Format != nil {
		return v.Refuse(wire.CodeValue, "is given twice: output_config.format is enough")
	}
	// The API's promise is that the answer follows the schema, so one that cannot be enforced as a whole is refused.
	f := &chat.ResponseFormat{Name: "output", Strict: true}
	r.Chat.Format, r.schema = f, v.Path()+".schema"
	return v.ReadObject(wire.Fields{
		"type":   wire.Only("json_schema", "leave it out for free text"),
		"schema": func(v wire.Value) error { return wire.Schema((*json.RawMessage)(&f.Schema))(v) },
	}, "type", "schema")
}
