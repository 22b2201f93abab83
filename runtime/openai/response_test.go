package openai

import (
	"encoding/json"
	"errors"
	"iter"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gossamer/runtime/chat"
	"gossamer/runtime/engine"
	"gossamer/runtime/wire"
)

var reply = Options{ID: "chatcmpl-1", Created: time.Unix(1754352000, 0), Model: "gpt-oss-20b", Fingerprint: "fp_1"}

var usage = chat.Usage{
	PromptTokens: 70, CachedTokens: 64, CompletionTokens: 12, ReasoningTokens: 5,
	TimeToFirstToken: 250 * time.Millisecond, PrefillRate: 24, DecodeRate: 12.5,
}

const usageJSON = `{"prompt_tokens":70,"completion_tokens":12,"total_tokens":82,"prompt_tokens_details":{"cached_tokens":64},` +
	`"completion_tokens_details":{"reasoning_tokens":5},` +
	`"timings":{"time_to_first_token_ms":250,"prefill_tokens_per_second":24,"decode_tokens_per_second":12.5}}`

// half is a token that is half a character, with another one that the model found impossible.
var half = chat.TokenLogprob{ID: 7, Bytes: []byte("a\xe2\x82"), LogProb: -0.5, Top: []chat.TokenLogprob{
	{ID: 7, Bytes: []byte("a\xe2\x82"), LogProb: -0.5},
	{ID: 8, Bytes: []byte{}, LogProb: float32(math.Inf(-1))},
}}

const halfJSON = `{"content":[{"token":"a�","bytes":[97,226,130],"logprob":-0.5,"top_logprobs":[` +
	`{"token":"a�","bytes":[97,226,130],"logprob":-0.5},{"token":"","bytes":[],"logprob":-9999}]}],"refusal":null}`

func TestNewCompletion(t *testing.T) {
	for _, tt := range []struct {
		name   string
		reply  chat.Response
		choice string // want
	}{
		{
			"text", chat.Response{Message: chat.Message{Content: "hello"}, Reason: chat.FinishStop},
			`{"index":0,"message":{"role":"assistant","content":"hello","refusal":null},"logprobs":null,"finish_reason":"stop"}`,
		},
		{
			"nothing", chat.Response{Reason: chat.FinishLength},
			`{"index":0,"message":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":"length"}`,
		},
		{
			"reasoning and logprobs",
			chat.Response{
				Message: chat.Message{Content: "a€", Reasoning: "hm"}, Reason: chat.FinishStop, Logprobs: []chat.TokenLogprob{half},
			},
			`{"index":0,"message":{"role":"assistant","content":"a€","refusal":null,"reasoning":"hm"},"logprobs":` + halfJSON + `,"finish_reason":"stop"}`,
		},
		{
			"calls",
			chat.Response{
				Message: chat.Message{ToolCalls: []chat.ToolCall{{ID: "a", Name: "now"}, {ID: "b", Name: "weather", Arguments: `{"city":"Rome"}`}}},
				Reason:  chat.FinishToolCalls,
			},
			`{"index":0,"message":{"role":"assistant","content":null,"refusal":null,"tool_calls":[` +
				`{"id":"a","type":"function","function":{"name":"now","arguments":""}},` +
				`{"id":"b","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Rome\"}"}}]},"logprobs":null,"finish_reason":"tool_calls"}`,
		},
		{
			"a preamble and a call",
			chat.Response{Message: chat.Message{Content: "wait", ToolCalls: []chat.ToolCall{{ID: "a", Name: "now"}}}, Reason: chat.FinishToolCalls},
			`{"index":0,"message":{"role":"assistant","content":"wait","refusal":null,"tool_calls":[` +
				`{"id":"a","type":"function","function":{"name":"now","arguments":""}}]},"logprobs":null,"finish_reason":"tool_calls"}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.reply.Usage = usage
			c, err := NewCompletion([]*chat.Response{&tt.reply}, reply)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			want := `{"id":"chatcmpl-1","object":"chat.completion","created":1754352000,"model":"gpt-oss-20b","choices":[` + tt.choice +
				`],"usage":` + usageJSON + `,"system_fingerprint":"fp_1"}`
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestNewCompletionCancelled(t *testing.T) {
	c, err := NewCompletion([]*chat.Response{&chat.Response{Reason: chat.FinishCancelled}}, reply)
	if c != nil || !errors.Is(err, wire.ErrCancelled) {
		t.Errorf("%v, %v, want wire.ErrCancelled", c, err)
	}
}

// What the assistant says means the same when it is sent back.
func TestMessageRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := chat.Message{
			Role:      chat.Assistant,
			Content:   rapid.String().Draw(t, "content"),
			Reasoning: rapid.String().Draw(t, "reasoning"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "calls") {
			want.ToolCalls = append(want.ToolCalls, chat.ToolCall{
				ID:        rapid.String().Draw(t, "id"),
				Name:      rapid.String().Draw(t, "function"),
				Arguments: rapid.String().Draw(t, "arguments"),
			})
		}
		c, err := NewCompletion([]*chat.Response{&chat.Response{Message: want}}, reply)
		if err != nil {
			t.Fatal(err)
		}
		sent, err := json.Marshal(c.Choices[0].Message)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Decode([]byte(`{"messages":[` + string(sent) + `]}`))
		if err != nil {
			t.Fatalf("%s: %v", sent, err)
		}
		if diff := cmp.Diff([]chat.Message{want}, r.Chat.Messages); diff != "" {
			t.Fatalf("%s (-want +got)\n%s", sent, diff)
		}
	})
}

// stream is a reply made of events, which ends with an error if there is one.
func stream(failed error, events ...chat.Event) iter.Seq2[chat.ChoiceEvent, error] {
	all := make([]chat.ChoiceEvent, len(events))
	for i, e := range events {
		all[i].Event = e
	}
	return choices(failed, all...)
}

// choices are the events of several replies.
func choices(failed error, events ...chat.ChoiceEvent) iter.Seq2[chat.ChoiceEvent, error] {
	return func(yield func(chat.ChoiceEvent, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
		if failed != nil {
			yield(chat.ChoiceEvent{}, failed)
		}
	}
}

// frame is the text of an event; more follows "choices".
func frame(more string) string {
	return `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1754352000,"model":"gpt-oss-20b","system_fingerprint":"fp_1","choices":` + more + "}\n\n"
}

func deltaFrame(delta string) string {
	return frame(`[{"index":0,"delta":` + delta + `,"logprobs":null,"finish_reason":null}]`)
}

func TestStreamAsEvents(t *testing.T) {
	begin := deltaFrame(`{"role":"assistant","content":""}`)
	finish := func(reason string) string {
		return frame(`[{"index":0,"delta":{},"logprobs":null,"finish_reason":"` + reason + `"}]`)
	}
	done := "data: [DONE]\n\n"
	withUsage := reply
	withUsage.IncludeUsage = true
	for _, tt := range []struct {
		name    string
		options Options
		events  []chat.Event
		failed  error
		want    []string
	}{
		{"nothing", reply, []chat.Event{chat.Done{Reason: chat.FinishLength}}, nil, []string{begin, finish("length"), done}},
		{
			"answer", reply,
			[]chat.Event{
				chat.ItemStart{Kind: chat.Reasoning}, chat.ReasoningDelta{Text: "hm"}, chat.ItemEnd{Whole: true}, chat.ItemStart{Kind: chat.Preamble},
				chat.ContentDelta{Text: "a <b>"}, chat.ItemEnd{Whole: true}, chat.ItemStart{Kind: chat.Answer, Separator: "\n\n"}, chat.ContentDelta{Text: "\"€\""},
				chat.ItemEnd{Whole: true}, chat.Done{Reason: chat.FinishStop},
			}, nil,
			[]string{
				begin, deltaFrame(`{"reasoning":"hm"}`), deltaFrame(`{"content":"a <b>"}`), deltaFrame(`{"content":"\n\n"}`), deltaFrame(`{"content":"\"€\""}`), finish("stop"), done,
			},
		},
		{
			"calls and usage", withUsage,
			[]chat.Event{
				chat.ItemStart{Kind: chat.Call, Index: 0, ID: "a", Name: "weather"}, chat.ToolCallDelta{Index: 0, Arguments: `{"city":`}, chat.ToolCallDelta{Index: 0, Arguments: `"Rome"}`},
				chat.ItemStart{Kind: chat.Call, Index: 1, ID: "b", Name: "now"}, chat.Done{Reason: chat.FinishToolCalls, Usage: usage},
			}, nil,
			[]string{
				begin,
				deltaFrame(`{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"weather","arguments":""}}]}`),
				deltaFrame(`{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]}`),
				deltaFrame(`{"tool_calls":[{"index":0,"function":{"arguments":"\"Rome\"}"}}]}`),
				deltaFrame(`{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"now","arguments":""}}]}`),
				finish("tool_calls"),
				frame(`[],"usage":` + usageJSON),
				done,
			},
		},
		{
			"logprobs", reply, []chat.Event{chat.ContentDelta{Text: "a€", Logprobs: []chat.TokenLogprob{half}}, chat.Done{Reason: chat.FinishStop}}, nil,
			[]string{begin, frame(`[{"index":0,"delta":{"content":"a€"},"logprobs":` + halfJSON + `,"finish_reason":null}]`), finish("stop"), done},
		},
		{
			"an error in the middle", reply, []chat.Event{chat.ContentDelta{Text: "a"}}, engine.ErrClosed,
			[]string{
				begin, deltaFrame(`{"content":"a"}`),
				`data: {"error":{"message":"the model is closed","type":"server_error","param":null,"code":"model_closed"}}` + "\n\n",
			},
		},
		{
			"cancelled in the middle", withUsage, []chat.Event{chat.ContentDelta{Text: "a"}, chat.Done{Reason: chat.FinishCancelled}}, nil,
			[]string{
				begin, deltaFrame(`{"content":"a"}`),
				`data: {"error":{"message":"the reply was cancelled","type":"cancelled","param":null,"code":"cancelled"}}` + "\n\n",
			},
		},
		{"an error at once", reply, nil, engine.ErrClosed, nil},
		{"cancelled at once", reply, []chat.Event{chat.Done{Reason: chat.FinishCancelled}}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &recorder{}
			begun, err := WriteSSE(w, w.flush, Stream(stream(tt.failed, tt.events...), tt.options))
			if diff := cmp.Diff(tt.want, w.frames); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if w.flushed != len(w.frames) {
				t.Errorf("%d events were flushed of %d", w.flushed, len(w.frames))
			}
			failed := tt.failed
			if strings.HasPrefix(tt.name, "cancelled") {
				failed = wire.ErrCancelled
			}
			if begun != (tt.want != nil) || !errors.Is(err, failed) {
				t.Errorf("begun %v, error %v, want %v", begun, err, failed)
			}
		})
	}
}

// recorder keeps what is written, and fails at a given write or flush, counted from 1.
type recorder struct {
	frames             []string
	flushed            int
	failWrite, failure int
}

var errGone = errors.New("the client is gone")

func (w *recorder) Write(p []byte) (int, error) {
	w.frames = append(w.frames, string(p))
	if len(w.frames) == w.failWrite {
		return 0, errGone
	}
	return len(p), nil
}

func (w *recorder) flush() error {
	w.flushed++
	if w.flushed == w.failure {
		return errGone
	}
	return nil
}

func TestWriteSSEStopsAtWriteErrors(t *testing.T) {
	for name, w := range map[string]*recorder{"write": {failWrite: 2}, "flush": {failure: 2}} {
		t.Run(name, func(t *testing.T) {
			stopped := false
			events := func(yield func(chat.ChoiceEvent, error) bool) {
				for yield(chat.ChoiceEvent{Event: chat.ContentDelta{Text: "more"}}, nil) {
				}
				stopped = true
			}
			begun, err := WriteSSE(w, w.flush, Stream(events, reply))
			if !begun || !errors.Is(err, errGone) || !stopped || len(w.frames) != 2 {
				t.Errorf("begun %v, error %v, reply stopped %v, %d events", begun, err, stopped, len(w.frames))
			}
		})
	}
}

// Chunks of several replies are mixed as they come; the first has what the request ignored, and one at the end the usage of all.
func TestStreamOfChoices(t *testing.T) {
	o := reply
	o.Ignored, o.IncludeUsage = []string{"x"}, true
	at := func(choice int, e chat.Event) chat.ChoiceEvent { return chat.ChoiceEvent{Choice: choice, Event: e} }
	var got []Chunk
	for c, err := range Stream(choices(nil,
		at(1, chat.ContentDelta{Text: "a"}), at(0, chat.ReasoningDelta{Text: "b"}), at(1, chat.Done{Reason: chat.FinishLength, Usage: usage}),
		at(0, chat.ContentDelta{Text: "c"}), at(0, chat.Done{Reason: chat.FinishStop, Usage: usage}),
	), o) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, c)
	}
	var indices []int
	for i, c := range got[:len(got)-1] {
		indices = append(indices, c.Choices[0].Index)
		if role := c.Choices[0].Delta.Role != ""; role != (i == 0 || i == 2) || (len(c.Ignored) > 0) != (i == 0) {
			t.Errorf("chunk %d: %+v", i, c)
		}
	}
	if diff := cmp.Diff([]int{1, 1, 0, 0, 1, 0, 0}, indices); diff != "" {
		t.Errorf("indices (-want +got)\n%s", diff)
	}
	last := got[len(got)-1]
	if len(last.Choices) != 0 || last.Usage == nil || last.Usage.PromptTokens != 70 || last.Usage.CompletionTokens != 24 || last.Usage.TotalTokens != 94 {
		t.Errorf("the last chunk: %+v", last.Usage)
	}
	both, err := NewCompletion([]*chat.Response{{Reason: chat.FinishStop, Usage: usage}, {Reason: chat.FinishLength, Usage: usage}}, o)
	if err != nil || both.Choices[1].Index != 1 || both.Choices[1].FinishReason != "length" || both.Usage.CompletionTokens != 24 {
		t.Errorf("%+v, %v", both, err)
	}
}

func TestWriteSSEWithoutFlush(t *testing.T) {
	var b strings.Builder
	begun, err := WriteSSE(&b, nil, Stream(stream(nil, chat.Done{Reason: chat.FinishStop}), reply))
	if !begun || err != nil || !strings.HasSuffix(b.String(), "\n\ndata: [DONE]\n\n") {
		t.Errorf("begun %v, error %v, %s", begun, err, b.String())
	}
}
