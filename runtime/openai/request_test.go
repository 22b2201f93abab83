package openai

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gossamer/runtime/chat"
	"gossamer/runtime/sample"
	"gossamer/runtime/wire"
)

// body is a request with one message and more fields.
func body(more string) string { return `{"messages":[{"role":"user","content":"hi"}]` + more + `}` }

// hi is what body means.
func hi(change func(*Request)) Request {
	r := Request{N: 1, Chat: chat.Request{Messages: []chat.Message{{Role: chat.User, Content: "hi"}}}}
	if change != nil {
		change(&r)
	}
	return r
}

// sampled is what body means with sampling parameters.
func sampled(change func(*sample.Params)) Request {
	p := sample.Params{Temperature: 1}
	change(&p)
	return hi(func(r *Request) { r.Chat.Sampling = &p })
}

func messages(m ...chat.Message) Request { return Request{N: 1, Chat: chat.Request{Messages: m}} }

func TestDecode(t *testing.T) {
	parameters := `{"type":"object","properties":{"zone":{"type":"string"},"city":{"type":"string"},"at":{"type":"number"}}}`
	weather := chat.Function{Name: "weather", Description: "tells it", Parameters: json.RawMessage(parameters)}
	tool := `"tools":[{"type":"function","function":{"name":"weather","description":"tells it","parameters":` + parameters + `}}]`
	for _, tt := range []struct {
		name, body string
		want       Request
	}{
		{"the least", body(``), hi(nil)},
		{"space around", " \n" + body(``) + "\t", hi(nil)},
		{"choices", body(`,"n":3`), hi(func(r *Request) { r.N = 3 })},
		{"null is absent", body(`,"stop":null,"tools":null,"tool_choice":null,"temperature":null,"audio":null,"functions":null,"n":null`), hi(nil)},
		{"model", body(`,"model":"gpt-oss-20b"`), hi(func(r *Request) { r.Model = "gpt-oss-20b" })},
		{
			"roles and parts",
			`{"messages":[{"role":"system","content":"be short"},{"role":"developer","content":[{"type":"text","text":"be"},{"text":"kind","type":"text"}]},` +
				`{"content":"hi","name":"ann","role":"user"},{"role":"assistant","content":"hello","refusal":null}]}`,
			messages(
				chat.Message{Role: chat.System, Content: "be short"},
				chat.Message{Role: chat.Developer, Content: "be\nkind"},
				chat.Message{Role: chat.User, Content: "hi", Name: "ann"},
				chat.Message{Role: chat.Assistant, Content: "hello"},
			),
		},
		{
			"calls",
			`{"messages":[{"role":"assistant","content":null,"reasoning":"hm","tool_calls":[{"id":"a","type":"function","function":{"name":"weather","arguments":"{\"city\": \"Rome\"}","parsed_arguments":null}}],"parsed":null},` +
				`{"role":"tool","tool_call_id":"a","content":"sunny"},{"role":"assistant","reasoning_content":"so","reasoning":"so"}]}`,
			messages(
				chat.Message{Role: chat.Assistant, Reasoning: "hm", ToolCalls: []chat.ToolCall{{ID: "a", Name: "weather", Arguments: `{"city": "Rome"}`}}},
				chat.Message{Role: chat.Tool, ToolCallID: "a", Content: "sunny"},
				chat.Message{Role: chat.Assistant, Reasoning: "so"},
			),
		},
		{"tools", body(`,` + tool), hi(func(r *Request) { r.Chat.Tools = []chat.Function{weather} })},
		{
			"tools that do not say much", body(`,"tools":[{"type":"function","function":{"name":"now","strict":false}}],"parallel_tool_calls":true`),
			hi(func(r *Request) { r.Chat.Tools = []chat.Function{{Name: "now"}} }),
		},
		{"tool_choice auto", body(`,"tool_choice":"auto"`), hi(nil)},
		{"tool_choice none", body(`,"tool_choice":"none"`), hi(func(r *Request) { r.Chat.ToolChoice.Mode = chat.ChoiceNone })},
		{"tool_choice required", body(`,"tool_choice":"required",` + tool), hi(func(r *Request) {
			r.Chat.Tools, r.Chat.ToolChoice.Mode = []chat.Function{weather}, chat.ChoiceRequired
		})},
		{"tool_choice named", body(`,"tool_choice":{"type":"function","function":{"name":"weather"}},` + tool), hi(func(r *Request) {
			r.Chat.Tools, r.Chat.ToolChoice = []chat.Function{weather}, chat.ToolChoice{Mode: chat.ChoiceNamed, Name: "weather"}
		})},
		{"format text", body(`,"response_format":{"type":"text"}`), hi(nil)},
		{"format json_object", body(`,"response_format":{"type":"json_object"}`), hi(func(r *Request) {
			r.Chat.Format = &chat.ResponseFormat{JSONObject: true}
		})},
		{"strict schema", body(`,"response_format":{"json_schema":{"schema":{},"name":"any","strict":true},"type":"json_schema"}`), hi(func(r *Request) {
			r.Chat.Format = &chat.ResponseFormat{Name: "any", Schema: json.RawMessage(`{}`), Strict: true}
		})},
		{"strict function", body(`,"tools":[{"type":"function","function":{"name":"f","strict":true}},{"type":"function","function":{"name":"g","strict":null}}]`), hi(func(r *Request) {
			r.Chat.Tools = []chat.Function{{Name: "f", Strict: true}, {Name: "g"}}
		})},
		{"regex", body(`,"structured_outputs":{"regex":"a+"}`), hi(func(r *Request) { r.Chat.Format = &chat.ResponseFormat{Regex: "a+"} })},
		{"grammar", body(`,"structured_outputs":{"grammar":"root ::= \"a\"","disable_any_whitespace":true},"response_format":{"type":"text"}`), hi(func(r *Request) {
			r.Chat.Format = &chat.ResponseFormat{EBNF: `root ::= "a"`}
		})},
		{"choice", body(`,"structured_outputs":{"choice":["a","b"],"json_object":false}`), hi(func(r *Request) {
			r.Chat.Format = &chat.ResponseFormat{Choice: []string{"a", "b"}}
		})},
		{"structured schema", body(`,"structured_outputs":{"json":{"type":"string"}}`), hi(func(r *Request) {
			r.Chat.Format = &chat.ResponseFormat{Name: "json", Schema: json.RawMessage(`{"type":"string"}`)}
		})},
		{"structured schema as text", body(`,"structured_outputs":{"json":" {\"type\":\"string\"}"}`), hi(func(r *Request) {
			r.Chat.Format = &chat.ResponseFormat{Name: "json", Schema: []byte(`{"type":"string"}`)}
		})},
		{"structured object", body(`,"structured_outputs":{"json_object":true}`), hi(func(r *Request) { r.Chat.Format = &chat.ResponseFormat{JSONObject: true} })},
		{"no effort", body(`,"reasoning_effort":"none"`), hi(func(r *Request) { r.Chat.Effort = chat.None })},
		{"least effort", body(`,"reasoning":{"effort":"minimal"}`), hi(func(r *Request) { r.Chat.Effort = chat.Low })},
		{"most effort", body(`,"reasoning_effort":"max","reasoning":{"effort":"xhigh"}`), hi(func(r *Request) { r.Chat.Effort = chat.High })},
		{
			"format json_schema",
			body(`,"response_format":{"json_schema":{"schema":` + parameters + `,"name":"place","description":"a place","strict":false},"type":"json_schema"}`),
			hi(func(r *Request) {
				r.Chat.Format = &chat.ResponseFormat{Name: "place", Description: "a place", Schema: json.RawMessage(parameters)}
			}),
		},
		{"effort", body(`,"reasoning_effort":"high"`), hi(func(r *Request) { r.Chat.Effort = chat.High })},
		{"effort in reasoning", body(`,"reasoning":{"effort":"low"}`), hi(func(r *Request) { r.Chat.Effort = chat.Low })},
		{"effort twice", body(`,"reasoning":{"effort":"low"},"reasoning_effort":"low"`), hi(func(r *Request) { r.Chat.Effort = chat.Low })},
		{"max_tokens", body(`,"max_tokens":7`), hi(func(r *Request) { r.Chat.MaxTokens = 7 })},
		{"max_completion_tokens", body(`,"max_completion_tokens":7,"max_tokens":7`), hi(func(r *Request) { r.Chat.MaxTokens = 7 })},
		{"one stop", body(`,"stop":"\n"`), hi(func(r *Request) { r.Chat.Stop = []string{"\n"} })},
		{"stops", body(`,"stop":["a","b"]`), hi(func(r *Request) { r.Chat.Stop = []string{"a", "b"} })},
		{"no stops", body(`,"stop":[]`), hi(nil)},
		{
			"sampling",
			body(`,"temperature":0.5,"top_p":0.9,"top_k":40,"min_p":0.05,"presence_penalty":-2,"frequency_penalty":2e0,"repetition_penalty":1.1,"logit_bias":{"0":-100,"201087":1.5}`),
			sampled(func(p *sample.Params) {
				*p = sample.Params{
					Temperature: 0.5, TopP: 0.9, TopK: 40, MinP: 0.05, PresencePenalty: -2, FrequencyPenalty: 2, RepetitionPenalty: 1.1,
					LogitBias: map[int32]float32{0: -100, 201087: 1.5},
				}
			}),
		},
		{"temperature 0", body(`,"temperature":0`), sampled(func(p *sample.Params) { p.Temperature = 0 })},
		{"top_p 0 keeps one token", body(`,"top_p":0`), sampled(func(p *sample.Params) { p.TopP = math.SmallestNonzeroFloat32 })},
		{"logprobs", body(`,"logprobs":true,"top_logprobs":20`), hi(func(r *Request) { r.Chat.Logprobs, r.Chat.TopLogprobs = true, 20 })},
		{"no logprobs", body(`,"logprobs":false,"top_logprobs":0`), hi(nil)},
		{"stream", body(`,"stream":true`), hi(func(r *Request) { r.Stream = true })},
		{"usage", body(`,"stream_options":{"include_usage":true,"include_obfuscation":false},"stream":true`), hi(func(r *Request) { r.Stream, r.IncludeUsage = true, true })},
		{
			"what would happen anyway",
			body(`,"n":1,"store":false,"modalities":["text"],"service_tier":"auto","verbosity":"medium","parallel_tool_calls":false`), hi(nil),
		},
		{
			"what clients of local servers send",
			body(`,"max_tokens":-1,"max_completion_tokens":-1,"cache_control":{"type":"ephemeral"},"stream":true,"stream_options":{"include_obfuscation":true},"store":true`),
			hi(func(r *Request) { r.Stream = true }),
		},
		{"no limit", body(`,"top_k":-1`), sampled(func(*sample.Params) {})},
		{"null biases", body(`,"logit_bias":{"5":null,"6":1}`), sampled(func(p *sample.Params) { p.LogitBias = map[int32]float32{6: 1} })},
		{"what has no effect", body(`,"reasoning":{"summary":"auto"},"truncation":"disabled","background":false,"client_metadata":{},"include":[],"betas":["b"]`), hi(nil)},
		{
			"replies of other servers",
			`{"messages":[{"role":"system","content":"a","name":"b c"},{"role":"assistant","name":"d","content":null,"annotations":[],"refusal":null,"audio":null,"function_call":null,"tool_calls":null},` +
				`{"role":"assistant","content":[],"refusal":"","tool_calls":[{"index":0,"id":"a","function":{"name":"list()","arguments":"{}"}}]},{"role":"assistant"},` +
				`{"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}],"cache_control":null},` +
				`{"role":"tool","tool_call_id":"a","content":null}]}`,
			messages(
				chat.Message{Role: chat.System, Content: "a", Name: "b c"},
				chat.Message{Role: chat.Assistant, Name: "d"},
				chat.Message{Role: chat.Assistant, ToolCalls: []chat.ToolCall{{ID: "a", Name: "list()", Arguments: "{}"}}},
				chat.Message{Role: chat.Assistant},
				chat.Message{Role: chat.Tool, ToolCallID: "a", Content: "x"},
				chat.Message{Role: chat.Tool, ToolCallID: "a"},
			),
		},
		{"labels", body(`,"user":"u","metadata":{"a":"b"},"safety_identifier":"s","prompt_cache_key":"k","prompt_cache_retention":"24h"`), hi(nil)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, decode := range map[string]func([]byte) (*Request, error){"Decode": Decode, "DecodeStrict": DecodeStrict} {
				got, err := decode([]byte(tt.body))
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if diff := cmp.Diff(&tt.want, got, cmpopts.IgnoreFields(sample.Params{}, "Seed"), cmpopts.IgnoreUnexported(Request{})); diff != "" {
					t.Errorf("%s (-want +got)\n%s", name, diff)
				}
			}
		})
	}
}

func TestDecodeSeed(t *testing.T) {
	for seed, want := range map[string]uint64{"0": 0, "42": 42, "-1": math.MaxUint64, "9223372036854775807": math.MaxInt64} {
		r, err := Decode([]byte(body(`,"seed":` + seed)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&sample.Params{Temperature: 1, Seed: want}, r.Chat.Sampling); diff != "" {
			t.Errorf("seed %s (-want +got)\n%s", seed, diff)
		}
	}
	a, errA := Decode([]byte(body(`,"temperature":1`)))
	b, errB := Decode([]byte(body(`,"temperature":1`)))
	if errA != nil || errB != nil || a.Chat.Sampling.Seed == b.Chat.Sampling.Seed {
		t.Errorf("without a seed: %v and %v, %v, %v", a.Chat.Sampling, b.Chat.Sampling, errA, errB)
	}
}

func TestDecodeKeepsItsInput(t *testing.T) {
	in := "  " + body(`,"stop":["a"]`)
	data := []byte(in)
	if _, err := Decode(data); err != nil || string(data) != in {
		t.Errorf("%s, %v, want %s", data, err, in)
	}
}

func fieldError(param, code, reason string) wire.FieldError {
	return wire.FieldError{Param: param, Code: code, Reason: reason}
}

func TestDecodeRefuses(t *testing.T) {
	message := func(m string) string { return `{"messages":[` + m + `]}` }
	call := func(c string) string { return message(`{"role":"assistant","tool_calls":[` + c + `]}`) }
	tool := func(f string) string { return body(`,"tools":[{"type":"function","function":` + f + `}]`) }
	deep := strings.Repeat("[", 128)
	for _, tt := range []struct {
		body string
		want wire.FieldError
	}{
		// The request as a whole.
		{``, fieldError("", "invalid_json", "the request is not JSON: unexpected end of JSON input")},
		{`{"messages":[}`, fieldError("", "invalid_json", "the request is not JSON: invalid character '}' looking for beginning of value")},
		{`{} {}`, fieldError("", "invalid_json", "the request is not JSON: invalid character '{' after top-level value")},
		{"{\"model\":\"\xff\"}", fieldError("", "invalid_json", "the request is not UTF-8")},
		{`{"x":` + deep, fieldError("", "invalid_json", "the request is nested deeper than 128")},
		{strings.Repeat(" ", wire.MaxBytes+1), fieldError("", "request_too_large", "the request has 16777217 bytes, want at most 16777216")},
		{`null`, fieldError("", "invalid_type", "want an object")},
		{`[]`, fieldError("", "invalid_type", "want an object")},
		{`{}`, fieldError("messages", "missing_required_parameter", "is missing")},
		{`{"messages":null}`, fieldError("messages", "missing_required_parameter", "is missing")},
		{body(`,"model":"x","model":"y"`), fieldError("model", "invalid_value", "is given twice")},
		{body(`,"model":1`), fieldError("model", "invalid_type", "want a string")},

		// Messages.
		{`{"messages":{}}`, fieldError("messages", "invalid_type", "want an array")},
		{message(`null`), fieldError("messages[0]", "invalid_type", "want an object")},
		{message(`{"content":"x"}`), fieldError("messages[0].role", "missing_required_parameter", "is missing")},
		{message(`{"role":3}`), fieldError("messages[0].role", "invalid_type", "want a string")},
		{message(`{"role":"robot"}`), fieldError("messages[0].role", "invalid_value", `is "robot", want system, developer, user, assistant or tool`)},
		{message(`{"role":"function","content":"x"}`), fieldError("messages[0].role", "invalid_value", `is "function", want system, developer, user, assistant or tool`)},
		{message(`{"role":"user"}`), fieldError("messages[0].content", "missing_required_parameter", "is missing")},
		{message(`{"role":"user","content":1}`), fieldError("messages[0].content", "invalid_type", "want a string or an array of parts")},
		{message(`{"role":"user","content":[]}`), fieldError("messages[0].content", "invalid_value", "is empty")},
		{message(`{"role":"user","content":["x"]}`), fieldError("messages[0].content[0]", "invalid_type", "want an object")},
		{message(`{"role":"user","content":[{"text":"x"}]}`), fieldError("messages[0].content[0].type", "missing_required_parameter", "is missing")},
		{message(`{"role":"user","content":[{"type":"text"}]}`), fieldError("messages[0].content[0].text", "missing_required_parameter", "is missing")},
		{
			message(`{"role":"user","content":[{"type":"text","text":"x"},{"image_url":{"url":"data:"},"type":"image_url"}]}`),
			fieldError("messages[0].content[1].type", "unsupported_value", `is "image_url", only "text" is supported: the model reads text`),
		},
		{
			message(`{"role":"assistant","reasoning":"x","reasoning_content":"y"}`),
			fieldError("messages[0].reasoning_content", "invalid_value", "reasoning and reasoning_content differ: one of them is enough"),
		},
		{message(`{"role":"assistant","refusal":"no"}`), fieldError("messages[0].refusal", "unsupported_value", "is not supported: give the text as content")},
		{message(`{"role":"assistant","audio":{"id":"a"}}`), fieldError("messages[0].audio", "unsupported_value", "is not supported: the model reads text")},
		{
			message(`{"role":"assistant","function_call":{"name":"f","arguments":""}}`),
			fieldError("messages[0].function_call", "unsupported_value", "is not supported: it is deprecated: use tool_calls"),
		},
		{call(`{}`), fieldError("messages[0].tool_calls[0].id", "missing_required_parameter", "is missing")},
		{
			call(`{"id":"a","type":"custom","custom":{"name":"f","input":""}}`),
			fieldError("messages[0].tool_calls[0].type", "unsupported_value", `is "custom", only "function" is supported: the model calls functions`),
		},
		{
			call(`{"id":"a","type":"function","function":{"name":"f","arguments":{}}}`),
			fieldError("messages[0].tool_calls[0].function.arguments", "invalid_type", "want a string"),
		},

		// Tools.
		{body(`,"tools":[{"type":1}]`), fieldError("tools[0].type", "invalid_type", "want a string")},
		{body(`,"tools":[{}]`), fieldError("tools[0].type", "missing_required_parameter", "is missing")},
		{body(`,"tools":[{"type":"function"}]`), fieldError("tools[0].function", "missing_required_parameter", "is missing")},
		{tool(`{}`), fieldError("tools[0].function.name", "missing_required_parameter", "is missing")},
		{tool(`{"name":"f","parameters":[]}`), fieldError("tools[0].function.parameters", "invalid_type", "want a JSON schema, an object")},
		{tool(`{"name":"f","strict":1}`), fieldError("tools[0].function.strict", "invalid_type", "want true or false")},
		{body(`,"tool_choice":"any"`), fieldError("tool_choice", "invalid_value", `is "any", want auto, none, required or a function`)},
		{body(`,"tool_choice":"required"`), fieldError("tool_choice", "invalid_value", "asks for a call, but there are no tools")},
		{
			body(`,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"g"}}`),
			fieldError("tool_choice.function.name", "invalid_value", `is "g", which is not among tools`),
		},
		{body(`,"tool_choice":7`), fieldError("tool_choice", "invalid_type", "want an object")},
		{
			body(`,"tool_choice":{"type":"allowed_tools","allowed_tools":{}}`),
			fieldError("tool_choice.type", "unsupported_value", `is "allowed_tools", only "function" is supported: leave out the tools that must not be called`),
		},

		// The form of the answer.
		{body(`,"response_format":"text"`), fieldError("response_format", "invalid_type", "want an object")},
		{body(`,"response_format":{"type":1}`), fieldError("response_format.type", "invalid_type", "want a string")},
		{body(`,"response_format":{}`), fieldError("response_format.type", "missing_required_parameter", "is missing")},
		{body(`,"response_format":{"type":"grammar"}`), fieldError("response_format.type", "unsupported_value", `is "grammar", want text, json_object or json_schema`)},
		{body(`,"response_format":{"type":"json_schema"}`), fieldError("response_format.json_schema", "missing_required_parameter", "is missing")},
		{
			body(`,"response_format":{"type":"json_schema","json_schema":{"name":"x"}}`),
			fieldError("response_format.json_schema.schema", "missing_required_parameter", "is missing"),
		},
		{
			body(`,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{},"strict":"yes"}}`),
			fieldError("response_format.json_schema.strict", "invalid_type", "want true or false"),
		},
		{
			body(`,"response_format":{"type":"json_object"},"structured_outputs":{"regex":"a"}`),
			fieldError("structured_outputs", "invalid_value", "says what the answer has to be, as response_format does: one of them is enough"),
		},
		{body(`,"structured_outputs":{"json":"{"}`), fieldError("structured_outputs.json", "invalid_value", "is a text, but not one of JSON")},
		{body(`,"structured_outputs":{"json":"7"}`), fieldError("structured_outputs.json", "invalid_type", "want a JSON schema, an object")},
		{body(`,"structured_outputs":{}`), fieldError("structured_outputs", "invalid_value", "has none of json, json_object, regex, choice and grammar")},
		{body(`,"structured_outputs":{"json_object":false}`), fieldError("structured_outputs", "invalid_value", "has none of json, json_object, regex, choice and grammar")},
		{body(`,"structured_outputs":{"regex":""}`), fieldError("structured_outputs.regex", "invalid_value", "is empty")},
		{body(`,"structured_outputs":{"choice":[]}`), fieldError("structured_outputs.choice", "invalid_value", "is empty")},
		{body(`,"structured_outputs":{"choice":[1]}`), fieldError("structured_outputs.choice[0]", "invalid_type", "want a string")},
		{body(`,"structured_outputs":{"choice":["a"],"regex":"a"}`), fieldError("structured_outputs.regex", "invalid_value", "is one of several forms: want one")},
		{
			body(`,"structured_outputs":{"structural_tag":{}}`),
			fieldError("structured_outputs.structural_tag", "unsupported_value", "is not supported: use one of json, regex, choice and grammar"),
		},
		{body(`,"reasoning_effort":1`), fieldError("reasoning_effort", "invalid_type", "want a string")},
		{body(`,"reasoning_effort":"huge"`), fieldError("reasoning_effort", "unsupported_value", `is "huge", want none, minimal, low, medium, high, xhigh or max`)},
		{
			body(`,"reasoning_effort":"low","reasoning":{"effort":"high"}`),
			fieldError("reasoning.effort", "invalid_value", "reasoning_effort and reasoning.effort differ: one of them is enough"),
		},
		{body(`,"max_tokens":0`), fieldError("max_tokens", "invalid_value", "is 0, want 1 to 2147483647")},
		{body(`,"max_tokens":-2`), fieldError("max_tokens", "invalid_value", "is -2, want 1 to 2147483647")},
		{body(`,"max_tokens":1.5`), fieldError("max_tokens", "invalid_type", "want an integer")},
		{body(`,"max_completion_tokens":99999999999999999999`), fieldError("max_completion_tokens", "invalid_value", "is 99999999999999999999, want 1 to 2147483647")},
		{
			body(`,"max_tokens":1,"max_completion_tokens":2`),
			fieldError("max_completion_tokens", "invalid_value", "max_tokens and max_completion_tokens differ: the latter is enough"),
		},
		{body(`,"stop":""`), fieldError("stop", "invalid_value", "is empty")},
		{body(`,"stop":["a",""]`), fieldError("stop[1]", "invalid_value", "is empty")},
		{body(`,"stop":[null]`), fieldError("stop[0]", "invalid_type", "want a string")},
		{body(`,"top_logprobs":1`), fieldError("top_logprobs", "invalid_value", "needs logprobs to be true")},
		{body(`,"logprobs":true,"top_logprobs":21`), fieldError("top_logprobs", "invalid_value", "is 21, want 0 to 20")},
		{body(`,"logprobs":3`), fieldError("logprobs", "invalid_type", "want true or false")},
		{body(`,"stream_options":{"include_usage":true}`), fieldError("stream_options", "invalid_value", "needs stream to be true")},

		// Sampling.
		{body(`,"temperature":2.1`), fieldError("temperature", "invalid_value", "is 2.1, want 0 to 2")},
		{body(`,"temperature":1e999`), fieldError("temperature", "invalid_value", "is 1e999, want 0 to 2")},
		{body(`,"temperature":"1"`), fieldError("temperature", "invalid_type", "want a number")},
		{body(`,"top_p":-0.1`), fieldError("top_p", "invalid_value", "is -0.1, want 0 to 1")},
		{body(`,"top_k":-2`), fieldError("top_k", "invalid_value", "is -2, want 0 to 2147483647")},
		{body(`,"presence_penalty":3`), fieldError("presence_penalty", "invalid_value", "is 3, want -2 to 2")},
		{body(`,"repetition_penalty":0`), fieldError("repetition_penalty", "invalid_value", "is 0, want 0.01 to 100")},
		{body(`,"seed":1e3`), fieldError("seed", "invalid_type", "want an integer")},
		{body(`,"logit_bias":[]`), fieldError("logit_bias", "invalid_type", "want an object")},
		{body(`,"logit_bias":{"x":1}`), fieldError("logit_bias.x", "invalid_value", "is not the id of a token")},
		{body(`,"logit_bias":{"007":1}`), fieldError("logit_bias.007", "invalid_value", "is not the id of a token")},
		{body(`,"logit_bias":{"-1":1}`), fieldError("logit_bias.-1", "invalid_value", "is not the id of a token")},
		{body(`,"logit_bias":{"5":101}`), fieldError("logit_bias.5", "invalid_value", "is 101, want -100 to 100")},

		// What cannot be honoured.
		{body(`,"n":17`), fieldError("n", "invalid_value", "is 17, want 1 to 16")},
		{body(`,"n":0`), fieldError("n", "invalid_value", "is 0, want 1 to 16")},
		{body(`,"store":1`), fieldError("store", "invalid_type", "want true or false")},
		{body(`,"background":true`), fieldError("background", "unsupported_value", "is not supported: the reply comes at once")},
		{body(`,"truncation":"auto"`), fieldError("truncation", "unsupported_value", `is "auto", only "disabled" is supported: shorten the messages`)},
		{body(`,"conversation":"c"`), fieldError("conversation", "unsupported_value", "is not supported: give the messages")},
		{body(`,"prompt":{"id":"p"}`), fieldError("prompt", "unsupported_value", "is not supported: give the messages")},
		{body(`,"modalities":["text","audio"]`), fieldError("modalities[1]", "unsupported_value", `is "audio", only "text" is supported: the model writes text`)},
		{body(`,"audio":{"voice":"alloy"}`), fieldError("audio", "unsupported_value", "is not supported: the model writes text")},
		{body(`,"service_tier":"flex"`), fieldError("service_tier", "unsupported_value", `is "flex", want auto or default`)},
		{body(`,"verbosity":"low"`), fieldError("verbosity", "unsupported_value", `is "low", only "medium" is supported: ask for short or long answers in a message`)},
		{body(`,"prediction":{"type":"content","content":"x"}`), fieldError("prediction", "unsupported_value", "is not supported: leave it out, the reply is the same")},
		{body(`,"web_search_options":{}`), fieldError("web_search_options", "unsupported_value", "is not supported: there is no web search: define a function that searches")},
		{body(`,"functions":[]`), fieldError("functions", "unsupported_value", "is not supported: it is deprecated: use tools")},
		{body(`,"function_call":"auto"`), fieldError("function_call", "unsupported_value", "is not supported: it is deprecated: use tool_choice")},
	} {
		for name, decode := range map[string]func([]byte) (*Request, error){"Decode": Decode, "DecodeStrict": DecodeStrict} {
			r, err := decode([]byte(tt.body))
			got, ok := err.(*wire.FieldError)
			if !ok || r != nil {
				t.Errorf("%s(%.200s): %+v, %v, want %v", name, tt.body, r, err, &tt.want)
				continue
			}
			if diff := cmp.Diff(tt.want, *got); diff != "" {
				t.Errorf("%s(%.200s) (-want +got)\n%s", name, tt.body, diff)
			}
		}
	}
}
