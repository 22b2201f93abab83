package engine_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
)

// readers returns an engine of the tests of whose prompt goes on, with one reply that streams all the time.
func readers(t *testing.T, places int) (e *engine.Engine, d *timed, ctx context.Context) {
	d = h200(&hashing{vocab: 40, context: 200_000, limits: engine.Limits{Rows: 8, Draws: 8, Chunk: 512, PageTokens: 128}})
	e = newEngine(t, d, engine.Options{MaxSequences: places})
	ctx, cancel := context.WithCancel(t.Context())
	var calls sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		calls.Wait()
	})
	calls.Go(func() { e.Generate(ctx, engine.Request{Tokens: []int32{1}}, all) })
	time.Sleep(time.Second)
	return e, d, ctx
}

// distinct is a prompt that shares nothing with that of another number.
func distinct(n, length int) []int32 {
	prompt := slices.Repeat([]int32{int32(n % 40)}, length)
	prompt[0], prompt[1] = int32(n/40%40), int32(n/1600)
	return prompt
}

// A short prompt goes before long ones that have begun, wherever they are, and those get on beside an endless row of short ones.
func TestShortPromptsGoBeforeLongOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, d, ctx := readers(t, 6)
		const long = 20_000
		var calls sync.WaitGroup
		for n := range 2 {
			calls.Go(func() { generate(t, e, engine.Request{Tokens: distinct(n, long), MaxTokens: 1}) })
		}
		piece := 50*time.Millisecond + 128*d.token
		for n := range 10 {
			time.Sleep(700 * time.Millisecond)
			_, result := generate(t, e, engine.Request{Tokens: distinct(100+n, 120), MaxTokens: 1})
			// The step that is under way, one of a long prompt that is overdue, its own, and the one that draws.
			if first := result.Stats.FirstToken; first > 4*piece {
				t.Errorf("short prompt %d: its first token came after %v, want at most %v", n, first, 4*piece)
			}
		}
		calls.Wait()

		short, cancel := context.WithCancel(ctx)
		for n := range 3 { // more than the device can do
			calls.Go(func() {
				for i := 1000 + n; short.Err() == nil; i += 3 {
					e.Generate(short, engine.Request{Tokens: distinct(i, 500), MaxTokens: 1}, all)
				}
			})
		}
		start := time.Now()
		generate(t, e, engine.Request{Tokens: distinct(2, long), MaxTokens: 1})
		if took, most := time.Since(start), 12*long*d.token*3/2; took > most { // one piece of nine is its
			t.Errorf("beside short prompts one of %d tokens took %v, want at most %v", long, took, most)
		}
		cancel()
		calls.Wait()
	})
}

// With one row, as in a browser, long replies of some tabs hold up the first token of another by a few steps: the one that is under way, its
// prompt, and the short turns of those that have the row, however long they would go on.
func TestFirstTokenBesideLongReplies(t *testing.T) {
	for long := 1; long <= 3; long++ {
		synctest.Test(t, func(t *testing.T) {
			steps := 0
			b := &hashing{vocab: 40, context: 5000, limits: engine.Limits{Draws: 8, Chunk: 512, PageTokens: 128}, step: func(*engine.Step) { steps++ }}
			e := newEngine(t, h200(b), engine.Options{MaxSequences: 4})
			ctx, cancel := context.WithCancel(t.Context())
			var calls sync.WaitGroup
			for n := range long {
				calls.Go(func() { e.Generate(ctx, engine.Request{Key: fmt.Sprint("tab", n), Tokens: distinct(n, 50)}, all) })
			}
			time.Sleep(time.Second)
			for n := range 5 {
				before := steps
				generate(t, e, engine.Request{Key: "another", Tokens: distinct(10+n, 100), MaxTokens: 1})
				if took := steps - before; took > 6 {
					t.Errorf("beside %d long replies the first token of another took %d steps", long, took)
				}
			}
			cancel()
			calls.Wait()
		})
	}
}

// The prompts of a key go on as fast as all those of another together, however many there are and however short.
func TestKeysReadInTurn(t *testing.T) {
	for _, length := range []int{400, 8000} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, d, ctx := readers(t, 8)
				many, cancel := context.WithCancel(ctx)
				var calls sync.WaitGroup
				for n := range 5 {
					calls.Go(func() {
						for i := 1000 + n; many.Err() == nil; i += 5 {
							e.Generate(many, engine.Request{Key: "many", Tokens: distinct(i, length), MaxTokens: 1}, all)
						}
					})
				}
				time.Sleep(5 * time.Second)
				const prompt = 6000
				_, result := generate(t, e, engine.Request{Key: "one", Tokens: distinct(1, prompt), MaxTokens: 1})
				alone := prompt * d.token * 14 / 10 // beside the reply that streams
				if took := result.Stats.Prefill; took > 5*alone/2 {
					t.Errorf("%d tokens took %v, alone they take %v", prompt, took, alone)
				}
				cancel()
				calls.Wait()
			})
		})
	}
}

var schedules = flag.Int("schedules", 150, "random schedules of TestRandomSchedules; 10,000 take a few minutes")

// TestRandomSchedules: whatever comes, of whatever keys, stops, goes or listens late: replies are what their requests say, where it matters from how their
// tokens were computed too, no token of a reply
// that has a row comes later than the interval that is aimed at and the least piece beside it, nobody waits for ever, and every page
// and sequence comes back. With some of them the device is lost now and then.
func TestRandomSchedules(t *testing.T) {
	for seed := range uint64(*schedules) {
		if t.Failed() {
			return
		}
		synctest.Test(t, func(t *testing.T) { randomSchedule(t, seed) })
	}
}

// losing is a device that is lost at the step that ends left, and each step after that.
type losing struct {
	*timed
	left int
}

func (d *losing) Step(ctx context.Context, s *engine.Step) (engine.Pending, error) {
	if d.left--; d.left < 0 {
		return nil, lostDevice{}
	}
	return d.timed.Step(ctx, s)
}

// lose makes a device of b that is lost now and then, each time for another b.
func lose(t *testing.T, b **hashing, seed uint64) (d engine.Backend, rebuild func(context.Context) (engine.Backend, error)) {
	steps := rand.New(rand.NewPCG(seed, 98))
	device := func() engine.Backend { return &losing{h200(*b), 100 + steps.IntN(200)} }
	return device(), func(context.Context) (engine.Backend, error) {
		if err := (*b).Close(); err != nil {
			t.Errorf("seed %d: the lost one: %v", seed, err)
		}
		*b = &hashing{vocab: (*b).vocab, context: (*b).context, limits: (*b).limits}
		return device(), nil
	}
}

func randomSchedule(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 99))
	const context_ = 2500
	rows := 1 << random.IntN(4)
	b := &hashing{vocab: 40, context: context_, limits: engine.Limits{
		Rows: rows, Draws: 1 + random.IntN(8), Chunk: 128 << random.IntN(3), PageTokens: 1, Pages: []int{0, context_, 3 * context_, 20 * context_}[random.IntN(4)],
		Deterministic: seed%3 == 1,
	}}
	d := h200(b)
	places := 1 + random.IntN(2*rows)
	o, device, lossy := engine.Options{MaxSequences: places}, engine.Backend(d), seed%5 == 2
	if lossy {
		device, o.Rebuild = lose(t, &b, seed)
	}
	limits := b.limits
	e, err := engine.New(device, o)
	if err != nil {
		t.Fatal(err)
	}
	// Where each reply has a row and memory is ample nothing holds a reply up but steps.
	steady := !lossy && places <= rows && (b.limits.Pages == 0 || b.limits.Pages == 20*context_)
	var calls sync.WaitGroup
	for n := range 2 + random.IntN(14) {
		random := rand.New(rand.NewPCG(seed, 1000+uint64(n)))
		calls.Go(func() {
			time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
			r := engine.Request{
				Tokens: distinct(random.IntN(5), 2+random.IntN(1<<(1+random.IntN(11)))), MaxTokens: 1 + random.IntN(120), Key: fmt.Sprint(random.IntN(3)),
				Sampling: sample.Params{Temperature: 1, Seed: seed, TopK: 20},
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if random.IntN(4) == 0 {
				time.AfterFunc(time.Duration(random.IntN(5000))*time.Millisecond, cancel)
			}
			slow := random.IntN(8) == 0
			var got []int32
			var last time.Time
			start := time.Now()
			_, err := e.Generate(ctx, r, func(token engine.Token) bool {
				got = append(got, token.ID)
				if now := time.Now(); steady && !last.IsZero() && !slow && now.Sub(last) > 50*time.Millisecond+128*d.token+8*d.draw(rows) {
					t.Errorf("seed %d: %v between two tokens", seed, now.Sub(last))
				}
				if last = time.Now(); slow && random.IntN(10) == 0 {
					time.Sleep(time.Duration(random.IntN(4000)) * time.Millisecond)
					last = time.Now()
				}
				return true
			})
			if took := time.Since(start); took > 5*time.Minute {
				t.Errorf("seed %d: a reply took %v", seed, took)
			}
			want := reply(40, context_, r, limits.Deterministic)
			switch {
			case errors.Is(err, context.Canceled) && ctx.Err() != nil && len(got) <= len(want):
				want = want[:len(got)]
			case err != nil:
				t.Errorf("seed %d: %v", seed, err)
			}
			if !slices.Equal(want, got) {
				t.Errorf("seed %d: %v, want %v", seed, got, want)
			}
		})
	}
	calls.Wait()
	time.Sleep(time.Second) // for the step that is under way
	if l := e.Load(); l.Running != 0 || l.Waiting != 0 {
		t.Errorf("seed %d: %+v", seed, l)
	}
	if err := errors.Join(e.Close(), b.Close()); err != nil { // which counts sequences and pages
		t.Errorf("seed %d: %v", seed, err)
	}
}
