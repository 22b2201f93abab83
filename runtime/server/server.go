// Package server is OpenAI's chat completions API over HTTP, for models that are open in this process.
//
//	POST /v1/chat/completions              see package openai
//	GET  /v1/models, /v1/models/{model}    the models and their contexts
//	POST /tokenize, /detokenize            {"prompt": TEXT} and {"tokens": [...]}, by the names of vLLM's server
//	GET  /health, /readyz, /livez          200 when requests are served; the last one also while draining
//
// It is meant for one machine: it listens where it is told, which should be a loopback address unless there are keys. A page of another
// origin, and a name that was made to lead to this address (DNS rebinding), are refused in either case.
package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"gossamer/runtime/chat"
	"gossamer/runtime/openai"
	"gossamer/runtime/tokenizer"
)

// Model is a model that requests can name.
type Model struct {
	Name    string
	Aliases []string
	Engine  Engine
	Context int       // positions
	Created time.Time // as /v1/models tells
}

// Engine answers requests; runtime.Engine is one.
type Engine interface {
	Chat(ctx context.Context, r chat.Request) iter.Seq2[chat.Event, error]
	Prepare(ctx context.Context, r chat.Request) (ignored []string, err error)
	Tokenizer() *tokenizer.Tokenizer
}

// Key lets its bearer in. The name is what replies are shared by, and what logs have.
type Key struct{ Name, Secret string }

// Options of New. The zero value suits a program on the same machine.
type Options struct {
	Models  []Model  // at least one; the first answers requests that name none
	Keys    []Key    // one of which every request needs, but for health; none: everybody is let in
	Hosts   []string // names of this server in requests, beside those of the loopback interface and the address that a request came to
	Origins []string // of pages on other hosts that may use the server, such as "https://app.example"
	// StrictRequests refuses unknown fields, which are left out and named else.
	StrictRequests bool
	MaxBody        int64         // bytes of a request; 0: openai.MaxBytes
	WriteTimeout   time.Duration // for a part of a reply, which a client must take in that time; 0: 30 s
	KeepAlive      time.Duration // after which a stream without news gets a comment; 0: 10 s
	Logger         *slog.Logger  // of requests, without their texts; nil: none
	Clock          func() time.Time
	NewID          func(prefix string) string // of replies; nil: at random
}

// Handler serves the API.
type Handler struct {
	options Options
	guard   guard
	mux     *http.ServeMux

	mu       sync.Mutex
	draining bool
	active   int           // requests for replies
	idle     chan struct{} // closed when there is none and no more are let in
	ending   context.Context
	end      context.CancelCauseFunc
}

var errDraining = errors.New("the server is being shut down")

// New returns a handler.
func New(o Options) (*Handler, error) {
	if len(o.Models) == 0 {
		return nil, errors.New("server: there are no models")
	}
	seen := map[string]bool{}
	for _, m := range o.Models {
		for _, name := range append([]string{m.Name}, m.Aliases...) {
			if name == "" || seen[name] {
				return nil, fmt.Errorf("server: the name %q of a model is empty or there twice", name)
			}
			seen[name] = true
		}
	}
	g, err := newGuard(&o)
	if err != nil {
		return nil, err
	}
	if o.MaxBody == 0 {
		o.MaxBody = openai.MaxBytes
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 30 * time.Second
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.NewID == nil {
		o.NewID = func(prefix string) string { return prefix + rand.Text() }
	}
	h := &Handler{options: o, guard: g, mux: http.NewServeMux(), idle: make(chan struct{})}
	h.ending, h.end = context.WithCancelCause(context.Background())
	h.routes()
	return h, nil
}

func (h *Handler) routes() {
	for path, methods := range map[string]map[string]http.HandlerFunc{
		"/v1/chat/completions":  {"POST": h.chat},
		"/v1/models":            {"GET": h.models},
		"/v1/models/{model...}": {"GET": h.model},
		"/tokenize":             {"POST": h.tokenize},
		"/detokenize":           {"POST": h.detokenize},
		"/health":               {"GET": h.ready},
		"/readyz":               {"GET": h.ready},
		"/livez":                {"GET": func(w http.ResponseWriter, _ *http.Request) { send(w, http.StatusOK, status{"ok"}) }},
	} {
		h.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			method := r.Method
			if method == http.MethodHead {
				method = http.MethodGet
			}
			f := methods[method]
			if f == nil {
				for allowed := range methods {
					w.Header().Set("Allow", allowed)
				}
				fail(w, http.StatusMethodNotAllowed, requestError(fmt.Sprintf("the method %s is not for %s", r.Method, r.URL.Path), "", "method_not_allowed"))
				return
			}
			f(w, r)
		})
	}
	h.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, requestError("there is nothing at "+r.URL.Path, "", "unknown_url"))
	})
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	id := h.options.NewID("req_")
	w.Header().Set("X-Request-Id", id)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	logged := &statusWriter{ResponseWriter: w}
	key, ok := h.guard.admit(logged, r)
	if ok {
		h.mux.ServeHTTP(logged, r.WithContext(context.WithValue(r.Context(), keyName{}, key)))
	}
	h.options.Logger.InfoContext(r.Context(), "request", "id", id, "method", r.Method, "path", r.URL.Path, "status", logged.status, "key", key,
		"seconds", time.Since(start).Seconds())
}

// keyName is where a request's context has the name of who asks.
type keyName struct{}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type status struct {
	Status string `json:"status"`
}

// ready tells whether requests are served.
func (h *Handler) ready(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	draining := h.draining
	h.mu.Unlock()
	if draining {
		send(w, http.StatusServiceUnavailable, status{"draining"})
		return
	}
	send(w, http.StatusOK, status{"ok"})
}

// begin counts a request for a reply. Its context ends when drain gives up waiting. False: no more are let in.
func (h *Handler) begin(r *http.Request) (ctx context.Context, end func(), ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return nil, nil, false
	}
	h.active++
	ctx, cancel := context.WithCancelCause(r.Context())
	stop := context.AfterFunc(h.ending, func() { cancel(errDraining) })
	return ctx, func() {
		stop()
		cancel(nil)
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.active--; h.active == 0 && h.draining {
			close(h.idle)
		}
	}, true
}

// drain lets no more requests in and waits for the replies that have begun. When ctx ends, they are cancelled.
func (h *Handler) drain(ctx context.Context) error {
	h.mu.Lock()
	if !h.draining {
		h.draining = true
		if h.active == 0 {
			close(h.idle)
		}
	}
	h.mu.Unlock()
	select {
	case <-h.idle:
		return nil
	case <-ctx.Done():
		h.end(errDraining)
		<-h.idle
		return context.Cause(ctx)
	}
}

// find returns the model of a name; "" is the first one.
func (h *Handler) find(name string) (*Model, bool) {
	for i := range h.options.Models {
		if m := &h.options.Models[i]; name == "" || m.Name == name || slices.Contains(m.Aliases, name) {
			return m, true
		}
	}
	return nil, false
}
