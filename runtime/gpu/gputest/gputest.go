// Package gputest opens devices for tests and poisons their buffers.
package gputest

import (
	"encoding/binary"
	"errors"
	"sync"
	"testing"

	"gossamer/runtime/gpu"
	"gossamer/runtime/testenv"
)

// devices are those that tests of this process have opened. They stay open: opening costs more than many a test, and NVIDIA's driver
// finds no adapter any more after a process has loaded and unloaded it some thirty times.
var devices = struct {
	sync.Mutex
	open map[gpu.Options]*gpu.Device
}{open: map[gpu.Options]*gpu.Device{}}

// Open returns a device for t. All tests of a process that give the same options share it, so buffers and programs should be
// released, and nobody may close it. Where there is no adapter, t is skipped; it fails where CI is set, because a machine that checks
// changes must have one.
func Open(t testing.TB, o gpu.Options) *gpu.Device {
	t.Helper()
	devices.Lock()
	defer devices.Unlock()
	if d := devices.open[o]; d != nil {
		return d
	}
	d, err := gpu.Open(t.Context(), o)
	switch {
	case errors.Is(err, gpu.ErrNoAdapter):
		testenv.Missing(t, err)
	case err != nil:
		t.Fatal(err)
	}
	devices.open[o] = d
	return d
}

// Poison fills a buffer with word, so that elements that a kernel fails to write are found.
func Poison(t testing.TB, b *gpu.Buffer, word uint32) {
	t.Helper()
	p := make([]byte, 0, b.Bytes())
	for len(p) < cap(p) {
		p = binary.LittleEndian.AppendUint32(p, word)
	}
	if err := b.Write(0, p); err != nil {
		t.Fatal(err)
	}
}
