package engine_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gossamer/runtime/engine"
)

// compiling is a device that has programs for few rows and pieces at first. It takes time to prepare what it is asked for by Ready, one after
// the other, and holds all up where a step cannot wait for that.
type compiling struct {
	*timed
	have   map[[2]int]bool // rows, or tokens of a piece
	wanted [][2]int
	stalls []int // rows of steps that were held up
	widths []int // of all steps
	done   time.Time
}

const compileTime = time.Second

func needs(s *engine.Step) (keys [][2]int) {
	if n := len(s.Rows); n > 0 {
		width := 1
		for width < n {
			width *= 2
		}
		keys = append(keys, [2]int{width, 0})
	}
	if n := len(s.Prefill.Tokens); n > 0 {
		keys = append(keys, [2]int{0, min(n, 2)}) // one token, or more
	}
	return keys
}

func (d *compiling) Ready(s *engine.Step) bool {
	for len(d.wanted) > 0 && !time.Now().Before(d.done) {
		d.have[d.wanted[0]] = true
		d.wanted, d.done = d.wanted[1:], d.done.Add(compileTime)
	}
	ready := true
	for _, k := range needs(s) {
		if d.have[k] {
			continue
		}
		ready = false
		if len(d.wanted) == 0 {
			d.done = time.Now().Add(compileTime)
		}
		if !slices.Contains(d.wanted, k) {
			d.wanted = append(d.wanted, k)
		}
	}
	return ready
}

func (d *compiling) Step(ctx context.Context, s *engine.Step) (engine.Pending, error) {
	if len(s.Rows) > 0 {
		d.widths = append(d.widths, len(s.Rows))
	}
	for _, k := range needs(s) {
		if !d.have[k] {
			d.stalls = append(d.stalls, len(s.Rows))
			time.Sleep(compileTime)
			d.have[k] = true
		}
	}
	return d.timed.Step(ctx, s)
}

// While replies run, a step with more rows, or with a piece of a prompt of another size, waits until the device is ready for it: nobody waits for a
// compiler but a reply that is alone. Those that have no row yet get their share of what is there.
func TestRunningRepliesDoNotWaitForCompilers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &compiling{timed: h200(&hashing{vocab: 40, context: 30000, limits: engine.Limits{Rows: 8, Draws: 8, Chunk: 512}}), have: map[[2]int]bool{}}
		e := newEngine(t, d, engine.Options{MaxSequences: 8})
		ctx, cancel := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		var mu sync.Mutex
		tokens := make([]int, 8)
		var longest time.Duration
		call := func(n int, prompt []int32) {
			calls.Go(func() {
				var last time.Time
				e.Generate(ctx, engine.Request{Tokens: prompt}, func(engine.Token) bool {
					mu.Lock()
					defer mu.Unlock()
					if now := time.Now(); n == 0 && !last.IsZero() {
						longest = max(longest, now.Sub(last))
					}
					last = time.Now()
					tokens[n]++
					return true
				})
			})
		}
		call(0, []int32{0})
		time.Sleep(2 * compileTime)
		if len(d.stalls) != 1 {
			t.Fatalf("one reply was held up by %d compilations, want that of its own program", len(d.stalls))
		}
		for n := 1; n < 8; n++ {
			call(n, slices.Repeat([]int32{int32(n)}, 3*n))
		}
		time.Sleep(compileTime / 2)
		if tokens[1] > 0 {
			t.Error("a prompt was computed before there was a program for it")
		}
		time.Sleep(compileTime)
		for n, got := range tokens {
			if got == 0 {
				t.Errorf("reply %d has no token while the program for all of them is prepared: they don't take turns", n)
			}
		}
		if widest := slices.Max(d.widths); widest > 1 {
			t.Errorf("a step of %d rows before there was a program for it", widest)
		}
		time.Sleep(4 * compileTime)
		if widest := slices.Max(d.widths); widest != 8 {
			t.Errorf("the widest step has %d rows, want 8", widest)
		}
		if len(d.stalls) != 1 {
			t.Errorf("steps of %v rows waited for a compiler, want only the first one", d.stalls)
		}
		if most := 7 * 16 * d.draw(1); longest > most { // a turn of each other, which ends with the run of tokens in which it is over
			t.Errorf("%v between two tokens of the first reply, want at most %v", longest, most)
		}
		cancel()
		calls.Wait()
	})
}
