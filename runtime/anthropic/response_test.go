package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/chat"
	"gossamer/runtime/engine"
	"gossamer/runtime/wire"
)

var usage = chat.Usage{PromptTokens: 70, CachedTokens: 64, CompletionTokens: 12, ReasoningTokens: 5}

const usageJSON = `{"input_tokens":6,"cache_creation_input_tokens":0,"cache_read_input_tokens":64,"output_tokens":12,"output_tokens_details":{"thinking_tokens":5}}`

// told is a reply in the events of chat, each text in two parts.
func told(r *chat.Response, err error) iter.Seq2[chat.ChoiceEvent, error] {
	var events []chat.Event
	for _, i := range r.Items {
		events = append(events, i.ItemStart)
		half := len(i.Text) / 2
		for _, text := range []string{i.Text[:half], i.Text[half:]} {
			switch {
			case text == "":
			case i.Kind == chat.Reasoning:
				events = append(events, chat.ReasoningDelta{Text: text})
			case i.Kind == chat.Call:
				events = append(events, chat.ToolCallDelta{Index: i.Index, Arguments: text})
			default:
				events = append(events, chat.ContentDelta{Text: text})
			}
		}
		events = append(events, chat.ItemEnd{Whole: i.Whole})
	}
	return func(yield func(chat.ChoiceEvent, error) bool) {
		for _, e := range events {
			if !yield(chat.ChoiceEvent{Event: e}, nil) {
				return
			}
		}
		if err != nil {
			yield(chat.ChoiceEvent{}, err)
			return
		}
		yield(chat.ChoiceEvent{Event: chat.Done{Reason: r.Reason, Stop: r.Stop, Usage: r.Usage}}, nil)
	}
}

func TestReplies(t *testing.T) {
	thought := chat.Item{ItemStart: chat.ItemStart{Kind: chat.Reasoning}, Text: "hm"}
	text := chat.Item{ItemStart: chat.ItemStart{Kind: chat.Answer, Separator: "\n\n"}, Text: "a<€"}
	call := func(index int, name, arguments string) chat.Item {
		return chat.Item{ItemStart: chat.ItemStart{Kind: chat.Call, Index: index, ID: "call_" + name, Name: name}, Text: arguments}
	}
	for _, tt := range []struct {
		name          string
		thinking      Thinking
		reply         chat.Response
		content, stop string // want
		deltas        string // want, of the first block
	}{
		{"nothing", Shown, chat.Response{Reason: chat.FinishStop}, ``, `"stop_reason":"end_turn","stop_sequence":null`, ``},
		{
			"text", Shown, chat.Response{Items: []chat.Item{text}, Reason: chat.FinishLength}, `{"type":"text","text":"a<€"}`,
			`"stop_reason":"max_tokens","stop_sequence":null`, `{"type":"text_delta","text":"a<"} {"type":"text_delta","text":"€"}`,
		},
		{
			"thinking", Shown, chat.Response{Items: []chat.Item{thought, text}, Reason: chat.FinishStop, Stop: "END"},
			`{"type":"thinking","thinking":"hm","signature":"gossamer"},{"type":"text","text":"a<€"}`, `"stop_reason":"stop_sequence","stop_sequence":"END"`,
			`{"type":"thinking_delta","thinking":"h"} {"type":"thinking_delta","thinking":"m"} {"type":"signature_delta","signature":"gossamer"}`,
		},
		{
			"thinking omitted", Omitted, chat.Response{Items: []chat.Item{thought, thought}, Reason: chat.FinishStop},
			`{"type":"thinking","thinking":"","signature":"gossamer:aG0="},{"type":"thinking","thinking":"","signature":"gossamer:aG0="}`,
			`"stop_reason":"end_turn","stop_sequence":null`, `{"type":"signature_delta","signature":"gossamer:aG0="}`,
		},
		{
			"thinking hidden", Hidden, chat.Response{Items: []chat.Item{thought, text}, Reason: chat.FinishStop}, `{"type":"text","text":"a<€"}`,
			`"stop_reason":"end_turn","stop_sequence":null`, `{"type":"text_delta","text":"a<"} {"type":"text_delta","text":"€"}`,
		},
		{
			"calls", Shown,
			chat.Response{Items: []chat.Item{call(0, "f", `{"a":1}`), call(1, "g", "print()"), call(2, "g", `{"b": 2}`)}, Reason: chat.FinishToolCalls, Stop: "END"},
			`{"type":"tool_use","id":"toolu_f","name":"f","input":{"a":1}},{"type":"tool_use","id":"toolu_g","name":"g","input":{"_unparsed":"print()"}},` +
				`{"type":"tool_use","id":"toolu_g","name":"g","input":{"b":2}}`,
			`"stop_reason":"tool_use","stop_sequence":null`,
			`{"type":"input_json_delta","partial_json":"{\"a"} {"type":"input_json_delta","partial_json":"\":1}"}`,
		},
		{
			"calls of others", Shown, chat.Response{Items: []chat.Item{call(0, "g", `{"a":`)}, Reason: chat.FinishLength},
			`{"type":"tool_use","id":"toolu_g","name":"g","input":{"_unparsed":"{\"a\":"}}`, `"stop_reason":"max_tokens","stop_sequence":null`,
			`{"type":"input_json_delta","partial_json":"{\"_unparsed\":\"{\\\"a\\\":\"}"}`,
		},
		{
			"calls that are cut off", Shown, chat.Response{Items: []chat.Item{call(0, "f", `{"a":`)}, Reason: chat.FinishLength},
			`{"type":"tool_use","id":"toolu_f","name":"f","input":{}}`, `"stop_reason":"max_tokens","stop_sequence":null`,
			`{"type":"input_json_delta","partial_json":"{\""} {"type":"input_json_delta","partial_json":"a\":"}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.reply.Usage = usage
			o := Options{ID: "msg_1", Model: "m", Request: &Request{Thinking: tt.thinking, Chat: chat.Request{Tools: []chat.Function{{Name: "f"}}}}, Prompt: &Prompt{}}
			o.Prompt.Progress(64, 70)
			o.Prompt.Progress(70, 70)
			m, err := NewMessage(&tt.reply, o)
			if err != nil {
				t.Fatal(err)
			}
			const begin = `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[`
			if diff := cmp.Diff(begin+tt.content+`],`+tt.stop+`,"usage":`+usageJSON+`}`, string(encode(t, m))); diff != "" {
				t.Errorf("whole: (-want +got)\n%s", diff)
			}

			var lines, deltas []string
			for e, err := range Stream(told(&tt.reply, nil), o) {
				if err != nil {
					t.Fatal(err)
				}
				lines = append(lines, string(encode(t, e)))
				if e.Type == "content_block_delta" && *e.Index == 0 {
					deltas = append(deltas, string(encode(t, e.Delta)))
				}
			}
			n := len(lines)
			want := []string{
				`{"type":"message_start","message":` + begin + `],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":6,"cache_creation_input_tokens":0,` +
					`"cache_read_input_tokens":64,"output_tokens":0,"output_tokens_details":{"thinking_tokens":0}}}}`,
				`{"type":"message_delta","delta":{` + tt.stop + `},"usage":` + usageJSON + `}`,
				`{"type":"message_stop"}`,
			}
			if diff := cmp.Diff(want, []string{lines[0], lines[n-2], lines[n-1]}); diff != "" {
				t.Errorf("streamed: (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(tt.deltas, strings.Join(deltas, " ")); diff != "" {
				t.Errorf("deltas: (-want +got)\n%s", diff)
			}
		})
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// A stream begins where the prompt is known, however much of it was known before.
func TestPrompt(t *testing.T) {
	for _, tt := range []struct {
		heard         [][2]int
		total, cached int
	}{{[][2]int{{0, 70}, {64, 70}, {70, 70}}, 70, 0}, {[][2]int{{64, 70}, {70, 70}}, 70, 64}, {[][2]int{{70, 70}}, 70, 69}} {
		p := Prompt{}
		for _, h := range tt.heard {
			p.Progress(h[0], h[1])
		}
		if p.total != tt.total || p.cached != tt.cached {
			t.Errorf("%v: %+v", tt.heard, p)
		}
	}
}

func TestCancelled(t *testing.T) {
	o := Options{Request: &Request{}, Prompt: &Prompt{}}
	r := &chat.Response{Reason: chat.FinishCancelled}
	if m, err := NewMessage(r, o); m != nil || !errors.Is(err, wire.ErrCancelled) {
		t.Errorf("%v, %v", m, err)
	}
	for e, err := range Stream(told(r, nil), o) {
		if !errors.Is(err, wire.ErrCancelled) {
			t.Errorf("%+v, %v", e, err)
		}
	}
}

func TestWriteSSE(t *testing.T) {
	reply := &chat.Response{Items: []chat.Item{{ItemStart: chat.ItemStart{Kind: chat.Answer}, Text: "a"}}, Reason: chat.FinishStop}
	o := Options{ID: "msg_1", Model: "m", Request: &Request{}, Prompt: &Prompt{}}
	gone := errors.New("the device is gone: <x>")
	for _, tt := range []struct {
		name   string
		events iter.Seq2[chat.ChoiceEvent, error]
		begun  bool
		err    error
		end    string
	}{
		{"whole", told(reply, nil), true, nil, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"},
		{"failed", told(reply, gone), true, gone, `event: error` + "\n" + `data: {"type":"error","error":{"type":"api_error","message":"the device is gone: <x>"},"request_id":"req_1"}` + "\n\n"},
		{"failed at once", told(&chat.Response{}, gone), false, gone, ""},
	} {
		var b bytes.Buffer
		flushed := 0
		begun, err := WriteSSE(&b, func() error { flushed++; return nil }, Stream(tt.events, o), "req_1")
		if begun != tt.begun || !errors.Is(err, tt.err) || !strings.HasSuffix(b.String(), tt.end) || flushed != strings.Count(b.String(), "event: ") {
			t.Errorf("%s: %v, %v, %d times flushed: %s", tt.name, begun, err, flushed, b.String())
		}
	}
	// Who stops reading is not sent more.
	writes := 0
	_, err := WriteSSE(writer(func([]byte) (int, error) { writes++; return 0, gone }), nil, Stream(told(reply, nil), o), "")
	if writes != 1 || !errors.Is(err, gone) {
		t.Errorf("%d writes, %v", writes, err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestNewError(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		kind   string
	}{
		{&wire.FieldError{Param: "a", Reason: "b"}, 400, "invalid_request_error"},
		{&engine.PromptError{Tokens: 9, Context: 5}, 400, "invalid_request_error"},
		{&wire.FieldError{Code: wire.CodeTooLarge}, 413, "request_too_large"},
		{&wire.Failure{Status: 401}, 401, "authentication_error"},
		{&wire.Failure{Status: 403}, 403, "permission_error"},
		{&wire.Failure{Status: 404}, 404, "not_found_error"},
		{&wire.Failure{Status: 405}, 405, "invalid_request_error"},
		{&wire.Failure{Status: 415}, 415, "invalid_request_error"},
		{&engine.BusyError{Waiting: 3}, 529, "overloaded_error"},
		{engine.ErrClosed, 503, "api_error"},
		{errors.New("x"), 500, "api_error"},
		{&wire.Failure{Status: 504}, 504, "timeout_error"},
	} {
		f := (&Request{}).Failure(tt.err)
		body, status := NewError(f, "req_1")
		e := body.(errorResponse)
		if status != tt.status || e.Type != "error" || e.Error.Type != tt.kind || !strings.HasSuffix(e.Error.Message, f.Message) || e.RequestID != "req_1" {
			t.Errorf("%v: %d %+v", tt.err, status, e)
		}
	}
}
