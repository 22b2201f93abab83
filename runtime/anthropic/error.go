package anthropic

import (
	"strconv"
	"strings"

	"gossamer/runtime/wire"
)

// errorResponse is the body of an answer that failed, and the event that ends a stream that failed.
type errorResponse struct {
	Type      string      `json:"type"` // "error"
	Error     errorObject `json:"error"`
	RequestID string      `json:"request_id,omitempty"`
}

// errorObject says what failed.
type errorObject struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// statusOverloaded is how Anthropic's API says that too many others ask, too.
const statusOverloaded = 529

// NewError is a failure as the API has it, with the HTTP status for it.
func NewError(f *wire.Failure, requestID string) (body any, status int) {
	kinds := map[int]string{
		400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error", 413: "request_too_large",
		429: "overloaded_error", 504: "timeout_error",
	}
	kind, status := kinds[f.Status], f.Status
	switch {
	case status == 429:
		status = statusOverloaded
	case kind == "" && status < 500:
		kind = kinds[400]
	case kind == "":
		kind = "api_error"
	}
	message := f.Message
	if f.Code == "context_length_exceeded" { // clients know by these words that they have to shorten the conversation
		message = "prompt is too long: " + message
	}
	return errorResponse{"error", errorObject{kind, message}, requestID}, status
}

// Failure tells about an error of Decode, of a reply, or of the engine, with the API's names of the request's fields.
func (r *Request) Failure(err error) *wire.Failure { return wire.NewFailure(err, r.wireField) }

// wireField names a field of a chat.Request, such as "Tools[2].Parameters", as the API does.
func (r *Request) wireField(field string) string {
	list, inside, _ := strings.Cut(field, ".")
	name, index, indexed := strings.Cut(strings.TrimSuffix(list, "]"), "[")
	if indexed {
		index = "[" + index + "]"
	}
	switch name {
	case "Messages":
		return join(element(r.messages, index, "messages"), inside)
	case "Tools":
		return join(element(r.tools, index, "tools"), inside)
	case "ToolChoice":
		return join("tool_choice", inside)
	case "Format":
		return r.schema
	case "Effort":
		return "output_config.effort"
	case "Stop":
		return "stop_sequences" + index
	case "MaxTokens":
		return "max_tokens"
	}
	return strings.ToLower(name)
}

// element is where an element of a list comes from, such as the one with the index "[2]"; "" is the list itself.
func element(paths []string, index, list string) string {
	i, err := strconv.Atoi(strings.Trim(index, "[]"))
	if err != nil || i >= len(paths) {
		return list
	}
	return paths[i]
}

// join adds a field inside another one.
func join(path, field string) string {
	names := map[string]string{"ToolCallID": "tool_use_id", "Parameters": "input_schema", "Mode": "type"}
	switch name := names[field]; {
	case field == "":
		return path
	case name != "":
		return path + "." + name
	}
	return path + "." + strings.ToLower(field)
}

// Unenforced adds to Ignored what the model's replies need not follow: that is what Prepare of a chat.Completer returns.
func (r *Request) Unenforced(paths []string) {
	r.Ignored = wire.Unenforced(r.Ignored, paths, r.wireField)
}
