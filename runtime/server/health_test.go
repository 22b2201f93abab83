package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	gossamer "gossamer/runtime"
	"gossamer/runtime/server"
)

// status asks for a path and returns the status and what the body says of it.
func status(t *testing.T, url string) (int, string) {
	t.Helper()
	r, answer := do(t, "GET", url, "")
	return r.StatusCode, strings.Trim(strings.TrimPrefix(strings.TrimSpace(answer), `{"status":`), `"}`)
}

func wantStatus(t *testing.T, url string, code int, text string) {
	t.Helper()
	if gotCode, got := status(t, url); gotCode != code || got != text {
		t.Errorf("%s: %d %q, want %d %q", url, gotCode, got, code, text)
	}
}

// While models are loaded the server is alive and not ready, and whoever asks is told when to come back.
func TestModelsBeingLoaded(t *testing.T) {
	h, err := server.New(server.Options{Models: []server.Model{{Name: "a"}, {Name: "b", Aliases: []string{"c"}}}})
	if err != nil {
		t.Fatal(err)
	}
	url, _ := serveHandler(t, h, time.Second)
	loading := func() {
		t.Helper()
		wantStatus(t, url+"/readyz", 503, "model_loading")
		wantStatus(t, url+"/health", 503, "model_loading")
		wantStatus(t, url+"/livez", 200, "ok")
		for path, request := range map[string]string{"/v1/chat/completions": body("hi", ""), "/tokenize": `{"prompt":"hi"}`} {
			r, answer := do(t, "POST", url+path, request)
			if r.StatusCode != 503 || code(t, answer) != "model_loading" || r.Header.Get("Retry-After") == "" {
				t.Errorf("%s: %d %q", path, r.StatusCode, answer)
			}
		}
		if r, _ := do(t, "GET", url+"/v1/models", ""); r.StatusCode != 503 {
			t.Errorf("the models have status %d", r.StatusCode)
		}
		if n := value(t, mustScrape(t, url), "vllm:num_requests_running"); n != 0 {
			t.Errorf("%v replies", n)
		}
	}
	loading()
	if err := h.Loaded(server.Model{Name: "b", Engine: play(t, plays, gossamer.Options{}), Context: 40000}); err != nil {
		t.Fatal(err)
	}
	loading()
	if err := h.Loaded(server.Model{Name: "a", Engine: play(t, plays, gossamer.Options{}), Context: 40000}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, url+"/readyz", 200, "ok")
	for _, name := range []string{"", "a", "b", "c"} {
		if r, answer := do(t, "POST", url+"/v1/chat/completions", body("hi", `,"model":"`+name+`"`)); r.StatusCode != 200 {
			t.Errorf("model %q: %d %q", name, r.StatusCode, answer)
		}
	}
	if got := value(t, mustScrape(t, url), "gossamer_replies_total", "model_name=b", "finish=stop"); got != 2 {
		t.Errorf("b has %v replies, want 2", got)
	}
	for _, name := range []string{"a", "other", ""} {
		if err := h.Loaded(server.Model{Name: name, Engine: play(t, plays, gossamer.Options{}), Context: 1}); err == nil {
			t.Errorf("%q was loaded again", name)
		}
	}
}

// A device that is gone takes the server out of service, and has it started anew.
func TestLostDevice(t *testing.T) {
	url, _ := start(t, server.Options{}, gossamer.Options{}, time.Second)
	wantStatus(t, url+"/livez", 200, "ok")
	if r, answer := do(t, "POST", url+"/v1/chat/completions", body("lost", "")); r.StatusCode != 503 || code(t, answer) != "device_lost" || r.Header.Get("X-Should-Retry") != "false" {
		t.Errorf("%d %q", r.StatusCode, answer)
	}
	wantStatus(t, url+"/livez", 503, "device_lost")
	wantStatus(t, url+"/readyz", 503, "device_lost")
}

// A server that leaves still answers, for those who do not know yet.
func TestLeave(t *testing.T) {
	h, err := server.New(server.Options{Models: []server.Model{{Name: "a", Engine: play(t, plays, gossamer.Options{}), Context: 40000}}})
	if err != nil {
		t.Fatal(err)
	}
	url, _ := serveHandler(t, h, time.Second)
	h.Leave()
	wantStatus(t, url+"/readyz", 503, "draining")
	wantStatus(t, url+"/livez", 200, "ok")
	if r, answer := do(t, "POST", url+"/v1/chat/completions", body("hi", "")); r.StatusCode != 200 {
		t.Errorf("%d %q", r.StatusCode, answer)
	}
}

// Nobody has more requests at a time than may be, and everybody has as many.
func TestMaxPerKey(t *testing.T) {
	keys := []server.Key{{"ann", "secret-a"}, {"bob", "secret-b"}}
	url, _ := start(t, server.Options{Keys: keys, MaxPerKey: 1}, gossamer.Options{}, 100*time.Millisecond)
	ask := func(key, text string) (*http.Response, string) {
		t.Helper()
		return do(t, "POST", url+"/v1/chat/completions", body(text, ""), "Authorization: Bearer "+key)
	}
	running, _ := openBody(t, url, body("never", `,"stream":true`), "Authorization: Bearer secret-a")
	if r, answer := ask("secret-a", "hi"); r.StatusCode != 429 || code(t, answer) != "rate_limit_exceeded" || r.Header.Get("Retry-After") == "" {
		t.Errorf("a second one: %d %q", r.StatusCode, answer)
	}
	if r, answer := ask("secret-b", "hi"); r.StatusCode != 200 {
		t.Errorf("another key: %d %q", r.StatusCode, answer)
	}
	if r, _ := do(t, "GET", url+"/v1/models", "", "Authorization: Bearer secret-a"); r.StatusCode != 200 {
		t.Errorf("the models have status %d", r.StatusCode)
	}
	if r, _ := do(t, "POST", url+"/v1/responses/none/cancel", "", "Authorization: Bearer secret-a"); r.StatusCode != 404 {
		t.Errorf("ending one has status %d", r.StatusCode)
	}
	running.Body.Close()
	for { // until the server hears of it
		if r, _ := ask("secret-a", "hi"); r.StatusCode == 200 {
			break
		}
	}
}
