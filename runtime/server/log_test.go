package server_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	gossamer "gossamer/runtime"
	"gossamer/runtime/server"
)

// notes is a log that may be written from several goroutines.
type notes struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.Write(p)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.String()
}

// The log has each request and whose it is, with its trace, and nothing of what was said, whatever becomes of it.
func TestLog(t *testing.T) {
	var log notes
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	keys := []server.Key{{"ann", "secret-a"}}
	url, _ := start(t, server.Options{Logger: logger, Keys: keys}, gossamer.Options{Logger: logger}, time.Second)
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	post := url + "/v1/chat/completions"
	auth := "Authorization: Bearer secret-a"
	r, answer := do(t, "POST", post, body("private", ""), auth, "Traceparent: "+trace)
	if !strings.Contains(answer, "You said: private") {
		t.Errorf("%q", answer)
	}
	do(t, "POST", post, body("private", `,"stream":true`), auth, "Traceparent: private-1-2-3")
	do(t, "POST", post, body("private fails", ""), auth)
	do(t, "POST", post, `{"messages":"private"}`, auth)
	do(t, "POST", post, `{"private`, auth)
	do(t, "POST", url+"/tokenize", `{"prompt":"private"}`, auth)
	do(t, "POST", post, body("private", ""), "Authorization: Bearer private")
	text := log.String()
	if strings.Contains(text, "private") || strings.Contains(text, "secret") {
		t.Errorf("the log says too much:\n%s", text)
	}
	line := "id=" + r.Header.Get("X-Request-Id") + " method=POST path=/v1/chat/completions status=200 key=ann"
	if n := strings.Count(text, "msg=request"); n != 7 || !strings.Contains(text, line) || strings.Count(text, "traceparent=") != 1 ||
		!strings.Contains(text, "traceparent="+trace) {
		t.Errorf("%d requests, want 7 with %q and the trace of one:\n%s", n, line, text)
	}
}

func TestReasoningField(t *testing.T) {
	const reasoning, content = `"reasoning":"Hm`, `"reasoning_content":"Hm`
	for _, tt := range []struct {
		field server.Options
		want  [2]bool // reasoning, reasoning_content
	}{
		{server.Options{}, [2]bool{true, false}},
		{server.Options{ReasoningField: "reasoning"}, [2]bool{true, false}},
		{server.Options{ReasoningField: "reasoning_content"}, [2]bool{false, true}},
		{server.Options{ReasoningField: "both"}, [2]bool{true, true}},
	} {
		url, _ := start(t, tt.field, gossamer.Options{}, time.Second)
		for _, more := range []string{"", `,"stream":true`} {
			_, answer := do(t, "POST", url+"/v1/chat/completions", body("hi", more))
			if got := [2]bool{strings.Contains(answer, reasoning), strings.Contains(answer, content)}; got != tt.want {
				t.Errorf("%q %s: %q", tt.field.ReasoningField, more, answer)
			}
		}
	}
}
