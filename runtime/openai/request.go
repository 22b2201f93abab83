package openai

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"gossamer/runtime/chat"
	"gossamer/runtime/sample"
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
}

// MaxChoices is the largest Request.N.
const MaxChoices = 16

// MaxBytes is the largest request that Decode reads. A full context is much smaller.
const MaxBytes = 16 << 20

// maxDepth bounds the nesting of JSON; schemas of tools are rendered recursively.
const maxDepth = 128

// Decode reads the JSON of a request. What is wrong with it or not supported is a *FieldError; what is unknown is left out, and
// named in the Request. Rules that need the model or the whole conversation are left to package chat, whose errors [Error] gives the
// same form.
func Decode(data []byte) (*Request, error) {
	ignored := &ignoredFields{}
	r, err := decode(data, ignored)
	if err != nil {
		return nil, err
	}
	r.Ignored = ignored.names
	return r, nil
}

// DecodeStrict is Decode, but refuses what is unknown.
func DecodeStrict(data []byte) (*Request, error) { return decode(data, nil) }

func decode(data []byte, ignored *ignoredFields) (*Request, error) {
	body := value{ignored: ignored}
	switch {
	case len(data) > MaxBytes:
		return nil, body.refuse(codeTooLarge, "the request has %d bytes, want at most %d", len(data), MaxBytes)
	case !utf8.Valid(data):
		return nil, body.refuse(codeJSON, "the request is not UTF-8")
	case depth(data) > maxDepth:
		return nil, body.refuse(codeJSON, "the request is nested deeper than %d", maxDepth)
	}
	if err := json.Unmarshal(data, &body.raw); err != nil { // also takes the space around it away
		return nil, body.refuse(codeJSON, "the request is not JSON: %v", err)
	}
	return decodeRequest(body)
}

// depth is how deep objects and arrays are nested.
func depth(data []byte) int {
	depth, deepest, inString, escaped := 0, 0, false, false
	for _, c := range data {
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped = c == '\\'
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

func decodeRequest(body value) (*Request, error) {
	r := &Request{N: 1}
	c := &r.Chat
	sampling := sample.Recommended()
	number := func(dst *float32, min, max float64) func(value) error {
		return func(v value) (err error) {
			*dst, err = v.number(min, max)
			c.Sampling = &sampling
			return err
		}
	}
	var structured *chat.ResponseFormat
	maxTokens := func(v value) error {
		if v.isNone() {
			return nil
		}
		n, err := v.integer(1, math.MaxInt32)
		if err == nil && c.MaxTokens != 0 && c.MaxTokens != int(n) {
			return v.refuse(codeValue, "max_tokens and max_completion_tokens differ: the latter is enough")
		}
		c.MaxTokens = int(n)
		return err
	}
	effort := func(v value) error {
		s, err := v.text()
		if err != nil {
			return err
		}
		e, ok := efforts[s]
		switch {
		case !ok:
			return v.refuse(codeUnsupported, "is %q, want none, minimal, low, medium, high, xhigh or max", s)
		case c.Effort != "" && c.Effort != e:
			return v.refuse(codeValue, "reasoning_effort and reasoning.effort differ: one of them is enough")
		}
		c.Effort = e
		return nil
	}

	o, err := body.object()
	if err != nil {
		return nil, err
	}
	if err := o.read(fields{
		"model": text(&r.Model),
		"messages": func(v value) error {
			return v.array(func(v value) error {
				m, err := decodeMessage(v)
				c.Messages = append(c.Messages, m)
				return err
			})
		},
		"tools": func(v value) error {
			return v.array(func(v value) error {
				f, known, err := decodeTool(v)
				if known {
					c.Tools = append(c.Tools, f)
				}
				return err
			})
		},
		"tool_choice": func(v value) (err error) {
			c.ToolChoice, err = decodeToolChoice(v)
			return err
		},
		"parallel_tool_calls": truth(new(bool)), // the model makes one call at a time, which either value allows
		"response_format": func(v value) (err error) {
			c.Format, err = decodeFormat(v)
			return err
		},
		"structured_outputs": func(v value) (err error) {
			structured, err = decodeStructured(v)
			return err
		},
		"reasoning_effort":      effort,
		"reasoning":             func(v value) error { return v.readObject(fields{"effort": effort, "summary": noEffect}) },
		"max_tokens":            maxTokens,
		"max_completion_tokens": maxTokens,
		"stop": func(v value) (err error) {
			c.Stop, err = decodeStop(v)
			return err
		},

		"temperature": number(&sampling.Temperature, 0, 2),
		"top_p": func(v value) error {
			if err := number(&sampling.TopP, 0, 1)(v); err != nil {
				return err
			}
			if sampling.TopP == 0 { // which package sample takes for "all"; here it means the smallest set
				sampling.TopP = math.SmallestNonzeroFloat32
			}
			return nil
		},
		"top_k": func(v value) error {
			c.Sampling = &sampling
			if v.isNone() {
				return nil
			}
			k, err := v.integer(0, math.MaxInt32)
			sampling.TopK = int(k)
			return err
		},
		"min_p":              number(&sampling.MinP, 0, 1),
		"presence_penalty":   number(&sampling.PresencePenalty, -2, 2),
		"frequency_penalty":  number(&sampling.FrequencyPenalty, -2, 2),
		"repetition_penalty": number(&sampling.RepetitionPenalty, 0.01, 100),
		"seed": func(v value) error {
			seed, err := v.integer(math.MinInt64, math.MaxInt64)
			sampling.Seed = uint64(seed)
			c.Sampling = &sampling
			return err
		},
		"logit_bias": func(v value) (err error) {
			sampling.LogitBias, err = decodeLogitBias(v)
			c.Sampling = &sampling
			return err
		},

		"logprobs": truth(&c.Logprobs),
		"top_logprobs": func(v value) error {
			n, err := v.integer(0, 20)
			c.TopLogprobs = int(n)
			return err
		},
		"stream": truth(&r.Stream),
		"stream_options": func(v value) error {
			return v.readObject(fields{
				"include_usage":       truth(&r.IncludeUsage),
				"include_obfuscation": truth(new(bool)), // chunks are never padded
			})
		},

		"n": func(v value) error {
			n, err := v.integer(1, MaxChoices)
			r.N = int(n)
			return err
		},
		"store":      truth(new(bool)), // nothing is stored
		"background": never("the reply comes at once"),
		"truncation": only("disabled", "shorten the messages"),
		"modalities": func(v value) error {
			return v.array(only("text", "the model writes text"))
		},
		"service_tier": func(v value) error {
			tier, err := v.text()
			if err == nil && tier != "auto" && tier != "default" {
				return v.refuse(codeUnsupported, "is %q, want auto or default", tier)
			}
			return err
		},
		"verbosity":          only("medium", "ask for short or long answers in a message"),
		"audio":              refused("the model writes text"),
		"prediction":         refused("leave it out, the reply is the same"),
		"web_search_options": refused("there is no web search: define a function that searches"),
		"moderation":         refused("nothing is moderated"),
		"functions":          refused("it is deprecated: use tools"),
		"function_call":      refused("it is deprecated: use tool_choice"),

		"conversation": refused("give the messages"),
		"prompt":       refused("give the messages"),

		"user": noEffect, "metadata": noEffect, "safety_identifier": noEffect, "client_metadata": noEffect, "include": noEffect,
		"betas": noEffect, "cache_control": noEffect,
		"prompt_cache_key": noEffect, "prompt_cache_options": noEffect, "prompt_cache_retention": noEffect,
	}, "messages"); err != nil {
		return nil, err
	}

	if _, ok := o.get("stream_options"); ok && !r.Stream {
		return nil, o.field("stream_options").refuse(codeValue, "needs stream to be true")
	}
	if c.TopLogprobs > 0 && !c.Logprobs {
		return nil, o.field("top_logprobs").refuse(codeValue, "needs logprobs to be true")
	}
	if structured != nil {
		if c.Format != nil {
			return nil, o.field("structured_outputs").refuse(codeValue, "says what the answer has to be, as response_format does: one of them is enough")
		}
		c.Format = structured
	}
	choice := o.field("tool_choice")
	switch name := c.ToolChoice.Name; {
	case c.ToolChoice.Mode == chat.ChoiceRequired && len(c.Tools) == 0:
		return nil, choice.refuse(codeValue, "asks for a call, but there are no tools")
	case c.ToolChoice.Mode == chat.ChoiceNamed && !slices.ContainsFunc(c.Tools, func(f chat.Function) bool { return f.Name == name }):
		return nil, choice.field("function.name").refuse(codeValue, "is %q, which is not among tools", name)
	}
	return r, nil
}

// efforts are the names of efforts, and of others that mean the nearest.
var efforts = map[string]chat.Effort{
	"none": chat.None, "minimal": chat.Low, "low": chat.Low, "medium": chat.Medium, "high": chat.High, "xhigh": chat.High, "max": chat.High,
}

// decodeStop reads a string or a list of strings.
func decodeStop(v value) (stops []string, err error) {
	one := func(v value) error {
		s, err := v.text()
		if err == nil && s == "" {
			return v.refuse(codeValue, "is empty")
		}
		stops = append(stops, s)
		return err
	}
	if v.kind() == '[' {
		return stops, v.array(one)
	}
	return stops, one(v)
}

// decodeLogitBias reads an object of biases by token id.
func decodeLogitBias(v value) (map[int32]float32, error) {
	o, err := v.object()
	if err != nil {
		return nil, err
	}
	biases := map[int32]float32{}
	for i, name := range o.names {
		if o.values[i].isNull() {
			continue
		}
		id, err := strconv.ParseInt(name, 10, 32)
		if err != nil || id < 0 || strconv.FormatInt(id, 10) != name {
			return nil, o.values[i].refuse(codeValue, "is not the id of a token")
		}
		if biases[int32(id)], err = o.values[i].number(-100, 100); err != nil {
			return nil, err
		}
	}
	return biases, nil
}

// decodeTool reads an element of tools. Tools that others host are left out.
func decodeTool(v value) (f chat.Function, known bool, err error) {
	o, err := v.object()
	if err != nil {
		return f, false, err
	}
	if kind, ok := o.get("type"); ok && v.ignored != nil {
		name, err := kind.text()
		if err != nil {
			return f, false, err
		}
		if name != "function" {
			v.ignored.add("tools[" + name + "]")
			return f, false, nil
		}
	}
	return f, true, o.read(fields{
		"type":          only("function", "define a function"),
		"cache_control": noEffect,
		"function": func(v value) error {
			return v.readObject(fields{
				"name":          text(&f.Name),
				"description":   text(&f.Description),
				"parameters":    schema(&f.Parameters),
				"strict":        truth(&f.Strict),
				"cache_control": noEffect,
			}, "name")
		},
	}, "type", "function")
}

// schema stores a JSON schema as it is: the order of its properties is part of the prompt.
func schema(dst *json.RawMessage) func(value) error {
	return func(v value) error {
		if v.kind() != '{' {
			return v.refuse(codeType, "want a JSON schema, an object")
		}
		*dst = v.raw
		return nil
	}
}

// decodeToolChoice reads a mode or the name of a function.
func decodeToolChoice(v value) (chat.ToolChoice, error) {
	if v.kind() != '"' {
		c := chat.ToolChoice{Mode: chat.ChoiceNamed}
		return c, v.readObject(fields{
			"type":     only("function", "leave out the tools that must not be called"),
			"function": func(v value) error { return v.readObject(fields{"name": text(&c.Name)}, "name") },
		}, "type", "function")
	}
	mode, err := v.text()
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
	return chat.ToolChoice{}, v.refuse(codeValue, "is %q, want auto, none, required or a function", mode)
}
