package openai

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"gossamer/runtime/chat"
	"gossamer/runtime/engine"
)

// ErrorResponse is the body of an answer that failed, and the frame that ends a stream that failed.
type ErrorResponse struct {
	Error ErrorObject `json:"error"`
}

// ErrorObject says what failed.
type ErrorObject struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`  // "invalid_request_error", "cancelled" or "server_error"
	Param   *string `json:"param"` // the field of the request, such as "messages[2].tool_call_id"
	Code    *string `json:"code"`
}

// HTTP statuses, by the names of RFC 9110 and, the third, of nginx.
const (
	statusBadRequest          = 400
	statusContentTooLarge     = 413
	statusTooManyRequests     = 429
	statusClientClosedRequest = 499
	statusInternalServerError = 500
	statusServiceUnavailable  = 503
	statusGatewayTimeout      = 504
)

const (
	typeRequest   = "invalid_request_error"
	typeServer    = "server_error"
	typeCancelled = "cancelled"
)

// Error tells about an error of Decode, of a reply, or of the engine as the API does, with the HTTP status for it. Errors with a
// method DeviceLost that returns true mean that the GPU is gone.
func Error(err error) (ErrorResponse, int) {
	var (
		field  *FieldError
		inChat *chat.FieldError
		prompt *engine.PromptError
		busy   *engine.BusyError
		device interface{ DeviceLost() bool }
	)
	switch {
	case errors.As(err, &field):
		status := statusBadRequest
		if field.Code == codeTooLarge {
			status = statusContentTooLarge
		}
		return newError(field.sentence(), typeRequest, field.Param, field.Code), status
	case errors.As(err, &inChat):
		field := wireError(inChat)
		return newError(field.sentence(), typeRequest, field.Param, field.Code), statusBadRequest
	case errors.As(err, &prompt):
		message := fmt.Sprintf("the messages are %d tokens, the context holds %d and the reply needs room too: shorten them", prompt.Tokens, prompt.Context)
		return newError(message, typeRequest, "messages", "context_length_exceeded"), statusBadRequest
	case errors.As(err, &busy):
		message := fmt.Sprintf("%d requests are waiting, which is as many as may: try again in %d s", busy.Waiting, int(math.Ceil(busy.RetryAfter.Seconds())))
		return newError(message, "rate_limit_error", "", "rate_limit_exceeded"), statusTooManyRequests
	case errors.Is(err, context.DeadlineExceeded):
		return newError("the reply took too long", typeServer, "", "timeout"), statusGatewayTimeout
	case errors.Is(err, context.Canceled), errors.Is(err, ErrCancelled):
		return newError("the reply was cancelled", typeCancelled, "", "cancelled"), statusClientClosedRequest
	case errors.Is(err, engine.ErrClosed):
		return newError("the model is closed", typeServer, "", "model_closed"), statusServiceUnavailable
	case errors.Is(err, engine.ErrContextFull):
		message := "the memory for conversations is full: try again when other replies have ended"
		return newError(message, typeServer, "", "context_full"), statusServiceUnavailable
	case errors.As(err, &device) && device.DeviceLost():
		return newError(err.Error(), typeServer, "", "device_lost"), statusServiceUnavailable
	}
	return newError(err.Error(), typeServer, "", ""), statusInternalServerError
}

func newError(message, kind, param, code string) ErrorResponse {
	e := ErrorObject{Message: message, Type: kind}
	if param != "" {
		e.Param = &param
	}
	if code != "" {
		e.Code = &code
	}
	return ErrorResponse{e}
}

// wireError names the field of a chat.Request as the API does: one that can be wrong although Decode has accepted it.
func wireError(e *chat.FieldError) *FieldError {
	if e.Field == "Sampling" { // Decode has checked everything of it but the ids, for which it takes the vocabulary
		return &FieldError{"logit_bias", codeValue, strings.TrimPrefix(e.Reason, "sample: LogitBias ")}
	}
	code := codeValue
	if e.Unsupported {
		code = codeSchema
	}
	return &FieldError{wireField(e.Field), code, e.Reason}
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

// formatField names a field of a chat.ResponseFormat.
func formatField(name string) (object, field string) {
	switch name {
	case "JSONObject":
		return "response_format", "type"
	case "EBNF":
		return "structured_outputs", "grammar"
	case "Regex", "Choice":
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
