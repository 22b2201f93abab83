package server

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"gossamer/runtime/wire"
)

type status struct {
	Status string `json:"status"`
}

// retryLoading is what clients that come while models are loaded are told to wait.
const retryLoading = 5 * time.Second

// Loaded gives a model of Options.Models, by its Name, what was not known before it was loaded: all but its names and Created. Until then
// requests have been told to wait. One goroutine calls it.
func (h *Handler) Loaded(loaded Model) error {
	m, err := h.find(loaded.Name)
	if err != nil || m.Engine != nil || loaded.Engine == nil {
		return fmt.Errorf("server: %q is no model that is being loaded", loaded.Name)
	}
	m.Engine, m.Context = &observed{loaded.Engine, m.tally}, loaded.Context
	m.Parameters, m.Bytes, m.RunsOn, m.Reset = loaded.Parameters, loaded.Bytes, loaded.RunsOn, loaded.Reset
	h.loading.Add(-1) // requests read the model only after this
	return nil
}

// Leave makes the server not ready, so that whoever spreads requests sends them elsewhere. They are let in until Serve's context ends.
func (h *Handler) Leave() { h.leaving.Store(true) }

// ready tells whether requests should be sent here.
func (h *Handler) ready(w http.ResponseWriter, r *http.Request) error {
	h.mu.Lock()
	draining := h.draining
	h.mu.Unlock()
	switch {
	case draining || h.leaving.Load():
		send(w, http.StatusServiceUnavailable, status{"draining"})
	case h.loading.Load() > 0:
		send(w, http.StatusServiceUnavailable, status{"model_loading"})
	default:
		return h.live(w, r)
	}
	return nil
}

// live tells whether there is any use in waiting for this process: not if a device is lost, which nothing brings back.
func (h *Handler) live(w http.ResponseWriter, _ *http.Request) error {
	for i := range h.options.Models {
		if h.options.Models[i].tally.lost.Load() {
			send(w, http.StatusServiceUnavailable, status{"device_lost"})
			return nil
		}
	}
	send(w, http.StatusOK, status{"ok"})
	return nil
}

// isPublic reports whether a request needs no key. None of these needs a model.
func (h *Handler) isPublic(r *http.Request) bool {
	_, isPage := h.pageFile(r)
	isPage = isPage || r.Method == http.MethodHead && r.URL.Path == "/" // Claude Code looks there whether there is a server
	return isPage || isHealth(r.URL.Path) || h.options.OpenMetrics && r.URL.Path == metricsPath
}

// serve answers a request that was let in, unless models are still loaded, or its key has too many.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, key string) {
	if h.loading.Load() > 0 && !h.isPublic(r) && r.URL.Path != metricsPath {
		fail(w, formOf(r), &wire.Failure{
			Status: http.StatusServiceUnavailable, Type: wire.TypeServer, Code: "model_loading", RetryAfter: retryLoading,
			Message: fmt.Sprintf("the model is being loaded: try again in %v", retryLoading),
		})
		return
	}
	if most := h.options.MaxPerKey; most > 0 && isWork(r) {
		if !h.enter(key) {
			fail(w, formOf(r), &wire.Failure{
				Status: http.StatusTooManyRequests, Type: wire.TypeRate, Code: "rate_limit_exceeded", RetryAfter: time.Second,
				Message: fmt.Sprintf("%d requests of yours are being answered, which is as many as may: try again in 1 s", most),
			})
			return
		}
		defer h.leave(key)
	}
	h.mux.ServeHTTP(w, r)
}

// isWork reports whether a request is one of those of which a key may have so many at a time. Whoever has as many can still end one.
func isWork(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/v1/") && !strings.HasSuffix(r.URL.Path, "/cancel")
}

// enter counts a request of a key. False: it has as many as it may.
func (h *Handler) enter(key string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.perKey[key] == h.options.MaxPerKey {
		return false
	}
	h.perKey[key]++
	return true
}

func (h *Handler) leave(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.perKey[key]--; h.perKey[key] == 0 {
		delete(h.perKey, key)
	}
}
