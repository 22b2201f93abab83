package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	claude "github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"

	gossamer "gossamer/runtime"
	"gossamer/runtime/server"
)

const messagePlays = `{"version": 1, "plays": [
 {"name": "answer", "when": {"last": "tool"}, "reply": [{"text": "<|channel|>analysis<|message|>Now I know.<|end|><|start|>assistant<|channel|>final<|message|>They say: {result}"}]},
 {"name": "call", "when": {"tools": ["get_weather"]}, "reply": [{"text": "<|channel|>analysis<|message|>They ask.<|end|><|start|>assistant<|channel|>commentary<|message|>I look.<|end|><|start|>assistant to=functions.get_weather<|channel|>commentary <|constrain|>json<|message|>{\"city\":\"Rome <&> ‘Ω’\"}<|call|>"}]},
 {"name": "python", "when": {"user": "compute"}, "reply": [{"text": "<|channel|>analysis to=python code<|message|>print(\"1\")<|call|>"}]},
 {"name": "stop", "when": {"user": "count"}, "reply": [{"text": "<|channel|>final<|message|>One, two, three, four"}]},
 {"name": "late failure", "when": {"user": "fails"}, "reply": [{"text": "<|channel|>final<|message|>One"}, {"fail": "error"}]},
 {"name": "never", "when": {"user": "never"}, "reply": [{"text": "<|channel|>final<|message|>One"}, {"wait_ms": 600000}, {"text": " two"}]},
 {"name": "nothing", "when": {"user": "silence"}, "reply": [{"text": "<|channel|>final<|message|><|return|>"}]},
 {"name": "low", "when": {"effort": "low"}, "reply": [{"text": "<|channel|>analysis<|message|>L.<|end|><|start|>assistant<|channel|>final<|message|>low"}]},
 {"name": "high", "when": {"effort": "high"}, "reply": [{"text": "<|channel|>analysis<|message|>H.<|end|><|start|>assistant<|channel|>final<|message|>high"}]},
 {"name": "else", "when": {}, "reply": [{"text": "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>You said: {user}"}]}]}`

// anthropicClient is Anthropic's own client, as it is.
func anthropicClient(url string, options ...option.RequestOption) claude.Client {
	return claude.NewClient(append([]option.RequestOption{
		option.WithoutEnvironmentDefaults(), option.WithBaseURL(url), option.WithAPIKey("secret"), option.WithMaxRetries(0),
	}, options...)...)
}

// params asks a question, with a tool or without.
func params(text string, tools ...string) claude.MessageNewParams {
	p := claude.MessageNewParams{
		Model: "gpt-oss-20b", MaxTokens: 1000, Messages: []claude.MessageParam{claude.NewUserMessage(claude.NewTextBlock(text))},
		System: []claude.TextBlockParam{{Text: "x-anthropic-billing-header: cc_version=1; cch=0"}, {Text: "Be kind."}},
	}
	for _, name := range tools {
		p.Tools = append(p.Tools, claude.ToolUnionParamOfTool(claude.ToolInputSchemaParam{
			Properties: map[string]any{"city": map[string]any{"type": "string"}}, Required: []string{"city"},
		}, name))
	}
	return p
}

// shown is what of a message matters to its reader.
func shown(m *claude.Message) string {
	var b strings.Builder
	for _, block := range m.Content {
		switch block := block.AsAny().(type) {
		case claude.ThinkingBlock:
			fmt.Fprintf(&b, "[%s|%s]", block.Thinking, block.Signature)
		case claude.TextBlock:
			fmt.Fprintf(&b, "%q", block.Text)
		case claude.ToolUseBlock:
			fmt.Fprintf(&b, "%s(%s)", block.Name, block.Input)
			if !strings.HasPrefix(block.ID, "toolu_") {
				fmt.Fprintf(&b, " of id %s", block.ID)
			}
		}
	}
	return b.String() + " " + string(m.StopReason) + " " + m.StopSequence
}

// ask returns a reply that must be the same whole and streamed, with the usage that was counted before.
func ask(t *testing.T, c *claude.Client, p claude.MessageNewParams) *claude.Message {
	t.Helper()
	whole, err := c.Messages.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	var sum claude.Message
	stream := c.Messages.NewStreaming(t.Context(), p)
	for stream.Next() {
		e := stream.Current()
		if err := sum.Accumulate(e); err != nil {
			t.Fatal(err)
		}
		if e.Type == "message_start" && e.Message.Usage.InputTokens+e.Message.Usage.CacheReadInputTokens != whole.Usage.InputTokens+whole.Usage.CacheReadInputTokens {
			t.Errorf("the stream begins with the usage %s, the whole reply has %s", e.Message.Usage.RawJSON(), whole.Usage.RawJSON())
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if shown(whole) != shown(&sum) || whole.Usage.OutputTokens != sum.Usage.OutputTokens {
		t.Errorf("whole %s, streamed %s", shown(whole), shown(&sum))
	}
	tools := []claude.MessageCountTokensToolUnionParam{}
	for _, tool := range p.Tools {
		tools = append(tools, claude.MessageCountTokensToolUnionParam{OfTool: tool.OfTool})
	}
	count, err := c.Messages.CountTokens(t.Context(), claude.MessageCountTokensParams{
		Model: p.Model, Messages: p.Messages, System: claude.MessageCountTokensParamsSystemUnion{OfTextBlockArray: p.System}, Thinking: p.Thinking, OutputConfig: p.OutputConfig, ToolChoice: p.ToolChoice, Tools: tools,
	})
	for _, m := range []*claude.Message{whole, &sum} {
		if u := m.Usage; err != nil || count.InputTokens != u.InputTokens+u.CacheReadInputTokens || u.OutputTokens == 0 {
			t.Errorf("counted %+v, %v, used %s", count, err, u.RawJSON())
		}
	}
	return whole
}

func TestMessagesClient(t *testing.T) {
	url, _ := startPlays(t, messagePlays, server.Options{Keys: []server.Key{{"ann", "secret"}}}, gossamer.Options{}, time.Second)
	c := anthropicClient(url)
	enabled := func(tokens int64) func(*claude.MessageNewParams) {
		return func(p *claude.MessageNewParams) { p.Thinking = claude.ThinkingConfigParamOfEnabled(tokens) }
	}
	for _, tt := range []struct {
		text, want string
		edit       func(*claude.MessageNewParams)
	}{
		{"hello", `[Hm.|gossamer]"You said: hello" end_turn `, nil},
		{"hello", `[L.|gossamer]"low" end_turn `, enabled(1024)},
		{"hello", `[Hm.|gossamer]"You said: hello" end_turn `, enabled(8192)},
		{"hello", `[H.|gossamer]"high" end_turn `, enabled(16384)},
		{"hello", `"low" end_turn `, func(p *claude.MessageNewParams) { p.Thinking.OfDisabled = &claude.ThinkingConfigDisabledParam{} }},
		{"hello", `[H.|gossamer]"high" end_turn `, func(p *claude.MessageNewParams) {
			p.Thinking.OfAdaptive = &claude.ThinkingConfigAdaptiveParam{Display: "summarized"}
			p.OutputConfig.Effort = claude.OutputConfigEffortXhigh
		}},
		{"hello", `[|gossamer:SG0u]"You said: hello" end_turn `, func(p *claude.MessageNewParams) {
			p.Thinking.OfAdaptive = &claude.ThinkingConfigAdaptiveParam{Display: "omitted"}
		}},
		{"count", `"One, two" stop_sequence , three`, func(p *claude.MessageNewParams) { p.StopSequences = []string{"four", ", three"} }},
		{"count", `"One," max_tokens `, func(p *claude.MessageNewParams) { p.MaxTokens = 5 }},
		{"compute", `python({"_unparsed":"print(\"1\")"}) tool_use `, nil},
		{"silence", ` end_turn `, nil},
	} {
		p := params(tt.text)
		if tt.edit != nil {
			tt.edit(&p)
		}
		reply := ask(t, &c, p)
		if got := shown(reply); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.text, got, tt.want)
		}
		p.Messages = append(p.Messages, reply.ToParam())
		if last := len(reply.Content) - 1; reply.StopReason == claude.StopReasonToolUse {
			p.Messages = append(p.Messages, claude.NewUserMessage(claude.NewToolResultBlock(reply.Content[last].ID, "done", false)))
		} else {
			p.Messages = append(p.Messages, claude.NewUserMessage(claude.NewTextBlock("on")))
		}
		ask(t, &c, p) // the conversation goes on
	}
}

func TestMessagesToolLoop(t *testing.T) {
	url, _ := startPlays(t, messagePlays, server.Options{}, gossamer.Options{}, time.Second)
	c := anthropicClient(url)
	p := params("weather", "get_weather")
	call := ask(t, &c, p)
	if got, want := shown(call), `[They ask.|gossamer]"I look."get_weather({"city":"Rome <&> ‘Ω’"}) tool_use `; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	again := p
	again.Messages = append(p.Messages, call.ToParam(), claude.NewUserMessage(claude.NewToolResultBlock(call.Content[2].ID, "18 °C", true)))
	answer := ask(t, &c, again)
	if got, want := shown(answer), `[Now I know.|gossamer]"They say: Error: 18 °C" end_turn `; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// What the model was thinking is part of the prompt, and its own words are those that it wrote: all of them are known from before.
	if u := call.Usage; answer.Usage.CacheReadInputTokens < u.InputTokens+u.CacheReadInputTokens+u.OutputTokens {
		t.Errorf("after the usage %s of the call that of the answer is %s", u.RawJSON(), answer.Usage.RawJSON())
	}
	forgetful := again
	reply := call.ToParam()
	reply.OfAssistant.Content = reply.OfAssistant.Content[1:]
	forgetful.Messages = append(p.Messages, reply, again.Messages[2])
	if less := ask(t, &c, forgetful).Usage; less.InputTokens+less.CacheReadInputTokens >= answer.Usage.InputTokens+answer.Usage.CacheReadInputTokens {
		t.Errorf("without what the model was thinking the prompt has the usage %s, with it %s", less.RawJSON(), answer.Usage.RawJSON())
	}
}

func TestMessagesStream(t *testing.T) {
	url, _ := startPlays(t, messagePlays, server.Options{NewID: func(prefix string) string { return prefix + "1" }}, gossamer.Options{}, time.Second)
	r, answer := do(t, "POST", url+"/v1/messages", `{"max_tokens":100,"stream":true,"messages":[{"role":"user","content":"hello"}]}`)
	var names []string
	for line := range strings.Lines(answer) {
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	joined := strings.Join(names, " ")
	for _, delta := range []string{"content_block_delta"} { // as many as the tokens happen to come in
		for strings.Contains(joined, delta+" "+delta) {
			joined = strings.ReplaceAll(joined, delta+" "+delta, delta)
		}
	}
	const block = " content_block_start content_block_delta content_block_stop"
	if want := "message_start" + block + block + " message_delta message_stop"; joined != want || r.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%s: %q", joined, answer)
	}
	const begin = "event: message_start\n" + `data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"gpt-oss-20b",` +
		`"content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":`
	if !strings.HasPrefix(answer, begin) || !strings.Contains(answer, `"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":`) {
		t.Errorf("%q", answer)
	}

	r, answer = do(t, "POST", url+"/v1/messages", `{"max_tokens":100,"stream":true,"messages":[{"role":"user","content":"fails"}]}`)
	const end = "event: error\n" + `data: {"type":"error","error":{"type":"api_error","message":`
	if r.StatusCode != 200 || !strings.Contains(answer, end) || !strings.HasSuffix(answer, `"request_id":"req_1"}`+"\n\n") || strings.Contains(answer, "message_stop") {
		t.Errorf("%d %q", r.StatusCode, answer)
	}
	stream := new(anthropicClient(url)).Messages.NewStreaming(t.Context(), params("fails"))
	for stream.Next() {
	}
	var failed *claude.Error
	if !errors.As(stream.Err(), &failed) || failed.Type() != "api_error" || failed.RequestID != "req_1" {
		t.Errorf("%v", stream.Err())
	}
}

// All errors of the API have its form, whoever finds them.
func TestMessagesErrors(t *testing.T) {
	keyed, _ := startPlays(t, messagePlays, server.Options{Keys: []server.Key{{"ann", "secret"}}, MaxBody: 300000}, gossamer.Options{}, time.Second)
	strict, _ := startPlays(t, messagePlays, server.Options{StrictRequests: true}, gossamer.Options{}, time.Second)
	hi := func(more string) string {
		return `{"max_tokens":9` + more + `,"messages":[{"role":"user","content":"hi"}]}`
	}
	const key, messages, count = "X-Api-Key: secret", "/v1/messages", "/v1/messages/count_tokens"
	for _, tt := range []struct {
		name, method, url, body string
		headers                 []string
		status                  int
		kind, message           string
	}{
		{"no key", "POST", keyed + messages, hi(""), nil, 401, "authentication_error", ""},
		{"another host", "POST", keyed + count, hi(""), []string{"Host: evil.example"}, 403, "permission_error", ""},
		{"another type", "POST", keyed + messages, hi(""), []string{key, "Content-Type: text/plain"}, 415, "invalid_request_error", ""},
		{"long", "POST", keyed + messages, hi(strings.Repeat(" ", 300000)), []string{key}, 413, "request_too_large", ""},
		{"a model", "POST", keyed + messages, hi(`,"model":"claude"`), []string{key}, 404, "not_found_error", `no model "claude"`},
		{"a model to count", "POST", keyed + count, hi(`,"model":"claude"`), []string{key}, 404, "not_found_error", `no model "claude"`},
		{"a path", "POST", keyed + messages + "/batches", "{}", []string{key}, 404, "not_found_error", ""},
		{"a method", "GET", keyed + messages, "", []string{key}, 405, "invalid_request_error", ""},
		{"a bearer", "POST", keyed + messages, hi(`,"messages":1`), []string{"Authorization: Bearer secret"}, 400, "invalid_request_error", ""},
		{"a field", "POST", strict + messages, hi(`,"foo":1`), nil, 400, "invalid_request_error", "foo: is unknown"},
		{"a result", "POST", strict + messages, `{"max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"a"},` +
			`{"type":"tool_result","tool_use_id":"x"}]}]}`, nil, 400, "invalid_request_error", "messages[0].content[1].tool_use_id: no call before"},
		{"a result to count", "POST", strict + count, `{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x"}]}]}`, nil, 400,
			"invalid_request_error", "messages[0].content[0].tool_use_id: no call before"},
		{"a name", "POST", strict + messages, hi(`,"tools":[{"name":"a b","input_schema":{}}]`), nil, 400, "invalid_request_error", "tools[0].name: "},
		{"a schema", "POST", strict + messages, hi(`,"output_config":{"format":{"type":"json_schema","schema":{"properties":{"a":{"pattern":"(?=a)"}}}}}`), nil, 400,
			"invalid_request_error", "output_config.format.schema: "},
		{"a long prompt", "POST", keyed + messages, `{"max_tokens":9,"stream":true,"messages":[{"role":"user","content":"` + strings.Repeat("word ", 50000) + `"}]}`,
			[]string{key}, 400, "invalid_request_error", "prompt is too long: "},
	} {
		r, answer := do(t, tt.method, tt.url, tt.body, tt.headers...)
		var e struct {
			Type      string
			Error     struct{ Type, Message string }
			RequestID string `json:"request_id"`
		}
		if err := json.Unmarshal([]byte(answer), &e); err != nil || r.StatusCode != tt.status || e.Type != "error" || e.Error.Type != tt.kind ||
			!strings.Contains(e.Error.Message, tt.message) || e.RequestID == "" || e.RequestID != r.Header.Get("Request-Id") {
			t.Errorf("%s: %d %q, want %d %s %q: %v", tt.name, r.StatusCode, answer, tt.status, tt.kind, tt.message, err)
		}
	}
	if r, _ := do(t, "HEAD", keyed+"/", ""); r.StatusCode != 200 {
		t.Errorf("HEAD /: %d", r.StatusCode)
	}
	r, answer := do(t, "POST", keyed+messages, hi(`,"context_management":{"edits":[]},"tools":[{"type":"web_search_20250305","name":"web_search"}]`), key)
	if got := r.Header.Get("X-Gossamer-Ignored"); r.StatusCode != 200 || got != "context_management, tools[web_search_20250305]" {
		t.Errorf("%d %q ignored %q", r.StatusCode, answer, got)
	}
}

// A client that finds the server busy comes back, and is answered once there is room.
func TestMessagesBusy(t *testing.T) {
	url, _ := startPlays(t, messagePlays, server.Options{}, gossamer.Options{MaxSequences: 1, MaxQueue: 1}, time.Second)
	first := openMessage(t, url)
	var refused atomic.Int32
	watch := option.WithMiddleware(func(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		answer, err := next(r)
		if err == nil && answer.StatusCode == 529 && answer.Header.Get("Retry-After") != "" {
			body, _ := io.ReadAll(answer.Body)
			answer.Body = io.NopCloser(bytes.NewReader(body))
			if !bytes.Contains(body, []byte(`{"type":"overloaded_error",`)) {
				t.Errorf("%s", body)
			}
			if refused.Add(1) == 1 {
				first.Close()
			}
			answer.Header.Set("Retry-After", "0.1") // or as long as the server says
		}
		return answer, err
	})
	answers := make(chan error, 2)
	c := anthropicClient(url, option.WithMaxRetries(100), watch)
	for range 2 { // one of which waits in line
		go func() {
			_, err := c.Messages.New(t.Context(), params("hello"))
			answers <- err
		}()
	}
	for range 2 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	if refused.Load() == 0 {
		t.Error("nobody was refused")
	}
}

// openMessage begins a reply that does not end.
func openMessage(t *testing.T, url string) io.Closer {
	t.Helper()
	r, err := http.Post(url+"/v1/messages", "application/json", strings.NewReader(`{"max_tokens":100,"stream":true,"messages":[{"role":"user","content":"never"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Body.Close() })
	if _, err := r.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return r.Body
}
