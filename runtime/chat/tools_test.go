package chat

import (
	"testing"

	"gossamer/runtime/harmony"
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
