package engine_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
)

// Whatever is cached, forked, evicted or cancelled in between: a reply is what the request says.
func TestRepliesDoNotDependOnTheCache(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const vocab, window = 40, 60
		b := &hashing{vocab: vocab, context: window, limits: engine.Limits{
			Rows:      rapid.IntRange(1, 3).Draw(t, "rows"),
			Draws:     rapid.IntRange(1, 8).Draw(t, "draws"),
			Chunk:     rapid.IntRange(1, 20).Draw(t, "chunk"),
			Sequences: rapid.IntRange(0, 3).Draw(t, "limit"),
			Pages:     rapid.SampledFrom([]int{0, 2 * window, window + 5}).Draw(t, "memory"),
		}}
		e, err := engine.New(b, engine.Options{
			MaxSequences:  rapid.IntRange(1, 3).Draw(t, "sequences"),
			PrefillTokens: rapid.IntRange(1, 20).Draw(t, "prefill"),
		})
		if err != nil {
			t.Fatal(err)
		}
		token := rapid.Int32Range(0, 2) // few, so that prompts share beginnings
		texts := [][]int32{{0}}
		for range rapid.IntRange(1, 12).Draw(t, "calls") {
			text := rapid.SampledFrom(texts).Draw(t, "text")
			keep := rapid.IntRange(0, len(text)).Draw(t, "keep")
			r := engine.Request{
				Tokens:    slices.Concat(text[:keep], rapid.SliceOfN(token, 1, 10).Draw(t, "more")),
				MaxTokens: rapid.IntRange(1, 15).Draw(t, "max"),
				Stop:      []int32{3, 4, 5},
				Sampling: sample.Params{
					Temperature: rapid.SampledFrom([]float32{0, 1}).Draw(t, "temperature"),
					TopK:        rapid.SampledFrom([]int{0, 5}).Draw(t, "topK"),
					Seed:        rapid.Uint64Range(0, 3).Draw(t, "seed"),
				},
				Logprobs: rapid.Bool().Draw(t, "logprobs"),
			}
			if len(r.Tokens) >= window {
				continue
			}
			r.ResumePoints = []int{min(2, len(r.Tokens))}
			cancelAfter := rapid.IntRange(0, 20).Draw(t, "cancelAfter")
			ctx, cancel := context.WithCancel(context.Background())
			var got []int32
			result, err := e.Generate(ctx, r, func(t engine.Token) bool {
				if got = append(got, t.ID); len(got) == cancelAfter {
					cancel()
				}
				return true
			})
			cancelled := ctx.Err() != nil
			cancel()
			want := continuation(vocab, window, r)
			switch {
			case cancelled && len(got) < len(want):
				if !errors.Is(err, context.Canceled) || result.Finish != engine.FinishCancelled {
					t.Fatalf("cancelled: %v, %v", result.Finish, err)
				}
				want = want[:len(got)]
			case err != nil && !cancelled:
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" && len(want)+len(got) > 0 {
				t.Fatalf("reply to %v: %s", r.Tokens, d)
			}
			if s := result.Stats; err == nil && len(got) > 0 && s.CachedTokens+s.PrefilledTokens != len(r.Tokens) {
				t.Fatalf("%s", counts(result))
			}
			texts = append(texts, slices.Concat(r.Tokens, got))
		}
		if err := errors.Join(e.Close(), b.Close()); err != nil {
			t.Fatal(err)
		}
	})
}

// Many at once: each gets its own reply, no sequence is shared, and no more than allowed are alive.
func TestConcurrentCalls(t *testing.T) {
	b := &hashing{vocab: 40, context: 100, limits: engine.Limits{Rows: 2, Draws: 4, Chunk: 5, Pages: 220}}
	e := newEngine(t, b, engine.Options{MaxSequences: 2})
	var calls sync.WaitGroup
	for n := range int32(24) {
		calls.Go(func() {
			prompt := []int32{1, 2, n % 5}
			for turn := range int32(4) {
				r := engine.Request{Tokens: prompt, MaxTokens: 10, Sampling: sample.Params{Temperature: 1, Seed: uint64(n)}}
				ctx, cancel := context.WithCancel(t.Context())
				if n%6 == 5 {
					cancel() // while waiting, mostly
				}
				var got []int32
				_, err := e.Generate(ctx, r, func(t engine.Token) bool {
					got = append(got, t.ID)
					return true
				})
				cancel()
				if n%6 == 5 && errors.Is(err, context.Canceled) {
					continue
				}
				if err != nil {
					t.Errorf("call %d: %v", n, err)
					return
				}
				if d := cmp.Diff(continuation(40, 100, r), got); d != "" {
					t.Errorf("call %d, turn %d: %s", n, turn, d)
				}
				prompt = slices.Concat(prompt, got, []int32{turn})
			}
		})
	}
	calls.Wait()
	if b.most > 2 {
		t.Errorf("%d sequences were alive, want at most 2", b.most)
	}
}

// A reply whose caller is slow waits for it, and keeps its place; the others are served in the order of their calls.
func TestWaitingIsFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, &hashing{vocab: 40, context: 100}, engine.Options{MaxSequences: 1})
		first := make(chan bool)
		var mu sync.Mutex
		var order []int
		var calls sync.WaitGroup
		call := func(ctx context.Context, n int) {
			calls.Go(func() {
				tokens := 0
				_, err := e.Generate(ctx, engine.Request{Tokens: []int32{int32(n)}, MaxTokens: 50}, func(engine.Token) bool {
					if n == 0 {
						<-first
					}
					if tokens++; tokens == 1 {
						mu.Lock()
						defer mu.Unlock()
						order = append(order, n)
					}
					return true
				})
				if (err != nil) != (n == 2) {
					t.Errorf("call %d: %v", n, err)
				}
			})
			synctest.Wait() // it is in line
		}
		ctx, cancel := context.WithCancel(t.Context())
		for n := range 5 {
			if n == 2 {
				call(ctx, n)
			} else {
				call(t.Context(), n)
			}
		}
		if l := e.Load(); l.Running != 1 || l.Waiting != 4 {
			t.Errorf("load: %+v, want 1 running and 4 waiting", l)
		}
		cancel() // the third leaves the line
		synctest.Wait()
		if l := e.Load(); l.Waiting != 3 {
			t.Errorf("load after one has gone: %+v, want 3 waiting", l)
		}
		close(first)
		calls.Wait()
		if d := cmp.Diff([]int{0, 1, 3, 4}, order); d != "" {
			t.Errorf("order: %s", d)
		}
	})
}

func TestCloseEndsWaitingCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, &hashing{vocab: 40, context: 1000}, engine.Options{MaxSequences: 1})
		proceed := make(chan bool)
		var calls sync.WaitGroup
		for range 3 {
			calls.Go(func() {
				result, err := e.Generate(t.Context(), engine.Request{Tokens: []int32{1}}, func(engine.Token) bool {
					<-proceed
					return true
				})
				if !errors.Is(err, engine.ErrClosed) || result.Finish != engine.FinishCancelled {
					t.Errorf("%v, %v; want cancelled, ErrClosed", result.Finish, err)
				}
			})
			synctest.Wait()
		}
		calls.Go(func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		close(proceed)
		calls.Wait()
	})
}

// A panic of the caller's emit leaves the engine in order.
func TestPanicInEmit(t *testing.T) {
	e := newEngine(t, &hashing{vocab: 40, context: 100}, engine.Options{MaxSequences: 1})
	func() {
		defer func() { recover() }()
		e.Generate(t.Context(), engine.Request{Tokens: []int32{1}}, func(engine.Token) bool { panic("emit") })
	}()
	r := engine.Request{Tokens: []int32{1}, MaxTokens: 5}
	got, _ := generate(t, e, r)
	if d := cmp.Diff(continuation(40, 100, r), got); d != "" {
		t.Errorf("after the panic: %s", d)
	}
}

func TestIdleSequencesAreClosedForMemory(t *testing.T) {
	b := &hashing{vocab: 40, context: 50, limits: engine.Limits{Chunk: 8, Pages: 60}}
	e := newEngine(t, b, engine.Options{MaxSequences: 3})
	for n := range int32(3) {
		generate(t, e, engine.Request{Tokens: slices.Repeat([]int32{n}, 15), MaxTokens: 5})
	}
	// Idle texts give way while a prompt and while a reply need their memory.
	for n := range int32(2) {
		r := engine.Request{Tokens: slices.Repeat([]int32{7 + n}, 30)}
		got, result := generate(t, e, r)
		if len(got) != 20 || result.Finish != engine.FinishLength {
			t.Errorf("%d tokens, %v; want 20, length", len(got), result.Finish)
		}
		r.MaxTokens = 20
		if d := cmp.Diff(continuation(40, 50, r), got); d != "" {
			t.Errorf("reply: %s", d)
		}
	}
	// Nobody gives way: the prompt does not fit.
	b.mu.Lock()
	b.limits.Pages = 10
	b.mu.Unlock()
	if _, err := e.Generate(t.Context(), engine.Request{Tokens: slices.Repeat([]int32{9}, 30)}, nil); !errors.Is(err, engine.ErrContextFull) {
		t.Errorf("a prompt of 30 tokens in memory for 10: %v", err)
	}
}

// TestManyTextsAreKept: where memory is counted, more texts are kept for their next turn than replies are computed at a time, until others
// need it: then the one goes that was not used for longest.
func TestManyTextsAreKept(t *testing.T) {
	b := &hashing{vocab: 40, context: 100, limits: engine.Limits{Rows: 2, Chunk: 8, Pages: 250, Sequences: 2}}
	e := newEngine(t, b, engine.Options{MaxSequences: 2})
	turn := func(n, length int) string {
		t.Helper()
		r := engine.Request{Tokens: distinct(n, length), MaxTokens: 5}
		got, result := generate(t, e, r)
		if d := cmp.Diff(continuation(40, 100, r), got); d != "" {
			t.Errorf("text %d: %s", n, d)
		}
		return counts(result)
	}
	for n := range 10 {
		turn(n, 15)
	}
	if l := e.Load(); l.Parked != 10 || b.most > 2 {
		t.Errorf("%d texts are kept, %d were in use; want 10, at most 2", l.Parked, b.most)
	}
	for n := range 10 {
		if got := turn(n, 16); got != "16 = 15 cached + 1 prefilled" {
			t.Errorf("text %d goes on: %s", n, got)
		}
	}
	turn(10, 90) // needs the memory of two others
	for _, k := range []struct {
		n    int
		want string
	}{{0, "17 = 0 cached + 17 prefilled"}, {9, "17 = 16 cached + 1 prefilled"}} {
		if got := turn(k.n, 17); got != k.want {
			t.Errorf("text %d afterwards: %s, want %s", k.n, got, k.want)
		}
	}
}

// Texts that are kept cost a reply no steps when it needs their memory.
func TestParkedTextsShortenNoRuns(t *testing.T) {
	b := &hashing{vocab: 40, context: 200, limits: engine.Limits{Draws: 8, Chunk: 32, Pages: 210}}
	steps := 0
	b.step = func(*engine.Step) { steps++ }
	e := newEngine(t, b, engine.Options{MaxSequences: 2})
	for n := range 20 {
		generate(t, e, engine.Request{Tokens: distinct(n, 8), MaxTokens: 2})
	}
	if l := e.Load(); l.Parked != 20 || l.FreePages != 10 {
		t.Fatalf("load: %+v", l)
	}
	steps = 0
	generate(t, e, engine.Request{Tokens: []int32{39, 39}, MaxTokens: 150})
	if want := 150/8 + 6; steps > want { // of which some are of one, two and four tokens
		t.Errorf("150 tokens took %d steps, want at most %d", steps, want)
	}
	if l := e.Load(); l.Parked < 5 {
		t.Errorf("%d texts are left", l.Parked)
	}
}

func TestForkReusesTheSharedPrefix(t *testing.T) {
	e := newEngine(t, &hashing{vocab: 40, context: 100}, engine.Options{})
	instructions := slices.Repeat([]int32{1}, 20)
	_, result := generate(t, e, engine.Request{Tokens: append(slices.Clone(instructions), 2, 3), ResumePoints: []int{20}, MaxTokens: 5})
	if got := counts(result); got != "22 = 0 cached + 22 prefilled" {
		t.Errorf("first: %s", got)
	}
	_, result = generate(t, e, engine.Request{Tokens: append(slices.Clone(instructions), 4, 5), ResumePoints: []int{20}, MaxTokens: 5})
	if got := counts(result); got != "22 = 20 cached + 2 prefilled" {
		t.Errorf("other question: %s", got)
	}
	_, result = generate(t, e, engine.Request{Tokens: append(slices.Clone(instructions), 2, 3, 6), MaxTokens: 5})
	if got := counts(result); got != "23 = 22 cached + 1 prefilled" {
		t.Errorf("first goes on: %s", got)
	}
}
