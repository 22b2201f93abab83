package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall/js"
	"time"

	gossamer "gossamer/runtime"
	"gossamer/runtime/chat"
	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/page"
	"gossamer/runtime/gpu"
	"gossamer/runtime/model"
	"gossamer/runtime/openai"
	"gossamer/runtime/ref"
	"gossamer/runtime/selftest"
	"gossamer/runtime/tokenizer"
)

// openModel is a model with the device that it has to itself.
type openModel struct {
	name      string
	device    *gpu.Device // nil: the processor computes
	deviation *float64    // of the self-test; nil: not made
	engine    *gossamer.Engine

	warming sync.WaitGroup
	cool    context.CancelFunc // ends warming
}

// faultyError means that the device did not pass the self-test.
type faultyError struct{ reason string }

func (e *faultyError) Error() string { return e.reason }

// info is EngineInfo of web/src/shared/engine.ts.
type info struct {
	Model   string `json:"model"`
	Backend string `json:"backend"`
	Context int    `json:"context"` // positions
	KV      string `json:"kv"`
	Memory  memory `json:"memory"`
	Device  *caps  `json:"device,omitempty"` // absent on the processor
	// Deviation is what the self-test found; absent: it was not made.
	Deviation *float64 `json:"deviation,omitempty"`
}

// memory is what the model takes of the device's, or on the processor of the tab's, in bytes.
type memory struct {
	Weights    int64 `json:"weights"`
	KV         int64 `json:"kv"`
	Scratch    int64 `json:"scratch"`
	KVPerToken int64 `json:"kvPerToken"`
}

// caps is what the kernels use of the device.
type caps struct {
	MaxBindingBytes int64 `json:"maxBindingBytes"`
	F16             bool  `json:"f16"`
	Subgroups       bool  `json:"subgroups"`
}

// stats are EngineStats of web/src/shared/engine.ts: how busy the engine is, and the device's counters.
type stats struct {
	Replies      int   `json:"replies"`   // in progress and in line
	Tokens       int64 `json:"tokens"`    // of all replies so far
	Crossings    int64 `json:"crossings"` // calls between Go and JavaScript
	Submits      int64 `json:"submits"`
	Dispatches   int64 `json:"dispatches"`
	Readbacks    int64 `json:"readbacks"`
	BytesWritten int64 `json:"bytesWritten"` // to the device
	BytesBeside  int64 `json:"bytesBeside"`  // of those, what did not pass through Go
	BytesRead    int64 `json:"bytesRead"`
	DeviceBytes  int64 `json:"deviceBytes"` // allocated
}

// open opens a model; see main for what o holds.
func open(ctx context.Context, o js.Value) (_ *openModel, err error) {
	ranks := make([]byte, o.Get("vocabulary").Length())
	js.CopyBytesToGo(ranks, o.Get("vocabulary"))
	tok, err := tokenizer.New(ranks)
	if err != nil {
		return nil, err
	}
	ck, err := page.Open([]byte(o.Get("manifest").String()), o.Get("store"))
	if err != nil {
		return nil, err
	}
	number := func(name string) int64 {
		if v := o.Get(name); v.Type() == js.TypeNumber {
			return int64(v.Float())
		}
		return 0
	}
	phase := func(name string) {
		if f := o.Get("onPhase"); f.Type() == js.TypeFunction && ctx.Err() == nil {
			f.Invoke(name)
		}
	}
	m := &openModel{name: o.Get("model").String(), cool: func() {}}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	options := gossamer.Options{Backend: gossamer.CPU, Checkpoint: ck, Tokenizer: tok, Context: int(number("context"))}
	if v := o.Get("kv"); v.Type() == js.TypeString {
		options.KV = gossamer.Precision(v.String())
	}
	if !o.Get("cpu").Truthy() {
		m.device, err = gpu.Open(ctx, gpu.Options{
			MaxBindingBytes: number("maxBindingBytes"), NoF16: o.Get("noF16").Truthy(), NoSubgroups: o.Get("noSubgroups").Truthy(),
		})
		if err != nil {
			return nil, err
		}
		if err := m.test(ctx, o.Get("tested").Truthy(), phase); err != nil {
			return nil, err
		}
		options.Backend, options.Device = gossamer.WebGPU, m.device
		options.Progress = func(p checkpoint.Progress) {
			if p.BytesDone == p.BytesTotal {
				phase("compile") // has begun before, and is all that is left
			}
		}
	}
	phase("load")
	if m.engine, err = gossamer.Open(ctx, m.name, options); err != nil {
		return nil, err
	}
	runtime.GC() // of what loading took
	if gpuModel, ok := m.engine.Backend().(*model.Model); ok {
		// What is left is small, the vocabulary mostly. Collections interrupt replies, so from now on they wait until it has grown well.
		debug.SetGCPercent(400)
		warm, cool := context.WithCancel(context.Background())
		m.cool = cool
		m.warming.Go(func() { gpuModel.WarmUp(warm) }) // a prompt will meet the same error
	}
	return m, nil
}

// test makes the device's self-test, unless it has passed before.
func (m *openModel) test(ctx context.Context, passed bool, phase func(name string)) error {
	if passed {
		return nil
	}
	phase("test")
	result, err := selftest.Run(ctx, m.device)
	if err != nil {
		return err
	}
	if !result.Passed() {
		return &faultyError{result.Reason()}
	}
	m.deviation = &result.Deviation
	return nil
}

// object is the model for JavaScript.
func (m *openModel) object() map[string]any {
	functions := map[string]func(args []js.Value) any{
		"chat": func(args []js.Value) any {
			body, onFrame, signal, o := args[0].String(), args[1], args[2], readChatOptions(args[3])
			return newPromise(signal, func(ctx context.Context) (any, error) {
				return nil, m.chat(ctx, []byte(body), o, func(frame string, tokens []any) bool {
					if aborted(signal) {
						return false
					}
					onFrame.Invoke(frame, tokens)
					return true
				})
			})
		},
		"tokenize": func(args []js.Value) any {
			text := args[0].String()
			return newPromise(args[1], func(ctx context.Context) (any, error) {
				ids, err := m.engine.Tokenizer().EncodeContext(ctx, text)
				return toInt32Array(ids), err
			})
		},
		"detokenize": func(args []js.Value) any { return m.detokenize(args[0]) },
		// A promise, since the device may be waiting for the browser: a call that waited for it would end the program by a deadlock.
		"stats": func([]js.Value) any {
			return newPromise(js.Undefined(), func(context.Context) (any, error) { return m.stats(), nil })
		},
	}
	object := map[string]any{"info": m.info()}
	var exported []js.Func
	for name, f := range functions {
		exported = append(exported, function(f))
		object[name] = exported[len(exported)-1]
	}
	var closing js.Func
	closing = function(func([]js.Value) any {
		return newPromise(js.Undefined(), func(context.Context) (any, error) {
			err := m.close()
			for _, f := range append(exported, closing) {
				f.Release()
			}
			return nil, err
		})
	})
	object["close"] = closing
	return object
}

// chatOptions are ChatOptions of web/src/shared/engine.ts.
type chatOptions struct {
	strict   bool
	reply    []int32
	progress func(done, total int) // nil: nobody listens
}

func readChatOptions(v js.Value) (o chatOptions) {
	if v.IsUndefined() {
		return o
	}
	o.strict = v.Get("strict").Truthy()
	if reply := v.Get("reply"); reply.Truthy() {
		for i := range reply.Length() {
			o.reply = append(o.reply, int32(reply.Index(i).Int()))
		}
	}
	if f := v.Get("onPrompt"); f.Type() == js.TypeFunction {
		o.progress = func(done, total int) { f.Invoke(done, total) }
	}
	return o
}

// chat answers a request and hands out its frames until emit returns false, each with the tokens since the one before: their ids, and the
// milliseconds since the call. What is unknown in the request is left out, or refused if o says so.
func (m *openModel) chat(ctx context.Context, body []byte, o chatOptions, emit func(frame string, tokens []any) bool) error {
	start := time.Now()
	decode := openai.Decode
	if o.strict {
		decode = openai.DecodeStrict
	}
	r, err := decode(body)
	if err != nil {
		return err
	}
	if len(o.reply) > 0 && r.N != 1 {
		return errors.New("one reply can go on, not several")
	}
	tokens := []any{}
	if r.N == 1 {
		r.Chat.Heard = func(id int32) { tokens = append(tokens, id, float64(time.Since(start).Microseconds())/1e3) }
	}
	r.Chat.Progress, r.Chat.Reply = o.progress, o.reply
	send := func(frame string) bool {
		since := tokens
		tokens = []any{}
		return emit(frame, since)
	}
	unenforced, err := m.engine.Prepare(ctx, r.Chat)
	if err != nil {
		return r.Placed(err)
	}
	r.Unenforced(unenforced)
	answer := openai.Options{ID: fmt.Sprintf("chatcmpl-%016x", rand.Uint64()), Created: time.Now(), Model: m.name, IncludeUsage: r.IncludeUsage, Ignored: r.Ignored}
	events := chat.Choices(ctx, m.engine.Chat, r.Chat, r.N)
	if !r.Stream {
		replies, err := chat.CollectChoices(events, r.N)
		if err != nil {
			return r.Placed(err)
		}
		completion, err := openai.NewCompletion(replies, answer)
		if err != nil {
			return err
		}
		send(encode(completion))
		return nil
	}
	for chunk, err := range openai.Stream(events, answer) {
		if err != nil {
			return r.Placed(err)
		}
		if !send(encode(chunk)) {
			return nil
		}
	}
	return nil
}

// detokenize writes tokens as text, markers by their names. Unknown ids become U+FFFD.
func (m *openModel) detokenize(tokens js.Value) string {
	tok, text := m.engine.Tokenizer(), ""
	var run []int32
	flush := func() {
		text += string(tok.Decode(run))
		run = run[:0]
	}
	for i := range tokens.Length() {
		id := int32(tokens.Index(i).Int())
		if name, ok := tok.SpecialText(id); ok {
			flush()
			text += name
		} else if tok.Bytes(id) == nil {
			flush()
			text += "\ufffd"
		} else {
			run = append(run, id)
		}
	}
	flush()
	return text
}

func toInt32Array(tokens []int32) js.Value {
	p := make([]byte, 0, 4*len(tokens))
	for _, t := range tokens {
		p = binary.LittleEndian.AppendUint32(p, uint32(t))
	}
	bytes := js.Global().Get("Uint8Array").New(len(p))
	js.CopyBytesToJS(bytes, p)
	return js.Global().Get("Int32Array").New(bytes.Get("buffer"))
}

func (m *openModel) info() string {
	e := m.engine.Info()
	i := info{Model: m.name, Backend: string(e.Backend), Context: e.Context, KV: string(e.KV), Memory: m.memory(), Deviation: m.deviation}
	if m.device != nil {
		c := m.device.Caps()
		i.Device = &caps{c.MaxBindingBytes, c.Variant.F16, c.Variant.Subgroups}
	}
	return encode(i)
}

func (m *openModel) memory() memory {
	if gpuModel, ok := m.engine.Backend().(*model.Model); ok {
		f := gpuModel.Footprint()
		return memory{f.Weights, f.KV, f.Scratch, f.PerToken}
	}
	e := m.engine.Info()
	weights, perToken := int64(0), int64(2*4*e.Config.Layers*e.Config.KVDim())
	for _, t := range e.Config.Tensors() {
		weights += t.Bytes()
	}
	kv := perToken * int64(e.Context)
	return memory{weights, kv, ref.MemoryNeeded(e.Config, e.Context) - weights - kv, perToken}
}

func (m *openModel) stats() string {
	load := m.engine.Load()
	all := stats{Replies: load.Running + load.Waiting, Tokens: load.GeneratedTokens}
	if m.device != nil {
		s := m.device.Stats()
		all.Crossings, all.Submits, all.Dispatches, all.Readbacks = s.Crossings, s.Submits, s.Dispatches, s.Readbacks
		all.BytesWritten, all.BytesBeside, all.BytesRead, all.DeviceBytes = s.BytesWritten, s.BytesBeside, s.BytesRead, s.LiveBytes
	}
	return encode(all)
}

// close frees the model and its device.
func (m *openModel) close() error {
	var err error
	m.cool()
	m.warming.Wait()
	if m.engine != nil {
		err = m.engine.Close()
	}
	if m.device != nil {
		m.device.Close()
	}
	return err
}

// encode is JSON of this program's own data, which always has a form.
func encode(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}
