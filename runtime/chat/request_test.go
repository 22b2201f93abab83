package chat

import (
	"errors"
	"strings"
	"testing"

	"gossamer/runtime/sample"
)

func TestRefusedFields(t *testing.T) {
	c := script(t, "")
	for _, tt := range []struct {
		field string
		edit  func(*Request)
	}{
		{"Messages", func(r *Request) { r.Messages = nil }},
		{"Messages[0].Role", func(r *Request) { r.Messages[0].Role = "function" }},
		{"Messages[0].Role", func(r *Request) { r.Messages[0].Reasoning = "hm" }},
		{"Messages[0].ToolCallID", func(r *Request) { r.Messages[0].ToolCallID = "x" }},
		{"Messages[0].Name", func(r *Request) { r.Messages[0].Name = "a b" }},
		{"Messages[0].Name", func(r *Request) { r.Messages[0].Name = "a<|end|>" }},
		{"Messages[1].ToolCallID", func(r *Request) { r.Messages = append(r.Messages, Message{Role: Tool, ToolCallID: "x"}) }},
		{"Messages[1].ToolCallID", func(r *Request) { r.Messages = append(r.Messages, Message{Role: Tool}) }},
		{"Tools[0].Name", func(r *Request) { r.Tools = []Function{{Name: "a b"}} }},
		{"Tools[1].Name", func(r *Request) { r.Tools = []Function{{Name: "a"}, {Name: "a"}} }},
		{"Tools", func(r *Request) {
			r.Tools = []Function{{Name: "a", Description: strings.Repeat("x", maxToolBytes/2)}, {Name: "b", Description: strings.Repeat("x", maxToolBytes/2)}}
		}},
		{"ToolChoice.Mode", func(r *Request) { r.ToolChoice.Mode = ChoiceRequired }},
		{"ToolChoice.Mode", func(r *Request) { r.ToolChoice.Mode = 9 }},
		{"ToolChoice.Name", func(r *Request) { r.ToolChoice = ToolChoice{ChoiceNamed, "f"} }},
		{"ToolChoice.Name", func(r *Request) { r.ToolChoice.Name = "f" }},
		{"Tools[1].Parameters", func(r *Request) {
			r.Tools = []Function{{Name: "a"}, {Name: "b", Strict: true, Parameters: []byte(`{"type":"object","properties":{"c":{"pattern":"(?=a)"}}}`)}}
		}},
		{"ToolChoice.Mode", func(r *Request) {
			r.Tools, r.ToolChoice.Mode, r.Unconstrained = []Function{{Name: "a"}}, ChoiceRequired, true
		}},
		{"Format.Schema", func(r *Request) {
			r.Format = &ResponseFormat{Name: "a", Schema: []byte(`{"pattern":"(?=a)"}`), Strict: true}
		}},
		{"Format.Schema", func(r *Request) { r.Format = &ResponseFormat{Name: "a", Schema: []byte(`{"type":1}`), Strict: true} }},
		{"Format.Schema", func(r *Request) { r.Format = &ResponseFormat{Name: "a", Schema: []byte(`false`), Strict: true} }},
		{"Format.Schema", func(r *Request) { r.Format = &ResponseFormat{Name: "a", Schema: []byte(`{`)} }},
		{"Format.Schema", func(r *Request) {
			r.Format = &ResponseFormat{Name: "a", Schema: []byte(`{"properties":{"b":{"type":"strnig"}}}`)}
		}},
		{"Format.Schema", func(r *Request) {
			r.Format = &ResponseFormat{Name: "a", Schema: []byte(`{"type":"string","minLength":5,"maxLength":2}`)}
		}},
		{"Tools[0].Parameters", func(r *Request) { r.Tools = []Function{{Name: "a", Parameters: []byte(`{"type":"string"}`)}} }},
		{"Format.Name", func(r *Request) { r.Format = &ResponseFormat{Schema: []byte("{}")} }},
		{"Format.Regex", func(r *Request) { r.Format = &ResponseFormat{Regex: "("} }},
		{"Format.EBNF", func(r *Request) { r.Format = &ResponseFormat{EBNF: "root ::= other"} }},
		{"Format.Choice", func(r *Request) { r.Format = &ResponseFormat{Choice: []string{}} }},
		{"Format", func(r *Request) { r.Format = &ResponseFormat{Name: "a"} }},
		{"Format", func(r *Request) { r.Format = &ResponseFormat{Regex: "a", JSONObject: true} }},
		{"Format", func(r *Request) { r.Format = &ResponseFormat{Regex: "a", Strict: true} }},
		{"Effort", func(r *Request) { r.Effort = "huge" }},
		{"Effort", func(r *Request) { r.Effort, r.Tools = None, []Function{{Name: "a"}} }},
		{"Date", func(r *Request) { r.Date = "today" }},
		{"MaxTokens", func(r *Request) { r.MaxTokens = -1 }},
		{"Stop", func(r *Request) { r.Stop = make([]string, 17) }},
		{"Stop[0]", func(r *Request) { r.Stop = []string{""} }},
		{"Stop[1]", func(r *Request) { r.Stop = []string{"a", "\xff"} }},
		{"TopLogprobs", func(r *Request) { r.TopLogprobs = 3 }},
		{"TopLogprobs", func(r *Request) { r.Logprobs, r.TopLogprobs = true, 21 }},
		{"Sampling", func(r *Request) { r.Sampling = &sample.Params{Temperature: -1} }},
	} {
		r := ask("hello")
		tt.edit(&r)
		_, err := Collect(c.Stream(t.Context(), r))
		var refused *FieldError
		if !errors.As(err, &refused) || refused.Field != tt.field {
			t.Errorf("%v, want an error about %s", err, tt.field)
		}
	}
}
