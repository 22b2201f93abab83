package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	client "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	gossamer "gossamer/runtime"
	"gossamer/runtime/engine"
	"gossamer/runtime/playback"
	"gossamer/runtime/server"
	"gossamer/runtime/tokenizer"
)

const plays = `{"version": 1, "plays": [
 {"name": "slow", "when": {"user": "slow"}, "reply": [{"text": "<|channel|>final<|message|>One"}, {"wait_ms": 400}, {"text": " two"}]},
 {"name": "never", "when": {"user": "never"}, "reply": [{"text": "<|channel|>final<|message|>One"}, {"wait_ms": 600000}, {"text": " two"}]},
 {"name": "late", "when": {"user": "late"}, "reply": [{"wait_ms": 400}, {"text": "<|channel|>final<|message|>One"}]},
 {"name": "late failure", "when": {"user": "fails"}, "reply": [{"wait_ms": 400}, {"fail": "error"}]},
 {"name": "lost", "when": {"user": "lost"}, "reply": [{"fail": "device_lost"}]},
 {"name": "long", "when": {"user": "long"}, "reply": [{"text": "<|channel|>final<|message|>"}, {"repeat": {"times": 4000, "of": [{"text": " a word that fills the buffers of a connection"}]}}]},
 {"name": "announced", "when": {"user": "forecast"}, "reply": [{"text": "<|channel|>analysis<|message|>They ask.<|end|><|start|>assistant<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{}<|call|>"}]},
 {"name": "call", "when": {"user": "weather"}, "reply": [{"text": "<|channel|>analysis<|message|>They ask.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\":\"Rome\"}<|call|>"}]},
 {"name": "else", "when": {}, "reply": [{"text": "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>You said: {user}"}]}]}`

// play opens an engine that plays, until the test ends.
func play(t testing.TB, plays string, engines gossamer.Options) *gossamer.Engine {
	t.Helper()
	engines.Context = 40000
	engines.Playback = func(tok *tokenizer.Tokenizer, context int) (engine.Backend, error) {
		return playback.Load([]byte(plays), tok, playback.Options{Context: context})
	}
	e, err := gossamer.Open(t.Context(), "plays", engines)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// start serves plays on a free port, until the test ends or stop is called, which returns what Serve does.
func start(t testing.TB, o server.Options, engines gossamer.Options, drain time.Duration) (url string, stop func() error) {
	t.Helper()
	return startPlays(t, plays, o, engines, drain)
}

func startPlays(t testing.TB, plays string, o server.Options, engines gossamer.Options, drain time.Duration) (url string, stop func() error) {
	t.Helper()
	o.Models = []server.Model{{
		Name: "gpt-oss-20b", Aliases: []string{"openai/gpt-oss-20b"}, Engine: play(t, plays, engines), Context: 40000, Created: time.Unix(1754352000, 0),
	}}
	return serve(t, o, drain)
}

// serve is start with models of the caller's.
func serve(t testing.TB, o server.Options, drain time.Duration) (url string, stop func() error) {
	t.Helper()
	h, err := server.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return serveHandler(t, h, drain)
}

// serveHandler is start with a handler.
func serveHandler(t testing.TB, h *server.Handler, drain time.Duration) (url string, stop func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l, h, drain) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String(), stop
}

func body(text string, more string) string {
	return fmt.Sprintf(`{"messages":[{"role":"user","content":%q}]%s}`, text, more)
}

// newRequest makes a request with headers "Name: value".
func newRequest(t *testing.T, method, url, body string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == "POST" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Set(name, value)
	}
	return r
}

// do sends a request.
func do(t *testing.T, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	response, err := http.DefaultTransport.RoundTrip(newRequest(t, method, url, body, headers...))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(data)
}

// code is that of an error.
func code(t *testing.T, body string) string {
	t.Helper()
	var e struct {
		Error struct{ Message, Type, Code string }
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Error.Message == "" || e.Error.Type == "" {
		t.Errorf("%q is no error: %v", body, err)
	}
	return e.Error.Code
}

func TestWhoIsLetIn(t *testing.T) {
	free, _ := start(t, server.Options{Hosts: []string{"Box.local"}, Origins: []string{"https://app.example"}}, gossamer.Options{}, time.Second)
	keyed, _ := start(t, server.Options{Keys: []server.Key{{"ann", "secret-a"}, {"bob", "secret-b"}}}, gossamer.Options{}, time.Second)
	small, _ := start(t, server.Options{MaxBody: 100}, gossamer.Options{}, time.Second)
	hi := body("hi", "")
	for _, tt := range []struct {
		name, method, url, body string
		headers                 []string
		status                  int
		code                    string
	}{
		{"a program", "POST", free + "/v1/chat/completions", hi, nil, 200, ""},
		{"by a known name", "GET", free + "/v1/models", "", []string{"Host: box.local:80"}, 200, ""},
		{"by localhost", "GET", free + "/v1/models", "", []string{"Host: localhost"}, 200, ""},
		{"by a name below localhost", "GET", free + "/v1/models", "", []string{"Host: a.localhost:80"}, 200, ""},
		{"by a name that ends alike", "GET", free + "/v1/models", "", []string{"Host: notlocalhost"}, 403, "host_not_allowed"},
		{"by IPv6", "GET", free + "/v1/models", "", []string{"Host: [::1]:8080"}, 200, ""},
		{"DNS rebinding", "GET", free + "/v1/models", "", []string{"Host: evil.example"}, 403, "host_not_allowed"},
		{"DNS rebinding, same origin", "POST", free + "/v1/chat/completions", hi, []string{"Host: evil.example:80", "Origin: http://evil.example"}, 403, "host_not_allowed"},
		{"another address", "GET", free + "/v1/models", "", []string{"Host: 192.0.2.1"}, 403, "host_not_allowed"},
		{"a page elsewhere", "POST", free + "/v1/chat/completions", hi, []string{"Origin: https://evil.example"}, 403, "origin_not_allowed"},
		{"a page elsewhere, without its origin", "POST", free + "/v1/chat/completions", hi, []string{"Sec-Fetch-Site: cross-site"}, 403, "origin_not_allowed"},
		{"a form", "POST", free + "/v1/chat/completions", hi, []string{"Content-Type: text/plain"}, 415, "unsupported_media_type"},
		{"compressed", "POST", free + "/v1/chat/completions", hi, []string{"Content-Encoding: gzip"}, 415, "unsupported_media_type"},
		{"not compressed", "POST", free + "/v1/chat/completions", hi, []string{"Content-Encoding: identity"}, 200, ""},
		{"a page that may", "POST", free + "/v1/chat/completions", hi, []string{"Origin: https://app.example", "Sec-Fetch-Site: cross-site"}, 200, ""},
		{"what it asks first", "OPTIONS", free + "/v1/chat/completions", "", []string{"Origin: https://app.example"}, 204, ""},
		{"what another asks first", "OPTIONS", free + "/v1/chat/completions", "", []string{"Origin: https://evil.example"}, 405, "method_not_allowed"},
		{"no key", "GET", keyed + "/v1/models", "", nil, 401, "invalid_api_key"},
		{"a wrong key", "GET", keyed + "/v1/models", "", []string{"Authorization: Bearer secret-"}, 401, "invalid_api_key"},
		{"an empty key", "GET", keyed + "/v1/models", "", []string{"Authorization: Bearer "}, 401, "invalid_api_key"},
		{"a key", "GET", keyed + "/v1/models", "", []string{"Authorization: bearer secret-b"}, 200, ""},
		{"a key by another header", "GET", keyed + "/v1/models", "", []string{"X-Api-Key: secret-a"}, 200, ""},
		{"health without a key", "GET", keyed + "/health", "", nil, 200, ""},
		{"nothing there", "GET", free + "/v1/other", "", nil, 404, "unknown_url"},
		{"nothing there, with dots", "GET", free + "/v1/models/../../etc/passwd", "", nil, 307, ""},
		{"another method", "GET", free + "/v1/chat/completions", "", nil, 405, "method_not_allowed"},
		{"a long body", "POST", small + "/v1/chat/completions", body(strings.Repeat("x", 100), ""), nil, 413, "request_too_large"},
		{"no JSON", "POST", free + "/v1/chat/completions", "{", nil, 400, "invalid_json"},
		{"another model", "POST", free + "/v1/chat/completions", body("hi", `,"model":"gpt-9"`), nil, 404, "model_not_found"},
		{"a model", "GET", free + "/v1/models/openai/gpt-oss-20b", "", nil, 200, ""},
		{"no model", "GET", free + "/v1/models/gpt-9", "", nil, 404, "model_not_found"},
		{"no text", "POST", free + "/tokenize", "{}", nil, 400, "missing_required_parameter"},
		{"no token", "POST", free + "/detokenize", `{"tokens":[1,999999]}`, nil, 400, "invalid_value"},
	} {
		r, answer := do(t, tt.method, tt.url, tt.body, tt.headers...)
		if r.StatusCode != tt.status || tt.code != "" && code(t, answer) != tt.code || r.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: %d %q, want %d %s", tt.name, r.StatusCode, answer, tt.status, tt.code)
		}
		if origin := r.Header.Get("Access-Control-Allow-Origin"); origin != "" && origin != "https://app.example" || (origin != "") != slices.Contains(tt.headers, "Origin: https://app.example") {
			t.Errorf("%s: pages of %q may read the answer", tt.name, origin)
		}
	}
}

func TestBadOptions(t *testing.T) {
	m := server.Model{Name: "a"}
	for name, o := range map[string]server.Options{
		"no models":    {},
		"no name":      {Models: []server.Model{{}}},
		"a name twice": {Models: []server.Model{m, {Name: "b", Aliases: []string{"a"}}}},
		"an empty key": {Models: []server.Model{m}, Keys: []server.Key{{Name: "x"}}},
		"no origin":    {Models: []server.Model{m}, Origins: []string{"app.example"}},
	} {
		if _, err := server.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestTokens(t *testing.T) {
	url, _ := start(t, server.Options{}, gossamer.Options{}, time.Second)
	var tokens struct {
		Count  int
		Tokens []int32
	}
	text := `Hello "world" 🌞 <|start|>`
	request, err := json.Marshal(map[string]string{"prompt": text})
	if err != nil {
		t.Fatal(err)
	}
	if _, answer := do(t, "POST", url+"/tokenize", string(request)); json.Unmarshal([]byte(answer), &tokens) != nil || tokens.Count != len(tokens.Tokens) || tokens.Count < 5 {
		t.Fatalf("%q", answer)
	}
	request, err = json.Marshal(map[string]any{"tokens": append(tokens.Tokens, 200006), "model": "openai/gpt-oss-20b"})
	if err != nil {
		t.Fatal(err)
	}
	var back struct{ Prompt string }
	if _, answer := do(t, "POST", url+"/detokenize", string(request)); json.Unmarshal([]byte(answer), &back) != nil || back.Prompt != text+"<|start|>" {
		t.Errorf("%q", answer)
	}
}

// OpenAI's own client, as it is.
func TestClient(t *testing.T) {
	url, _ := start(t, server.Options{Keys: []server.Key{{"ann", "secret"}}}, gossamer.Options{}, time.Second)
	c := client.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey("secret"), option.WithMaxRetries(0))
	page, err := c.Models.List(t.Context())
	if err != nil || len(page.Data) != 2 || page.Data[1].ID != "openai/gpt-oss-20b" {
		t.Fatalf("%+v, %v", page, err)
	}
	p := client.ChatCompletionNewParams{Model: "openai/gpt-oss-20b", Messages: []client.ChatCompletionMessageParamUnion{client.UserMessage("hello")}}
	whole, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil || whole.Choices[0].Message.Content != "You said: hello" || whole.Model != "openai/gpt-oss-20b" || !strings.Contains(whole.RawJSON(), `"reasoning":"Hm."`) {
		t.Errorf("%+v, %v", whole, err)
	}
	var sum client.ChatCompletionAccumulator
	stream := c.Chat.Completions.NewStreaming(t.Context(), p)
	for stream.Next() {
		if !sum.AddChunk(stream.Current()) {
			t.Errorf("the client cannot add %s", stream.Current().RawJSON())
		}
	}
	if err := stream.Err(); err != nil || sum.Choices[0].Message.Content != "You said: hello" {
		t.Errorf("%+v, %v", sum, err)
	}
}

// A stream that has no news yet has comments; and where it fails after one, it says so in an event.
func TestStreamsWithoutNews(t *testing.T) {
	url, _ := start(t, server.Options{KeepAlive: 50 * time.Millisecond}, gossamer.Options{}, time.Second)
	_, answer := do(t, "POST", url+"/v1/chat/completions", body("late", `,"stream":true`))
	if !strings.HasPrefix(answer, ": waiting\n\n") || !strings.Contains(answer, `"content":"One"`) || !strings.HasSuffix(answer, "data: [DONE]\n\n") {
		t.Errorf("%q", answer)
	}
	r, answer := do(t, "POST", url+"/v1/chat/completions", body("fails", `,"stream":true`))
	if r.StatusCode != 200 || !strings.HasPrefix(answer, ": waiting\n\n") || !strings.Contains(answer, `data: {"error":{`) || strings.Contains(answer, "[DONE]") {
		t.Errorf("%d %q", r.StatusCode, answer)
	}
}

// open asks for a stream and reads until it has begun.
func open(t *testing.T, url, text string) (*http.Response, *streamReader) {
	t.Helper()
	return openBody(t, url, body(text, `,"stream":true`))
}

// openBody is open with a whole body, and headers "Name: value".
func openBody(t *testing.T, url, body string, headers ...string) (*http.Response, *streamReader) {
	t.Helper()
	return openRequest(t, newRequest(t, "POST", url+"/v1/chat/completions", body, headers...), `"One"`, `" a"`)
}

// streamReader reads the rest of a stream.
type streamReader struct {
	*bufio.Reader
	seen string // what came before
}

// openStream asks for a stream and reads until a line has one of some texts.
func openStream(t *testing.T, url, body string, until ...string) (*http.Response, *streamReader) {
	t.Helper()
	return openRequest(t, newRequest(t, "POST", url, body), until...)
}

func openRequest(t *testing.T, request *http.Request, until ...string) (*http.Response, *streamReader) {
	t.Helper()
	r, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Body.Close() })
	reader := &streamReader{Reader: bufio.NewReader(r.Body)}
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after %s", err, reader.seen)
		}
		reader.seen += line
		if slices.ContainsFunc(until, func(text string) bool { return strings.Contains(line, text) }) {
			return r, reader
		}
	}
}

// Replies that have begun come to their end when the server is told to stop; nobody else is let in.
func TestDrain(t *testing.T) {
	url, stop := start(t, server.Options{}, gossamer.Options{}, time.Minute)
	_, reader := open(t, url, "slow")
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for {
		r, answer := do(t, "GET", url+"/readyz", "")
		if r.StatusCode == 503 && strings.Contains(answer, "draining") {
			break
		}
	}
	if r, answer := do(t, "POST", url+"/v1/chat/completions", body("hi", "")); r.StatusCode != 503 || code(t, answer) != "draining" {
		t.Errorf("a new request: %d %q", r.StatusCode, answer)
	}
	if r, _ := do(t, "GET", url+"/livez", ""); r.StatusCode != 200 {
		t.Errorf("livez: %d", r.StatusCode)
	}
	rest, err := io.ReadAll(reader)
	if err != nil || !strings.Contains(string(rest), `" two"`) || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		t.Errorf("the reply: %q, %v", rest, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// A reply that does not end in time is ended.
func TestDrainTimeout(t *testing.T) {
	url, stop := start(t, server.Options{}, gossamer.Options{}, 100*time.Millisecond)
	_, reader := open(t, url, "never")
	if err := stop(); err != nil {
		t.Error(err)
	}
	rest, err := io.ReadAll(reader)
	if err != nil || !strings.Contains(string(rest), `"code":"draining"`) || strings.Contains(string(rest), "[DONE]") {
		t.Errorf("the reply: %q, %v", rest, err)
	}
}

// Who is gone, or takes nothing, holds nothing up: with one place and one more in the queue others get their replies.
func TestClientsThatAreGone(t *testing.T) {
	url, _ := start(t, server.Options{WriteTimeout: 200 * time.Millisecond}, gossamer.Options{MaxSequences: 1, MaxQueue: 1}, time.Second)
	gone, _ := open(t, url, "never")
	gone.Body.Close()
	open(t, url, "long") // and nothing more is read of it
	if r, answer := do(t, "POST", url+"/v1/chat/completions", body("hi", "")); r.StatusCode != 200 || !strings.Contains(answer, "You said: hi") {
		t.Errorf("%d %q", r.StatusCode, answer)
	}
}

func TestBusy(t *testing.T) {
	url, _ := start(t, server.Options{}, gossamer.Options{MaxSequences: 1, MaxQueue: 1}, 100*time.Millisecond)
	open(t, url, "never")
	// Of two more, one waits, and the other is told to come back.
	answers := make(chan *http.Response, 2)
	for range 2 {
		go func() {
			r, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(body("hi", "")))
			if err == nil {
				answers <- r
			}
		}()
	}
	r := <-answers
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != 429 || code(t, string(answer)) != "rate_limit_exceeded" || r.Header.Get("Retry-After") == "" {
		t.Errorf("%d %q, Retry-After %q, %v", r.StatusCode, answer, r.Header.Get("Retry-After"), err)
	}
}
