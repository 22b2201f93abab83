// Package promise waits for JavaScript's promises. It exists in builds for browsers only.
package promise

import (
	"context"
	"syscall/js"
)

// Error is what a promise was rejected with, or what a call threw.
type Error struct{ Value js.Value }

func (e *Error) Error() string {
	if e.Value.Type() == js.TypeObject {
		if m := e.Value.Get("message"); m.Type() == js.TypeString {
			return m.String()
		}
	}
	return e.Value.String()
}

// Await waits until p, a promise or a plain value, is settled, and returns what it was fulfilled with; a rejection is an *Error.
// If ctx ends first, Await returns its error. JavaScript runs while Await waits: it would wait for ever in the body of a
// js.Func, which JavaScript itself waits for.
func Await(ctx context.Context, p js.Value) (js.Value, error) {
	type result struct {
		value js.Value
		err   error
	}
	settled := make(chan result, 1)
	var fulfilled, rejected js.Func
	settle := func(r result) any {
		fulfilled.Release()
		rejected.Release()
		settled <- r
		return nil
	}
	fulfilled = js.FuncOf(func(_ js.Value, args []js.Value) any { return settle(result{value: args[0]}) })
	rejected = js.FuncOf(func(_ js.Value, args []js.Value) any { return settle(result{err: &Error{args[0]}}) })
	js.Global().Get("Promise").Call("resolve", p).Call("then", fulfilled, rejected)
	select {
	case r := <-settled:
		return r.value, r.err
	case <-ctx.Done():
		return js.Undefined(), ctx.Err()
	}
}
