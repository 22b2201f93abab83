package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	gossamer "gossamer/runtime"
	"gossamer/runtime/chat"
	"gossamer/runtime/engine"
	"gossamer/runtime/nano"
	"gossamer/runtime/testenv"
)

// plainQuestions are 50 things that the built-in model may be asked.
func plainQuestions() []string {
	questions := []string{
		"Hello!", "Who are you?", "What can you do?", "Thank you!", "What is the capital of France?", "Write a poem about the sea.",
		"Which is larger, 41 or 14?", "Which number is smaller: 208 or 802?", "Sort these numbers: 5, 3, 9.", "How many letters are in the word tree?",
	}
	for i := range 20 {
		a, b := 11+7*i, 95-4*i
		questions = append(questions, fmt.Sprintf("What is %d + %d?", a, b), fmt.Sprintf("What is %d - %d?", a+90, b))
	}
	return questions
}

// TestLlamaAnswersAlike: llama.cpp loads what --to gguf writes, splits text as we do and answers as we do.
//
// It rounds more than we do: activations to bf16 before bf16 matrices, and to 8 bits with a scale for each 32 before MXFP4 ones,
// which moves the likeliest logits by 0.01 to 0.02 of their standard deviation. So where it takes another token, the two must be nearly
// tied in our logits, and that must be rare. (Its YaRN frequencies are rounded too, which matters little to prompts below 100 tokens.)
func TestLlamaAnswersAlike(t *testing.T) {
	const library = "build/llama/node_modules/node-llama-cpp/dist/index.js"
	module := filepath.Join(testenv.Node(t, library), library)

	dir := t.TempDir()
	fsys, err := nano.FS()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "nano"), fsys); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "nano.gguf")
	mustPack(t, filepath.Join(dir, "nano"), file, "--to", "gguf")

	embedded, err := embeddedModels(defaultModel)
	if err != nil {
		t.Fatal(err)
	}
	e, err := gossamer.Open(t.Context(), defaultModel, gossamer.Options{Embedded: embedded, Backend: gossamer.CPU, Context: 512})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()

	const maxTokens = 64
	type ask struct {
		Texts     []string  `json:"texts"`
		Prompts   [][]int32 `json:"prompts"`
		Stop      []int32   `json:"stop"`
		MaxTokens int       `json:"maxTokens"`
	}
	r := ask{Texts: plainQuestions(), Stop: stopIDs(e), MaxTokens: maxTokens}
	r.Texts = append(r.Texts, "  Zwei  Wörter,\n\n\tdon't  1234567 наука 한국어 😀\n")
	for _, q := range r.Texts[:50] {
		prompt, err := e.Prompt(t.Context(), chat.Request{Effort: chat.Low, Date: "2025-06-28", Messages: []chat.Message{{Role: chat.User, Content: q}}})
		if err != nil {
			t.Fatal(err)
		}
		if len(prompt) >= 100 {
			t.Fatalf("%q makes a prompt of %d tokens, want less than 100", q, len(prompt))
		}
		r.Prompts = append(r.Prompts, prompt)
	}
	input, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	llama := exec.CommandContext(t.Context(), "node", filepath.Join("testdata", "llama.mjs"), module, file)
	llama.Stdin, llama.Stdout, llama.Stderr = bytes.NewReader(input), &out, &errs
	if err := llama.Start(); err != nil {
		t.Fatal(err)
	}
	var ours [][]int32 // meanwhile
	for _, prompt := range r.Prompts {
		reply := []int32{}
		if _, err := e.Generate(t.Context(), engine.Request{Tokens: prompt, MaxTokens: maxTokens, Stop: r.Stop}, func(t engine.Token) bool {
			reply = append(reply, t.ID)
			return true
		}); err != nil {
			t.Fatal(err)
		}
		ours = append(ours, reply)
	}
	if err := llama.Wait(); err != nil {
		t.Fatalf("%v: %s", err, errs.Bytes())
	}
	var theirs struct{ Tokens, Replies [][]int32 }
	if err := json.Unmarshal(out.Bytes(), &theirs); err != nil {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
	for i, text := range r.Texts {
		if want := e.Tokenizer().Encode(text); !slices.Equal(theirs.Tokens[i], want) {
			t.Errorf("%q: llama.cpp's tokens are %v, want %v", text, theirs.Tokens[i], want)
		}
	}

	differ, tokens := 0, 0
	for i, want := range ours {
		got := theirs.Replies[i]
		tokens += len(want)
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		if at == len(got) && at == len(want) {
			continue
		}
		differ++
		gap := tie(t, e, append(slices.Clone(r.Prompts[i]), want[:at]...), next(want, at, r.Stop), next(got, at, r.Stop))
		t.Logf("%q: token %d of %d differs, its logit is %.3f standard deviations behind", r.Texts[i], at, len(want), gap)
		if gap > nearTie {
			t.Errorf("%q: llama.cpp says %q, we say %q", r.Texts[i], e.Tokenizer().Decode(got), e.Tokenizer().Decode(want))
		}
	}
	t.Logf("%d of %d replies are equal, %d tokens", len(ours)-differ, len(ours), tokens)
	if differ > 2 {
		t.Errorf("%d of %d replies differ, want at most 2", differ, len(ours))
	}
}

// nearTie bounds how far apart two logits may be for llama.cpp's rounding to exchange them, in standard deviations of the row: three
// times what the difference of two logits that each are off by 0.02 is off by.
const nearTie = 0.09

// next is the token at an index of a reply; where the reply has ended, 0 for any stop id.
func next(reply []int32, at int, stop []int32) int32 {
	if at < len(reply) {
		return reply[at]
	}
	return stop[0]
}

// tie is by how much a's logit after tokens is above b's, in standard deviations of the row.
func tie(t *testing.T, e *gossamer.Engine, tokens []int32, a, b int32) float64 {
	t.Helper()
	made, err := e.Backend().NewSequence()
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	s := made.(engine.HostSequence)
	if err := s.Extend(t.Context(), tokens); err != nil {
		t.Fatal(err)
	}
	row := make([]float32, e.Info().Config.Vocab)
	if err := s.Logits(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	var sum, squares float64
	for _, v := range row {
		sum, squares = sum+float64(v), squares+float64(v)*float64(v)
	}
	n := float64(len(row))
	return float64(row[a]-row[b]) / math.Sqrt(squares/n-sum/n*sum/n)
}
