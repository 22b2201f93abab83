package openai

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/chat"
)

func TestDecodeContinued(t *testing.T) {
	r, err := DecodeStrict([]byte(`{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "reasoning": "Hm", "content": "Ho"}],
		"continue_final_message": true, "add_generation_prompt": false}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []chat.Message{{Role: chat.User, Content: "Hi"}, {Role: chat.Assistant, Reasoning: "Hm", Content: "Ho"}}
	if diff := cmp.Diff(want, r.Chat.Messages); diff != "" || !r.Chat.Continue {
		t.Errorf("Continue is %v; the messages differ: %s", r.Chat.Continue, diff)
	}
}
