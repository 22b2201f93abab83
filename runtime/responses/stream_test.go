package responses

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/chat"
	"gossamer/runtime/wire"
)

// options number ids, so that two runs give the same.
func options() Options {
	n := 0
	return Options{
		ID: "resp_1", Model: "m", Now: func() time.Time { return time.Unix(1754352000, 0) },
		NewID: func(prefix string) string {
			n++
			return fmt.Sprint(prefix, n)
		},
	}
}

func decode(t *testing.T, body string) *Request {
	t.Helper()
	r, err := Decode([]byte(body), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Converse(nil, func(string) (Item, bool) { return Item{}, false }); err != nil {
		t.Fatal(err)
	}
	return r
}

func sequence(err error, events ...chat.Event) iter.Seq2[chat.Event, error] {
	return func(yield func(chat.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// reply is one of any kind, as chat would give it, with or without a clean end.
func reply(rnd *rand.Rand) (events []chat.Event) {
	texts := []string{"a", " \"b\"\n", "€", "😀 ", "{\"x\":", "1}", "<&>"}
	kinds := map[chat.ItemKind]int{}
	reason := []chat.FinishReason{chat.FinishStop, chat.FinishLength}[rnd.IntN(2)]
	n := rnd.IntN(6)
	for i := range n {
		kind := chat.ItemKind(rnd.IntN(4))
		start := chat.ItemStart{Kind: kind}
		switch {
		case kind == chat.Call:
			start.Index, start.ID, start.Name = kinds[kind], fmt.Sprintf("call_%d", kinds[kind]), "f"
			if reason == chat.FinishStop {
				reason = chat.FinishToolCalls
			}
		case kind == chat.Reasoning && kinds[kind] > 0, kind != chat.Reasoning && kinds[chat.Preamble]+kinds[chat.Answer] > 0:
			start.Separator = "\n\n"
		}
		kinds[kind]++
		events = append(events, start)
		for range 1 + rnd.IntN(3) {
			text := texts[rnd.IntN(len(texts))]
			switch kind {
			case chat.Call:
				events = append(events, chat.ToolCallDelta{Index: start.Index, Arguments: text})
			case chat.Reasoning:
				events = append(events, chat.ReasoningDelta{Text: text})
			default:
				events = append(events, chat.ContentDelta{Text: text, Logprobs: []chat.TokenLogprob{{ID: 1, Bytes: []byte(text), LogProb: -0.5}}})
			}
		}
		events = append(events, chat.ItemEnd{Whole: i < n-1 || reason != chat.FinishLength})
	}
	return append(events, chat.Done{Reason: reason, Usage: chat.Usage{PromptTokens: 9, CachedTokens: 4, CompletionTokens: 7, ReasoningTokens: 3}})
}

// checkStream follows a stream as the strictest clients do: every event belongs to what is open, and the items at the end are those that
// were streamed.
func checkStream(events []Event) error {
	var items []Item
	var text strings.Builder
	open, part := false, false
	for i, e := range events {
		last := i == len(events)-1
		ended := e.Type == "response.completed" || e.Type == "response.incomplete" || e.Type == "response.failed"
		switch {
		case e.Sequence != i:
			return fmt.Errorf("event %d has the number %d", i, e.Sequence)
		case (i == 0) != (e.Type == "response.created"), (i == 1) != (e.Type == "response.in_progress"), last != ended:
			return fmt.Errorf("event %d of %d is %s", i, len(events), e.Type)
		case e.Response != nil && e.Response.ID != "resp_1":
			return fmt.Errorf("event %d: another response", i)
		}
		if i < 2 || last {
			continue
		}
		added := e.Type == "response.output_item.added"
		if want := len(items) - 1; e.OutputIndex == nil || !added && (*e.OutputIndex != want || !open) || added && (open || *e.OutputIndex != want+1) {
			return fmt.Errorf("event %d, %s: no item %v is open", i, e.Type, e.OutputIndex)
		}
		if added || e.Type == "response.output_item.done" {
			if e.ItemID != "" || e.Item == nil {
				return fmt.Errorf("event %d, %s: no item", i, e.Type)
			}
		} else if e.ItemID != items[len(items)-1].ID {
			return fmt.Errorf("event %d, %s: item %q", i, e.Type, e.ItemID)
		}
		if !added && e.Type != "response.output_item.done" && (e.ContentIndex != nil) != (items[len(items)-1].Type != typeCall) {
			return fmt.Errorf("event %d, %s: content index %v", i, e.Type, e.ContentIndex)
		}
		kind := ""
		if !added {
			kind = map[string]string{typeMessage: "output_text", typeReasoning: "reasoning_text", typeCall: "function_call_arguments"}[items[len(items)-1].Type]
		}
		switch e.Type {
		case "response.output_item.added":
			items, open, part = append(items, *e.Item), true, false
			text.Reset()
		case "response.content_part.added":
			if part || kind == "function_call_arguments" || e.Part.Type != kind {
				return fmt.Errorf("event %d: part %+v of %s", i, e.Part, kind)
			}
			part = true
		case "response." + kind + ".delta":
			if !part && kind != "function_call_arguments" {
				return fmt.Errorf("event %d: text before its part", i)
			}
			text.WriteString(*e.Delta)
		case "response." + kind + ".done":
			whole := e.Text
			if kind == "function_call_arguments" {
				whole = e.Arguments
			}
			if *whole != text.String() {
				return fmt.Errorf("event %d: %q, but %q was streamed", i, *whole, text.String())
			}
		case "response.content_part.done":
			if e.Part.Text != text.String() || !part {
				return fmt.Errorf("event %d: part %q, but %q was streamed", i, e.Part.Text, text.String())
			}
		case "response.output_item.done":
			begun := items[len(items)-1]
			if e.Item.ID != begun.ID || e.Item.Type != begun.Type || e.Item.CallID != begun.CallID || e.Item.Status == statusInProgress {
				return fmt.Errorf("event %d: %+v was %+v", i, e.Item, begun)
			}
			items[len(items)-1], open = *e.Item, false
		default:
			return fmt.Errorf("event %d is %s", i, e.Type)
		}
	}
	if open {
		return errors.New("the last item is not closed")
	}
	if d := cmp.Diff(items, events[len(events)-1].Response.Output, cmp.Transformer("nil", func(i []Item) []Item { return append([]Item{}, i...) })); d != "" {
		return fmt.Errorf("at the end there are other items: %s", d)
	}
	return nil
}

// Whatever a reply is, its stream keeps the rules of clients, ends as the whole response does, and can be sent back, where the conversation has
// the same message as from chat.
func TestStreamsOfAnyReplies(t *testing.T) {
	for i := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(11, i))
		events := reply(rnd)
		body := `{"input":"x","include":["reasoning.encrypted_content"]}`
		r := decode(t, body)
		var got []Event
		var kept *Response
		for e, err := range Stream(r, sequence(nil, events...), options(), r.Failure, func(r *Response) { kept = r }) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e)
		}
		if err := checkStream(got); err != nil {
			t.Fatalf("reply %d, %+v: %v", i, events, err)
		}
		collected, err := chat.Collect(sequence(nil, events...))
		if err != nil {
			t.Fatal(err)
		}
		whole, err := New(decode(t, body), collected, options())
		if err != nil {
			t.Fatal(err)
		}
		a, b := marshal(t, whole), marshal(t, kept)
		if a != b {
			t.Fatalf("reply %d: whole and streamed differ: %s", i, cmp.Diff(a, b))
		}

		if len(whole.Output) == 0 {
			continue
		}
		// The items come back, with the contents of reasoning or only with what stands for it.
		back := slices.Clone(whole.Output)
		if i%2 == 0 {
			for j := range back {
				if back[j].Type == typeReasoning {
					back[j].Content = nil
				}
			}
		}
		again := decode(t, `{"input":[{"role":"user","content":"x"},`+strings.TrimPrefix(marshal(t, back), "[")+`}`)
		want := chat.Message{Role: chat.Assistant, Content: collected.Message.Content, Reasoning: collected.Message.Reasoning, ToolCalls: collected.Message.ToolCalls}
		if d := cmp.Diff(want, again.Chat.Messages[1]); d != "" || len(again.Chat.Messages) != 2 || again.Ignored != nil {
			t.Fatalf("reply %d comes back otherwise (ignored %v): %s", i, again.Ignored, d)
		}
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A reply that fails ends its open item and the response, with the code that clients look for.
func TestStreamsThatFail(t *testing.T) {
	r := decode(t, `{"input":"x"}`)
	events := []chat.Event{chat.ItemStart{Kind: chat.Answer}, chat.ContentDelta{Text: "a"}}
	for _, tt := range []struct {
		events []chat.Event
		err    error
		code   string
	}{
		{events, errors.New("the device is gone"), "server_error"},
		{append(events, chat.ItemEnd{}, chat.Done{Reason: chat.FinishCancelled}), nil, "cancelled"},
		{events, &wire.Failure{Status: 503, Type: wire.TypeServer, Code: "draining", Message: "the server is being shut down"}, "draining"},
	} {
		var got []Event
		var kept *Response
		for e, err := range Stream(r, sequence(tt.err, tt.events...), options(), r.Failure, func(r *Response) { kept = r }) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e)
		}
		if err := checkStream(got); err != nil {
			t.Error(err)
		}
		last := got[len(got)-1].Response
		if last.Status != statusFailed || last.Error == nil || last.Error.Code != tt.code || kept != last || last.Output[0].Status != statusIncomplete {
			t.Errorf("%+v, kept %+v", last, kept)
		}
	}
	for _, err := range []error{errors.New("at once"), wire.ErrCancelled} {
		for e, got := range Stream(r, sequence(err), options(), r.Failure, func(*Response) { t.Error("kept") }) {
			if !errors.Is(got, err) {
				t.Errorf("%+v, %v", e, got)
			}
		}
	}
}

// The final object has every key that clients of the specification look for, also where there is nothing to say.
func TestKeysOfResponses(t *testing.T) {
	r := decode(t, `{"input":"x"}`)
	whole, err := New(r, &chat.Response{Reason: chat.FinishStop}, options())
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(marshal(t, whole)), &object); err != nil {
		t.Fatal(err)
	}
	for _, key := range strings.Fields(`id object created_at completed_at status incomplete_details model previous_response_id instructions output error
		tools tool_choice truncation parallel_tool_calls text top_p presence_penalty frequency_penalty top_logprobs temperature reasoning user usage
		max_output_tokens max_tool_calls store background service_tier metadata safety_identifier prompt_cache_key`) {
		if _, ok := object[key]; !ok {
			t.Errorf("no %s", key)
		}
	}
}

// What a response repeats is as the API would have it, also where the request leaves it out.
func TestDefaultsOfResponses(t *testing.T) {
	r := decode(t, `{"input":"x","tools":[{"type":"function","name":"f"},{"type":"function","name":"g","description":"G.","strict":true,"parameters":{}}]}`)
	whole, err := New(r, &chat.Response{Reason: chat.FinishStop}, options())
	if err != nil {
		t.Fatal(err)
	}
	const tools = `[{"type":"function","name":"f","description":null,"parameters":null,"strict":false},` +
		`{"type":"function","name":"g","description":"G.","parameters":{},"strict":true}]`
	if d := cmp.Diff(tools, marshal(t, whole.Tools)); d != "" {
		t.Error(d)
	}
	if whole.TopP != 1 || whole.Temperature != 1 {
		t.Errorf("top_p %v, temperature %v, want 1 and 1", whole.TopP, whole.Temperature)
	}
}

func TestWriteSSE(t *testing.T) {
	r := decode(t, `{"input":"x"}`)
	var b strings.Builder
	flushed := 0
	events := Stream(r, sequence(nil, chat.Done{Reason: chat.FinishStop}), options(), r.Failure, func(*Response) {})
	begun, err := WriteSSE(&b, func() error { flushed++; return nil }, events)
	frames := strings.Split(strings.TrimSuffix(b.String(), "\n\n"), "\n\n")
	if !begun || err != nil || len(frames) != 3 || flushed != 3 {
		t.Fatalf("%v, %v, %d frames, %d flushed", begun, err, len(frames), flushed)
	}
	for i, kind := range []string{"response.created", "response.in_progress", "response.completed"} {
		if !strings.HasPrefix(frames[i], "event: "+kind+"\ndata: {\"type\":\""+kind+"\",\"sequence_number\":") {
			t.Errorf("%s", frames[i])
		}
	}
	b.Reset()
	if err := WriteError(&b, nil, r, &wire.Failure{Code: "context_full", Message: "full"}, options()); err != nil || !strings.Contains(b.String(), `"type":"response.failed"`) {
		t.Errorf("%v, %s", err, b.String())
	}
	if begun, err := WriteSSE(&b, nil, func(yield func(Event, error) bool) { yield(Event{}, errors.New("at once")) }); begun || err == nil {
		t.Errorf("begun %v, %v", begun, err)
	}
}
