// Package server is OpenAI's chat completions API and Anthropic's Messages API over HTTP, for models that are open in this process.
//
//	POST /v1/chat/completions              see package openai
//	POST /v1/messages, /count_tokens       see package anthropic
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
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"gossamer/runtime/chat"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/wire"
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
	Prompt(r chat.Request) ([]int32, error)
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
	MaxBody        int64         // bytes of a request; 0: wire.MaxBytes
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
		o.MaxBody = wire.MaxBytes
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

// handler answers a request, or returns why it does not.
type handler func(http.ResponseWriter, *http.Request) error

func (h *Handler) routes() {
	for path, methods := range map[string]map[string]handler{
		"/v1/chat/completions":  {"POST": h.chat},
		"/v1/models":            {"GET": h.models},
		"/v1/models/{model...}": {"GET": h.model},
		messagesPath:            {"POST": h.messages},
		countTokensPath:         {"POST": h.countTokens},
		"/tokenize":             {"POST": h.tokenize},
		"/detokenize":           {"POST": h.detokenize},
		"/health":               {"GET": h.ready},
		"/readyz":               {"GET": h.ready},
		"/livez":                {"GET": h.live},
	} {
		h.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			method := r.Method
			if method == http.MethodHead {
				method = http.MethodGet
			}
			answer := methods[method]
			if answer == nil {
				w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(methods)), ", "))
				answer = func(http.ResponseWriter, *http.Request) error {
					return refuse(http.StatusMethodNotAllowed, "", "method_not_allowed", "the method %s is not for %s", r.Method, r.URL.Path)
				}
			}
			if err := answer(w, r); err != nil {
				fail(w, formOf(r), err)
			}
		})
	}
	// Claude Code looks here whether there is a server.
	h.mux.HandleFunc("HEAD /{$}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	h.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, formOf(r), refuse(http.StatusNotFound, "", "unknown_url", "there is nothing at %s", r.URL.Path))
	})
}

// formOf is how the API at a request's path tells about errors.
func formOf(r *http.Request) form {
	if isMessages(r) {
		return anthropicForm
	}
	return openaiForm
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	id := h.options.NewID("req_")
	w.Header().Set("X-Request-Id", id)
	if isMessages(r) {
		w.Header().Set("Request-Id", id) // where Anthropic's clients look
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	logged := &statusWriter{ResponseWriter: w}
	key, ok, err := h.guard.admit(logged, r)
	if err != nil {
		fail(logged, formOf(r), err)
	}
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
func (h *Handler) ready(w http.ResponseWriter, _ *http.Request) error {
	h.mu.Lock()
	draining := h.draining
	h.mu.Unlock()
	if draining {
		send(w, http.StatusServiceUnavailable, status{"draining"})
		return nil
	}
	return h.live(w, nil)
}

// live tells that the server runs, also while it is draining.
func (h *Handler) live(w http.ResponseWriter, _ *http.Request) error {
	send(w, http.StatusOK, status{"ok"})
	return nil
}

// find returns the model of a name; "" is the first one.
func (h *Handler) find(name string) (*Model, error) {
	var names []string
	for i := range h.options.Models {
		m := &h.options.Models[i]
		if name == "" || m.Name == name || slices.Contains(m.Aliases, name) {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return nil, refuse(http.StatusNotFound, "model", "model_not_found", "there is no model %q, only %s", name[:min(len(name), 100)], strings.Join(names, ", "))
}

// modelName is how replies name a model: as the request does.
func (h *Handler) modelName(name string) string {
	if name == "" {
		return h.options.Models[0].Name
	}
	return name
}
