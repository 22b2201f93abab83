package chat

import (
	"iter"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPreambleAsReasoning(t *testing.T) {
	item := func(kind ItemKind, separator, text string) []Event {
		var delta Event = ContentDelta{Text: text}
		switch kind {
		case Reasoning:
			delta = ReasoningDelta{text}
		case Call:
			delta = ToolCallDelta{Arguments: text}
		}
		return []Event{ItemStart{Kind: kind, Separator: separator}, delta, ItemEnd{true}}
	}
	join := func(items ...[]Event) (events []Event) {
		for _, i := range items {
			events = append(events, i...)
		}
		return append(events, Done{Reason: FinishStop})
	}
	for name, tt := range map[string]struct{ events, want []Event }{
		"no preamble": {join(item(Reasoning, "", "a"), item(Answer, "", "b")), join(item(Reasoning, "", "a"), item(Answer, "", "b"))},
		"before a call": {
			join(item(Reasoning, "", "a"), item(Preamble, "", "b"), item(Call, "", "{}")),
			join(item(Reasoning, "", "a"), item(Reasoning, "\n\n", "b"), item(Call, "", "{}")),
		},
		"first, and an answer": {
			join(item(Preamble, "", "a"), item(Reasoning, "", "b"), item(Preamble, "\n\n", "c"), item(Answer, "\n\n", "d"), item(Answer, "\n\n", "e")),
			join(item(Reasoning, "", "a"), item(Reasoning, "\n\n", "b"), item(Reasoning, "\n\n", "c"), item(Answer, "", "d"), item(Answer, "\n\n", "e")),
		},
	} {
		var mixed iter.Seq2[ChoiceEvent, error] = func(yield func(ChoiceEvent, error) bool) {
			for _, e := range tt.events { // the second choice is a step behind in every event
				if !yield(ChoiceEvent{0, e}, nil) || !yield(ChoiceEvent{1, e}, nil) {
					return
				}
			}
		}
		got := map[int][]Event{}
		for e, err := range PreambleAsReasoning(mixed) {
			if err != nil {
				t.Fatal(err)
			}
			got[e.Choice] = append(got[e.Choice], e.Event)
		}
		if d := cmp.Diff(map[int][]Event{0: tt.want, 1: tt.want}, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
