//go:build (linux || darwin || windows) && (amd64 || arm64)

package dawn

import (
	"runtime"
	"sync"

	"github.com/ebitengine/purego"
)

// callbacks are functions that C can call. They can't be freed, so a library makes one of each form; what a call is for follows from a
// number that C passes back, and no pointer of Go's goes through C. C calls them on the thread of the call of ours that makes it
// happen, or on a thread of its own.
type callbacks struct {
	handle uintptr // (status, object, message, number): of requests
	status uintptr // (status, message, number): of mappings and finished work
	device uintptr // (address of the device, reason, message, number): of losses and errors

	mu       sync.Mutex
	last     uintptr
	expected map[uintptr]func(status uint32, object uintptr, message string)
}

// register expects calls with the returned number.
func (c *callbacks) register(f func(status uint32, object uintptr, message string)) uintptr {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	c.expected[c.last] = f
	return c.last
}

// forget expects no more calls with that number.
func (c *callbacks) forget(number uintptr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.expected, number)
}

// called passes a call on, unless nobody expects it.
func (c *callbacks) called(number uintptr, status uint32, object uintptr, message stringView) {
	c.mu.Lock()
	f := c.expected[number]
	c.mu.Unlock()
	if f != nil {
		f(status, object, message.String())
	}
}

func newCallbacks() *callbacks {
	c := &callbacks{expected: map[uintptr]func(uint32, uintptr, string){}}
	if runtime.GOOS == "windows" { // C passes the address of a string view there, and wants a result
		c.handle = purego.NewCallback(func(status, object uintptr, message *stringView, number, _ uintptr) uintptr {
			c.called(number, uint32(status), object, *message)
			return 0
		})
		c.status = purego.NewCallback(func(status uintptr, message *stringView, number, _ uintptr) uintptr {
			c.called(number, uint32(status), 0, *message)
			return 0
		})
		c.device = purego.NewCallback(func(_, reason uintptr, message *stringView, number, _ uintptr) uintptr {
			c.called(number, uint32(reason), 0, *message)
			return 0
		})
		return c
	}
	c.handle = purego.NewCallback(func(status uint32, object uintptr, text *byte, n, number, _ uintptr) {
		c.called(number, status, object, stringView{text, n})
	})
	c.status = purego.NewCallback(func(status uint32, text *byte, n, number, _ uintptr) {
		c.called(number, status, 0, stringView{text, n})
	})
	c.device = purego.NewCallback(func(_ uintptr, reason uint32, text *byte, n, number, _ uintptr) {
		c.called(number, reason, 0, stringView{text, n})
	})
	return c
}
