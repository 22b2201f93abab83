package server_test

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	gossamer "gossamer/runtime"
	"gossamer/runtime/server"
)

// A client that asks again and again and takes no answer loses its connection, whatever it asks for.
func TestClientsThatTakeNoAnswer(t *testing.T) {
	url, _ := start(t, server.Options{WriteTimeout: 200 * time.Millisecond}, gossamer.Options{}, time.Second)
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	request := []byte(strings.Repeat("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 100))
	for err == nil { // until the server closes: its answers fill the buffers of the connection
		_, err = c.Write(request)
	}
}

// The text of many tokens is put together once.
func TestManyTokens(t *testing.T) {
	url, _ := start(t, server.Options{}, gossamer.Options{}, time.Second)
	const n = 50000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, answer := do(t, "POST", url+"/detokenize", `{"tokens":[`+strings.Repeat("15339,", n)+`15339]}`) // " awesome"
	runtime.ReadMemStats(&after)
	if want := `{"prompt":"` + strings.Repeat(" awesome", n+1); r.StatusCode != 200 || !strings.HasPrefix(answer, want) {
		t.Fatalf("%d %.100s", r.StatusCode, answer)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 200<<20 { // token after token it takes 10 GB
		t.Errorf("%d bytes were allocated", took)
	}
}

// What is kept of a chain is bounded by the memory that it takes: each response has the conversation before it.
func TestChainsAreBounded(t *testing.T) {
	url, _ := start(t, server.Options{ReplyBytes: 200_000}, gossamer.Options{}, time.Second)
	var ids []string
	more := ""
	for range 40 {
		ids = append(ids, respond(t, url, `{"input":"`+strings.Repeat("word ", 20)+`"`+more+`}`).ID)
		more = fmt.Sprintf(`,"previous_response_id":%q`, ids[len(ids)-1])
	}
	kept := 0
	for _, id := range ids {
		if r, _ := do(t, "GET", url+"/v1/responses/"+id, ""); r.StatusCode == 200 {
			kept++
		}
	}
	if kept == 0 || kept > 10 { // the histories of the last ten have more than 1,000 items together
		t.Errorf("%d of %d responses are kept", kept, len(ids))
	}
}

// An error says what is wrong with a request, but does not repeat all of it.
func TestErrorsAreShort(t *testing.T) {
	url, _ := start(t, server.Options{}, gossamer.Options{}, time.Second)
	long := strings.Repeat("x", 1<<20)
	for path, body := range map[string]string{
		"/v1/chat/completions": `{"messages":[{"role":"` + long + `","content":"x"}]}`,
		"/v1/completions":      `{"prompt":"x","temperature":` + strings.Repeat("9", 1<<20) + `}`,
		"/v1/messages":         `{"max_tokens":1,"messages":[{"role":"user","content":[{"type":"` + long + `"}]}]}`,
		"/v1/responses":        `{"input":"x","previous_response_id":"` + long + `"}`,
	} {
		if r, answer := do(t, "POST", url+path, body); r.StatusCode != 400 || len(answer) > 5000 {
			t.Errorf("%s: %d, %d bytes", path, r.StatusCode, len(answer))
		}
	}
}

// A request for as many completions as may be asked for is not refused because of its own.
func TestCompletionsDoNotFillTheQueue(t *testing.T) {
	url, _ := start(t, server.Options{}, gossamer.Options{MaxSequences: 8, MaxQueue: 64}, time.Second)
	prompts := strings.Repeat(`"x",`, 127) + `"x"`
	r, answer := do(t, "POST", url+"/v1/completions", `{"prompt":[`+prompts+`],"max_tokens":2}`)
	if r.StatusCode != 200 || strings.Count(answer, `"finish_reason":"length"`) != 128 {
		t.Errorf("%d %.200s", r.StatusCode, answer)
	}
}
