package harmony

import (
	"testing"
)

func TestKind(t *testing.T) {
	for _, c := range []struct {
		h    Header
		want Kind
	}{
		{Header{Channel: Analysis}, Reasoning},
		{Header{Channel: Commentary}, Preamble},
		{Header{Channel: Final}, Answer},
		{Header{}, Answer},
		{Header{Channel: Analysis, Recipient: "python"}, ToolCall},
		{Header{Channel: Commentary, Recipient: "functions.f"}, ToolCall},
		{Header{Channel: Commentary, Recipient: "all"}, Preamble},
		{Header{Channel: Analysis, Recipient: "assistant"}, Reasoning},
		{Header{Channel: Commentary, Recipient: "user"}, Preamble},
		{Header{Author: Author{Role: Tool, Name: "python"}, Recipient: "assistant"}, Other},
		{Header{Author: Author{Role: User}}, Other},
	} {
		if c.h.Author.Role == "" {
			c.h.Author.Role = Assistant
		}
		if got := c.h.Kind(); got != c.want {
			t.Errorf("%+v is %d, want %d", c.h, got, c.want)
		}
	}
	h := Header{Recipient: "functions.a.b"}
	if name, ok := h.FunctionName(); !ok || name != "a.b" {
		t.Errorf("function name %q, %t", name, ok)
	}
}
