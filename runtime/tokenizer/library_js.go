package tokenizer

import (
	"context"
	"time"
)

// A browser's program goes without tiktoken-go, which links net/http and keeps 22 MB of maps: all text goes through encodePieces,
// which the native tests hold against it.
const libraryMax = 0

type library struct{}

func (t *Tokenizer) newLibrary() *library { return nil }

func (t *Tokenizer) encodeLibrary(text string) []int32 {
	tokens, _ := t.encodePieces(context.Background(), text)
	return tokens
}

// restEvery is the time after which JavaScript has its turn, so that it can say that nobody waits any more.
const restEvery = 20 * time.Millisecond

// rest lets JavaScript have its turns during a long computation.
type rest struct{ last time.Time }

// pause returns ctx's error once that has ended. Before, if it can end, it lets JavaScript run now and then: see Encode.
func (r *rest) pause(ctx context.Context) error {
	if ctx.Done() == nil {
		return nil
	}
	if r.last.IsZero() {
		r.last = time.Now()
	}
	if time.Since(r.last) >= restEvery {
		time.Sleep(time.Millisecond)
		r.last = time.Now()
	}
	return ctx.Err()
}
