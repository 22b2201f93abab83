package anthropic

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gossamer/runtime/chat"
	"gossamer/runtime/sample"
	"gossamer/runtime/wire"
)

// body is a request with more fields than it needs.
func body(more string) string {
	return `{"max_tokens":9,"messages":[{"role":"user","content":"hi"}]` + more + `}`
}

// messages is a request with other messages, followed by one of the user.
func messages(list string) string {
	return `{"max_tokens":9,"messages":[` + list + `,{"role":"user","content":"on"}]}`
}

func TestDecode(t *testing.T) {
	hi := chat.Message{Role: chat.User, Content: "hi"}
	on := chat.Message{Role: chat.User, Content: "on"}
	sampling := func(edit func(*sample.Params)) *sample.Params {
		p := sample.Recommended()
		edit(&p)
		return &p
	}
	plain := func(edit func(*Request)) Request {
		r := Request{Chat: chat.Request{MaxTokens: 9, Messages: []chat.Message{hi}}}
		edit(&r)
		return r
	}
	after := func(list ...chat.Message) Request {
		return plain(func(r *Request) { r.Chat.Messages = append(list, on) })
	}
	f := chat.Function{Name: "f", Parameters: json.RawMessage(`{"type":"object"}`)}
	for _, tt := range []struct {
		name, body string
		want       Request
	}{
		{"least", body(``), plain(func(*Request) {})},
		{"model and stream", body(`,"model":"m","stream":true`), plain(func(r *Request) { r.Model, r.Stream = "m", true })},
		{"null", body(`,"system":null,"tools":null,"thinking":null,"container":null,"stop_sequences":null`), plain(func(*Request) {})},
		{"no effect", body(`,"metadata":{"user_id":"u"},"cache_control":{"type":"ephemeral"},"service_tier":"standard_only","speed":"fast","inference_geo":"eu",` +
			`"diagnostics":{"previous_message_id":null},"betas":["a"],"mcp_servers":[],"output_config":{}`), plain(func(*Request) {})},
		{"system text", body(`,"system":"a\nx-anthropic-billing-header: cch=1;\nb"`), plain(func(r *Request) { r.Chat.Instructions = "a\nb" })},
		{
			"system blocks", body(`,"system":[{"type":"text","text":"x-anthropic-billing-header: cch=1;"},{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},` +
				`{"type":"text","text":"b"}]`),
			plain(func(r *Request) { r.Chat.Instructions = "a\n\nb" }),
		},
		{
			"system message", messages(`{"role":"system","content":[{"type":"text","text":"a"}]},{"role":"system","content":"x-anthropic-billing-header: 1"}`),
			after(chat.Message{Role: chat.Developer, Content: "a"}),
		},
		{"user blocks", messages(`{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b","citations":null}]}`), after(chat.Message{Role: chat.User, Content: "a\n\nb"})},
		{
			"assistant", messages(`{"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":"s"},{"type":"redacted_thinking","data":"x"},` +
				`{"type":"thinking","thinking":"","signature":"gossamer:Yg=="},{"type":"text","text":"c"},` +
				`{"type":"tool_use","id":"1","name":"f","input":{ "a" : "\u003c\u00e9 \\ \"" , "b":[1e400, {}]},"caller":{"type":"direct"}},` +
				`{"type":"tool_use","id":"2","name":"g","input":{"_unparsed":" print()"}}]}`),
			after(chat.Message{Role: chat.Assistant, Reasoning: "a\n\nb", Content: "c", ToolCalls: []chat.ToolCall{
				{ID: "1", Name: "f", Arguments: `{"a":"<é \\ \"","b":[1e400,{}]}`}, {ID: "2", Name: "g", Arguments: " print()"},
			}}),
		},
		{"assistant text", messages(`{"role":"assistant","content":"a"}`), after(chat.Message{Role: chat.Assistant, Content: "a"})},
		{"assistant silent", messages(`{"role":"assistant","content":[]}`), after(chat.Message{Role: chat.Assistant})},
		{"foreign signature", messages(`{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"Yg=="}]}`), after(chat.Message{Role: chat.Assistant})},
		{
			"whole reply", messages(`{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"a"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{}}`),
			after(chat.Message{Role: chat.Assistant, Content: "a"}),
		},
		{
			"results", messages(`{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"a"},` +
				`{"type":"tool_result","tool_use_id":"2","content":[{"type":"text","text":"b"},{"type":"text","text":"c"}],"is_error":false},` +
				`{"type":"tool_result","tool_use_id":"3","is_error":true},{"type":"tool_result","tool_use_id":"4","content":"d","is_error":true},` +
				`{"type":"tool_result","tool_use_id":"5","content":[{"type":"tool_reference","tool_name":"f"}]},{"type":"text","text":"e"},{"type":"text","text":"f"}]}`),
			after(
				chat.Message{Role: chat.Tool, ToolCallID: "1", Content: "a"}, chat.Message{Role: chat.Tool, ToolCallID: "2", Content: "b\n\nc"},
				chat.Message{Role: chat.Tool, ToolCallID: "3", Content: "Error: the call failed"}, chat.Message{Role: chat.Tool, ToolCallID: "4", Content: "Error: d"},
				chat.Message{Role: chat.Tool, ToolCallID: "5", Content: "f"}, chat.Message{Role: chat.User, Content: "e\n\nf"},
			),
		},
		{
			"tools", body(`,"tools":[{"name":"f","input_schema":{"type":"object"}},{"type":"custom","name":"g","description":"d","input_schema":{"b":1,"a":2},"strict":true,` +
				`"cache_control":{},"eager_input_streaming":true,"defer_loading":true,"allowed_callers":["direct"]}]`),
			plain(func(r *Request) {
				r.Chat.Tools = []chat.Function{f, {Name: "g", Description: "d", Parameters: json.RawMessage(`{"b":1,"a":2}`), Strict: true}}
			}),
		},
		{"choice auto", body(`,"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`), plain(func(*Request) {})},
		{"choice none", body(`,"tool_choice":{"type":"none"}`), plain(func(r *Request) { r.Chat.ToolChoice.Mode = chat.ChoiceNone })},
		{"choice any", body(`,"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"}`), plain(func(r *Request) {
			r.Chat.Tools, r.Chat.ToolChoice.Mode = []chat.Function{f}, chat.ChoiceRequired
		})},
		{"choice tool", body(`,"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"f"}`), plain(func(r *Request) {
			r.Chat.Tools, r.Chat.ToolChoice = []chat.Function{f}, chat.ToolChoice{Mode: chat.ChoiceNamed, Name: "f"}
		})},
		{"thinking low", body(`,"thinking":{"type":"enabled","budget_tokens":4095}`), plain(func(r *Request) { r.Chat.Effort = chat.Low })},
		{"thinking medium", body(`,"thinking":{"type":"enabled","budget_tokens":4096,"display":"summarized"}`), plain(func(r *Request) { r.Chat.Effort = chat.Medium })},
		{"thinking high", body(`,"thinking":{"type":"enabled","budget_tokens":16384}`), plain(func(r *Request) { r.Chat.Effort = chat.High })},
		{"thinking adaptive", body(`,"thinking":{"type":"adaptive","display":"omitted"}`), plain(func(r *Request) { r.Thinking = Omitted })},
		{"thinking disabled", body(`,"thinking":{"type":"disabled"}`), plain(func(r *Request) { r.Thinking, r.Chat.Effort = Hidden, chat.Low })},
		{"effort before budget", body(`,"output_config":{"effort":"max"},"thinking":{"type":"enabled","budget_tokens":1}`), plain(func(r *Request) { r.Chat.Effort = chat.High })},
		{"format", body(`,"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}`), plain(func(r *Request) {
			r.Chat.Format = &chat.ResponseFormat{Name: "output", Strict: true, Schema: json.RawMessage(`{"type":"object"}`)}
		})},
		{"older format", body(`,"output_format":{"type":"json_schema","schema":{}}`), plain(func(r *Request) {
			r.Chat.Format = &chat.ResponseFormat{Name: "output", Strict: true, Schema: json.RawMessage(`{}`)}
		})},
		{"stops", body(`,"stop_sequences":["a","b"]`), plain(func(r *Request) { r.Chat.Stop = []string{"a", "b"} })},
		{"sampling", body(`,"temperature":0.5,"top_p":0.9,"top_k":5,"seed":7`), plain(func(r *Request) {
			r.Chat.Sampling = sampling(func(p *sample.Params) { p.Temperature, p.TopP, p.TopK, p.Seed = 0.5, 0.9, 5, 7 })
		})},
	} {
		got, err := Decode([]byte(tt.body), true)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(&tt.want, got, cmpopts.IgnoreUnexported(Request{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.name, diff)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, tt := range []struct{ body, param, code string }{
		{`{`, "", wire.CodeJSON},
		{`[]`, "", wire.CodeType},
		{`{"messages":[]}`, "max_tokens", wire.CodeMissing},
		{`{"max_tokens":9}`, "messages", wire.CodeMissing},
		{body(`,"max_tokens":9`), "max_tokens", wire.CodeValue},
		{`{"max_tokens":0,"messages":[]}`, "max_tokens", wire.CodeValue},
		{body(`,"stream":1`), "stream", wire.CodeType},
		{body(`,"service_tier":"priority"`), "service_tier", wire.CodeUnsupported},
		{body(`,"container":"c"`), "container", wire.CodeUnsupported},
		{body(`,"thread":{"type":"create"}`), "thread", wire.CodeUnsupported},
		{body(`,"mcp_servers":[{}]`), "mcp_servers", wire.CodeUnsupported},
		{body(`,"thinking":{"type":"on"}`), "thinking.type", wire.CodeValue},
		{body(`,"thinking":{}`), "thinking.type", wire.CodeMissing},
		{body(`,"thinking":{"type":"enabled"}`), "thinking.budget_tokens", wire.CodeMissing},
		{body(`,"thinking":{"type":"adaptive","display":"all"}`), "thinking.display", wire.CodeUnsupported},
		{body(`,"output_config":{"effort":"much"}`), "output_config.effort", wire.CodeUnsupported},
		{body(`,"output_format":{"type":"json_schema","schema":true}`), "output_format.schema", wire.CodeType},
		{body(`,"output_config":{"format":{"type":"text"}}`), "output_config.format.type", wire.CodeUnsupported},
		{body(`,"output_config":{"format":{"type":"json_schema","schema":{}}},"output_format":{"type":"json_schema","schema":{}}`), "output_format", wire.CodeValue},
		{body(`,"tool_choice":"auto"`), "tool_choice", wire.CodeType},
		{body(`,"tool_choice":{"type":"some"}`), "tool_choice.type", wire.CodeValue},
		{body(`,"tool_choice":{"type":"any"}`), "tool_choice", wire.CodeValue},
		{body(`,"tool_choice":{"type":"tool"}`), "tool_choice.name", wire.CodeMissing},
		{body(`,"tool_choice":{"type":"auto","name":"f"}`), "tool_choice.name", wire.CodeValue},
		{body(`,"tools":[{"type":"web_search_20250305","name":"f"}],"tool_choice":{"type":"tool","name":"f"}`), "tool_choice.name", wire.CodeValue},
		{body(`,"tools":[{"name":"f"}]`), "tools[0].input_schema", wire.CodeMissing},
		{body(`,"tools":[{"name":"f","input_schema":true}]`), "tools[0].input_schema", wire.CodeType},
		{messages(`{"content":"a"}`), "messages[0].role", wire.CodeMissing},
		{messages(`{"role":"tool","content":"a"}`), "messages[0].role", wire.CodeValue},
		{messages(`{"role":"user"}`), "messages[0].content", wire.CodeMissing},
		{messages(`{"role":"user","content":[]}`), "messages[0].content", wire.CodeValue},
		{messages(`{"role":"user","content":1}`), "messages[0].content", wire.CodeType},
		{messages(`{"role":"user","content":[{"text":"a"}]}`), "messages[0].content[0].type", wire.CodeMissing},
		{messages(`{"role":"user","content":[{"type":"text","text":"a"},{"type":"image","source":{}}]}`), "messages[0].content[1]", wire.CodeUnsupported},
		{messages(`{"role":"user","content":[{"type":"document","source":{}}]}`), "messages[0].content[0]", wire.CodeUnsupported},
		{messages(`{"role":"user","content":[{"type":"tool_use","id":"1","name":"f","input":{}}]}`), "messages[0].content[0].type", wire.CodeUnsupported},
		{messages(`{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"image"}]}]}`), "messages[0].content[0].content[0]", wire.CodeUnsupported},
		{messages(`{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":"{}"}]}`), "messages[0].content[0].input", wire.CodeType},
		{messages(`{"role":"assistant","content":[{"type":"server_tool_use","id":"1"}]}`), "messages[0].content[0].type", wire.CodeUnsupported},
		{`{"max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"{"}]}`, "messages", wire.CodeUnsupported},
	} {
		r, err := Decode([]byte(tt.body), false)
		var field *wire.FieldError
		if r != nil || !errors.As(err, &field) || field.Param != tt.param || field.Code != tt.code {
			t.Errorf("%s: %v, want %s at %q", tt.body, err, tt.code, tt.param)
		}
	}
}

func TestDecodeIgnores(t *testing.T) {
	for text, want := range map[string][]string{
		body(`,"foo":1,"context_management":{"edits":[]}`):                                           {"foo", "context_management"},
		body(`,"output_config":{"task_budget":{}},"tools":[{"type":"bash_20250124","name":"bash"}]`): {"output_config.task_budget", "tools[bash_20250124]"},
		body(`,"tools":[{"name":"f","input_schema":{},"input_examples":[{}]}]`):                      {"tools[].input_examples"},
		messages(`{"role":"user","content":[{"type":"text","text":"a","bar":1}],"name":"x"}`):        {"messages[].content[].bar", "messages[].name"},
	} {
		r, err := Decode([]byte(text), false)
		if err != nil || !cmp.Equal(r.Ignored, want) {
			t.Errorf("%s: %v, %v, want %v", text, r, err, want)
		}
		var field *wire.FieldError
		if r, err := Decode([]byte(text), true); r != nil || !errors.As(err, &field) {
			t.Errorf("read strictly %s is %v, %v", text, r, err)
		}
	}
}

// What is counted need not be a whole request.
func TestDecodeCount(t *testing.T) {
	for _, text := range []string{`{"messages":[{"role":"assistant","content":"a"}]}`, `{"messages":[{"role":"user","content":"a"}],"max_tokens":1}`} {
		if _, err := DecodeCount([]byte(text), true); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := DecodeCount([]byte(`{}`), true); err == nil {
		t.Error("without messages it is accepted")
	}
}
