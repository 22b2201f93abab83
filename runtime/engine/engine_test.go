package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/checkpoint/detect"
	"gossamer/runtime/engine"
	"gossamer/runtime/goldentest"
	"gossamer/runtime/ref"
	"gossamer/runtime/sample"
)

// golden opens the smallest golden model, whose vocabulary has 256 ids.
func golden(t *testing.T, context int, o engine.Options) (*engine.Engine, *goldentest.Case) {
	t.Helper()
	c := goldentest.Load(t, "gqa_window8")
	ck, err := detect.Open(t.Context(), c.ModelDir(t), detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := ref.Load(t.Context(), ck, ref.Options{Context: context})
	if err != nil {
		t.Fatal(err)
	}
	return newEngine(t, m, o), c
}

func newEngine(t *testing.T, b engine.Backend, o engine.Options) *engine.Engine {
	t.Helper()
	e, err := engine.New(b, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(e.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
	return e
}

// generate returns the ids of a reply.
func generate(t *testing.T, e *engine.Engine, r engine.Request) ([]int32, engine.Result) {
	t.Helper()
	var ids []int32
	result, err := e.Generate(t.Context(), r, func(t engine.Token) bool {
		ids = append(ids, t.ID)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if result.Stats.GeneratedTokens != len(ids) {
		t.Errorf("GeneratedTokens is %d, %d were emitted", result.Stats.GeneratedTokens, len(ids))
	}
	return ids, result
}

// counts are the numbers of prompt tokens found and computed.
func counts(r engine.Result) string {
	s := r.Stats
	return fmt.Sprintf("%d = %d cached + %d prefilled", s.PromptTokens, s.CachedTokens, s.PrefilledTokens)
}

func TestGenerateGreedyIsGolden(t *testing.T) {
	e, c := golden(t, 0, engine.Options{PrefillTokens: 7})
	var progress []int
	ids, result := generate(t, e, engine.Request{
		Tokens:    c.Prompts[len(c.Prompts)-1].Tokens,
		MaxTokens: len(c.Greedy.Tokens),
		Progress:  func(done, total int) { progress = append(progress, done, total) },
	})
	if d := cmp.Diff(c.Greedy.Tokens, ids); d != "" {
		t.Errorf("greedy tokens: %s", d)
	}
	if result.Finish != engine.FinishLength {
		t.Errorf("finish %v, want length", result.Finish)
	}
	if d := cmp.Diff([]int{0, 40, 7, 40, 14, 40, 21, 40, 28, 40, 35, 40, 40, 40}, progress); d != "" {
		t.Errorf("progress: %s", d)
	}
	s := result.Stats
	if s.FirstToken < s.Prefill || s.Decode <= 0 || s.PrefillRate() <= 0 || s.DecodeRate() <= 0 {
		t.Errorf("times do not add up: %+v", s)
	}
}

func TestGenerateResumes(t *testing.T) {
	e, c := golden(t, 0, engine.Options{})
	prompt := c.Prompts[len(c.Prompts)-1].Tokens
	reply := c.Greedy.Tokens
	first, result := generate(t, e, engine.Request{Tokens: prompt, MaxTokens: 10})
	if got := counts(result); got != "40 = 0 cached + 40 prefilled" {
		t.Errorf("first: %s", got)
	}
	if d := cmp.Diff(reply[:10], first); d != "" {
		t.Errorf("first: %s", d)
	}

	// The last token of a reply that ends by length was never computed.
	second, result := generate(t, e, engine.Request{Tokens: slices.Concat(prompt, first), MaxTokens: 10})
	if got := counts(result); got != "50 = 49 cached + 1 prefilled" {
		t.Errorf("second: %s", got)
	}
	if d := cmp.Diff(reply[10:20], second); d != "" {
		t.Errorf("second: %s", d)
	}

	again, result := generate(t, e, engine.Request{Tokens: prompt, MaxTokens: 10})
	if got := counts(result); got != "40 = 39 cached + 1 prefilled" {
		t.Errorf("again: %s", got)
	}
	if d := cmp.Diff(reply[:10], again); d != "" {
		t.Errorf("again: %s", d)
	}
}

// TestReplyThatBeganBefore: a reply that was interrupted at any token goes on as if it had not been, with the draws and the penalties that it
// would have had.
func TestReplyThatBeganBefore(t *testing.T) {
	e, c := golden(t, 0, engine.Options{})
	prompt := c.Prompts[len(c.Prompts)-1].Tokens
	for _, sampling := range []sample.Params{{}, {Temperature: 1.5, Seed: 3}, {Temperature: 1, Seed: 4, FrequencyPenalty: 2, RepetitionPenalty: 1.5, PenaltyVocab: 1 << 20}} {
		r := engine.Request{Tokens: prompt, Sampling: sampling, MaxTokens: 12}
		whole, _ := generate(t, e, r)
		for _, n := range []int{1, 5, 11, 12} {
			r.Reply = whole[:n]
			got, result := generate(t, e, r)
			if d := cmp.Diff(whole, got); d != "" || result.Finish != engine.FinishLength {
				t.Errorf("%+v, resumed after %d tokens: finish %v, %s", sampling, n, result.Finish, d)
			}
			s := result.Stats
			if s.PromptTokens != len(prompt) || s.ResumedTokens != n || n < 11 && (s.DecodeRate() <= 0 || s.FirstToken <= 0) {
				t.Errorf("resumed after %d tokens: %+v", n, s)
			}
		}
		// Who has heard enough ends it as ever.
		r.Reply = whole[:5]
		var heard []int32
		result, err := e.Generate(t.Context(), r, func(t engine.Token) bool {
			heard = append(heard, t.ID)
			return len(heard) < 3
		})
		if err != nil || result.Finish != engine.FinishCaller || !slices.Equal(heard, whole[:3]) {
			t.Errorf("ended within the beginning: %v, %v, heard %v", result.Finish, err, heard)
		}
	}
	for _, wrong := range []engine.Request{
		{Tokens: prompt, Reply: []int32{-1}}, {Tokens: prompt, Reply: []int32{7}, Stop: []int32{7}}, {Tokens: prompt, Reply: make([]int32, 1<<20)},
	} {
		if _, err := e.Generate(t.Context(), wrong, func(engine.Token) bool { return true }); err == nil {
			t.Errorf("a beginning of %d tokens from %d on is accepted", len(wrong.Reply), wrong.Reply[0])
		}
	}
}

func TestGenerateStops(t *testing.T) {
	e, c := golden(t, 0, engine.Options{})
	prompt, reply := c.Prompts[len(c.Prompts)-1].Tokens, c.Greedy.Tokens
	ids, result := generate(t, e, engine.Request{Tokens: prompt, Stop: []int32{reply[5], reply[9]}})
	if d := cmp.Diff(reply[:5], ids); d != "" {
		t.Errorf("tokens before the stop id: %s", d)
	}
	if result.Finish != engine.FinishStop || result.StopID != reply[5] {
		t.Errorf("finish %v by %d, want stop by %d", result.Finish, result.StopID, reply[5])
	}
	// The stop id is not held: the text goes on with another token in its place.
	_, result = generate(t, e, engine.Request{Tokens: slices.Concat(prompt, ids, []int32{1, 2}), MaxTokens: 1})
	if got := counts(result); got != "47 = 45 cached + 2 prefilled" {
		t.Errorf("after the stop: %s", got)
	}
}

func TestGenerateStopsForTheCaller(t *testing.T) {
	e, c := golden(t, 0, engine.Options{})
	n := 0
	result, err := e.Generate(t.Context(), engine.Request{Tokens: c.Prompts[0].Tokens}, func(engine.Token) bool {
		n++
		return n < 3
	})
	if err != nil || result.Finish != engine.FinishCaller || n != 3 {
		t.Errorf("%v after %d tokens, %v; want caller after 3", result.Finish, n, err)
	}
}

func TestGenerateToTheEndOfTheContext(t *testing.T) {
	e, c := golden(t, 48, engine.Options{})
	prompt := c.Prompts[len(c.Prompts)-1].Tokens // 40 tokens
	ids, result := generate(t, e, engine.Request{Tokens: prompt})
	if d := cmp.Diff(c.Greedy.Tokens[:8], ids); d != "" {
		t.Errorf("tokens: %s", d)
	}
	if result.Finish != engine.FinishLength {
		t.Errorf("finish %v, want length", result.Finish)
	}
	if ids, _ = generate(t, e, engine.Request{Tokens: slices.Concat(prompt, prompt[:7])}); len(ids) != 1 {
		t.Errorf("%d tokens after a prompt of 47 in a context of 48, want 1", len(ids))
	}

	_, err := e.Generate(t.Context(), engine.Request{Tokens: slices.Concat(prompt, prompt)}, nil)
	var tooLong *engine.PromptError
	if !errors.As(err, &tooLong) || tooLong.Tokens != 80 || tooLong.Context != 48 || !errors.Is(err, engine.ErrContextFull) {
		t.Errorf("a prompt of 80 tokens: %v, want a PromptError that wraps ErrContextFull", err)
	}
	if !strings.Contains(err.Error(), "80") || !strings.Contains(err.Error(), "48") {
		t.Errorf("%q does not name both numbers", err)
	}
}

func TestGenerateCancelled(t *testing.T) {
	e, c := golden(t, 0, engine.Options{PrefillTokens: 10})
	prompt, reply := c.Prompts[len(c.Prompts)-1].Tokens, c.Greedy.Tokens

	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	var ids []int32
	result, err := e.Generate(ctx, engine.Request{Tokens: prompt}, func(t engine.Token) bool {
		if ids = append(ids, t.ID); len(ids) == 4 {
			cancel(enough)
		}
		return true
	})
	if !errors.Is(err, enough) || result.Finish != engine.FinishCancelled || len(ids) != 4 {
		t.Fatalf("%v after %d tokens, %v; want cancelled after 4", result.Finish, len(ids), err)
	}
	rest, result := generate(t, e, engine.Request{Tokens: slices.Concat(prompt, ids), MaxTokens: 4})
	if d := cmp.Diff(reply[4:8], rest); d != "" {
		t.Errorf("going on: %s", d)
	}
	if result.Stats.CachedTokens < len(prompt) {
		t.Errorf("going on: %s, want the whole prompt cached", counts(result))
	}

	// In the prompt: what was computed is kept.
	other := slices.Clone(prompt)
	slices.Reverse(other)
	ctx, cancel = context.WithCancelCause(t.Context())
	result, err = e.Generate(ctx, engine.Request{Tokens: other, Progress: func(done, _ int) {
		if done == 20 {
			cancel(enough)
		}
	}}, nil)
	if !errors.Is(err, enough) || result.Finish != engine.FinishCancelled || result.Stats.PrefilledTokens != 20 {
		t.Fatalf("%+v, %v; want 20 tokens prefilled", result, err)
	}
	if _, result = generate(t, e, engine.Request{Tokens: other, MaxTokens: 1}); counts(result) != "40 = 20 cached + 20 prefilled" {
		t.Errorf("prompt again: %s", counts(result))
	}

	if _, err = e.Generate(ctx, engine.Request{Tokens: other}, nil); !errors.Is(err, enough) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func TestGenerateKeepsOtherConversations(t *testing.T) {
	e, _ := golden(t, 0, engine.Options{MaxSequences: 2})
	system := []int32{1, 2, 3, 4}
	ask := func(tokens ...int32) string {
		t.Helper()
		_, result := generate(t, e, engine.Request{Tokens: slices.Concat(system, tokens), MaxTokens: 2})
		return counts(result)
	}
	long := slices.Repeat([]int32{7}, 20)
	for _, step := range []struct{ name, got, want string }{
		{"One", ask(long...), "24 = 0 cached + 24 prefilled"},
		{"TwoIsForkedFromOne", ask(8, 9, 10), "7 = 4 cached + 3 prefilled"},
		{"OneGoesOn", ask(append(long, 11)...), "25 = 24 cached + 1 prefilled"},
		{"TwoGoesOn", ask(8, 9, 10, 11), "8 = 7 cached + 1 prefilled"},
		// There is no room: the least recently used one goes, though its beginning still serves.
		{"ThreeTakesOnesSlot", ask(12, 13, 14), "7 = 4 cached + 3 prefilled"},
		{"TwoIsStillThere", ask(8, 9, 10, 11, 12), "9 = 8 cached + 1 prefilled"},
	} {
		if step.got != step.want {
			t.Errorf("%s: %s, want %s", step.name, step.got, step.want)
		}
	}
}

func TestGenerateLogprobs(t *testing.T) {
	e, c := golden(t, 0, engine.Options{})
	prompt := c.Prompts[len(c.Prompts)-1].Tokens
	rows := &c.Greedy.Want
	n := 0
	// Only even ids are allowed: the log probabilities are the model's own all the same.
	allowed := slices.Repeat([]uint32{0x55555555}, 8)
	_, err := e.Generate(t.Context(), engine.Request{Tokens: prompt, MaxTokens: 1, Logprobs: true, TopLogprobs: 3, Allowed: allowed}, func(got engine.Token) bool {
		n++
		if got.ID%2 != 0 {
			t.Errorf("token %d is not allowed", got.ID)
		}
		if len(got.Top) != 3 || got.Top[0].ID != rows.Argmax(0) || got.Top[0].LogProb < got.LogProb {
			t.Errorf("token %+v, want the three most likely ones, first %d", got, rows.Argmax(0))
		}
		return true
	})
	if err != nil || n != 1 {
		t.Errorf("%d tokens, %v", n, err)
	}
}

// Sampling depends on the request alone: not on what is cached, nor on which parts of the machinery choose.
func TestGenerateIsRepeatable(t *testing.T) {
	e, c := golden(t, 0, engine.Options{})
	prompt := c.Prompts[1].Tokens
	for _, p := range []sample.Params{
		{Temperature: 1, Seed: 5},
		{Temperature: 1, Seed: 5, TopK: 256}, // keeps all
		{Temperature: 0.7, TopP: 0.9, Seed: 6},
		{Temperature: 1, PresencePenalty: 1, FrequencyPenalty: 0.5, RepetitionPenalty: 1.2, Seed: 7},
	} {
		first, _ := generate(t, e, engine.Request{Tokens: prompt, Sampling: p, MaxTokens: 20})
		generate(t, e, engine.Request{Tokens: c.Prompts[2].Tokens, MaxTokens: 3})
		again, _ := generate(t, e, engine.Request{Tokens: prompt, Sampling: p, MaxTokens: 20})
		if d := cmp.Diff(first, again); d != "" {
			t.Errorf("%+v: %s", p, d)
		}
	}
	plain, _ := generate(t, e, engine.Request{Tokens: prompt, Sampling: sample.Params{Temperature: 1, Seed: 5}, MaxTokens: 20})
	all, _ := generate(t, e, engine.Request{Tokens: prompt, Sampling: sample.Params{Temperature: 1, Seed: 5, TopK: 256}, MaxTokens: 20})
	if d := cmp.Diff(plain, all); d != "" {
		t.Errorf("a filter that keeps everything changes the draw: %s", d)
	}
}

func TestGenerateRefuses(t *testing.T) {
	e, c := golden(t, 0, engine.Options{})
	prompt := c.Prompts[0].Tokens
	for _, tt := range []struct {
		name string
		r    engine.Request
		want string
	}{
		{"NoPrompt", engine.Request{}, "prompt is empty"},
		{"UnknownID", engine.Request{Tokens: []int32{1, 256}}, "token 1 of the prompt is 256"},
		{"NegativeID", engine.Request{Tokens: []int32{-1}}, "token 0 of the prompt is -1"},
		{"MaxTokens", engine.Request{Tokens: prompt, MaxTokens: -1}, "MaxTokens"},
		{"Allowed", engine.Request{Tokens: prompt, Allowed: []uint32{1}}, "Allowed has 1 words, want 8"},
		{"TopLogprobs", engine.Request{Tokens: prompt, TopLogprobs: 21}, "TopLogprobs"},
		{"ResumePoints", engine.Request{Tokens: prompt, ResumePoints: []int{2, 1}}, "ResumePoints"},
		{"ResumePointsBeyond", engine.Request{Tokens: []int32{1, 2}, ResumePoints: []int{3}}, "ResumePoints"},
		{"Sampling", engine.Request{Tokens: prompt, Sampling: sample.Params{TopP: 2}}, "TopP"},
		{"NothingAllowed", engine.Request{Tokens: prompt, Allowed: make([]uint32, 8)}, "no token has a finite logit"},
	} {
		if _, err := e.Generate(t.Context(), tt.r, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := engine.New(nil, engine.Options{MaxSequences: -1}); err == nil {
		t.Error("MaxSequences of -1 was accepted")
	}
}

func TestClose(t *testing.T) {
	e, c := golden(t, 0, engine.Options{})
	done := make(chan error)
	begun := make(chan bool)
	go func() {
		_, err := e.Generate(context.Background(), engine.Request{Tokens: c.Prompts[0].Tokens}, func(engine.Token) bool {
			select {
			case begun <- true:
			default:
			}
			return true
		})
		done <- err
	}()
	<-begun
	go func() { done <- e.Close() }()
	for range 2 {
		if err := <-done; err != nil && !errors.Is(err, engine.ErrClosed) {
			t.Error(err)
		}
	}
	if _, err := e.Generate(t.Context(), engine.Request{Tokens: c.Prompts[0].Tokens}, nil); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestCloseWithinACall: emit and Progress may close the engine that calls them. Everything is freed once, and the call ends.
func TestCloseWithinACall(t *testing.T) {
	for _, where := range []string{"emit", "Progress"} {
		t.Run(where, func(t *testing.T) {
			freed := 0
			e, c := golden(t, 0, engine.Options{Free: func() error { freed++; return nil }})
			closing := func() {
				if err := e.Close(); err != nil || freed != 1 {
					t.Errorf("Close: %v; freed %d times, want once", err, freed)
				}
			}
			r := engine.Request{Tokens: c.Prompts[0].Tokens}
			if where == "Progress" {
				r.Progress = func(int, int) { closing() }
			}
			tokens := 0
			result, err := e.Generate(t.Context(), r, func(engine.Token) bool {
				tokens++
				closing()
				return true
			})
			if !errors.Is(err, engine.ErrClosed) || result.Finish != engine.FinishCancelled || tokens > 1 {
				t.Errorf("%v, %v after %d tokens; want cancelled, ErrClosed", result.Finish, err, tokens)
			}
			if err := e.Close(); err != nil || freed != 1 {
				t.Errorf("at the end: %v, freed %d times, want once", err, freed)
			}
		})
	}
}
