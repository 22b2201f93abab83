package runtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"testing"

	gossamer "gossamer/runtime"
	"gossamer/runtime/chat"
	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/engine"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/runtime/nano"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/o200k"
)

// question is one of many that the built-in model can answer, as a prompt.
func question(t *testing.T, e *gossamer.Engine, i int) []int32 {
	t.Helper()
	a, b := 3+9*i%97, 2+5*i%89
	text := [...]string{"What is %d + %d?", "What is %d - %d?", "Which is larger, %d or %d?", "What is %d times %d?"}[i%4]
	prompt, err := e.Prompt(t.Context(), chat.Request{Effort: chat.Low, Date: "2025-06-28", Messages: []chat.Message{{Role: chat.User, Content: fmt.Sprintf(text, a, b)}}})
	if err != nil {
		t.Fatal(err)
	}
	return prompt
}

// repliesVariable names a file for TestReplies.
const repliesVariable = "GOSSAMER_REPLIES"

// TestReplies asks the built-in model 120 questions on the GPU. Of two builds, the first one writes its replies to a file and the second
// one must give the same, token for token; tools/wasmexec runs it so. 100 replies are greedy, 20 are drawn by a seed. They begin with the
// answer: reasoning would be five times as long. A processor that plays a GPU needs most of the time for the logits of 201,088 ids, so
// five of six questions are asked of the model without the ids that it never learned.
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
	small, ids := learned(t, ck)
	known := map[int32]int32{}
	for row, id := range ids {
		known[id] = int32(row)
	}
	compact := open(t, "nano", gossamer.Options{Backend: gossamer.WebGPU, Device: dev, Checkpoint: small, Tokenizer: tok, KV: gossamer.F32, Context: 1024})
	var got [][]int32
	for i := range 120 {
		var sampling sample.Params
		if i >= 100 {
			sampling = sample.Params{Temperature: 1, Seed: uint64(i)}
		}
		prompt := question(t, e, i)
		prompt = append(prompt, tokenizer.Channel)
		prompt = append(append(prompt, tok.Encode("final")...), tokenizer.Message)
		asked, stop := e, []int32{tokenizer.Return, tokenizer.Call}
		if i%6 != 0 {
			asked = compact
			for _, tokens := range [][]int32{prompt, stop} {
				for j, id := range tokens {
					tokens[j] = known[id] // or 0, one that it never learned
				}
			}
		}
		reply := []int32{}
		r := engine.Request{Tokens: prompt, MaxTokens: 8, Sampling: sampling, Stop: stop}
		if _, err := asked.Generate(t.Context(), r, func(t engine.Token) bool {
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

// learned is a model without the ids that it never learned, whose rows are all the same, and the ids of its rows: first one of those
// that it never learned, which stands for all of them.
func learned(t *testing.T, ck *checkpoint.Checkpoint) (*checkpoint.Checkpoint, []int32) {
	t.Helper()
	tensors := checkpointtest.Collect(t, ck)
	c := *ck.Config()
	tables := map[gptoss.Kind][]byte{}
	for _, spec := range c.Tensors() {
		if spec.Kind == gptoss.Embedding || spec.Kind == gptoss.Unembedding {
			tables[spec.Kind] = tensors[spec.Name]
		}
	}
	rowOf := func(kind gptoss.Kind, id int) []byte { return tables[kind][id*2*c.Hidden:][:2*c.Hidden] }
	unknown := 0
	for !bytes.Equal(rowOf(gptoss.Embedding, unknown), rowOf(gptoss.Embedding, unknown+1)) {
		unknown++
	}
	ids := []int32{int32(unknown)}
	for id := range c.Vocab {
		if !bytes.Equal(rowOf(gptoss.Embedding, id), rowOf(gptoss.Embedding, unknown)) || !bytes.Equal(rowOf(gptoss.Unembedding, id), rowOf(gptoss.Unembedding, unknown)) {
			ids = append(ids, int32(id))
		}
	}
	small := map[gptoss.Kind][]byte{}
	for kind := range tables {
		for _, id := range ids {
			small[kind] = append(small[kind], rowOf(kind, int(id))...)
		}
	}
	c.Vocab, c.EOS = len(ids), nil
	d := checkpoint.Description{Config: &c}
	for i, spec := range c.Tensors() {
		if table, ok := small[spec.Kind]; ok {
			tensors[spec.Name] = table
		}
		d.Files = append(d.Files, spec.Name)
		d.Segments = append(d.Segments, checkpoint.Segment{Tensor: i, File: i, N: spec.Bytes()})
	}
	d.Source.Open = func(_ context.Context, name string, off, n int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(tensors[name][off : off+n])), nil
	}
	return checkpoint.New(d), ids
}
