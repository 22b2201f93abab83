package runtime_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"testing"

	gossamer "gossamer/runtime"
	"gossamer/runtime/chat"
	"gossamer/runtime/engine"
	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/runtime/nano"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/o200k"
)

// repliesVariable names a file for TestReplies.
const repliesVariable = "GOSSAMER_REPLIES"

// TestReplies asks the built-in model 120 questions on the GPU. Of two builds, the first one writes its replies to a file and the second
// one must give the same, token for token; tools/wasmexec runs it so. 100 replies are greedy, 20 are drawn by a seed. They begin with the
// answer: reasoning would be five times as long, and a processor that plays a GPU needs a tenth of a second for each token.
func TestReplies(t *testing.T) {
	file := os.Getenv(repliesVariable)
	if file == "" {
		t.Skip(repliesVariable + " names no file: tools/wasmexec compares the browser's build with this one")
	}
	dev := gputest.Open(t, gpu.Options{})
	ck, err := nano.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	tok, err := o200k.Load()
	if err != nil {
		t.Fatal(err)
	}
	e := open(t, "nano", gossamer.Options{Backend: gossamer.WebGPU, Device: dev, Checkpoint: ck, Tokenizer: tok, KV: gossamer.F32, Context: 1024})
	var got [][]int32
	for i := range 120 {
		var sampling sample.Params
		if i >= 100 {
			sampling = sample.Params{Temperature: 1, Seed: uint64(i)}
		}
		a, b := 3+9*i%97, 2+5*i%89
		question := [...]string{"What is %d + %d?", "What is %d - %d?", "Which is larger, %d or %d?", "What is %d times %d?"}[i%4]
		prompt, err := e.Prompt(chat.Request{Effort: chat.Low, Date: "2025-06-28", Messages: []chat.Message{
			{Role: chat.User, Content: fmt.Sprintf(question, a, b)},
		}})
		if err != nil {
			t.Fatal(err)
		}
		prompt = append(prompt, tokenizer.Channel)
		prompt = append(append(prompt, tok.Encode("final")...), tokenizer.Message)
		reply := []int32{}
		r := engine.Request{Tokens: prompt, MaxTokens: 8, Sampling: sampling, Stop: []int32{tokenizer.Return, tokenizer.Call}}
		if _, err := e.Generate(t.Context(), r, func(t engine.Token) bool {
			reply = append(reply, t.ID)
			return true
		}); err != nil {
			t.Fatal(err)
		}
		got = append(got, reply)
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if data, err = json.Marshal(got); err == nil {
			err = os.WriteFile(file, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	var want [][]int32
	if err := errors.Join(err, json.Unmarshal(data, &want)); err != nil {
		t.Fatal(err)
	}
	if len(want) != len(got) {
		t.Fatalf("%s has %d replies, want %d", file, len(want), len(got))
	}
	tokens := 0
	for i := range want {
		tokens += len(want[i])
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("reply %d is %v, want %v", i, got[i], want[i])
		}
	}
	t.Logf("%d tokens are equal", tokens)
}
