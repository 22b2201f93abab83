//go:build !cgo && !static && (linux || darwin || windows) && (amd64 || arm64)

package runtime

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"gossamer/runtime/engine"
	"gossamer/runtime/goldentest"
	"gossamer/runtime/gpu"
	"gossamer/runtime/testenv"
)

// TestLostDeviceIsReplaced loses the device, natively, in the middle of a reply: the model is loaded again and the reply goes on with the
// same tokens.
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
	before := e.Backend()
	if got := generate(5); !slices.Equal(got, want) {
		t.Errorf("the reply became %d, want %d", got, want)
	}
	if e.Backend() == before {
		t.Error("the model was not loaded again")
	}
}
