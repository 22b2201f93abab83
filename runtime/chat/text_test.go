package chat

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/tokenizertest"
)

func TestParseMarkers(t *testing.T) {
	tok := tokenizertest.Vocabulary()
	for _, text := range []string{
		"", "plain", "<|start|>user<|message|>hi<|end|>", "a <| b |> <|nothing|> <|start|", "<<|end|>>", "<|reserved_200013|>x", strings.Repeat("<|", 1000),
	} {
		ids, err := ParseMarkers(t.Context(), tok, text)
		if err != nil {
			t.Fatal(err)
		}
		back := ""
		for _, id := range ids {
			if name, ok := tok.SpecialText(id); ok {
				back += name
				continue
			}
			back += string(tok.Bytes(id))
		}
		if back != text {
			t.Errorf("%q became %q", text, back)
		}
		if markers := strings.Count(text, "<|end|>"); markers > 0 {
			n := 0
			for _, id := range ids {
				if id == tokenizer.End {
					n++
				}
			}
			if n != markers {
				t.Errorf("%q has %d ends, got %d", text, markers, n)
			}
		}
	}
}

func TestContinue(t *testing.T) {
	prompt := tokenizertest.Encode("<|start|>user<|message|>hi<|end|><|start|>assistant")
	const script1 = "<|channel|>final<|message|>one two 🎉 three"
	for _, tt := range []struct {
		name    string
		edit    func(*Text)
		want    string
		reason  FinishReason
		tokens  int // with log probabilities
		counted Usage
	}{
		{"all", nil, script1, FinishStop, 0, Usage{}},
		{"cut off", func(x *Text) { x.MaxTokens = 4 }, "<|channel|>final<|message|>one", FinishLength, 0, Usage{CompletionTokens: 4}},
		{"nothing", func(x *Text) { x.MaxTokens = 0 }, "", FinishLength, 0, Usage{}},
		{"stop string", func(x *Text) { x.Stop = []string{"wo 🎉"} }, "<|channel|>final<|message|>one t", FinishStop, 0, Usage{}},
		{"stop string over the prompt's end", func(x *Text) { x.Stop = []string{"assistant<|channel|>"} }, script1, FinishStop, 0, Usage{}},
		{"echo", func(x *Text) { x.Echo = true }, "<|start|>user<|message|>hi<|end|><|start|>assistant" + script1, FinishStop, 0, Usage{}},
		{"echo alone", func(x *Text) { x.Echo, x.MaxTokens = true, 0 }, "<|start|>user<|message|>hi<|end|><|start|>assistant", FinishLength, 0, Usage{}},
		{"logprobs", func(x *Text) { x.Logprobs, x.MaxTokens = true, 4 }, "<|channel|>final<|message|>one", FinishLength, 4, Usage{CompletionTokens: 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := script(t, script1)
			x := Text{Prompt: prompt, MaxTokens: 100}
			if tt.edit != nil {
				tt.edit(&x)
			}
			var events []Event
			got, err := Collect(func(yield func(Event, error) bool) {
				for e, err := range c.Continue(t.Context(), x) {
					events = append(events, e)
					if !yield(e, err) {
						return
					}
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := CheckItems(events); err != nil {
				t.Error(err)
			}
			if got.Message.Content != tt.want || got.Reason != tt.reason || len(got.Logprobs) != tt.tokens {
				t.Errorf("%q, %s, %d log probabilities, want %q, %s, %d", got.Message.Content, got.Reason, len(got.Logprobs), tt.want, tt.reason, tt.tokens)
			}
			if u := got.Usage; u.PromptTokens != len(prompt) || tt.counted.CompletionTokens > 0 && u.CompletionTokens != tt.counted.CompletionTokens {
				t.Errorf("usage %+v", u)
			}
		})
	}
	for name, x := range map[string]Text{
		"no prompt": {MaxTokens: 1}, "an unknown token": {Prompt: []int32{1 << 30}, MaxTokens: 1}, "a negative length": {Prompt: prompt, MaxTokens: -1},
		"an empty stop string": {Prompt: prompt, Stop: []string{""}}, "top without log probabilities": {Prompt: prompt, TopLogprobs: 1},
	} {
		if _, err := Collect(script(t, script1).Continue(t.Context(), x)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// The log probabilities of a prompt are those that its tokens have where the model writes them by itself.
func TestLogprobsOfThePrompt(t *testing.T) {
	const written = "<|channel|>final<|message|>one two three"
	prompt := tokenizertest.Encode("<|start|>assistant" + written)
	c := completer(t, random(t))
	x := Text{Prompt: prompt, MaxTokens: 0, Echo: true, Logprobs: true, TopLogprobs: 2}
	whole, err := Collect(c.Continue(t.Context(), x))
	if err != nil {
		t.Fatal(err)
	}
	if len(whole.Logprobs) != len(prompt) || !math.IsNaN(float64(whole.Logprobs[0].LogProb)) || whole.Usage.PromptTokens != len(prompt) || whole.Usage.CompletionTokens != 0 {
		t.Fatalf("%d log probabilities of %d tokens, %+v", len(whole.Logprobs), len(prompt), whole.Usage)
	}
	// One token at a time, with a bias that leaves no choice.
	for i := 1; i < len(prompt); i++ {
		one, err := Collect(c.Continue(t.Context(), Text{
			Prompt: prompt[:i], MaxTokens: 1, Logprobs: true, TopLogprobs: 2, Sampling: sample.Params{LogitBias: map[int32]float32{prompt[i]: 100}},
		}))
		if err != nil {
			t.Fatal(err)
		}
		if len(one.Logprobs) != 1 { // a token that ends replies
			continue
		}
		if d := cmp.Diff(one.Logprobs[0], whole.Logprobs[i]); d != "" {
			t.Errorf("token %d: %s", i, d)
		}
	}
}
