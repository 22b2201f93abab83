//go:build !js

package runtime_test

import (
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"

	gossamer "gossamer/runtime"
	"gossamer/runtime/engine"
	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/runtime/nano"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
)

var (
	questions = flag.Int("questions", 16, "questions of TestManyAtOnce")
	together  = flag.Int("together", 8, "how many of them are asked at a time; half of them share a step")
)

// TestManyAtOnce: questions to the built-in model have the replies that they have alone, when several of them are asked at a time and share
// steps, greedy or drawn; in deterministic mode to the bit of all log probabilities that are told. The model lacks the ids that it never learned, so that a processor can play the GPU.
func TestManyAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("a processor plays the GPU for a minute")
	}
	dev := gputest.Open(t, gpu.Options{})
	ck, err := nano.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	small, ids := learned(t, ck)
	known := map[int32]int32{}
	for row, id := range ids {
		known[id] = int32(row)
	}
	whole := open(t, "nano", gossamer.Options{Backend: gossamer.CPU, Checkpoint: ck}) // for the prompts
	requests := make([]engine.Request, *questions)
	for i := range requests {
		r := &requests[i]
		r.Tokens, r.MaxTokens, r.Stop = question(t, whole, i), 16, []int32{known[tokenizer.Return], known[tokenizer.Call]}
		for j, id := range r.Tokens {
			r.Tokens[j] = known[id] // or 0, one that it never learned
		}
		switch i % 8 {
		case 1, 3:
			r.Sampling = sample.Params{Temperature: 1, Seed: uint64(i)}
		case 5:
			r.Sampling = sample.Params{Temperature: 1.2, TopP: 0.95, RepetitionPenalty: 1.1, FrequencyPenalty: 0.2, Seed: uint64(i)}
		case 7:
			r.Logprobs, r.TopLogprobs = true, 3
		}
	}
	ask := func(t *testing.T, e *gossamer.Engine, requests []engine.Request, at int) [][]engine.Token {
		t.Helper()
		replies := make([][]engine.Token, len(requests))
		var all sync.WaitGroup
		next := make(chan int)
		for range at {
			all.Go(func() {
				for i := range next {
					if _, err := e.Generate(t.Context(), requests[i], func(token engine.Token) bool {
						replies[i] = append(replies[i], token)
						return true
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for i := range requests {
			next <- i
		}
		close(next)
		all.Wait()
		return replies
	}
	for _, deterministic := range []bool{false, true} {
		t.Run(fmt.Sprintf("Deterministic%v", deterministic), func(t *testing.T) {
			o := gossamer.Options{
				Backend: gossamer.WebGPU, Device: dev, Checkpoint: small, KV: gossamer.F32, Context: 2048, KVTokens: max(2048, 512**together),
				Rows: *together / 2, MaxSequences: *together, Deterministic: deterministic,
			}
			some := requests
			if deterministic { // the widest program for one text at a time takes long
				some = slices.Clone(requests[:6])
				for i := range some {
					some[i].Logprobs, some[i].TopLogprobs = true, 20
				}
			}
			alone, together := ask(t, open(t, "nano", o), some, 1), ask(t, open(t, "nano", o), some, *together)
			tokens := 0
			for i := range alone {
				tokens += len(alone[i])
				same := func(a, b engine.Token) bool { return a.ID == b.ID }
				if deterministic {
					same = func(a, b engine.Token) bool {
						return a.ID == b.ID && a.LogProb == b.LogProb && slices.Equal(a.Top, b.Top)
					}
				}
				if !slices.EqualFunc(alone[i], together[i], same) {
					t.Errorf("question %d: together %v, alone %v", i, together[i], alone[i])
				}
			}
			t.Logf("%d tokens", tokens)
		})
	}
}
