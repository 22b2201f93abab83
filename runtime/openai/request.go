package openai

import (
	"maps"
	"slices"

	"gossamer/runtime/chat"
	"gossamer/runtime/wire"
)

// Request is a request to create a chat completion.
type Request struct {
	Model        string // as asked for, perhaps ""
	Stream       bool   // the reply is to be sent in chunks
	IncludeUsage bool   // with Stream: the last chunk tells the usage
	N            int    // replies, 1 to MaxChoices; see chat.Choices
	// Ignored names what was left out, once each and without indices, such as "messages[].foo" or "tools[web_search]".
	Ignored []string
	Chat    chat.Request

	tools      []string // for each tool of Chat where it stands, such as "tools[2]"
	structured bool     // the format of Chat is from structured_outputs
}

// MaxChoices is the largest Request.N.
const MaxChoices = 16

// Decode reads the JSON of a request. What is wrong with it or not supported is a *wire.FieldError; what is unknown is left out, and
// named in the Request. Rules that need the model or the whole conversation are left to package chat, whose errors [Error] gives the
// same form.
func Decode(data []byte) (*Request, error) {
	ignored := &wire.Ignored{}
	r, err := decode(data, ignored)
	if err != nil {
		return nil, err
	}
	r.Ignored = ignored.Names
	return r, nil
}

// DecodeStrict is Decode, but refuses what is unknown.
func DecodeStrict(data []byte) (*Request, error) { return decode(data, nil) }

func decode(data []byte, ignored *wire.Ignored) (*Request, error) {
	body, err := wire.Parse(data, ignored)
	if err != nil {
		return nil, err
	}
	return decodeRequest(body)
}

func decodeRequest(body wire.Value) (*Request, error) {
	r := &Request{N: 1}
	c := &r.Chat
	var structured *chat.ResponseFormat
	maxTokens := wire.MaxTokens(&c.MaxTokens, "max_tokens and max_completion_tokens differ: the latter is enough")
	effort := wire.Effort(&c.Effort, "reasoning_effort and reasoning.effort differ: one of them is enough")
	o, err := body.Object()
	if err != nil {
		return nil, err
	}
	known := wire.Fields{
		"model": wire.Text(&r.Model),
		"messages": func(v wire.Value) error {
			return v.Array(func(v wire.Value) error {
				m, err := decodeMessage(v)
				c.Messages = append(c.Messages, m)
				return err
			})
		},
		"continue_final_message": wire.Truth(&c.Continue),
		"add_generation_prompt":  wire.Truth(new(bool)), // follows from the field above
		"tools": func(v wire.Value) error {
			return v.Array(func(v wire.Value) error {
				f, known, err := decodeTool(v)
				if known {
					c.Tools, r.tools = append(c.Tools, f), append(r.tools, v.Path())
				}
				return err
			})
		},
		"tool_choice": func(v wire.Value) (err error) {
			c.ToolChoice, err = decodeToolChoice(v)
			return err
		},
		"parallel_tool_calls": wire.Truth(new(bool)), // the model makes one call at a time, which either value allows
		"response_format": func(v wire.Value) (err error) {
			c.Format, err = decodeFormat(v)
			return err
		},
		"structured_outputs": func(v wire.Value) (err error) {
			structured, err = decodeStructured(v)
			return err
		},
		"reasoning_effort":      effort,
		"reasoning":             func(v wire.Value) error { return v.ReadObject(wire.Fields{"effort": effort, "summary": wire.NoEffect}) },
		"max_tokens":            maxTokens,
		"max_completion_tokens": maxTokens,
		"stop":                  wire.Stop(&c.Stop),

		"logprobs": wire.Truth(&c.Logprobs),
		"top_logprobs": func(v wire.Value) error {
			n, err := v.Integer(0, 20)
			c.TopLogprobs = int(n)
			return err
		},
		"stream": wire.Truth(&r.Stream),
		"stream_options": func(v wire.Value) error {
			return v.ReadObject(wire.Fields{
				"include_usage":       wire.Truth(&r.IncludeUsage),
				"include_obfuscation": wire.Truth(new(bool)), // chunks are never padded
			})
		},

		"n": func(v wire.Value) error {
			n, err := v.Integer(1, MaxChoices)
			r.N = int(n)
			return err
		},
		"store":      wire.Truth(new(bool)), // nothing is stored
		"background": wire.Never("the reply comes at once"),
		"truncation": wire.Only("disabled", "shorten the messages"),
		"modalities": func(v wire.Value) error {
			return v.Array(wire.Only("text", "the model writes text"))
		},
		"service_tier":       wire.ServiceTier,
		"verbosity":          wire.Only("medium", "ask for short or long answers in a message"),
		"audio":              wire.Refused("the model writes text"),
		"prediction":         wire.Refused("leave it out, the reply is the same"),
		"web_search_options": wire.Refused("there is no web search: define a function that searches"),
		"moderation":         wire.Refused("nothing is moderated"),
		"functions":          wire.Refused("it is deprecated: use tools"),
		"function_call":      wire.Refused("it is deprecated: use tool_choice"),

		"conversation": wire.Refused("give the messages"),
		"prompt":       wire.Refused("give the messages"),

		"user": wire.NoEffect, "metadata": wire.NoEffect, "safety_identifier": wire.NoEffect, "client_metadata": wire.NoEffect, "include": wire.NoEffect,
		"betas": wire.NoEffect, "cache_control": wire.NoEffect,
		"prompt_cache_key": wire.NoEffect, "prompt_cache_options": wire.NoEffect, "prompt_cache_retention": wire.NoEffect,
	}
	maps.Copy(known, wire.Sampling(c))
	if err := o.Read(known, "messages"); err != nil {
		return nil, err
	}

	if _, ok := o.Get("stream_options"); ok && !r.Stream {
		return nil, o.Field("stream_options").Refuse(wire.CodeValue, "needs stream to be true")
	}
	if c.TopLogprobs > 0 && !c.Logprobs {
		return nil, o.Field("top_logprobs").Refuse(wire.CodeValue, "needs logprobs to be true")
	}
	if structured != nil {
		if c.Format != nil {
			return nil, o.Field("structured_outputs").Refuse(wire.CodeValue, "says what the answer has to be, as response_format does: one of them is enough")
		}
		c.Format, r.structured = structured, true
	}
	choice := o.Field("tool_choice")
	switch name := c.ToolChoice.Name; {
	case c.ToolChoice.Mode == chat.ChoiceRequired && len(c.Tools) == 0:
		return nil, choice.Refuse(wire.CodeValue, "asks for a call, but there are no tools")
	case c.ToolChoice.Mode == chat.ChoiceNamed && !slices.ContainsFunc(c.Tools, func(f chat.Function) bool { return f.Name == name }):
		return nil, choice.Field("function.name").Refuse(wire.CodeValue, "is %q, which is not among tools", name)
	}
	return r, nil
}

// decodeTool reads an element of tools. Tools that others host are left out.
func decodeTool(v wire.Value) (f chat.Function, known bool, err error) {
	o, err := wire.Tool(v, "function")
	if o == nil {
		return f, false, err
	}
	return f, true, o.Read(wire.Fields{
		"type":          wire.Only("function", "define a function"),
		"cache_control": wire.NoEffect,
		"function": func(v wire.Value) error {
			return v.ReadObject(wire.Fields{
				"name":          wire.Text(&f.Name),
				"description":   wire.Text(&f.Description),
				"parameters":    wire.Schema(&f.Parameters),
				"strict":        wire.Truth(&f.Strict),
				"cache_control": wire.NoEffect,
			}, "name")
		},
	}, "type", "function")
}

// decodeToolChoice reads a mode or the name of a function.
func decodeToolChoice(v wire.Value) (chat.ToolChoice, error) {
	if v.Kind() != '"' {
		c := chat.ToolChoice{Mode: chat.ChoiceNamed}
		return c, v.ReadObject(wire.Fields{
			"type":     wire.Only("function", "leave out the tools that must not be called"),
			"function": func(v wire.Value) error { return v.ReadObject(wire.Fields{"name": wire.Text(&c.Name)}, "name") },
		}, "type", "function")
	}
	mode, err := v.Text()
	if err != nil {
		return chat.ToolChoice{}, err
	}
	switch mode {
	case "auto":
		return chat.ToolChoice{Mode: chat.ChoiceAuto}, nil
	case "none":
		return chat.ToolChoice{Mode: chat.ChoiceNone}, nil
	case "required":
		return chat.ToolChoice{Mode: chat.ChoiceRequired}, nil
	}
	return chat.ToolChoice{}, v.Refuse(wire.CodeValue, "is %q, want auto, none, required or a function", mode)
}
