// Command wasm is the engine in a browser's worker. It provides web/src/worker/bridge.ts with functions that open a model and answer
// requests, and lives until the worker ends.
//
// The page's side puts a global object gossamer in place before the program starts, with gpu and openDevice for runtime/gpu, and
// ready, which is called with
//
//	{version: string,
//	 open(options: Options) => Promise<Model>,
//	 derive(read: ReadFile, signal: AbortSignal) => Promise<string>, the manifest of a repository that has none
//	 sha256(bytes: Uint8Array) => string, hexadecimal, for pages that the browser gives no crypto.subtle}
//
//	Options  {manifest, model: string, vocabulary: Uint8Array, store: ChunkStore, cpu: bool, context: number, kv: string,
//	          maxBindingBytes: number, noF16, noSubgroups, tested: bool, signal: AbortSignal, onPhase: (phase: string) => void}
//	Model    {info: string, JSON
//	          chat(body: string, onFrame: (json: string, tokens: number[]) => void, signal: AbortSignal, options: ChatOptions) => Promise<void>,
//	          tokenize(text: string, signal: AbortSignal) => Promise<Int32Array>, detokenize(tokens: Int32Array) => string,
//	          stats() => Promise<string>, JSON
//	          close() => Promise<void>}
//
// A promise is rejected with an Error that has code, param, hint and details where they are known (web/src/shared/errors.ts), or with what
// aborted the signal.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"syscall/js"

	gossamer "gossamer/runtime"
	"gossamer/runtime/checkpoint/page"
	"gossamer/runtime/gpu"
	"gossamer/runtime/openai"
	"gossamer/runtime/promise"
)

func main() {
	js.Global().Get("gossamer").Call("ready", map[string]any{
		"version": gossamer.Version,
		"open": function(func(args []js.Value) any {
			o := args[0]
			return newPromise(o.Get("signal"), func(ctx context.Context) (any, error) {
				m, err := open(ctx, o)
				if err != nil {
					return nil, err
				}
				if err := ctx.Err(); err != nil { // nobody will get to see it
					return nil, errors.Join(err, m.close())
				}
				return m.object(), nil
			})
		}),
		"derive": function(func(args []js.Value) any {
			read, signal := args[0], args[1]
			return newPromise(signal, func(ctx context.Context) (any, error) {
				manifest, err := page.Derive(ctx, read)
				return string(manifest), err
			})
		}),
		"sha256": function(func(args []js.Value) any { return hash(args[0]) }),
	})
	select {}
}

// hash is the SHA-256 of a Uint8Array in hexadecimal.
func hash(data js.Value) string {
	h, piece := sha256.New(), make([]byte, min(data.Length(), 1<<20))
	for at := 0; at < data.Length(); {
		n := js.CopyBytesToGo(piece, data.Call("subarray", at, at+len(piece)))
		h.Write(piece[:n])
		at += n
	}
	return hex.EncodeToString(h.Sum(nil))
}

// function makes a function for JavaScript, which lives as long as the program.
func function(f func(args []js.Value) any) js.Func {
	return js.FuncOf(func(_ js.Value, args []js.Value) any { return f(args) })
}

// newPromise runs work in a goroutine and returns a promise of its result. work's context ends when signal, which may be undefined,
// is aborted; then the promise is rejected with the signal's reason whatever work returns.
func newPromise(signal js.Value, work func(context.Context) (any, error)) js.Value {
	executor := js.FuncOf(func(_ js.Value, args []js.Value) any {
		resolve, reject := args[0], args[1]
		ctx, cancel := context.WithCancel(context.Background())
		stop := onAbort(signal, cancel)
		go func() {
			defer cancel()
			result, err := work(ctx)
			stop()
			switch {
			case aborted(signal):
				reject.Invoke(signal.Get("reason"))
			case err != nil:
				reject.Invoke(jsError(err))
			default:
				resolve.Invoke(result)
			}
		}()
		return nil
	})
	defer executor.Release()
	return js.Global().Get("Promise").New(executor)
}

// onAbort calls f when signal is aborted, until stop is called.
func onAbort(signal js.Value, f func()) (stop func()) {
	if !signal.Truthy() {
		return func() {}
	}
	if aborted(signal) {
		f()
	}
	listener := js.FuncOf(func(js.Value, []js.Value) any {
		f()
		return nil
	})
	signal.Call("addEventListener", "abort", listener)
	return func() {
		signal.Call("removeEventListener", "abort", listener)
		listener.Release()
	}
}

func aborted(signal js.Value) bool { return signal.Truthy() && signal.Get("aborted").Bool() }

// jsError makes an Error for JavaScript. What the page itself failed with is handed back as it came, with the message of where it
// mattered.
func jsError(err error) js.Value {
	e := js.Global().Get("Error").New(err.Error())
	var thrown *promise.Error
	var faulty *faultyError
	switch {
	case errors.Is(err, gpu.ErrLost):
		e.Set("code", "device-lost")
	case errors.Is(err, gpu.ErrOutOfMemory):
		e.Set("code", "out-of-memory")
	case errors.As(err, &faulty):
		e.Set("code", "faulty-gpu")
	case errors.As(err, &thrown) && thrown.Value.Type() == js.TypeObject:
		for _, name := range []string{"code", "hint", "details", "name"} {
			if v := thrown.Value.Get(name); !v.IsUndefined() {
				e.Set(name, v)
			}
		}
	default:
		response, status := openai.Error(err)
		if status >= 400 && status < 500 {
			e.Set("code", "bad-request")
			e.Set("message", response.Error.Message)
		}
		if p := response.Error.Param; p != nil {
			e.Set("param", *p)
		}
		e.Set("details", map[string]any{"api": map[string]any{"status": status, "error": map[string]any{
			"message": response.Error.Message, "type": response.Error.Type,
			"param": orNull(response.Error.Param), "code": orNull(response.Error.Code),
		}}})
	}
	return e
}

func orNull(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}
