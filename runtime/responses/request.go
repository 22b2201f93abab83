package responses

import (
	"encoding/json"
	"maps"
	"slices"

	"gossamer/runtime/chat"
	"gossamer/runtime/wire"
)

// Request is a request to create a response.
type Request struct {
	Model    string // as asked for, perhaps ""
	Stream   bool   // the reply is to be sent as events
	Store    bool   // the response is to be kept
	Previous string // the response that this one continues; "": none
	Input    []Item // of this request
	Ignored  []string
	// Chat is the request for the reply. Its messages are missing until Converse.
	Chat chat.Request

	encrypt bool // reasoning is sent in both forms
	echo    echo
	tools   []string // for each tool of Chat where it stands, such as "tools[2]"
	origins []int    // for each message of Chat the item of the input that it begins with; -1: it is from before
}

// echo is what a response repeats of its request.
type echo struct {
	Instructions    *string         `json:"instructions"`
	MaxOutputTokens *int            `json:"max_output_tokens"`
	MaxToolCalls    json.RawMessage `json:"max_tool_calls"`
	Metadata        json.RawMessage `json:"metadata"`
	ParallelCalls   bool            `json:"parallel_tool_calls"`
	PreviousID      *string         `json:"previous_response_id"`
	PromptCacheKey  json.RawMessage `json:"prompt_cache_key"`
	Safety          json.RawMessage `json:"safety_identifier"`
	Store           bool            `json:"store"`
	ToolChoice      json.RawMessage `json:"tool_choice"`
	Tools           []tool          `json:"tools"`
	User            json.RawMessage `json:"user"`
}

// tool is a function, which the request offers and the response repeats.
type tool struct {
	Type        string          `json:"type"` // "function"
	Name        string          `json:"name"`
	Description *string         `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
	Strict      bool            `json:"strict"`
}

// Decode reads the JSON of a request. What is wrong with it or not supported is a *wire.FieldError; what is unknown is left out, and named in
// the Request, unless strict refuses that too.
func Decode(data []byte, strict bool) (*Request, error) {
	ignored := &wire.Ignored{}
	if strict {
		ignored = nil
	}
	body, err := wire.Parse(data, ignored)
	if err != nil {
		return nil, err
	}
	r, err := decodeRequest(body)
	if err != nil {
		return nil, err
	}
	if !strict {
		r.Ignored = ignored.Names
	}
	return r, nil
}

func decodeRequest(body wire.Value) (*Request, error) {
	r := &Request{Store: true, echo: echo{ParallelCalls: true, ToolChoice: json.RawMessage(`"auto"`), Tools: []tool{}}}
	c := &r.Chat
	o, err := body.Object()
	if err != nil {
		return nil, err
	}
	known := wire.Fields{
		"model": wire.Text(&r.Model),
		"input": func(v wire.Value) (err error) {
			r.Input, err = decodeInput(v)
			return err
		},
		"instructions":         wire.Text(&c.Instructions),
		"previous_response_id": wire.Text(&r.Previous),
		"tools": func(v wire.Value) error {
			return v.Array(func(v wire.Value) error { return r.decodeTool(v) })
		},
		"tool_choice": func(v wire.Value) error { return r.decodeToolChoice(v) },
		"text": func(v wire.Value) error {
			return v.ReadObject(wire.Fields{
				"format": func(v wire.Value) (err error) {
					c.Format, err = decodeFormat(v)
					return err
				},
				"verbosity": wire.Only("medium", "ask for short or long answers in a message"),
			})
		},
		"reasoning": func(v wire.Value) error {
			return v.ReadObject(wire.Fields{
				"effort": wire.Effort(&c.Effort, ""), "summary": wire.NoEffect, "generate_summary": wire.NoEffect, "context": wire.NoEffect,
			})
		},
		"max_output_tokens": wire.MaxTokens(&c.MaxTokens, ""),
		"include":           func(v wire.Value) error { return v.Array(r.include) },
		"top_logprobs": func(v wire.Value) error {
			n, err := v.Integer(0, 20)
			c.TopLogprobs = int(n)
			c.Logprobs = c.Logprobs || n > 0
			return err
		},
		"store":               wire.Truth(&r.Store),
		"stream":              wire.Truth(&r.Stream),
		"parallel_tool_calls": wire.Truth(&r.echo.ParallelCalls),
		"background":          wire.Never("the reply comes at once"),
		"truncation":          wire.Only("disabled", "shorten the input"),
		"service_tier":        wire.ServiceTier,
		"conversation":        wire.Refused("continue a response with previous_response_id"),
		"prompt":              wire.Refused("give the input"),
		"context_management":  wire.Refused("shorten the input"),
		"metadata":            keep(&r.echo.Metadata),
		"user":                keep(&r.echo.User),
		"safety_identifier":   keep(&r.echo.Safety),
		"prompt_cache_key":    keep(&r.echo.PromptCacheKey),
		"max_tool_calls":      keep(&r.echo.MaxToolCalls), // of hosted tools

		"prompt_cache_retention": wire.NoEffect, "prompt_cache_options": wire.NoEffect, "client_metadata": wire.NoEffect, "stream_options": wire.NoEffect,
	}
	maps.Copy(known, wire.Sampling(c))
	if err := o.Read(known); err != nil {
		return nil, err
	}
	if len(r.Input) == 0 && r.Previous == "" {
		return nil, o.Field("input").Refuse(wire.CodeMissing, "is missing")
	}
	return r, r.check(o)
}

// check looks at fields that depend on each other, and notes what is repeated.
func (r *Request) check(o *wire.Object) error {
	choice := r.Chat.ToolChoice
	known := func(f chat.Function) bool { return f.Name == choice.Name }
	switch v := o.Field("tool_choice"); {
	case choice.Mode == chat.ChoiceRequired && len(r.Chat.Tools) == 0:
		return v.Refuse(wire.CodeValue, "asks for a call, but there are no tools")
	case choice.Mode == chat.ChoiceNamed && !slices.ContainsFunc(r.Chat.Tools, known):
		return v.Field("name").Refuse(wire.CodeValue, "is %q, which is not among tools", choice.Name)
	}
	e := &r.echo
	e.Store = r.Store
	if r.Chat.Instructions != "" {
		e.Instructions = &r.Chat.Instructions
	}
	if r.Chat.MaxTokens > 0 {
		e.MaxOutputTokens = &r.Chat.MaxTokens
	}
	if r.Previous != "" {
		e.PreviousID = &r.Previous
	}
	if e.Metadata == nil {
		e.Metadata = json.RawMessage(`{}`)
	}
	return nil
}

func keep(dst *json.RawMessage) func(wire.Value) error {
	return func(v wire.Value) error {
		*dst = v.Raw
		return nil
	}
}

func (r *Request) include(v wire.Value) error {
	name, err := v.Text()
	switch name {
	case "reasoning.encrypted_content":
		r.encrypt = true
	case "message.output_text.logprobs":
		r.Chat.Logprobs = true
	}
	return err
}

// decodeTool reads an element of tools. Tools that others host are left out.
func (r *Request) decodeTool(v wire.Value) error {
	o, err := wire.Tool(v, "function")
	if o == nil {
		return err
	}
	var description string
	t := tool{Type: "function"}
	if err := o.Read(wire.Fields{
		"type":          wire.Only("function", "define a function"),
		"name":          wire.Text(&t.Name),
		"description":   wire.Text(&description),
		"parameters":    wire.Schema(&t.Parameters),
		"strict":        wire.Truth(&t.Strict),
		"cache_control": wire.NoEffect,
		"defer_loading": wire.NoEffect,
	}, "type", "name"); err != nil {
		return err
	}
	if description != "" {
		t.Description = &description
	}
	r.echo.Tools = append(r.echo.Tools, t)
	r.Chat.Tools = append(r.Chat.Tools, chat.Function{Name: t.Name, Description: description, Parameters: t.Parameters, Strict: t.Strict})
	r.tools = append(r.tools, v.Path())
	return nil
}

// decodeToolChoice reads a mode, the name of a function, or which of the tools are allowed.
func (r *Request) decodeToolChoice(v wire.Value) error {
	r.echo.ToolChoice = v.Raw
	choice := &r.Chat.ToolChoice
	mode := func(v wire.Value) error {
		name, err := v.Text()
		if err != nil {
			return err
		}
		switch name {
		case "auto":
			choice.Mode = chat.ChoiceAuto
		case "none":
			choice.Mode = chat.ChoiceNone
		case "required":
			choice.Mode = chat.ChoiceRequired
		default:
			return v.Refuse(wire.CodeValue, "is %q, want auto, none, required or a function", name)
		}
		return nil
	}
	if v.Kind() == '"' {
		return mode(v)
	}
	choice.Mode = chat.ChoiceNamed
	return v.ReadObject(wire.Fields{
		"type": wire.Only("function", "leave out the tools that must not be called"),
		"name": wire.Text(&choice.Name),
	}, "type", "name")
}

// decodeFormat reads text.format; nil is free text.
func decodeFormat(v wire.Value) (*chat.ResponseFormat, error) {
	o, err := v.Object()
	if err != nil {
		return nil, err
	}
	var kind string
	f := &chat.ResponseFormat{}
	known := wire.Fields{"type": wire.Text(&kind)}
	if t, ok := o.Get("type"); ok {
		if kind, err = t.Text(); err != nil {
			return nil, err
		}
	}
	switch kind {
	case "text":
		f = nil
	case "json_object":
		f.JSONObject = true
	case "json_schema":
		maps.Copy(known, wire.Fields{
			"name": wire.Text(&f.Name), "description": wire.Text(&f.Description), "schema": wire.Schema(&f.Schema), "strict": wire.Truth(&f.Strict),
		})
		return f, o.Read(known, "name", "schema")
	case "":
		return nil, o.Field("type").Refuse(wire.CodeMissing, "is missing")
	default:
		return nil, o.Field("type").Refuse(wire.CodeUnsupported, "is %q, want text, json_object or json_schema", kind)
	}
	return f, o.Read(known)
}

// Unenforced adds to Ignored what the model's replies need not follow: that is what Prepare of a chat.Completer returns.
func (r *Request) Unenforced(paths []string) { r.Ignored = wire.Unenforced(r.Ignored, paths, r.field) }
