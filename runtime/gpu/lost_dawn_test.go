//go:build !cgo && !js && !static && (linux || darwin || windows) && (amd64 || arm64)

package gpu_test

import (
	"errors"
	"testing"

	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
)

// TestLostDeviceOnDawn loses devices at rest and during a wait. Each call on them fails with ErrLost, what was made can be released, and a
// new device works.
func TestLostDeviceOnDawn(t *testing.T) {
	gputest.Open(t, gpu.Options{}) // skips where there is no adapter
	for _, waiting := range []bool{false, true} {
		d, err := gpu.Open(t.Context(), gpu.Options{})
		if err != nil {
			t.Fatal(err)
		}
		p, x := newCounter(t, d)
		pl := newPipeline(t, d, increment)
		if err := errors.Join(d.Submit(t.Context(), p), d.Wait(t.Context())); err != nil {
			t.Fatal(err)
		}
		waited := make(chan error, 1)
		if waiting {
			busy := d.NewProgram("busy")
			if err := busy.Dispatch(newPipeline(t, d, spin), [3]int{64, 1, 1}, gpu.Binding{Buffer: newBuffer(t, d, "spin", 64*256, gpu.Storage)}); err != nil {
				t.Fatal(err)
			}
			if err := d.Submit(t.Context(), busy); err != nil {
				t.Fatal(err)
			}
			go func() { waited <- d.Wait(t.Context()) }()
		}
		d.Lose()
		if waiting {
			if err := <-waited; err != nil { // what was submitted may have ended in time
				wantError(t, err, gpu.ErrLost, "gpu: wait:")
			}
		}
		word := make([]byte, 4)
		_, bufferErr := d.NewBuffer("late", 4, gpu.Storage)
		_, pipelineErr := d.NewPipeline(increment)
		for _, err := range []error{
			d.Write(x, 0, word), d.Read(t.Context(), x, 0, word), d.Submit(t.Context(), p), d.Wait(t.Context()), bufferErr, pipelineErr,
			d.NewProgram("late").Dispatch(pl, [3]int{1, 1, 1}, gpu.Binding{Buffer: x}),
		} {
			wantError(t, err, gpu.ErrLost, "gpu: ")
		}
		d.Close()
	}
	newCounter(t, gputest.Open(t, gpu.Options{}))
	d, err := gpu.Open(t.Context(), gpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	p, x := newCounter(t, d)
	if err := d.Submit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if got := readWords(t, d, x, 1)[0]; got != 1 {
		t.Errorf("a new device counts %d, want 1", got)
	}
}
