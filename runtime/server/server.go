// Package server is OpenAI's chat completions API and Anthropic's Messages API over HTTP, for models that are open in this process.
//
//	POST /v1/chat/completions              see package openai
//	POST /v1/responses                     see package responses; GET and DELETE /v1/responses/{id}, .../input_items, .../cancel
//	POST /v1/completions                   see package completions
//	POST /v1/messages, /count_tokens       see package anthropic
//	GET  /v1/models, /v1/models/{model}    the models and their contexts
//	POST /tokenize, /detokenize            {"prompt": TEXT} and {"tokens": [...]}, by the names of vLLM's server
//	POST /playback/reset                   what is played in place of models begins anew
//	GET  /health, /readyz, /livez          200 when requests are served; the last one also while models are loaded, and while draining
//	GET  /metrics                          for Prometheus, and for endpoint pickers and autoscalers that know vLLM's names
//
// It is meant for one machine: it listens where it is told, which should be a loopback address unless there are keys. A page of another
// origin, and a name that was made to lead to this address (DNS rebinding), are refused in either case.
package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gossamer/runtime/anthropic"
	"gossamer/runtime/chat"
	"gossamer/runtime/engine"
	"gossamer/runtime/openai"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/wire"
)

// Model is a model that requests can name.
type Model struct {
	Name    string
	Aliases []string
	Engine  Engine    // nil: it is being loaded, see Handler.Loaded
	Context int       // positions
	RunsOn  string    // what computes, in words, such as "Vulkan, NVIDIA H200"; may be empty
	Created time.Time // as /v1/models tells
	// Parameters and Bytes are the size of the model, for whoever lists it; 0: not known.
	Parameters, Bytes int64
	// Reset begins a playback anew; see playback.Model. nil: a model answers.
	Reset func()

	tally *tally
}

// Engine answers requests; runtime.Engine is one.
type Engine interface {
	Chat(ctx context.Context, r chat.Request) iter.Seq2[chat.Event, error]
	Prepare(ctx context.Context, r chat.Request) (ignored []string, err error)
	Continue(ctx context.Context, t chat.Text) iter.Seq2[chat.Event, error]
	Prompt(ctx context.Context, r chat.Request) ([]int32, error)
	Tokenizer() *tokenizer.Tokenizer
	Load() engine.Load
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
	// ReasoningField is of chat completions; "": openai.Reasoning.
	ReasoningField openai.ReasoningField
	// PreambleAsReasoning makes reasoning of what is said before a call, in chat completions: see chat.PreambleAsReasoning.
	PreambleAsReasoning bool
	// OllamaDiscovery answers what clients of Ollama ask to find models, by the version of an Ollama whose clients use OpenAI's API.
	OllamaDiscovery bool

	OpenMetrics  bool          // /metrics needs no key
	MaxPerKey    int           // requests for replies of a key, or of an address if there are no keys, at a time; 0: any number
	MaxBody      int64         // bytes of a request; 0: wire.MaxBytes
	WriteTimeout time.Duration // for a part of an answer, which a client must take in that time; 0: 30 s
	KeepAlive    time.Duration // after which a stream without news gets a comment; 0: 10 s
	ReplyTTL     time.Duration // how long responses are kept after their last use; 0: 24 h
	ReplyBytes   int64         // of the responses that are kept together; 0: 256 MiB
	Page         fs.FS         // at /, index.html and its files, which everybody may read; nil: none
	Logger       *slog.Logger  // of requests, without their texts; nil: none
	Clock        func() time.Time
	NewID        func(prefix string) string // of replies; nil: at random
}

// Handler serves the API.
type Handler struct {
	options Options
	guard   guard
	mux     *http.ServeMux
	kept    *replies
	metrics *metrics
	loading atomic.Int64 // models without an engine
	leaving atomic.Bool

	mu       sync.Mutex
	perKey   map[string]int // requests for replies
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
	o.Models = slices.Clone(o.Models)
	seen := map[string]bool{}
	for _, m := range o.Models {
		for _, name := range m.names() {
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
	if o.ReplyTTL == 0 {
		o.ReplyTTL = 24 * time.Hour
	}
	if o.ReplyBytes == 0 {
		o.ReplyBytes = 256 << 20
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
	h := &Handler{
		options: o, guard: g, mux: http.NewServeMux(), kept: newReplies(o.ReplyTTL, o.ReplyBytes, o.Clock),
		perKey: map[string]int{}, idle: make(chan struct{}),
	}
	h.ending, h.end = context.WithCancelCause(context.Background())
	for i := range h.options.Models {
		m := &h.options.Models[i]
		if m.tally = newTally(); m.Engine == nil {
			h.loading.Add(1)
		} else {
			m.Engine = &observed{m.Engine, m.tally}
		}
	}
	h.metrics = newMetrics(h)
	h.routes()
	return h, nil
}

// handler answers a request, or returns why it does not.
type handler func(http.ResponseWriter, *http.Request) error

func (h *Handler) routes() {
	routes := map[string]map[string]handler{
		"/v1/chat/completions":           {"POST": h.chat},
		"/v1/responses":                  {"POST": h.responses},
		"/v1/responses/input_tokens":     {"POST": h.countInput},
		"/v1/responses/{id}":             {"GET": h.response, "DELETE": h.deleteResponse},
		"/v1/responses/{id}/cancel":      {"POST": h.cancelResponse},
		"/v1/responses/{id}/input_items": {"GET": h.inputItems},
		"/v1/completions":                {"POST": h.completions},
		messagesPath:                     {"POST": h.messages},
		countTokensPath:                  {"POST": h.countTokens},
		"/v1/models":                     {"GET": h.models},
		"/v1/models/{model...}":          {"GET": h.model},
		"/tokenize":                      {"POST": h.tokenize},
		"/detokenize":                    {"POST": h.detokenize},
		"/playback/reset":                {"POST": h.resetPlaybacks},
		"/health":                        {"GET": h.ready},
		"/readyz":                        {"GET": h.ready},
		"/livez":                         {"GET": h.live},
		metricsPath:                      {"GET": h.metrics.scrape},
	}
	if h.options.OllamaDiscovery {
		maps.Copy(routes, h.ollamaRoutes())
	}
	for path, methods := range routes {
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
	h.mux.HandleFunc("/api/", h.ollamaNothing)
	// Claude Code looks here whether there is a server.
	h.mux.HandleFunc("HEAD /{$}", func(w http.ResponseWriter, r *http.Request) {
		if !h.page(w, r) {
			w.WriteHeader(http.StatusOK)
		}
	})
	h.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if h.page(w, r) {
			return
		}
		fail(w, formOf(r), refuse(http.StatusNotFound, "", "unknown_url", "there is nothing at %s", r.URL.Path))
	})
}

// formOf is how the API at a request's path tells about errors.
func formOf(r *http.Request) form {
	if isMessages(r) {
		return anthropic.NewError
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
	logged := &statusWriter{ResponseWriter: w, timeout: h.options.WriteTimeout}
	key, ok, err := h.guard.admit(logged, r, h.isPublic(r))
	if err != nil {
		fail(logged, formOf(r), err)
	}
	if ok {
		r = r.WithContext(context.WithValue(r.Context(), keyName{}, key))
		h.serve(logged, r, key)
	}
	h.metrics.answered(r.Pattern, logged.status)
	h.log(r, id, key, logged.status, time.Since(start))
}

// keyName is where a request's context has the name of who asks.
type keyName struct{}

// statusWriter notes the status of an answer, and gives the client a time for taking each part of it: whoever takes nothing loses the connection.
type statusWriter struct {
	http.ResponseWriter
	timeout time.Duration
	status  int
}

// partBytes is how much of an answer the client has to take in that time.
const partBytes = 64 << 10

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.deadline()
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (n int, err error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	for err == nil && n < len(p) {
		w.deadline()
		var taken int
		taken, err = w.ResponseWriter.Write(p[n:min(n+partBytes, len(p))])
		n += taken
	}
	return n, err
}

func (w *statusWriter) deadline() {
	http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(w.timeout)) // where it is not supported, there is none
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

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
