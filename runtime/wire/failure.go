package wire

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"gossamer/runtime/chat"
	"gossamer/runtime/engine"
)

// Failure is an error as an API tells it.
type Failure struct {
	Status     int    // of HTTP
	Type       string // one of the constants below
	Code       string // what is wrong, for programs; ""
	Param      string // the field of the request, such as "messages[2].tool_call_id"; ""
	Message    string
	RetryAfter time.Duration // when another try makes sense; 0: unknown
}

// Types of failures, by OpenAI's names.
const (
	TypeRequest   = "invalid_request_error"
	TypeRate      = "rate_limit_error"
	TypeServer    = "server_error"
	typeCancelled = "cancelled"
)

func (f *Failure) Error() string { return f.Message }

// ErrCancelled means that a reply was cancelled before its end.
var ErrCancelled = errors.New("the reply was cancelled")

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

// NewFailure tells about an error of Parse, of a reply, or of the engine. name names a field of a [chat.Request], such as
// "Tools[2].Parameters", as the API does. Errors with a method DeviceLost that returns true mean that the GPU is gone.
func NewFailure(err error, name func(field string) string) *Failure {
	var (
		known  *Failure
		field  *FieldError
		inChat *chat.FieldError
		prompt *engine.PromptError
		busy   *engine.BusyError
		device interface{ DeviceLost() bool }
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &inChat):
		return NewFailure(inRequest(inChat, name), name)
	case errors.As(err, &field):
		status := statusBadRequest
		if field.Code == CodeTooLarge {
			status = statusContentTooLarge
		}
		return &Failure{Status: status, Type: TypeRequest, Code: field.Code, Param: clip(field.Param), Message: clip(field.Error())}
	case errors.As(err, &prompt):
		message := fmt.Sprintf("the messages are %d tokens, the context holds %d and the reply needs room too: shorten them", prompt.Tokens, prompt.Context)
		return &Failure{Status: statusBadRequest, Type: TypeRequest, Code: "context_length_exceeded", Param: name("Messages"), Message: message}
	case errors.As(err, &busy):
		message := fmt.Sprintf("%s: try again in %d s", busy.Reason(), int(math.Ceil(busy.RetryAfter.Seconds())))
		return &Failure{Status: statusTooManyRequests, Type: TypeRate, Code: "rate_limit_exceeded", Message: message, RetryAfter: busy.RetryAfter}
	case errors.Is(err, context.DeadlineExceeded):
		return serverFailure(statusGatewayTimeout, "timeout", "the reply took too long")
	case errors.Is(err, context.Canceled), errors.Is(err, ErrCancelled):
		return &Failure{Status: statusClientClosedRequest, Type: typeCancelled, Code: "cancelled", Message: ErrCancelled.Error()}
	case errors.Is(err, engine.ErrClosed):
		return serverFailure(statusServiceUnavailable, "model_closed", "the model is closed")
	case errors.Is(err, engine.ErrContextFull):
		return serverFailure(statusServiceUnavailable, "context_full", "the memory for conversations is full: try again when other replies have ended")
	case errors.As(err, &device) && device.DeviceLost():
		return serverFailure(statusServiceUnavailable, "device_lost", err.Error())
	}
	return serverFailure(statusInternalServerError, "", err.Error())
}

// maxQuoted is how many bytes of a failure may be what the request has there: people read it.
const maxQuoted = 1000

func clip(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	return strings.ToValidUTF8(s[:maxQuoted], "") + "..."
}

// inRequest is an error in a field that can be wrong although it was accepted when the request was read.
func inRequest(e *chat.FieldError, name func(field string) string) *FieldError {
	if e.Field == "Sampling" { // everything of it has been checked but the ids, for which it takes the vocabulary
		return &FieldError{"logit_bias", CodeValue, strings.TrimPrefix(e.Reason, "sample: LogitBias ")}
	}
	code := CodeValue
	if e.Unsupported {
		code = codeSchema
	}
	return &FieldError{name(e.Field), code, e.Reason}
}

func serverFailure(status int, code, message string) *Failure {
	return &Failure{Status: status, Type: TypeServer, Code: code, Message: message}
}
