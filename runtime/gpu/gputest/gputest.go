// Package gputest opens devices for tests.
package gputest

import (
	"errors"
	"os"
	"sync"
	"testing"

	"gossamer/runtime/gpu"
)

// shared is an open device and how many tests use it.
type shared struct {
	d     *gpu.Device
	users int
}

// devices holds what running tests have open. Tests of one process share a device where their options are equal.
var devices = struct {
	sync.Mutex
	open map[gpu.Options]*shared
	// anchor is a device that nobody uses and nobody closes. It keeps the driver loaded between tests: NVIDIA's finds no adapter any
	// more after a process has loaded and unloaded it some thirty times.
	anchor *gpu.Device
}{open: map[gpu.Options]*shared{}}

// Open returns a device for t. It is shared with the other tests that are running, so buffers and programs should be released,
// and it is closed when the last of them ends. Where there is no adapter, t is skipped; it fails where CI is set, because a
// machine that checks changes must have one.
func Open(t testing.TB, o gpu.Options) *gpu.Device {
	t.Helper()
	devices.Lock()
	defer devices.Unlock()
	s := devices.open[o]
	if s == nil {
		d, err := gpu.Open(t.Context(), o)
		switch {
		case errors.Is(err, gpu.ErrNoAdapter) && os.Getenv("CI") == "":
			t.Skip(err)
		case err != nil:
			t.Fatal(err)
		}
		s = &shared{d: d}
		devices.open[o] = s
		if devices.anchor == nil {
			devices.anchor, err = gpu.Open(t.Context(), gpu.Options{})
			if err != nil {
				t.Logf("no second device: %v", err)
			}
		}
	}
	s.users++
	t.Cleanup(func() {
		devices.Lock()
		defer devices.Unlock()
		if s.users--; s.users == 0 {
			delete(devices.open, o)
			s.d.Close()
		}
	})
	return s.d
}
