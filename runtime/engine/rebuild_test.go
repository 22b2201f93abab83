package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
)

// lostDevice is what a step meets.
type lostDevice struct{}

func (lostDevice) Error() string    { return "the device is lost" }
func (lostDevice) DeviceLost() bool { return true }

// fragile returns a backend whose device is lost at the step that ends steps, and each step after that.
func fragile(steps int) *failingDevice {
	b := &hashing{vocab: 40, context: 180, limits: engine.Limits{Rows: 2, Draws: 2, Chunk: 64, Pages: 400}}
	return &failingDevice{b, func() error {
		if steps--; steps < 0 {
			return fmt.Errorf("step: %w", lostDevice{})
		}
		return nil
	}}
}

// TestLostDevicesAreReplaced: whenever the device is lost, the replies go on with the tokens that they would have got.
func TestLostDevicesAreReplaced(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	b, losses := fragile(5), 0
	e, err := engine.New(b, engine.Options{MaxSequences: 3, Rebuild: func(context.Context) (engine.Backend, error) {
		if err := b.Close(); err != nil {
			t.Error("the lost one: ", err)
		}
		losses++
		if b = fragile(20 + random.IntN(20)); losses == 100 {
			b = fragile(1 << 30)
		}
		return b, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	var calls sync.WaitGroup
	for n := range int32(6) {
		calls.Go(func() {
			r := engine.Request{
				Tokens: []int32{n / 2, n, 5, n}, MaxTokens: 150,
				Sampling: sample.Params{Temperature: 1, Seed: uint64(n), PresencePenalty: 0.1, TopK: 20},
			}
			got, result := generate(t, e, r)
			if d := cmp.Diff(continuation(40, 180, r), got); d != "" || result.Finish != engine.FinishLength {
				t.Errorf("reply %d, %v: %s", n, result.Finish, d)
			}
		})
	}
	calls.Wait()
	if err := errors.Join(e.Close(), b.Close()); err != nil {
		t.Error(err)
	}
	t.Logf("lost %d times", losses)
	if losses < 5 {
		t.Errorf("the device was lost %d times, want 5 at least", losses)
	}
}

// TestDevicesThatCannotBeReplaced: replies end with an error that tells of the loss where there is no other device, where it can't be had, and
// where each is lost in turn. The next reply gets what there is then.
func TestDevicesThatCannotBeReplaced(t *testing.T) {
	request := engine.Request{Tokens: []int32{1, 2, 3}, MaxTokens: 20}
	fails := func(e *engine.Engine, want string) {
		t.Helper()
		if _, err := e.Generate(t.Context(), request, func(engine.Token) bool { return true }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	fails(newEngine(t, fragile(1), engine.Options{}), "the device is lost")

	tries := 0
	e := newEngine(t, fragile(0), engine.Options{Rebuild: func(context.Context) (engine.Backend, error) {
		tries++
		return fragile(0), nil
	}})
	fails(e, "the device is lost")
	if tries != 3 {
		t.Errorf("%d devices were tried, want 3", tries)
	}

	var next engine.Backend
	e = newEngine(t, fragile(1), engine.Options{Rebuild: func(context.Context) (engine.Backend, error) {
		if next == nil {
			return nil, errors.New("no device any more")
		}
		return next, nil
	}})
	fails(e, "no device any more")
	fails(e, "no device any more")
	next = fragile(1 << 30)
	got, _ := generate(t, e, request)
	if d := cmp.Diff(continuation(40, 180, request), got); d != "" {
		t.Errorf("with a new device: %s", d)
	}
}

// TestCloseWhileADeviceIsReplaced ends the replies and the loading.
func TestCloseWhileADeviceIsReplaced(t *testing.T) {
	loading := make(chan struct{})
	e, err := engine.New(fragile(1), engine.Options{Rebuild: func(ctx context.Context) (engine.Backend, error) {
		close(loading)
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-loading
		e.Close()
	}()
	if _, err := e.Generate(t.Context(), engine.Request{Tokens: []int32{1}, MaxTokens: 20}, func(engine.Token) bool { return true }); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}
