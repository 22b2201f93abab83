package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	goruntime "runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
)

// timed is a device that takes its time, by a table of costs: rows have their tokens after the draws, the piece of a prompt is computed
// behind them. It runs on the clock of a synctest bubble.
type timed struct {
	*hashing
	draw  func(rows int) time.Duration
	token time.Duration // of a prompt
	busy  time.Time     // until when
}

// h200 has the times of gpt-oss-20b on an H200: 2.5 ms a token for one row, 3,460 tokens of a prompt a second.
func h200(b *hashing) *timed {
	return &timed{hashing: b, token: time.Second / 3460, draw: func(rows int) time.Duration {
		return 2500*time.Microsecond + time.Duration(rows-1)*250*time.Microsecond
	}}
}

func (d *timed) Step(ctx context.Context, s *engine.Step) (engine.Pending, error) {
	p, err := d.hashing.Step(ctx, s)
	if err != nil {
		return nil, err
	}
	out, _ := p.Wait(ctx)
	draws := 0
	for _, r := range out.Rows {
		draws = max(draws, len(r.Tokens), 1)
	}
	d.busy = later(d.busy, time.Now())
	if draws > 0 {
		d.busy = d.busy.Add(time.Duration(draws) * d.draw(len(s.Rows)))
	}
	drawn := d.busy
	d.busy = d.busy.Add(time.Duration(len(s.Prefill.Tokens)) * d.token)
	if draws == 0 {
		drawn = d.busy
	}
	return waiting{out, drawn}, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

type waiting struct {
	out   *engine.Outcome
	until time.Time
}

func (w waiting) Wait(context.Context) (*engine.Outcome, error) {
	time.Sleep(time.Until(w.until))
	return w.out, nil
}

// A long prompt arrives while eight replies stream: none of them waits longer than the interval that is aimed at, by more than the
// smallest piece takes; and the prompt gets on nearly as fast as it can beside them.
func TestALongPromptDoesNotHoldUpReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := h200(&hashing{vocab: 40, context: 30000, limits: engine.Limits{Rows: 8, Draws: 8, Chunk: 512, PageTokens: 128}})
		e := newEngine(t, d, engine.Options{MaxSequences: 9})
		var calls sync.WaitGroup
		var mu sync.Mutex
		var longest time.Duration
		ctx, cancel := context.WithCancel(t.Context())
		for n := range int32(8) {
			calls.Go(func() {
				var last time.Time
				e.Generate(ctx, engine.Request{Tokens: []int32{n, n}}, func(engine.Token) bool {
					mu.Lock()
					defer mu.Unlock()
					if now := time.Now(); !last.IsZero() {
						longest = max(longest, now.Sub(last))
					}
					last = time.Now()
					return true
				})
			})
		}
		time.Sleep(time.Second)
		if run := 8 * d.draw(8); longest > run+time.Millisecond {
			t.Errorf("before the prompt: %v between two tokens, want those of a run, %v", longest, run)
		}
		const prompt = 20000
		start := time.Now()
		_, result := generate(t, e, engine.Request{Tokens: make([]int32, prompt), MaxTokens: 1})
		took := time.Since(start)
		cancel()
		calls.Wait()
		least := 128 * d.token
		if most := 50*time.Millisecond + least; longest > most {
			t.Errorf("%v between two tokens, want at most %v", longest, most)
		}
		if alone := prompt * d.token; took < alone || took > alone*14/10 {
			t.Errorf("the prompt took %v, alone it takes %v; %+v", took, alone, result.Stats)
		}
		t.Logf("longest interval %v, prompt %v (alone %v)", longest, took, prompt*d.token)
	})
}

// One key asks for all it can get, another now and then: its first token never waits for more than the replies that run.
func TestKeysAreServedInTurn(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			d := h200(&hashing{vocab: 40, context: 3000, limits: engine.Limits{Rows: 1 << random.IntN(3), Draws: 8, Chunk: 512, Pages: 8000}})
			e := newEngine(t, d, engine.Options{MaxSequences: 4})
			ctx, cancel := context.WithCancel(t.Context())
			var calls sync.WaitGroup
			const most = 100 // tokens of a greedy one's reply
			for n := range uint64(30) {
				random := rand.New(rand.NewPCG(seed, 1+n))
				calls.Go(func() {
					for ctx.Err() == nil {
						prompt := make([]int32, 1+random.IntN(300))
						for i := range prompt {
							prompt[i] = int32(random.IntN(40))
						}
						e.Generate(ctx, engine.Request{Key: "greedy", Tokens: prompt, MaxTokens: most}, func(engine.Token) bool { return true })
					}
				})
			}
			for n := range 5 {
				time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
				prompt := make([]int32, 1+random.IntN(2000))
				for i := range prompt {
					prompt[i] = int32(random.IntN(40))
				}
				_, result := generate(t, e, engine.Request{Key: "modest", Tokens: prompt, MaxTokens: 1})
				// One of four replies ends and leaves its place; then each piece of ours waits for three of others at most.
				one := 3*(most+10)*d.draw(4) + 4*300*d.token
				if limit := one + 4*(time.Duration(len(prompt))*d.token+50*time.Millisecond); result.Stats.FirstToken > limit {
					t.Errorf("seed %d, request %d of %d tokens: the first token came after %v, want %v; queued %v", seed, n, len(prompt), result.Stats.FirstToken, limit, result.Stats.Queued)
				}
			}
			cancel()
			calls.Wait()
		})
	}
}

// More replies than rows, and one that needs memory which others have: each is put aside and goes on as if nothing had been.
func TestRepliesTakeTurnsAndAreNeverEnded(t *testing.T) {
	for _, l := range []engine.Limits{
		{Rows: 1, Draws: 8, Chunk: 16},
		{Rows: 3, Draws: 1, Chunk: 16, Pages: 250},
		{Rows: 2, Draws: 8, Chunk: 16, Pages: 190},
		{Rows: 4, Draws: 8, Chunk: 16, Pages: 250, Deterministic: true},
	} {
		t.Run(fmt.Sprintf("%+v", l), func(t *testing.T) {
			b := &hashing{vocab: 40, context: 180, limits: l}
			e := newEngine(t, b, engine.Options{MaxSequences: 6})
			var calls sync.WaitGroup
			for n := range int32(6) {
				calls.Go(func() {
					r := engine.Request{
						Tokens: []int32{n, n, n, n}, MaxTokens: 150,
						Sampling: sample.Params{Temperature: 1, Seed: uint64(n), PresencePenalty: 0.1, TopK: 20},
					}
					got, result := generate(t, e, r)
					if d := cmp.Diff(reply(40, 180, r, l.Deterministic), got); d != "" || result.Finish != engine.FinishLength {
						t.Errorf("reply %d, %v: %s", n, result.Finish, d)
					}
				})
			}
			calls.Wait()
			if load := e.Load(); l.Pages > 0 && load.Preemptions == 0 {
				t.Errorf("nothing was put aside: %+v", load)
			}
		})
	}
}

// Memory that no counting foresees runs out for all replies: they end one after the other, and none is begun again and again.
func TestMemoryThatIsNotCounted(t *testing.T) {
	b := &hashing{vocab: 40, context: 1000, limits: engine.Limits{Rows: 4, Draws: 4, Chunk: 16}}
	d := &failingDevice{b, func() error { return engine.ErrContextFull }}
	e, err := engine.New(d, engine.Options{MaxSequences: 4})
	if err != nil {
		t.Fatal(err)
	}
	var calls sync.WaitGroup
	for range 4 {
		calls.Go(func() {
			if _, err := e.Generate(t.Context(), engine.Request{Tokens: []int32{1, 2}, MaxTokens: 5}, func(engine.Token) bool { return true }); !errors.Is(err, engine.ErrContextFull) {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if l := e.Load(); l.Preemptions > 6 {
		t.Errorf("%d replies were put aside", l.Preemptions)
	}
	if err := errors.Join(e.Close(), b.Close()); err != nil {
		t.Error(err)
	}
}

// Equal prompts that come together are computed once, and the beginning that different ones share too.
func TestPrefixesAreSharedWhileTheyAreComputed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &hashing{vocab: 40, context: 1000, limits: engine.Limits{Rows: 4, Draws: 4, Chunk: 32}}
		e := newEngine(t, h200(b), engine.Options{MaxSequences: 6})
		instructions := make([]int32, 200)
		var calls sync.WaitGroup
		var mu sync.Mutex
		computed := 0
		for n := range int32(6) {
			calls.Go(func() {
				prompt := append(slices.Clone(instructions), 1, 2, n/3) // two different questions
				_, result := generate(t, e, engine.Request{Tokens: prompt, ResumePoints: []int{200}, MaxTokens: 20})
				mu.Lock()
				defer mu.Unlock()
				computed += result.Stats.PrefilledTokens
			})
		}
		calls.Wait()
		// The instructions once, then two tokens of each question once, and the last of each prompt.
		if computed > 200+2*2+6 {
			t.Errorf("%d tokens were computed, want 200 + 2*2 + 6", computed)
		}
		if l := e.Load(); l.PromptTokens != 6*203 || l.CachedTokens != l.PromptTokens-int64(computed) {
			t.Errorf("load: %+v", l)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, h200(&hashing{vocab: 40, context: 1000}), engine.Options{MaxSequences: 1, MaxQueue: 2})
		ctx, cancel := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		for range 3 {
			calls.Go(func() {
				e.Generate(ctx, engine.Request{Tokens: []int32{1}}, func(engine.Token) bool { return true })
			})
			time.Sleep(time.Millisecond)
		}
		_, err := e.Generate(ctx, engine.Request{Tokens: []int32{1}}, nil)
		var busy *engine.BusyError
		if !errors.As(err, &busy) || busy.Waiting != 2 || busy.RetryAfter < time.Second {
			t.Errorf("a fourth call: %v, want a BusyError of 2", err)
		}
		cancel()
		calls.Wait()
		generate(t, e, engine.Request{Tokens: []int32{1}, MaxTokens: 1})
	})
}

// The queue holds so many tokens of prompts: a longer prompt waits only where it is alone, and the choices of a request count one.
func TestQueueIsBoundedInTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := h200(&hashing{vocab: 40, context: 4000})
		e := newEngine(t, d, engine.Options{MaxSequences: 1, MaxQueueTokens: 1000})
		var calls sync.WaitGroup
		begin := func(r engine.Request) {
			calls.Go(func() {
				if _, err := e.Generate(t.Context(), r, all); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(30 * time.Millisecond) // a step
		}
		for n := range int32(3) { // replies end now and then
			begin(engine.Request{Tokens: []int32{n}, MaxTokens: 1000})
		}
		time.Sleep(7 * time.Second)
		ask := func(length int) *engine.BusyError {
			var busy *engine.BusyError
			if _, err := e.Generate(t.Context(), engine.Request{Tokens: distinct(3, length)}, nil); !errors.As(err, &busy) {
				t.Fatalf("%d tokens: %v, want a BusyError", length, err)
			}
			return busy
		}
		if l := e.Load(); l.Running != 1 || l.Waiting != 0 || l.ReplyInterval < time.Second {
			t.Fatalf("load: %+v", l)
		}
		begin(engine.Request{Tokens: distinct(1, 1200), MaxTokens: 1}) // more than may be, but nobody else waits
		if l := e.Load(); l.Waiting != 1 || l.Queued != 1200 {
			t.Errorf("load: %+v", l)
		}
		if busy := ask(2); busy.Waiting != 1 || busy.Tokens != 1200 || busy.RetryAfter != e.Load().ReplyInterval {
			t.Errorf("behind a prompt of 1,200 tokens: %+v", busy)
		}
		calls.Wait()

		begin(engine.Request{Tokens: []int32{9}, MaxTokens: 1000})
		g := engine.NewGroup(3)
		for range 3 {
			begin(engine.Request{Tokens: distinct(2, 400), MaxTokens: 1, Group: g})
		}
		begin(engine.Request{Tokens: distinct(4, 600), MaxTokens: 1})
		if l := e.Load(); l.Waiting != 4 || l.Queued != 1000 {
			t.Errorf("load: %+v", l)
		}
		if one, many := ask(2), ask(700); one.Tokens != 1000 || many.RetryAfter <= one.RetryAfter {
			t.Errorf("%+v, and with a longer prompt %+v", one, many)
		}
		calls.Wait()
		if l := e.Load(); l.Waiting != 0 || l.Queued != 0 {
			t.Errorf("afterwards: %+v", l)
		}
	})
}

// Cancelled, stopped by the caller, ended by a failing device, at any time: nothing is left of a reply but what is kept for its next turn.
func TestNothingIsLeft(t *testing.T) {
	before := goruntime.NumGoroutine()
	random := rand.New(rand.NewPCG(1, 1))
	var mu sync.Mutex
	steps, failing := 0, false
	b := &hashing{vocab: 40, context: 120, limits: engine.Limits{Rows: 2, Draws: 4, Chunk: 16, Pages: 300, Sequences: 5}}
	lost := errors.New("lost")
	d := &failingDevice{b, func() error {
		mu.Lock()
		defer mu.Unlock()
		if steps++; failing && steps%50 == 0 {
			return lost
		}
		return nil
	}}
	e, err := engine.New(d, engine.Options{MaxSequences: 5})
	if err != nil {
		t.Fatal(err)
	}
	failing = true
	var calls sync.WaitGroup
	for range 8 {
		seed := random.Uint64()
		calls.Go(func() {
			random := rand.New(rand.NewPCG(seed, 2))
			for range 250 {
				ctx, cancel := context.WithCancel(t.Context())
				prompt := slices.Repeat([]int32{int32(random.IntN(3))}, 1+random.IntN(60))
				r := engine.Request{Tokens: prompt, MaxTokens: 1 + random.IntN(100)}
				stop, leave := random.IntN(60), random.IntN(60)
				if random.IntN(4) == 0 {
					r.Progress = func(done, _ int) {
						if done >= stop {
							cancel()
						}
					}
				}
				if random.IntN(8) == 0 {
					go cancel()
				}
				n := 0
				result, err := e.Generate(ctx, r, func(engine.Token) bool {
					if n++; n == stop {
						cancel()
					}
					return n != leave
				})
				cancel()
				if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, lost) {
					t.Errorf("%v, %v", result.Finish, err)
				}
			}
		})
	}
	calls.Wait()
	mu.Lock()
	failing = false
	mu.Unlock()
	r := engine.Request{Tokens: []int32{7, 7}, MaxTokens: 30}
	got, _ := generate(t, e, r)
	if d := cmp.Diff(continuation(40, 120, r), got); d != "" {
		t.Errorf("afterwards: %s", d)
	}
	if l := e.Load(); l.Running != 0 || l.Waiting != 0 {
		t.Errorf("load: %+v", l)
	}
	if err := errors.Join(e.Close(), b.Close()); err != nil {
		t.Error(err)
	}
	for range 100 {
		if goruntime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", goruntime.NumGoroutine(), before)
}

// failingDevice fails when asked to.
type failingDevice struct {
	*hashing
	fail func() error
}

func (d *failingDevice) Step(ctx context.Context, s *engine.Step) (engine.Pending, error) {
	if err := d.fail(); err != nil {
		return nil, err
	}
	return d.hashing.Step(ctx, s)
}
