package main

import (
	"regexp"
	"strings"
	"testing"
)

func TestTalk(t *testing.T) {
	var out strings.Builder
	if err := talk(t.Context(), &out, "nano", "What is 17 + 25?", "And 42 - 8?"); err != nil {
		t.Fatal(err)
	}
	turns := regexp.MustCompile(`(?s)17 \+ 25\?\n.*\b42\b.*, 0 of the prompt.*42 - 8\?\n.*\b34\b.*, [1-9]\d* of the prompt`)
	if !turns.MatchString(out.String()) {
		t.Errorf("the conversation is\n%s", out.String())
	}
	if err := talk(t.Context(), &out, "no-such-model", "Hello!"); err == nil || !strings.Contains(err.Error(), "no-such-model") {
		t.Errorf("a model that does not exist: %v", err)
	}
}
