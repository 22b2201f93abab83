package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	gossamer "gossamer/runtime"
	"gossamer/runtime/server"
)

func TestIgnoredFieldsAreNamed(t *testing.T) {
	url, _ := start(t, server.Options{}, gossamer.Options{}, time.Second)
	r, _ := do(t, "POST", url+"/v1/chat/completions", body("hi", `,"foo":1,"tools":[{"type":"web_search"}]`))
	if got := r.Header.Get("X-Gossamer-Ignored"); got != "foo, tools[web_search]" && got != "tools[web_search], foo" {
		t.Errorf("ignored: %q", got)
	}
	strict, _ := start(t, server.Options{StrictRequests: true}, gossamer.Options{}, time.Second)
	if r, answer := do(t, "POST", strict+"/v1/chat/completions", body("hi", `,"foo":1`)); r.StatusCode != 400 || code(t, answer) != "unknown_parameter" {
		t.Errorf("%d %q", r.StatusCode, answer)
	}
}

// Errors name tools by their place in the request, also where others are left out.
func TestPlacesOfTools(t *testing.T) {
	url, _ := start(t, server.Options{}, gossamer.Options{}, time.Second)
	for path, tt := range map[string]struct{ request, want string }{
		"/v1/chat/completions": {
			`{"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"web_search"},{"type":"function","function":{"name":"a b"}}]}`,
			"tools[1].function.name",
		},
		"/v1/responses": {`{"input":"hi","tools":[{"type":"web_search"},{"type":"function","name":"a b"}]}`, "tools[1].name"},
		"/v1/messages": {
			`{"max_tokens":9,"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"web_search_1","name":"x"},{"name":"a b","input_schema":{"type":"object"}}]}`,
			"tools[1].name",
		},
	} {
		if r, answer := do(t, "POST", url+path, tt.request); r.StatusCode != 400 || !strings.Contains(answer, tt.want) {
			t.Errorf("%s: %d %s, want %s", path, r.StatusCode, answer, tt.want)
		}
	}
}

// What is said before a call is content, or reasoning for clients that would lose the call; whole and in parts.
func TestPreambles(t *testing.T) {
	for preamble, want := range map[bool]string{false: `content "I look.", reasoning "They ask."`, true: `content "", reasoning "They ask.\n\nI look."`} {
		url, _ := start(t, server.Options{PreambleAsReasoning: preamble}, gossamer.Options{}, time.Second)
		request := body("forecast", `,"tools":[{"type":"function","function":{"name":"get_weather"}}]`)
		var whole struct {
			Choices []struct {
				Message struct {
					Content, Reasoning string
					ToolCalls          []any `json:"tool_calls"`
				}
			}
		}
		_, answer := do(t, "POST", url+"/v1/chat/completions", request)
		if err := json.Unmarshal([]byte(answer), &whole); err != nil || len(whole.Choices) != 1 || len(whole.Choices[0].Message.ToolCalls) != 1 {
			t.Fatalf("%v: %q, %v", preamble, answer, err)
		}
		m := whole.Choices[0].Message
		if got := fmt.Sprintf("content %q, reasoning %q", m.Content, m.Reasoning); got != want {
			t.Errorf("%v: %s, want %s", preamble, got, want)
		}
		_, answer = do(t, "POST", url+"/v1/chat/completions", strings.TrimSuffix(request, "}")+`,"stream":true}`)
		if !strings.Contains(answer, `"get_weather"`) || strings.Contains(answer, `"content":" look"`) == preamble || strings.Contains(answer, `"reasoning":" look"`) != preamble {
			t.Errorf("%v: %s", preamble, answer)
		}
	}
}
