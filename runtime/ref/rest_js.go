package ref

import "time"

// A browser has one thread for this program and for what reaches it, such as that a reply is no longer wanted. Events come in only while
// every goroutine sleeps; browsers make that 4 ms or more.
const (
	restEvery = 50 * time.Millisecond
	restFor   = time.Millisecond
)

// rest lets events in between parts of a long computation.
type rest struct{ last time.Time }

// take sleeps for a moment if the last time is long enough ago.
func (r *rest) take() {
	if now := time.Now(); now.Sub(r.last) >= restEvery {
		time.Sleep(restFor)
		r.last = time.Now()
	}
}
