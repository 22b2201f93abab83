//go:build (linux || darwin || windows) && (amd64 || arm64)

package dawn

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Future is something that a device is to finish.
type Future struct {
	d        *Device
	id       uintptr
	callback uintptr // its number; 0: none is expected

	mu  sync.Mutex
	err error
}

// glance is how long a wait goes on without looking whether the device is lost: Dawn's own can last for ever then.
const glance = 100 * time.Millisecond

// Wait returns once it is done, or the device is lost; the result is that of Err. One goroutine may wait.
func (f *Future) Wait() error {
	for {
		switch status := f.d.library.wait(f.id, uintptr(glance)); status {
		case success:
			return f.Err()
		case timedOut:
			if err := f.d.isLost(); err != nil {
				f.d.library.callbacks.forget(f.callback)
				f.fail(err)
				return err
			}
		default:
			f.fail(fmt.Errorf("waiting failed with status %d", status))
			return f.Err()
		}
	}
}

// Err returns why it failed, after Wait.
func (f *Future) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *Future) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = errors.Join(f.err, err)
}
