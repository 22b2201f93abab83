package responses

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/chat"
	"gossamer/runtime/testenv"
	"gossamer/runtime/wire"
)

func TestConversations(t *testing.T) {
	assistant := func(content, reasoning string, calls ...chat.ToolCall) chat.Message {
		return chat.Message{Role: chat.Assistant, Content: content, Reasoning: reasoning, ToolCalls: calls}
	}
	user := chat.Message{Role: chat.User, Content: "hi"}
	for name, tt := range map[string]struct {
		input string
		want  []chat.Message
	}{
		"text":  {`"hi"`, []chat.Message{user}},
		"parts": {`[{"type":"message","role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_text","text":"b"}]}]`, []chat.Message{{Role: chat.User, Content: "a\nb"}}},
		"instructions by role": {
			`[{"role":"developer","content":"d","id":"msg_1"},{"role":"system","content":"s"},{"role":"user","content":"hi"}]`,
			[]chat.Message{{Role: chat.Developer, Content: "d"}, {Role: chat.System, Content: "s"}, user},
		},
		"a loop of calls": {
			`[{"role":"user","content":"hi"},{"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"r"}]},
			{"type":"message","id":"msg_1","role":"assistant","status":"completed","phase":"commentary","content":[{"type":"output_text","text":"wait","annotations":[],"logprobs":[]}]},
			{"type":"function_call","id":"fc_1","call_id":"a","name":"f","arguments":"{}","status":"completed"},{"type":"function_call","call_id":"b","name":"g","arguments":"{}"},
			{"type":"function_call_output","call_id":"b","output":"2","id":"x"},{"type":"function_call_output","call_id":"a","output":[{"type":"input_text","text":"1"}]},
			{"type":"reasoning","summary":[],"encrypted_content":"` + encrypt("so") + `"},{"role":"assistant","content":"done"},{"role":"user","content":"hi"}]`,
			[]chat.Message{
				user, assistant("wait", "r", chat.ToolCall{ID: "a", Name: "f", Arguments: "{}"}, chat.ToolCall{ID: "b", Name: "g", Arguments: "{}"}),
				{Role: chat.Tool, ToolCallID: "b", Content: "2"}, {Role: chat.Tool, ToolCallID: "a", Content: "1"}, assistant("done", "so"), user,
			},
		},
		"reasoning of others": {
			`[{"type":"reasoning","summary":[{"type":"summary_text","text":"s"}],"encrypted_content":"gAAAA"},{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]},{"role":"user","content":"hi"}]`,
			[]chat.Message{assistant("no", ""), user},
		},
		"hosted tools are left out": {`[{"type":"web_search_call","id":"ws_1","status":"completed"},{"role":"user","content":"hi"}]`, []chat.Message{user}},
	} {
		r := decode(t, `{"input":`+tt.input+`}`)
		if d := cmp.Diff(tt.want, r.Chat.Messages); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if r := decode(t, `{"input":[{"type":"web_search_call"},{"role":"user","content":"hi"}],"tools":[{"type":"web_search"},{"type":"namespace","name":"n","tools":[]}],"foo":1}`); !cmp.Equal(
		r.Ignored, []string{"input[web_search_call]", "tools[web_search]", "tools[namespace]", "foo"}) {
		t.Errorf("ignored %q", r.Ignored)
	}
}

func TestHistory(t *testing.T) {
	before := []Item{{Type: typeMessage, Role: "user", Content: &[]Part{{Text: "a"}}}, {Type: typeMessage, Role: "assistant", Content: &[]Part{{Text: "b"}}}}
	kept := Item{Type: typeReasoning, ID: "rs_1", Content: &[]Part{{Text: "r"}}}
	find := func(id string) (Item, bool) { return kept, id == "rs_1" }
	r, err := Decode([]byte(`{"previous_response_id":"resp_0","input":[{"role":"user","content":"c"},{"type":"item_reference","id":"rs_1"},{"type":"function_call_output","call_id":"x","output":""}],"tools":[{"type":"web_search"},{"type":"function","name":"f"}]}`), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Converse(before, find); err != nil {
		t.Fatal(err)
	}
	var contents []string
	for _, m := range r.Chat.Messages {
		contents = append(contents, m.Content+m.Reasoning)
	}
	if d := cmp.Diff([]string{"a", "b", "c", "r", ""}, contents); d != "" {
		t.Error(d)
	}
	for field, want := range map[string]string{
		"Messages[0].Role": "previous_response_id", "Messages[2].Name": "input[0].name", "Messages[4].ToolCallID": "input[2].call_id", "Messages": "input",
		"Tools[0].Parameters": "tools[1].parameters", "Tools[1].Parameters": "tools", "Format.Schema": "text.format.schema", "Effort": "reasoning.effort", "ToolChoice.Mode": "tool_choice",
	} {
		if got := r.Failure(&chat.FieldError{Field: field, Reason: "is wrong"}).Param; got != want {
			t.Errorf("%s is %s, want %s", field, got, want)
		}
	}
	if r, err = Decode([]byte(`{"input":[{"type":"item_reference","id":"rs_2"}]}`), true); err != nil {
		t.Fatal(err)
	}
	var field *wire.FieldError
	if err := r.Converse(nil, find); !errors.As(err, &field) || field.Param != "input[0].id" {
		t.Errorf("an unknown item: %v", err)
	}
	if r, err = Decode([]byte(`{"input":[{"type":"item_reference","id":"rs_1"},{"role":"user","content":"c"},{"type":"item_reference","id":"rs_1"}]}`), true); err != nil {
		t.Fatal(err)
	}
	if err := r.Converse(nil, find); !errors.As(err, &field) || field.Param != "input[2].id" {
		t.Errorf("an item twice: %v", err)
	}
}

// Many texts of the assistant in a row are joined once: the work grows as they do.
func TestManyItemsInARow(t *testing.T) {
	const n, bytes = 4000, 1000
	item := `{"role":"assistant","content":"` + strings.Repeat("x", bytes) + `"},`
	r, err := Decode([]byte(`{"input":[`+strings.Repeat(item, n)+`{"role":"user","content":"hi"}]}`), true)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err = r.Converse(nil, nil)
	runtime.ReadMemStats(&after)
	if err != nil || len(r.Chat.Messages) != 2 || len(r.Chat.Messages[0].Content) != n*bytes+(n-1)*len("\n\n") {
		t.Fatalf("%d messages, %v", len(r.Chat.Messages), err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 20*n*bytes { // joined one after another they take 1,000 times as much
		t.Errorf("%d bytes were allocated for a text of %d", took, n*bytes)
	}
}

func TestFields(t *testing.T) {
	r, err := Decode([]byte(`{"model":"m","input":"x","instructions":"i","tools":[{"type":"function","name":"f","description":null,"parameters":{"type":"object"},"strict":false}],
		"tool_choice":{"type":"function","name":"f"},"text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true},"verbosity":"medium"},
		"reasoning":{"effort":"xhigh","summary":"auto"},"max_output_tokens":7,"temperature":0.5,"top_p":0.5,"seed":3,"include":["message.output_text.logprobs","file_search_call.results"],
		"top_logprobs":2,"store":false,"stream":true,"parallel_tool_calls":false,"background":false,"truncation":"disabled","service_tier":"auto","metadata":{"a":"b"},
		"user":"u","prompt_cache_key":"k","max_tool_calls":3,"client_metadata":{},"stream_options":{"include_obfuscation":false}}`), true)
	if err != nil {
		t.Fatal(err)
	}
	c := r.Chat
	if r.Model != "m" || !r.Stream || r.Store || c.Instructions != "i" || len(c.Tools) != 1 || c.ToolChoice != (chat.ToolChoice{Mode: chat.ChoiceNamed, Name: "f"}) ||
		c.Format.Name != "n" || !c.Format.Strict || c.Effort != chat.High || c.MaxTokens != 7 || c.Sampling.Temperature != 0.5 || c.Sampling.Seed != 3 || !c.Logprobs || c.TopLogprobs != 2 {
		t.Errorf("%+v", r)
	}
	whole, err := New(r, &chat.Response{Reason: chat.FinishLength}, options())
	if err != nil {
		t.Fatal(err)
	}
	got := marshal(t, whole)
	for _, part := range []string{
		`"instructions":"i"`, `"max_output_tokens":7`, `"metadata":{"a":"b"}`, `"parallel_tool_calls":false`, `"store":false`, `"temperature":0.5`, `"reasoning":{"effort":"high","summary":null}`,
		`"tools":[{"type":"function","name":"f","description":null,"parameters":{"type":"object"},"strict":false}]`, `"tool_choice":{"type":"function","name":"f"}`, `"user":"u"`,
		`"text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true},"verbosity":"medium"}`,
		`"status":"incomplete"`, `"incomplete_details":{"reason":"max_output_tokens"}`, `"completed_at":null`,
	} {
		if !strings.Contains(got, part) {
			t.Errorf("no %s in %s", part, got)
		}
	}
}

func TestRefused(t *testing.T) {
	for body, want := range map[string]wire.FieldError{
		`[]`:                                    {Code: "invalid_type", Reason: "want an object"},
		`{}`:                                    {Param: "input", Code: "missing_required_parameter", Reason: "is missing"},
		`{"input":[]}`:                          {Param: "input", Code: "missing_required_parameter", Reason: "is missing"},
		`{"input":7}`:                           {Param: "input", Code: "invalid_type", Reason: "want an array"},
		`{"input":[{"role":"x","content":""}]}`: {Param: "input[0].role", Code: "invalid_value", Reason: `is "x", want system, developer, user or assistant`},
		`{"input":[{"content":"x"}]}`:           {Param: "input[0].role", Code: "missing_required_parameter", Reason: "is missing"},
		`{"input":[{"role":"user","content":[{"type":"input_image","image_url":"x"}]}]}`: {Param: "input[0].content[0].type", Code: "unsupported_value", Reason: `is "input_image", want input_text, output_text, text: the model reads text`},
		`{"input":[{"type":"function_call","call_id":"a","name":"f"}]}`:                  {Param: "input[0].arguments", Code: "missing_required_parameter", Reason: "is missing"},
		`{"input":[{"type":"computer_call"}]}`:                                           {Param: "input[0].type", Code: "unsupported_value", Reason: `is "computer_call", want message, reasoning, function_call, function_call_output or item_reference`},
		`{"input":"x","background":true}`:                                                {Param: "background", Code: "unsupported_value", Reason: "is not supported: the reply comes at once"},
		`{"input":"x","truncation":"auto"}`:                                              {Param: "truncation", Code: "unsupported_value", Reason: `is "auto", only "disabled" is supported: shorten the input`},
		`{"input":"x","conversation":"c"}`:                                               {Param: "conversation", Code: "unsupported_value", Reason: "is not supported: continue a response with previous_response_id"},
		`{"input":"x","tools":[{"type":"function"}]}`:                                    {Param: "tools[0].name", Code: "missing_required_parameter", Reason: "is missing"},
		`{"input":"x","tools":[{"type":"web_search"}]}`:                                  {Param: "tools[0].type", Code: "unsupported_value", Reason: `is "web_search", only "function" is supported: define a function`},
		`{"input":"x","tool_choice":"required"}`:                                         {Param: "tool_choice", Code: "invalid_value", Reason: "asks for a call, but there are no tools"},
		`{"input":"x","tool_choice":{"type":"function","name":"f"}}`:                     {Param: "tool_choice.name", Code: "invalid_value", Reason: `is "f", which is not among tools`},
		`{"input":"x","text":{"format":{"type":"xml"}}}`:                                 {Param: "text.format.type", Code: "unsupported_value", Reason: `is "xml", want text, json_object or json_schema`},
		`{"input":"x","text":{"format":{"type":"json_schema","name":"n"}}}`:              {Param: "text.format.schema", Code: "missing_required_parameter", Reason: "is missing"},
		`{"input":"x","reasoning":{"effort":"huge"}}`:                                    {Param: "reasoning.effort", Code: "unsupported_value", Reason: `is "huge", want none, minimal, low, medium, high, xhigh or max`},
		`{"input":"x","max_output_tokens":0}`:                                            {Param: "max_output_tokens", Code: "invalid_value", Reason: "is 0, want 1 to 2147483647"},
		`{"input":"x","foo":1}`:                                                          {Param: "foo", Code: "unknown_parameter", Reason: "is unknown"},
	} {
		_, err := Decode([]byte(body), true)
		var field *wire.FieldError
		if !errors.As(err, &field) || *field != want {
			t.Errorf("%s: %v, want %v", body, err, &want)
		}
	}
}

// What Decode accepts becomes a conversation, and a response that repeats it.
func FuzzDecode(f *testing.F) {
	testenv.Fuzz(f, []string{
		`{"model":"m","input":"x","instructions":"i"}`,
		`{"input":[{"role":"user","content":[{"type":"input_text","text":"a"}]},{"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"r"}],"encrypted_content":"gossamer:cg=="},
		{"type":"function_call","call_id":"a","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"a","output":"1"},{"type":"item_reference","id":"x"},{"type":"mcp_call"}]}`,
		`{"input":"x","tools":[{"type":"function","name":"f","parameters":{}}],"tool_choice":"required","text":{"format":{"type":"json_object"}},"reasoning":{"effort":"low"},"top_logprobs":1}`,
		`{"previous_response_id":"r","metadata":{"a":1},"include":["reasoning.encrypted_content"],"temperature":2,"logit_bias":{"1":2}}`,
	}, func(t testing.TB, text string) {
		r, err := Decode([]byte(text), false)
		strict, refused := Decode([]byte(text), true)
		if refused == nil && (err != nil || len(r.Ignored) > 0 || strict.Ignored != nil) {
			t.Fatalf("read strictly it is %+v, else %+v, %v", strict, r, err)
		}
		if field := (*wire.FieldError)(nil); err != nil {
			if r != nil || !errors.As(err, &field) {
				t.Fatalf("%+v and error %v", r, err)
			}
			return
		}
		err = r.Converse(nil, func(id string) (Item, bool) { return Item{Type: typeReasoning, ID: id}, true })
		if err != nil || len(r.Chat.Messages) == 0 && r.Previous == "" && len(r.Input) > 0 {
			t.Fatalf("%+v, %v", r.Chat.Messages, err)
		}
		if _, err := New(r, &chat.Response{Reason: chat.FinishStop}, options()); err != nil {
			t.Fatal(err)
		}
	})
}
