package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"gossamer/runtime/openai"
	"gossamer/runtime/wire"
)

// send answers with JSON.
func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // if the client has gone, there is nobody to tell
}

// form is how an API tells about a failure of the request with an id.
type form func(f *wire.Failure, requestID string) (body any, status int)

func openaiForm(f *wire.Failure, _ string) (any, int) { return openai.NewError(f), f.Status }

// fail answers with an error.
func fail(w http.ResponseWriter, api form, err error) {
	f := openai.Failure(err)
	if f.RetryAfter > 0 {
		seconds := min(int(math.Ceil(f.RetryAfter.Seconds())), 60) // clients ignore longer ones
		w.Header().Set("Retry-After", strconv.Itoa(max(seconds, 1)))
	}
	if f.Code == "device_lost" || f.Code == "model_closed" {
		w.Header().Set("X-Should-Retry", "false") // OpenAI's libraries repeat requests that were answered with 5xx
	}
	body, status := api(f, w.Header().Get("X-Request-Id"))
	send(w, status, body)
}

// refuse is an error in a request.
func refuse(status int, param, code, format string, args ...any) error {
	return &wire.Failure{Status: status, Type: wire.TypeRequest, Param: param, Code: code, Message: fmt.Sprintf(format, args...)}
}

// nameIgnored names what is left out of a request.
func nameIgnored(w http.ResponseWriter, names []string) {
	if len(names) > 0 {
		w.Header().Set("X-Gossamer-Ignored", strings.Join(names, ", "))
	}
}

// readBody reads a request, which is not too long.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.options.MaxBody))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return nil, refuse(http.StatusRequestEntityTooLarge, "", wire.CodeTooLarge, "the request has more than %d bytes", long.Limit)
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "", "invalid_request", "the request could not be read: %v", err)
	}
	return body, nil
}
