package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gossamer "gossamer/runtime"
	"gossamer/runtime/server"
)

var soak = flag.Int("soak", 3000, "number of requests of TestSoak")

// soaker sends requests of all kinds, each with a mark of its own.
type soaker struct {
	url    string
	client *http.Client
	serial atomic.Int64
	kinds  sync.Map // of *atomic.Int64: how often each kind came to its end
}

func (s *soaker) post(ctx context.Context, path, body string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, "POST", s.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	return s.client.Do(r)
}

// forms are requests by their path; %s is what is said, which must come back.
var forms = []struct{ path, body string }{
	{"/v1/chat/completions", `{"messages":[{"role":"user","content":"%s"}]%s}`},
	{"/v1/responses", `{"input":"%s"%s}`},
	{"/v1/completions", `{"max_tokens":200,"prompt":"<|start|>user<|message|>%s<|end|><|start|>assistant"%s}`},
}

// one sends a request, and returns what is wrong with the answer.
func (s *soaker) one(rnd *rand.Rand) error {
	n := s.serial.Add(1)
	mark := fmt.Sprintf("mark %d.", n)
	form := forms[rnd.IntN(len(forms))]
	said := "You said: " + mark
	kind := []string{"whole", "whole", "streamed", "streamed", "cancelled", "cancelled", "slow", "bad", "huge", "unknown"}[rnd.IntN(10)]
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream := fmt.Sprintf(form.body, mark, `,"stream":true`)
	var err error
	switch kind {
	case "whole":
		err = s.expect(ctx, form.path, fmt.Sprintf(form.body, mark, ""), 200, said)
	case "streamed":
		err = s.streamed(ctx, form.path, stream, said, 0)
	case "slow":
		err = s.streamed(ctx, form.path, stream, said, time.Millisecond)
	case "bad":
		bad := []string{`{`, `[]`, `{"messages":1,"input":{},"prompt":{}}`, strings.Repeat("[", 5000), "{\"\xff\":1}", ``}[rnd.IntN(6)]
		err = s.expect(ctx, form.path, bad, 400, `"error"`)
	case "huge":
		err = s.expect(ctx, form.path, fmt.Sprintf(form.body, strings.Repeat("x", 100<<10), ""), 413, "request_too_large")
	case "unknown":
		err = s.expect(ctx, form.path, fmt.Sprintf(form.body, mark, `,"model":"gpt-5"`), 404, "model_not_found")
	case "cancelled":
		time.AfterFunc(time.Duration(rnd.IntN(8000))*time.Microsecond, cancel)
		response, failed := s.post(ctx, form.path, strings.Replace(stream, mark, mark+" slow", 1))
		if failed == nil {
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
	}
	count, _ := s.kinds.LoadOrStore(kind, new(atomic.Int64))
	count.(*atomic.Int64).Add(1)
	if err != nil {
		return fmt.Errorf("request %d, %s %s: %w", n, kind, form.path, err)
	}
	return nil
}

func (s *soaker) expect(ctx context.Context, path, body string, status int, part string) error {
	response, err := s.post(ctx, path, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status || !strings.Contains(string(answer), part) || strings.Count(string(answer), "mark ") > 1+strings.Count(part, "mark ") {
		return fmt.Errorf("%d %.300s, %v; want %d with %q", response.StatusCode, answer, err, status, part)
	}
	return nil
}

// streamed reads a stream line by line, with a pause after each, and puts the text of its answer together.
func (s *soaker) streamed(ctx context.Context, path, body, said string, pause time.Duration) error {
	response, err := s.post(ctx, path, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var text strings.Builder
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		time.Sleep(pause)
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok || data == "[DONE]" {
			continue
		}
		var e struct {
			Type    string
			Delta   any
			Choices []struct {
				Text  string
				Delta struct{ Content string }
			}
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return fmt.Errorf("%q: %w", data, err)
		}
		if delta, ok := e.Delta.(string); ok && e.Type == "response.output_text.delta" {
			text.WriteString(delta)
		}
		for _, c := range e.Choices {
			text.WriteString(c.Text + c.Delta.Content)
		}
	}
	if err := lines.Err(); err != nil || !strings.HasSuffix(text.String(), said) || strings.Count(text.String(), "mark ") != 1 {
		return fmt.Errorf("%d %q, %v", response.StatusCode, text.String(), err)
	}
	return nil
}

// Thousands of requests, 32 at a time, many of them broken, cancelled or slow: no reply gets to somebody else, and afterwards nothing is left
// that has begun.
func TestSoak(t *testing.T) {
	url, _ := start(t, server.Options{MaxBody: 64 << 10, ReplyBytes: 1 << 20}, gossamer.Options{MaxSequences: 8, MaxQueue: 64}, time.Second)
	s := &soaker{url: url, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}}
	rnd := rand.New(rand.NewPCG(5, 0))
	for range 50 { // what is made once is made
		if err := s.one(rnd); err != nil {
			t.Fatal(err)
		}
	}
	s.client.CloseIdleConnections()
	settle(t, url)
	before, heap := runtime.NumGoroutine(), inUse()
	var workers sync.WaitGroup
	for worker := range uint64(32) {
		workers.Go(func() {
			rnd := rand.New(rand.NewPCG(6, worker))
			for range *soak / 32 {
				if err := s.one(rnd); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	workers.Wait()
	s.client.CloseIdleConnections()
	settle(t, url)
	for i := 0; runtime.NumGoroutine() > before+2; i++ { // connections end when both sides have noticed
		if time.Sleep(10 * time.Millisecond); i > 3000 {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, before %d\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
	_, metrics := do(t, "GET", url+"/metrics", "")
	for _, name := range []string{"gossamer_replies_running", "gossamer_replies_waiting", "gossamer_pages_used"} {
		if m := regexp.MustCompile(`(?m)^` + name + `\{[^}]*\} (.*)$`).FindStringSubmatch(metrics); m == nil || m[1] != "0" {
			t.Errorf("%s: %q", name, m)
		}
	}
	if after := inUse(); after > heap+16<<20 {
		t.Errorf("%d MiB of heap in use, before %d", after>>20, heap>>20)
	}
	s.kinds.Range(func(kind, count any) bool {
		t.Logf("%d %s", count.(*atomic.Int64).Load(), kind)
		return true
	})
}

// settle waits until a request is answered at once, as when there are no others.
func settle(t *testing.T, url string) {
	t.Helper()
	for range 8 {
		if r, answer := do(t, "POST", url+"/v1/chat/completions", body("hi", "")); r.StatusCode != 200 {
			t.Fatalf("%d %s", r.StatusCode, answer)
		}
	}
}

// inUse is the size of what is alive on the heap.
func inUse() uint64 {
	var m runtime.MemStats
	for range 2 { // what finalizers free goes at the second time
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Streams that wait for their reply cost little: a thousand of them less than 50 MB, connections and clients included.
func TestIdleStreams(t *testing.T) {
	const streams = 1000
	url, _ := start(t, server.Options{KeepAlive: 200 * time.Millisecond}, gossamer.Options{MaxSequences: 1, MaxQueue: 2 * streams}, 10*time.Millisecond)
	open(t, url, "never")
	before := inUse()
	address := strings.TrimPrefix(url, "http://")
	request := body("hi", `,"stream":true`)
	var conns []net.Conn
	for i := range streams {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
		t.Cleanup(func() { c.Close() })
		conns = append(conns, c)
		fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", address, len(request), request)
	}
	for i, c := range conns { // all of them wait
		if head, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.HasPrefix(head, "HTTP/1.1 200 ") {
			t.Fatalf("stream %d: %q, %v", i, head, err)
		}
	}
	after := inUse()
	t.Logf("%d streams take %d kB", streams, (after-before)/1000)
	if after > before+50_000_000 {
		t.Errorf("%d streams take %d kB", streams, (after-before)/1000)
	}
}
