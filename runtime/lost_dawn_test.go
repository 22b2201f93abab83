//go:build !cgo && !static && (linux || darwin || windows) && (amd64 || arm64)

package runtime

import (
	"errors"
	"flag"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"gossamer/runtime/engine"
	"gossamer/runtime/goldentest"
	"gossamer/runtime/gpu"
	"gossamer/runtime/testenv"
)

var losses = flag.Int("losses", 3, "losses of the device in TestLostDeviceIsReplaced")

// TestLostDeviceIsReplaced loses the device, natively, at random places of a reply: each time the model is loaded again and the reply goes on
// with the same tokens.
func TestLostDeviceIsReplaced(t *testing.T) {
	e, err := Open(t.Context(), filepath.Join(goldentest.Dir(t), "gqa_window8", "model"), Options{Backend: WebGPU})
	if errors.Is(err, gpu.ErrNoAdapter) {
		testenv.Missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	generate := func(loseAt int) (ids []int32) {
		t.Helper()
		_, err := e.Generate(t.Context(), engine.Request{Tokens: []int32{18, 3, 7}, MaxTokens: 40}, func(token engine.Token) bool {
			if ids = append(ids, token.ID); len(ids) == loseAt {
				e.loaded.mu.Lock()
				defer e.loaded.mu.Unlock()
				e.loaded.device.Lose()
			}
			return true
		})
		if err != nil {
			t.Error(err)
		}
		return ids
	}
	want := generate(0)
	random := rand.New(rand.NewPCG(1, 2))
	for range *losses {
		at, before := 1+random.IntN(len(want)-1), e.Backend()
		if got := generate(at); !slices.Equal(got, want) {
			t.Errorf("lost at token %d, the reply became %d, want %d", at, got, want)
		}
		if e.Backend() == before {
			t.Errorf("lost at token %d, the model was not loaded again", at)
		}
	}
}
