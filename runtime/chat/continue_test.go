package chat

import (
	"errors"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/tokenizer/tokenizertest"
)

// TestContinueReply cuts replies after each token: what is said of the rest is what was cut off.
func TestContinueReply(t *testing.T) {
	weather := Function{Name: "get_weather", Parameters: []byte(`{"type":"object","properties":{"city":{"type":"string"}}}`)}
	person := []byte(`{"type":"object","properties":{"name":{"type":"string"}},"required":["name"],"additionalProperties":false}`)
	for _, tt := range []struct {
		name, script string
		edit         func(*Request)
	}{
		{"ReasoningThenAnswer", "<|channel|>analysis<|message|>Let me think 🤔.<|end|><|start|>assistant<|channel|>final<|message|>It is 4 🎉.", nil},
		{"Answer", "<|channel|>final<|message|>It  is\n\n4.", nil},
		{"WithTools", "<|channel|>analysis<|message|>No tool.<|end|><|start|>assistant<|channel|>final<|message|>It is 4.", func(r *Request) { r.Tools = []Function{weather} }},
		{"Format", `<|channel|>analysis<|message|>JSON.<|end|><|start|>assistant<|channel|>final<|message|>{"name":"Anna"}`,
			func(r *Request) { r.Format = &ResponseFormat{Name: "answer", Schema: person} }},
		{"StopString", "<|channel|>final<|message|>one two three", func(r *Request) { r.Stop = []string{"two th"} }},
		{"WithoutReasoning", "It is 4.", func(r *Request) { r.Effort = None }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := script(t, tt.script)
			r := ask("2 + 2?")
			if tt.edit != nil {
				tt.edit(&r)
			}
			whole, err := Collect(c.Stream(t.Context(), r))
			if err != nil {
				t.Fatal(err)
			}
			for _, begun := range beginnings(whole.Message) {
				next := r
				next.Messages, next.Continue = append(r.Messages[:1:1], begun), true
				rest, err := Collect(c.Stream(t.Context(), next))
				if err != nil {
					t.Fatalf("after %+v: %v", begun, err)
				}
				got := Message{Role: Assistant, Reasoning: begun.Reasoning + rest.Message.Reasoning, Content: begun.Content + rest.Message.Content}
				if diff := cmp.Diff(whole.Message, got); diff != "" || rest.Reason != whole.Reason || rest.Stop != whole.Stop {
					t.Fatalf("after %+v: %v, %q, %s", begun, rest.Reason, rest.Stop, diff)
				}
			}
		})
	}
}

// beginnings are what there may be of a reply when it is cut off.
func beginnings(m Message) []Message {
	tok := tokenizertest.Vocabulary()
	var all []Message
	for n, ids := 1, tok.Encode(m.Reasoning); n <= len(ids); n++ {
		all = append(all, Message{Role: Assistant, Reasoning: string(tok.Decode(ids[:n]))})
	}
	for n, ids := 1, tok.Encode(m.Content); n < len(ids); n++ {
		all = append(all, Message{Role: Assistant, Reasoning: m.Reasoning, Content: string(tok.Decode(ids[:n]))})
	}
	return slices.DeleteFunc(all, func(m Message) bool { return !utf8.ValidString(m.Reasoning + m.Content) })
}

// TestContinueReplyIntoCall goes on with the reasoning before a call, and begins no second item with a separator.
func TestContinueReplyIntoCall(t *testing.T) {
	c := script(t, `<|channel|>analysis<|message|>I ask.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{}<|call|>`)
	r := ask("Is it warm?")
	r.Tools = []Function{{Name: "get_weather"}}
	r.Messages, r.Continue = append(r.Messages, Message{Role: Assistant, Reasoning: "I"}), true
	got, err := Collect(c.Stream(t.Context(), r))
	if err != nil {
		t.Fatal(err)
	}
	want := []Item{
		{ItemStart: ItemStart{Kind: Reasoning}, Text: " ask.", Whole: true},
		{ItemStart: ItemStart{Kind: Call, ID: "call_1", Name: "get_weather"}, Text: "{}", Whole: true},
	}
	if diff := cmp.Diff(want, got.Items); diff != "" {
		t.Error(diff)
	}
}

func TestContinueReplyRefuses(t *testing.T) {
	c := script(t, "x")
	user, reply := Message{Role: User, Content: "Hi"}, Message{Role: Assistant, Content: "Ho"}
	for _, tt := range []struct {
		name  string
		edit  func(*Request)
		field string
	}{
		{"NothingBefore", func(r *Request) { r.Messages = []Message{reply} }, "Messages"},
		{"Question", func(r *Request) { r.Messages = []Message{reply, user} }, "Messages[1].Role"},
		{"Call", func(r *Request) { r.Messages[1].ToolCalls = []ToolCall{{ID: "a", Name: "f", Arguments: "{}"}} }, "Messages[1].ToolCalls"},
		{"Nothing", func(r *Request) { r.Messages[1].Content = "" }, "Messages[1].Content"},
		{"ReasoningOfNone", func(r *Request) { r.Effort, r.Messages[1].Reasoning = None, "Hm" }, "Messages[1].Reasoning"},
		{"NotTheFormat", func(r *Request) { r.Format = &ResponseFormat{Choice: []string{"yes", "no"}} }, "Messages[1]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Request{Messages: []Message{user, reply}, Continue: true}
			tt.edit(&r)
			var field *FieldError
			if _, err := Collect(c.Stream(t.Context(), r)); !errors.As(err, &field) || field.Field != tt.field {
				t.Errorf("the error is %v, want one of %s", err, tt.field)
			}
		})
	}
}
