package chat

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// CheckItems reports where the events of a reply are not items, one after the other, and Done: what every consumer may rely on.
func CheckItems(events []Event) error {
	var open *ItemStart
	calls, texts, ended := 0, 0, false
	for i, e := range events {
		kind := Call
		switch e := e.(type) {
		case ItemStart:
			if open != nil || ended {
				return fmt.Errorf("event %d: an item begins in another one, or after the end", i)
			}
			if e.Kind == Call {
				if e.Index != calls || e.ID == "" || e.Separator != "" {
					return fmt.Errorf("event %d: %+v is not call %d", i, e, calls)
				}
				calls++
			}
			open, texts = &e, 0
			continue
		case ItemEnd:
			if open == nil || open.Kind != Call && texts == 0 {
				return fmt.Errorf("event %d: an item ends that has not begun, or is empty", i)
			}
			open = nil
			continue
		case Done:
			if open != nil || i != len(events)-1 {
				return fmt.Errorf("event %d: done within an item, or too early", i)
			}
			ended = true
			continue
		case ReasoningDelta:
			kind = Reasoning
		case ContentDelta:
			if kind = Answer; open != nil && open.Kind == Preamble {
				kind = Preamble
			}
		case ToolCallDelta:
			if e.Index != calls-1 {
				return fmt.Errorf("event %d: %+v does not belong to call %d", i, e, calls-1)
			}
		}
		if open == nil || open.Kind != kind {
			return fmt.Errorf("event %d: %+v is in no item of its kind", i, e)
		}
		texts++
	}
	if !ended {
		return fmt.Errorf("no end after %d events", len(events))
	}
	return nil
}

func TestItems(t *testing.T) {
	const rest = `<|start|>assistant<|channel|>commentary to=functions.f<|message|>{"a":1}<|call|>`
	tests := []struct {
		name, script string
		edit         func(*Request)
		want         []Event
	}{
		{
			"AllKinds", "<|channel|>analysis<|message|>A<|end|><|start|>assistant<|channel|>analysis<|message|>B<|end|>" +
				"<|start|>assistant<|channel|>commentary<|message|>I look.<|end|>" + rest, nil,
			[]Event{
				ItemStart{Kind: Reasoning}, ReasoningDelta{"A"}, ItemEnd{true},
				ItemStart{Kind: Reasoning, Separator: "\n\n"}, ReasoningDelta{"B"}, ItemEnd{true},
				ItemStart{Kind: Preamble}, ContentDelta{Text: "I look."}, ItemEnd{true},
				call(0, "call_1", "f"), ToolCallDelta{0, `{"a":1}`}, ItemEnd{true},
				Done{Reason: FinishToolCalls},
			},
		},
		{
			"PreambleAndAnswer", "<|channel|>commentary<|message|> Wait.<|end|><|start|>assistant<|channel|>final<|message|>42", nil,
			[]Event{
				ItemStart{Kind: Preamble}, ContentDelta{Text: "Wait."}, ItemEnd{true},
				ItemStart{Kind: Answer, Separator: "\n\n"}, ContentDelta{Text: "42"}, ItemEnd{true}, Done{Reason: FinishStop},
			},
		},
		{
			"CutOff", "<|channel|>final<|message|>one two three four", func(r *Request) { r.MaxTokens = 5 },
			[]Event{ItemStart{Kind: Answer}, ContentDelta{Text: "one two"}, ItemEnd{}, Done{Reason: FinishLength}},
		},
		{
			"StopString", "<|channel|>final<|message|>one END two", func(r *Request) { r.Stop = []string{" END"} },
			[]Event{ItemStart{Kind: Answer}, ContentDelta{Text: "one"}, ItemEnd{true}, Done{Reason: FinishStop, Stop: " END"}},
		},
		{
			"StopStringBegunBetweenMessages", "<|channel|>commentary<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>#b",
			func(r *Request) { r.Stop = []string{"\n#"} },
			[]Event{ItemStart{Kind: Preamble}, ContentDelta{Text: "a"}, ItemEnd{true}, Done{Reason: FinishStop, Stop: "\n#"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := ask("x")
			if tt.edit != nil {
				tt.edit(&r)
			}
			if d := cmp.Diff(tt.want, joined(items(t, script(t, tt.script), r))); d != "" {
				t.Error(d)
			}
		})
	}
}

// call begins a call.
func call(index int, id, name string) ItemStart {
	return ItemStart{Kind: Call, Index: index, ID: id, Name: name}
}

// items returns the events of a reply, without usage.
func items(t *testing.T, c *Completer, r Request) []Event {
	t.Helper()
	var events []Event
	for e, err := range c.Stream(t.Context(), r) {
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := e.(Done); ok {
			d.Usage = Usage{}
			e = d
		}
		events = append(events, e)
	}
	if err := CheckItems(events); err != nil {
		t.Errorf("%v in %+v", err, events)
	}
	return events
}

// joined puts deltas of the same item together.
func joined(events []Event) []Event {
	var all []Event
	for _, e := range events {
		if n := len(all); n > 0 {
			switch last := all[n-1].(type) {
			case ReasoningDelta:
				if d, ok := e.(ReasoningDelta); ok {
					all[n-1] = ReasoningDelta{last.Text + d.Text}
					continue
				}
			case ContentDelta:
				if d, ok := e.(ContentDelta); ok {
					all[n-1] = ContentDelta{last.Text + d.Text, append(last.Logprobs, d.Logprobs...)}
					continue
				}
			case ToolCallDelta:
				if d, ok := e.(ToolCallDelta); ok && d.Index == last.Index {
					all[n-1] = ToolCallDelta{d.Index, last.Arguments + d.Arguments}
					continue
				}
			}
		}
		all = append(all, e)
	}
	return all
}

// read returns the events of a reply as APIs without items have them: all reasoning, and all that is said to the user, is one text.
func read(t *testing.T, c *Completer, r Request) []Event {
	t.Helper()
	var flat []Event
	for _, e := range items(t, c, r) {
		switch s := e.(type) {
		case ItemEnd:
			continue
		case ItemStart:
			switch {
			case s.Kind == Call:
			case s.Separator == "":
				continue
			case s.Kind == Reasoning:
				e = ReasoningDelta{s.Separator}
			default:
				e = ContentDelta{Text: s.Separator}
			}
		}
		flat = append(flat, e)
	}
	return joined(flat)
}
