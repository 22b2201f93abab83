package chat_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"gossamer/runtime/chat"
)

// The longest replies end in time, whatever they repeat, and whole.
func TestLongReplies(t *testing.T) {
	c := chat.NewTestCompleter(t)
	parts := parts()
	rnd := rand.New(rand.NewPCG(1, 2))
	var mixed []int32
	for len(mixed) < 1<<16 {
		part := parts[rnd.IntN(len(parts))]
		if !slices.ContainsFunc(part, func(id int32) bool { return slices.Contains(chat.Encode("<|call|><|return|><|endoftext|>"), id) }) {
			mixed = append(mixed, part...)
		}
	}
	const times = 1 << 15
	for _, tt := range []struct{ name, before, repeated, content string }{
		{"signs", "", "?<|end|>", "?"},
		{"spaces", "<|channel|>final<|message|>", strings.Repeat(" ", 128), ""},
		{"spaces between messages", "", "\n", ""},
		{"roles", "", "<|start|>assistant", ""},
		{"channels", "<|channel|>final<|message|>", "<|channel|>analysis", "<|channel|>analysis"},
		{"no header", "", "word,", "word,"},
		{"braces", "<|channel|>commentary to=functions.list<|message|>", "{", ""},
		{"brackets", "<|channel|>commentary to=functions.list<|message|>", "[{", ""},
		{"prose", "<|channel|>final to=functions.list<|message|>", "[{", "[{"},
		{"calls", "", "<|channel|>commentary to=functions.list<|message|>{}<|end|>", ""},
		{"half a stop string", "<|channel|>final<|message|>", "#\n", "#\n"},
	} {
		tokens := append(chat.Encode(tt.before), slices.Repeat(chat.Encode(tt.repeated), times)...)
		if got := collect(t, c, tt.name, tokens); got.Content != strings.Repeat(tt.content, times) {
			t.Errorf("%s: %d bytes of content, want %d", tt.name, len(got.Content), times*len(tt.content))
		}
	}
	if got := collect(t, c, "mixed", mixed); got.Content == "" || got.Reasoning == "" {
		t.Error("mixed: nothing was said")
	}
}

func collect(t *testing.T, c *chat.Completer, name string, tokens []int32) chat.Message {
	t.Helper()
	start := time.Now()
	reply, err := chat.Collect(c.Play(tokens)(t.Context(), chat.Request{
		Messages: []chat.Message{{Role: chat.User}}, Tools: []chat.Function{{Name: "list"}}, Stop: []string{strings.Repeat("#\n", 100) + "."},
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d tokens in %v", name, len(tokens), time.Since(start))
	return reply.Message
}
