package engine_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
)

// all takes every token.
func all(engine.Token) bool { return true }

func TestMaxTokensOfAnySize(t *testing.T) {
	e := newEngine(t, &hashing{vocab: 40, context: 50, limits: engine.Limits{Draws: 4, Chunk: 8}}, engine.Options{})
	for _, most := range []int{47, 48, 49, math.MaxInt - 1, math.MaxInt} {
		got, result := generate(t, e, engine.Request{Tokens: []int32{1, 2}, MaxTokens: most})
		if want := min(most, 48); len(got) != want || result.Finish != engine.FinishLength {
			t.Errorf("%d tokens asked for: %d, %v; want %d, length", most, len(got), result.Finish, want)
		}
	}
}

func TestLimitsOfABackend(t *testing.T) {
	for _, l := range []engine.Limits{
		{Rows: 0, Draws: 1, Chunk: 1},
		{Rows: 1, Draws: 0, Chunk: 1},
		{Rows: 1, Draws: 1, Chunk: -1},
		{Rows: 1, Draws: 1, Chunk: 1, Pages: 1},
	} {
		if _, err := engine.New(limited{l: l}, engine.Options{}); err == nil {
			t.Errorf("%+v are accepted", l)
		}
	}
}

type limited struct {
	engine.Backend
	l engine.Limits
}

func (b limited) Limits() engine.Limits { return b.l }

// A caller uses the memory of a prompt again as soon as Generate has returned, which the loop may not know by then.
func TestTheCallersSlicesAreItsOwn(t *testing.T) {
	e := newEngine(t, &hashing{vocab: 40, context: 100, limits: engine.Limits{Chunk: 8}}, engine.Options{})
	prompt := slices.Repeat([]int32{1}, 40)
	ctx, cancel := context.WithCancel(t.Context())
	e.Generate(ctx, engine.Request{Tokens: prompt, ResumePoints: []int{8}, Progress: func(done, _ int) {
		if done >= 16 {
			cancel()
		}
	}}, nil)
	for i := range prompt {
		prompt[i] = 2
	}
	r := engine.Request{Tokens: prompt, MaxTokens: 5}
	got, result := generate(t, e, r)
	if d := cmp.Diff(continuation(40, 100, r), got); d != "" {
		t.Errorf("%s: %s", counts(result), d)
	}
}

// Tiny prompts that come for ever do not keep a longer reply from its row, even where all have one key.
func TestTinyPromptsStarveNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, h200(&hashing{vocab: 40, context: 3000, limits: engine.Limits{Rows: 2, Draws: 8, Chunk: 512}}), engine.Options{MaxSequences: 8})
		ctx, cancel := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		for range 16 {
			calls.Go(func() {
				for ctx.Err() == nil {
					e.Generate(ctx, engine.Request{Tokens: []int32{1}, MaxTokens: 1}, all)
				}
			})
		}
		time.Sleep(time.Second)
		long, end := context.WithTimeout(ctx, time.Minute)
		result, err := e.Generate(long, engine.Request{Tokens: []int32{3, 4}, MaxTokens: 50}, all)
		if err != nil {
			t.Errorf("%d of 50 tokens in a minute: %v", result.Stats.GeneratedTokens, err)
		}
		end()
		cancel()
		calls.Wait()
	})
}

// A key that has got something waits while others come, each with a key of its own, for ever: it has its turn.
func TestNewKeysStarveNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, h200(&hashing{vocab: 40, context: 3000, limits: engine.Limits{Draws: 8, Chunk: 512}}), engine.Options{MaxSequences: 1})
		ctx, cancel := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		calls.Go(func() { e.Generate(ctx, engine.Request{Key: "old", Tokens: []int32{3, 4}, MaxTokens: 500}, all) })
		time.Sleep(time.Millisecond)
		var keys atomic.Int64
		for range 4 {
			calls.Go(func() {
				for ctx.Err() == nil {
					e.Generate(ctx, engine.Request{Key: fmt.Sprint(keys.Add(1)), Tokens: []int32{1}, MaxTokens: 100}, all)
				}
			})
		}
		second, end := context.WithTimeout(ctx, time.Minute)
		if _, err := e.Generate(second, engine.Request{Key: "old", Tokens: []int32{5, 4}, MaxTokens: 50}, all); err != nil {
			t.Errorf("%d others were served in a minute: %v", keys.Load(), err)
		}
		end()
		cancel()
		calls.Wait()
	})
}

// Long prompts whose callers did not listen for a while have no claim to all that was computed meanwhile.
func TestCallersThatDidNotListenHaveNoClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, h200(&hashing{vocab: 40, context: 200000, limits: engine.Limits{Rows: 2, Draws: 8, Chunk: 512}}), engine.Options{MaxSequences: 8})
		ctx, cancel := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		calls.Go(func() { e.Generate(ctx, engine.Request{Tokens: []int32{1}}, all) })
		for n := range int32(3) {
			calls.Go(func() {
				wait := 5 * time.Second
				e.Generate(ctx, engine.Request{Tokens: slices.Repeat([]int32{2 + n}, 100_000), Progress: func(int, int) {
					time.Sleep(wait)
					wait = 0
				}}, all)
			})
		}
		time.Sleep(6 * time.Second)
		_, result := generate(t, e, engine.Request{Tokens: slices.Repeat([]int32{9}, 100), MaxTokens: 1})
		if first := result.Stats.FirstToken; first > time.Second {
			t.Errorf("the first token behind a short prompt came after %v", first)
		}
		cancel()
		calls.Wait()
	})
}

// The queue begins where there is no place: calls that come together find all places, though the loop has not seen them yet.
func TestQueueBeginsBehindThePlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := h200(&hashing{vocab: 40, context: 50, limits: engine.Limits{Rows: 4, Draws: 4, Chunk: 8}})
		e := newEngine(t, d, engine.Options{MaxSequences: 4, MaxQueue: 1})
		for range 3 {
			var calls sync.WaitGroup
			var refused atomic.Int64
			for n := range int32(8) {
				calls.Go(func() {
					if _, err := e.Generate(t.Context(), engine.Request{Tokens: []int32{n, 2}, MaxTokens: 30}, all); err != nil {
						refused.Add(1)
					}
				})
			}
			calls.Wait()
			if n := refused.Load(); n != 3 {
				t.Errorf("%d of 8 calls were refused, want those beyond 4 places and 1 in the queue", n)
			}
		}
	})
}

// A prompt that is put aside before its end is counted once.
func TestPromptsThatArePutAsideAreCountedOnce(t *testing.T) {
	b := &hashing{vocab: 40, context: 180, limits: engine.Limits{Rows: 4, Draws: 8, Chunk: 16, Pages: 190}}
	e := newEngine(t, b, engine.Options{MaxSequences: 6})
	var calls sync.WaitGroup
	for n := range int32(6) {
		calls.Go(func() {
			_, result := generate(t, e, engine.Request{Tokens: slices.Repeat([]int32{n}, 60), MaxTokens: 100})
			if s := result.Stats; s.CachedTokens+s.PrefilledTokens != 60 {
				t.Errorf("%s", counts(result))
			}
		})
	}
	calls.Wait()
}

// A caller that never listens has no place for ever: not one whose equal prompt others wait for, nor one that asks for another reply itself.
func TestCallersThatDoNotListenLoseTheirPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, h200(&hashing{vocab: 40, context: 2000, limits: engine.Limits{Rows: 2, Draws: 8, Chunk: 512}}), engine.Options{MaxSequences: 2})
		ctx, cancel := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		prompt := slices.Repeat([]int32{2}, 1000)
		calls.Go(func() {
			e.Generate(ctx, engine.Request{Tokens: prompt, ResumePoints: []int{900}, Progress: func(int, int) { <-ctx.Done() }}, all)
		})
		slow := engine.Request{Tokens: []int32{1}, MaxTokens: 30}
		calls.Go(func() {
			var got []int32
			_, err := e.Generate(t.Context(), slow, func(t engine.Token) bool {
				if got = append(got, t.ID); len(got) == 1 {
					<-ctx.Done()
				}
				return true
			})
			if d := cmp.Diff(continuation(40, 2000, slow), got); d != "" || err != nil {
				t.Errorf("the reply that was put aside, %v: %s", err, d)
			}
		})
		time.Sleep(time.Second)
		other, end := context.WithTimeout(t.Context(), time.Minute)
		if _, err := e.Generate(other, engine.Request{Tokens: prompt, MaxTokens: 1}, all); err != nil {
			t.Errorf("an equal prompt: %v", err)
		}
		nested := 0
		if _, err := e.Generate(other, engine.Request{Tokens: []int32{3}, MaxTokens: 12}, func(engine.Token) bool {
			_, err := e.Generate(other, engine.Request{Tokens: []int32{4}, MaxTokens: 12}, func(engine.Token) bool {
				nested++
				return true
			})
			return err == nil
		}); err != nil || nested != 12*12 {
			t.Errorf("%d tokens while others were waited for, %v; want 12*12", nested, err)
		}
		end()
		cancel()
		calls.Wait()
	})
}

// Callers that take their time, few places, little memory, equal beginnings: each gets its own reply, and nothing stands still.
func TestRepliesDoNotDependOnCallers(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 3))
			b := &hashing{vocab: 40, context: 150, limits: engine.Limits{
				Rows: 1 + random.IntN(3), Draws: 1 + random.IntN(8), Chunk: 1 + random.IntN(40), Pages: []int{0, 155, 400}[random.IntN(3)],
			}}
			e := newEngine(t, h200(b), engine.Options{MaxSequences: 1 + random.IntN(5)})
			var calls sync.WaitGroup
			for n := range uint64(12) {
				random := rand.New(rand.NewPCG(seed, 10+n))
				calls.Go(func() {
					for range 4 {
						r := engine.Request{
							Tokens:    append(slices.Repeat([]int32{int32(random.IntN(2))}, random.IntN(70)), int32(random.IntN(3))),
							MaxTokens: 1 + random.IntN(70), Stop: []int32{5}, Key: fmt.Sprint(random.IntN(3)),
							Sampling: sample.Params{Temperature: 1, Seed: math.MaxUint64 - n, RepetitionPenalty: 1.1, FrequencyPenalty: 0.1, TopK: 20},
						}
						r.ResumePoints = []int{0, len(r.Tokens) / 2, len(r.Tokens) / 2, len(r.Tokens)}
						pause := func() {
							if random.IntN(20) == 0 {
								time.Sleep(time.Duration(random.IntN(5000)) * time.Millisecond)
							}
						}
						if random.IntN(2) == 0 {
							r.Progress = func(int, int) { pause() }
						}
						var got []int32
						result, err := e.Generate(t.Context(), r, func(t engine.Token) bool {
							pause()
							got = append(got, t.ID)
							return true
						})
						if want := continuation(40, 150, r); err != nil || !slices.Equal(want, got) {
							t.Errorf("seed %d, %+v, %v, %s: %v, want %v", seed, b.limits, err, counts(result), got, want)
						}
						if s := result.Stats; len(got) > 0 && s.CachedTokens+s.PrefilledTokens != len(r.Tokens) {
							t.Errorf("%s", counts(result))
						}
					}
				})
			}
			calls.Wait()
			if l := e.Load(); l.Running != 0 || l.Waiting != 0 {
				t.Errorf("load: %+v", l)
			}
		})
	}
}
