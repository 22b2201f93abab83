package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
)

// choices asks for n choices of a prompt, and returns the ends of the calls.
func choices(ctx context.Context, t *testing.T, e *engine.Engine, prompt []int32, n, tokens int) []error {
	t.Helper()
	g, errs := engine.NewGroup(n), make([]error, n)
	var calls sync.WaitGroup
	for i := range n {
		calls.Go(func() {
			r := engine.Request{Tokens: prompt, MaxTokens: tokens, Group: g, Sampling: sample.Params{Temperature: 1, Seed: uint64(i)}}
			var got []int32
			_, errs[i] = e.Generate(ctx, r, func(t engine.Token) bool {
				got = append(got, t.ID)
				return true
			})
			if d := cmp.Diff(continuation(40, 3000, r), got); errs[i] == nil && d != "" {
				t.Errorf("choice %d: %s", i, d)
			}
		})
	}
	calls.Wait()
	return errs
}

// The choices of a request begin in one step, behind a prompt that is computed once, also where the places for them get free one by one.
func TestChoicesBeginTogether(t *testing.T) {
	for _, others := range []int{0, 3} {
		t.Run(fmt.Sprintf("%dOthers", others), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &hashing{vocab: 40, context: 3000, limits: engine.Limits{Rows: 8, Draws: 4, Chunk: 64}}
				read := 0
				var firsts []int // by step in which some choice gets its first token: how many do
				b.step = func(s *engine.Step) {
					if p := s.Prefill; p.Seq != nil && p.Tokens[0] == 7 {
						read += len(p.Tokens)
					}
					n := 0
					for _, r := range s.Rows {
						if r.Given == 8 {
							n++
						}
					}
					if n > 0 {
						firsts = append(firsts, n)
					}
				}
				e := newEngine(t, h200(b), engine.Options{MaxSequences: 4})
				var calls sync.WaitGroup
				for n := range int32(others) { // they end one after the other
					calls.Go(func() {
						e.Generate(t.Context(), engine.Request{Tokens: []int32{n}, MaxTokens: 100 * int(n+1)}, all)
					})
				}
				time.Sleep(time.Millisecond)
				prompt := append(slices.Repeat([]int32{7}, 500), 8)
				calls.Go(func() {
					for _, err := range choices(t.Context(), t, e, prompt, 3, 50) {
						if err != nil {
							t.Error(err)
						}
					}
				})
				time.Sleep(time.Millisecond)
				for n := range int32(4) { // they come later and would take the places
					calls.Go(func() {
						e.Generate(t.Context(), engine.Request{Key: fmt.Sprint("other", n), Tokens: []int32{n + 10}, MaxTokens: 30}, all)
					})
				}
				calls.Wait()
				if d := cmp.Diff([]int{3}, firsts); d != "" || read != 500 {
					t.Errorf("first tokens by step: %s\n%d tokens of the prompt were computed, want 500", d, read)
				}
			})
		})
	}
}

// More choices than rows, than places, than memory: all are answered.
func TestMoreChoicesThanRoom(t *testing.T) {
	for _, l := range []engine.Limits{
		{Rows: 1, Draws: 4, Chunk: 16},
		{Rows: 4, Draws: 4, Chunk: 16},
		{Rows: 8, Draws: 2, Chunk: 16, Sequences: 3},
		{Rows: 8, Draws: 2, Chunk: 16, Pages: 3000},
		{Rows: 4, Draws: 2, Chunk: 16, Pages: 3000, Sequences: 2},
	} {
		t.Run(fmt.Sprintf("%+v", l), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t, h200(&hashing{vocab: 40, context: 3000, limits: l}), engine.Options{MaxSequences: 6})
				var calls sync.WaitGroup
				for n := range int32(3) {
					calls.Go(func() {
						for i, err := range choices(t.Context(), t, e, slices.Repeat([]int32{n}, 700), 16, 60) {
							if err != nil {
								t.Errorf("choice %d: %v", i, err)
							}
						}
					})
				}
				calls.Wait()
				if load := e.Load(); load.Running != 0 || load.Waiting != 0 {
					t.Errorf("load: %+v", load)
				}
			})
		})
	}
}

// The queue takes all choices of a request or none.
func TestTheQueueTakesChoicesAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, h200(&hashing{vocab: 40, context: 3000, limits: engine.Limits{Rows: 2, Draws: 4}}), engine.Options{MaxSequences: 2, MaxQueue: 1})
		ctx, cancel := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		for n := range int32(2) {
			calls.Go(func() { e.Generate(ctx, engine.Request{Tokens: []int32{n}}, all) })
		}
		time.Sleep(time.Millisecond)
		var errs []error
		calls.Go(func() { errs = choices(t.Context(), t, e, []int32{5}, 4, 20) })
		time.Sleep(time.Millisecond)
		var busy *engine.BusyError
		for i, err := range choices(t.Context(), t, e, []int32{6}, 4, 20) {
			if !errors.As(err, &busy) {
				t.Errorf("choice %d of a second request: %v, want a BusyError", i, err)
			}
		}
		cancel()
		calls.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Errorf("the first request: %v", err)
		}
	})
}

// Choices that go before they begin, that are refused, and whose first one goes, hold up nobody.
func TestChoicesThatGo(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			b := &hashing{vocab: 40, context: 3000, limits: engine.Limits{Rows: 1 + random.IntN(4), Draws: 1 + random.IntN(8), Chunk: 32, Pages: []int{0, 4000}[random.IntN(2)]}}
			e := newEngine(t, h200(b), engine.Options{MaxSequences: 1 + random.IntN(5)})
			var calls sync.WaitGroup
			for range 4 {
				n := 1 + random.IntN(6)
				g := engine.NewGroup(n)
				for range n {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(400))*time.Millisecond)
					r := engine.Request{Tokens: slices.Repeat([]int32{int32(random.IntN(2))}, 200), MaxTokens: random.IntN(50), Group: g}
					switch random.IntN(5) {
					case 0:
						r.Tokens = nil // refused
					case 1:
						cancel()
					}
					calls.Go(func() {
						defer cancel()
						e.Generate(ctx, r, all)
					})
				}
			}
			calls.Wait()
			generate(t, e, engine.Request{Tokens: []int32{1, 2}, MaxTokens: 3})
			if l := e.Load(); l.Running != 0 || l.Waiting != 0 {
				t.Errorf("seed %d: %+v", seed, l)
			}
		})
	}
}

// A choice that ends before it comes to the queue holds up no other.
func TestChoicesThatEndBeforeTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, &hashing{vocab: 40, context: 200, limits: engine.Limits{Draws: 4, Chunk: 64}}, engine.Options{})
		g := engine.NewGroup(3)
		whole := engine.Request{Tokens: []int32{1}, Reply: []int32{2, 3}, MaxTokens: 2, Group: g}
		if ids, result := generate(t, e, whole); len(ids) != 2 || result.Finish != engine.FinishLength {
			t.Errorf("%d, %v", ids, result.Finish)
		}
		if _, err := e.Generate(t.Context(), engine.Request{Group: g}, all); err == nil {
			t.Error("no prompt is accepted")
		}
		if ids, _ := generate(t, e, engine.Request{Tokens: []int32{1}, MaxTokens: 5, Group: g}); len(ids) != 5 {
			t.Errorf("%d tokens", len(ids))
		}
	})
}
