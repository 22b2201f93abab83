package server

import (
	"net/http"
	"strings"
	"time"
)

// log writes what is known of a request. What it says, and what is answered, is nobody's business.
func (h *Handler) log(r *http.Request, id, key string, status int, took time.Duration) {
	fields := []any{"id", id, "method", r.Method, "path", r.URL.Path, "status", status, "key", key, "seconds", took.Seconds()}
	if parent := r.Header.Get("Traceparent"); isTraceparent(parent) {
		fields = append(fields, "traceparent", parent)
	}
	h.options.Logger.InfoContext(r.Context(), "request", fields...)
}

// isTraceparent reports whether a header is as W3C's Trace Context has it, so that no other text of a request is logged as it is.
func isTraceparent(s string) bool {
	parts := strings.Split(s, "-")
	if len(parts) != 4 {
		return false
	}
	for i, length := range []int{2, 32, 16, 2} {
		if len(parts[i]) != length || strings.Trim(parts[i], "0123456789abcdef") != "" {
			return false
		}
	}
	return true
}
