package chat

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/harmony"
	"gossamer/runtime/tokenizer/tokenizertest"
)

// Names that the model was not trained on are shown as identifiers, each as one of its own, and calls get the given names back.
func TestToolNames(t *testing.T) {
	n := newToolNames()
	for _, tt := range []struct{ given, shown string }{
		{"get_weather", "get_weather"},
		{"a-b", "a_b"},
		{"a_b", "a_b_2"},
		{"a.b", "a_b_3"},
		{"2x", "_2x"},
		{"a-b", "a_b"}, // again
	} {
		if got := n.show(tt.given); got != tt.shown {
			t.Errorf("show(%q) = %q, want %q", tt.given, got, tt.shown)
		}
		if got := n.give(&harmony.Header{Recipient: "functions." + tt.shown}); got != tt.given {
			t.Errorf("a call of %q is given as %q, want %q", tt.shown, got, tt.given)
		}
	}
	for recipient, want := range map[string]string{"functions.other": "other", "browser.search": "browser.search"} {
		if got := n.give(&harmony.Header{Recipient: recipient}); got != want {
			t.Errorf("a call of %q is given as %q, want %q", recipient, got, want)
		}
	}
}

// The model chooses among the tools, not outside them, and the whole header is as if it had been rendered.
func TestRequiredCallOfOneOfSeveralTools(t *testing.T) {
	r := ask("hello")
	for _, name := range []string{"get_weather", "get_weather_forecast", "send"} {
		r.Tools = append(r.Tools, Function{Name: name})
	}
	r.ToolChoice.Mode = ChoiceRequired
	plain := script(t, "")
	for _, name := range []string{"get_weather", "get_weather_forecast", "send"} {
		header := " to=functions." + name + "<|channel|>commentary <|constrain|>json<|message|>"
		c := script(t, header+`{"a":1}<|call|>`)
		want := []Event{ToolCallStart{0, "call_1", name}, ToolCallDelta{0, `{"a":1}`}, Done{Reason: FinishToolCalls}}
		if d := cmp.Diff(want, read(t, c, r)); d != "" {
			t.Errorf("%s: %s", name, d)
		}

		named := r
		named.ToolChoice = ToolChoice{ChoiceNamed, name}
		prompt, err := plain.Prompt(named)
		if err != nil {
			t.Fatal(err)
		}
		if tail := tokenizertest.Encode("<|start|>assistant" + header); !slices.Equal(prompt[len(prompt)-len(tail):], tail) {
			t.Errorf("%s: the prompt ends with %q", name, tokenizertest.Vocabulary().Decode(prompt[len(prompt)-len(tail):]))
		}
	}
}
