package chat

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/detect"
	"gossamer/runtime/harmony"
	"gossamer/runtime/ref"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/tokenizertest"
)

// random returns a real model with random weights and the whole tokenizertest.Vocabulary, on the reference backend.
func random(t *testing.T) *ref.Model {
	t.Helper()
	config, err := checkpointtest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	checkpointtest.SetLayers(config, 2)
	config.Hidden, config.Intermediate, config.Heads, config.KVHeads, config.HeadDim = 32, 32, 2, 1, 16
	config.Vocab = tokenizertest.Vocabulary().Vocab()
	config.EOS, config.Pad = stopIDs(), tokenizer.EndOfText
	dir := t.TempDir()
	if err := checkpointtest.Write(dir, config, 1, checkpointtest.Options{}); err != nil {
		t.Fatal(err)
	}
	ck, err := detect.Open(t.Context(), dir, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := ref.Load(t.Context(), ck, ref.Options{Context: 2048})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The second turn computes the previous answer and the new message, and nothing else: the reasoning is dropped and the rest is
// still there.
func TestSecondTurnResumesAtTheLastUserMessage(t *testing.T) {
	c := scripts(t, `{"turn": 0}`, "<|channel|>analysis<|message|>Let me think about this for a while.<|end|><|start|>assistant<|channel|>final<|message|>It is 4.",
		`{"turn": 1}`, "<|channel|>final<|message|>It is 6.")
	v := NewConversation(c.Stream, Request{Sampling: &sample.Params{}})
	first, err := Collect(v.Say(t.Context(), "2 + 2?"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := Collect(v.Say(t.Context(), "3 + 3?"))
	if err != nil {
		t.Fatal(err)
	}
	// Reasoning and answer begin with the same marker, which therefore is not computed either.
	added := tokenizertest.Encode("final<|message|>It is 4.<|end|><|start|>user<|message|>3 + 3?<|end|><|start|>assistant")
	if got, want := second.Usage.CachedTokens, first.Usage.PromptTokens+1; got != want {
		t.Errorf("%d tokens cached, want the first prompt and a marker, %d", got, want)
	}
	if got := second.Usage.PromptTokens - second.Usage.CachedTokens; got != len(added) {
		t.Errorf("%d tokens computed, want %d", got, len(added))
	}
	want := []Message{
		{Role: User, Content: "2 + 2?"}, {Role: Assistant, Reasoning: "Let me think about this for a while.", Content: "It is 4."},
		{Role: User, Content: "3 + 3?"}, {Role: Assistant, Content: "It is 6."},
	}
	if d := cmp.Diff(want, v.Request.Messages); d != "" {
		t.Errorf("history: %s", d)
	}
}

// The same with a real model, which writes nonsense.
func TestSecondTurnOnTheReferenceBackend(t *testing.T) {
	c := completer(t, random(t))
	v := NewConversation(c.Stream, Request{Instructions: "Be brief.", Sampling: &sample.Params{Temperature: 1, Seed: 3}, MaxTokens: 12})
	first, err := Collect(v.Say(t.Context(), "Hello"))
	if err != nil {
		t.Fatal(err)
	}
	if first.Reason != FinishLength || first.Message.Content == "" || first.Usage.CompletionTokens != 12 {
		t.Fatalf("first reply %+v", first)
	}
	again, err := Collect(c.Stream(t.Context(), Request{Instructions: "Be brief.", Sampling: &sample.Params{Temperature: 1, Seed: 3}, MaxTokens: 12,
		Messages: []Message{{Role: User, Content: "Hello"}}}))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(first.Message, again.Message); d != "" {
		t.Errorf("the same request again: %s", d)
	}
	if got := again.Usage.PromptTokens - again.Usage.CachedTokens; got != 1 {
		t.Errorf("the same request computes %d tokens of its prompt, want the last one", got)
	}

	second, err := Collect(v.Say(t.Context(), "And now?"))
	if err != nil {
		t.Fatal(err)
	}
	added, err := harmony.Render(t.Context(), tokenizertest.Vocabulary(), []harmony.Message{
		harmony.NewText(harmony.Header{Author: harmony.Author{Role: harmony.Assistant}, Channel: harmony.Final}, first.Message.Content),
		harmony.NewText(harmony.Header{Author: harmony.Author{Role: harmony.User}}, "And now?"),
	}, harmony.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// <|start|>assistant of the answer was the end of the first prompt.
	if got, want := second.Usage.PromptTokens-second.Usage.CachedTokens, len(added)-2; got != want {
		t.Errorf("%d tokens computed, want the answer and the new message, %d", got, want)
	}
	if got := second.Usage.CachedTokens; got != first.Usage.PromptTokens {
		t.Errorf("%d tokens cached, want the first prompt, %d", got, first.Usage.PromptTokens)
	}
}

func TestConversation(t *testing.T) {
	c := scripts(t, `{"user": "Count"}`, "<|channel|>final<|message|>one two three", `{"last": "tool"}`, "<|channel|>final<|message|>Done.",
		`{}`, "<|channel|>analysis<|message|>Ask.<|end|><|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>")
	v := NewConversation(c.Stream, Request{Sampling: &sample.Params{}, Tools: []Function{{Name: "f"}}})
	reply, err := Collect(v.Say(t.Context(), "Do it"))
	if err != nil || reply.Reason != FinishToolCalls {
		t.Fatalf("%+v, %v", reply, err)
	}
	if _, err := Collect(v.Send(t.Context(), Message{Role: Tool, ToolCallID: reply.Message.ToolCalls[0].ID, Content: "ok"})); err != nil {
		t.Fatal(err)
	}
	want := []Message{
		{Role: User, Content: "Do it"},
		{Role: Assistant, Reasoning: "Ask.", ToolCalls: []ToolCall{{"call_1", "f", "{}"}}},
		{Role: Tool, ToolCallID: "call_1", Content: "ok"},
		{Role: Assistant, Content: "Done."},
	}
	if d := cmp.Diff(want, v.Request.Messages); d != "" {
		t.Errorf("history: %s", d)
	}

	// Nothing is added where nothing came.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Collect(v.Say(ctx, "More")); err != nil {
		t.Error(err)
	}
	v.Request.Effort = "huge"
	if _, err := Collect(v.Say(t.Context(), "More")); err == nil {
		t.Error("a wrong effort was accepted")
	}
	if d := cmp.Diff(want, v.Request.Messages); d != "" {
		t.Errorf("history after failures: %s", d)
	}

	// What came is added where the reader has enough.
	v.Request.Effort = ""
	for e := range v.Say(t.Context(), "Count") {
		if _, ok := e.(ContentDelta); ok {
			break
		}
	}
	want = append(want, Message{Role: User, Content: "Count"}, Message{Role: Assistant, Content: "one"})
	if d := cmp.Diff(want, v.Request.Messages); d != "" {
		t.Errorf("history after a break: %s", d)
	}
}
