package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"gossamer/runtime/engine"
	"gossamer/runtime/openai"
)

// send answers with JSON.
func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // if the client has gone, there is nobody to tell
}

// fail answers with an error of this package.
func fail(w http.ResponseWriter, status int, e openai.ErrorResponse) { send(w, status, e) }

// requestError is an error in a request.
func requestError(message, param, code string) openai.ErrorResponse {
	o := openai.ErrorObject{Message: message, Type: "invalid_request_error", Code: &code}
	if param != "" {
		o.Param = &param
	}
	return openai.ErrorResponse{Error: o}
}

// failReply answers with the error of a reply that has not begun.
func failReply(w http.ResponseWriter, err error) {
	e, status := errorOf(err)
	var busy *engine.BusyError
	if errors.As(err, &busy) {
		seconds := min(int(math.Ceil(busy.RetryAfter.Seconds())), 60) // clients ignore longer ones
		w.Header().Set("Retry-After", strconv.Itoa(max(seconds, 1)))
	}
	fail(w, status, e)
}

func errorOf(err error) (openai.ErrorResponse, int) {
	if errors.Is(err, errDraining) {
		code := "draining"
		e := openai.ErrorObject{Message: errDraining.Error(), Type: "server_error", Code: &code}
		return openai.ErrorResponse{Error: e}, http.StatusServiceUnavailable
	}
	return openai.Error(err)
}

// readBody reads a request, which is not too long. If it fails, the answer is written.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.options.MaxBody))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		message := fmt.Sprintf("the request has more than %d bytes", long.Limit)
		fail(w, http.StatusRequestEntityTooLarge, requestError(message, "", "request_too_large"))
		return nil, false
	case err != nil:
		fail(w, http.StatusBadRequest, requestError("the request could not be read: "+err.Error(), "", "invalid_request"))
		return nil, false
	}
	return body, true
}

// deadline gives a client a time for taking what is written next.
func (h *Handler) deadline(c *http.ResponseController) {
	c.SetWriteDeadline(time.Now().Add(h.options.WriteTimeout)) // where it is not supported, there is none
}
