package openai

import (
	"errors"
	"strconv"
	"strings"

	"gossamer/runtime/chat"
	"gossamer/runtime/wire"
)

// ErrorResponse is the body of an answer that failed, and the frame that ends a stream that failed.
type ErrorResponse struct {
	Error ErrorObject `json:"error"`
}

// ErrorObject says what failed.
type ErrorObject struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`  // "invalid_request_error", "rate_limit_error", "cancelled" or "server_error"
	Param   *string `json:"param"` // the field of the request, such as "messages[2].tool_call_id"
	Code    *string `json:"code"`
}

// Failure tells about an error of Decode, of a reply, or of the engine, with the API's names of fields.
func Failure(err error) *wire.Failure { return wire.NewFailure(err, wireField) }

// Placed is an error of Chat with the place in the request of what it is about: tools have other indices where some were left out, and a
// format stands in one of two fields.
func (r *Request) Placed(err error) error {
	var f *chat.FieldError
	if !errors.As(err, &f) {
		return err
	}
	if strings.HasPrefix(f.Field, "Format.") {
		placed := *f
		placed.Field = r.formatPlace(f.Field)
		return &placed
	}
	index, found := strings.CutPrefix(f.Field, "Tools[")
	index, inside, _ := strings.Cut(index, "]")
	i, failed := strconv.Atoi(index)
	if !found || failed != nil || i >= len(r.tools) {
		return err
	}
	placed := *f
	placed.Field = "Tools" + strings.TrimPrefix(r.tools[i], "tools") + inside
	return &placed
}

// Error is the failure of an error as the API has it, with the HTTP status for it.
func Error(err error) (ErrorResponse, int) {
	f := Failure(err)
	return NewError(f), f.Status
}

// NewError is a failure as the API has it.
func NewError(f *wire.Failure) ErrorResponse {
	e := ErrorObject{Message: f.Message, Type: f.Type}
	if f.Param != "" {
		e.Param = &f.Param
	}
	if f.Code != "" {
		e.Code = &f.Code
	}
	return ErrorResponse{e}
}

// wireField names a field of a chat.Request, such as "Tools[2].Parameters", as the API does.
func wireField(field string) string {
	var path []string
	for segment := range strings.SplitSeq(field, ".") {
		name, index, indexed := strings.Cut(segment, "[")
		if indexed {
			index = "[" + index
		}
		n := len(path)
		switch {
		case n > 0 && inFunction(path[n-1]):
			path = append(path, "function")
		case n > 0 && path[n-1] == "format":
			path[n-1], name = formatField(name)
		}
		path = append(path, wireName(name)+index)
	}
	if n := len(path); path[n-1] == "format" {
		path[n-1] = "response_format"
	}
	return strings.Join(path, ".")
}

// formatPlace is a field of a chat.Request with the format's fields named as in structured_outputs, if it is from there.
func (r *Request) formatPlace(field string) string {
	if !r.structured {
		return field
	}
	switch field {
	case "Format.Schema":
		return "Format.json"
	case "Format.JSONObject":
		return "Format.json_object"
	}
	return field
}

// formatField names a field of a chat.ResponseFormat.
func formatField(name string) (object, field string) {
	switch name {
	case "JSONObject":
		return "response_format", "type"
	case "EBNF":
		return "structured_outputs", "grammar"
	case "Regex", "Choice", "json", "json_object":
		return "structured_outputs", name
	}
	return "response_format.json_schema", name
}

// inFunction reports whether the fields of what a path ends with are inside its field function.
func inFunction(segment string) bool {
	name, _, _ := strings.Cut(segment, "[")
	return name == "tools" || name == "tool_calls"
}

func wireName(name string) string {
	switch name {
	case "ToolCallID":
		return "tool_call_id"
	case "ToolCalls":
		return "tool_calls"
	case "Effort":
		return "reasoning_effort"
	}
	return strings.ToLower(name)
}
