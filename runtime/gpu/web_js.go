package gpu

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall/js"
	"unsafe"

	"gossamer/runtime/promise"
	"gossamer/shaders"
)

// In a browser the page makes the device, because it alone can ask for limits and features, and hands it over through the global
// object gossamer:
//
//	gossamer.gpu           the table of GPU objects, web/src/worker/gpu.ts
//	gossamer.openDevice()  a promise of {device: GPUDevice, info: GPUAdapterInfo}, a new device each time

// Imports of gpu.ts: each is one call from WebAssembly to JavaScript, of a few nanoseconds. 0 means an error.

//go:wasmimport gossamer_gpu submit
func jsSubmit(device uint32, list unsafe.Pointer, words uint32) uint32

//go:wasmimport gossamer_gpu flush
func jsFlush(device, token uint32) uint32

//go:wasmimport gossamer_gpu write
func jsWrite(device, buffer uint32, off float64, p unsafe.Pointer, n uint32) uint32

//go:wasmimport gossamer_gpu readback
func jsReadback(device uint32, list unsafe.Pointer, words, staging, src uint32, off float64, n, token uint32) uint32

//go:wasmimport gossamer_gpu take
func jsTake(device, staging uint32, p unsafe.Pointer, n uint32) uint32

//go:wasmimport gossamer_gpu group
func jsGroup(device, layout uint32, list unsafe.Pointer, n uint32) uint32

// Objects are numbers in the page's table; 0 is none.
type (
	rawBuffer     = uint32
	rawGroup      = uint32
	rawSubmission = *wait
)

// rawPipeline is a shader, perhaps still being compiled, with the layout of its bind group.
type rawPipeline struct {
	d                *rawDevice
	layout, pipeline uint32
	compiled         *wait
}

// rawDevice is a device in the page's table.
type rawDevice struct {
	table     js.Value
	device    uint32
	done      js.Func     // of gpu.ts's addDevice
	lost      chan string // the reason, once; buffered
	list      []uint32    // of the last submit, reused
	compiling []*wait     // of pipelines that are not known to be ready
	calls     int64       // see Stats.Crossings

	mu    sync.Mutex // guards what follows; never held while waiting
	token uint32     // of the last wait
	waits map[uint32]*wait
}

// wait is an asynchronous operation of JavaScript.
type wait struct {
	done chan struct{}
	err  error // valid once done is closed
}

// host is what the page provides.
func host() (js.Value, error) {
	h := js.Global().Get("gossamer")
	if h.Type() != js.TypeObject {
		return h, fmt.Errorf("%w: the page has not set the global object gossamer, from which devices come", ErrNoAdapter)
	}
	return h, nil
}

// askDevice asks the page for a new device.
func askDevice() (h, device, info js.Value, err error) {
	h, err = host()
	if err != nil {
		return h, device, info, err
	}
	answer, err := promise.Await(context.Background(), h.Call("openDevice"))
	if err != nil {
		return h, device, info, fmt.Errorf("%w: %w", ErrNoAdapter, err)
	}
	return h, answer.Get("device"), answer.Get("info"), nil
}

// rawLibrary names the browser's own.
func rawLibrary() string { return "the browser" }

// rawAdapters lists the one adapter that the page would use.
func rawAdapters() (infos []AdapterInfo, err error) {
	defer caught(&err)
	_, device, told, err := askDevice()
	if err != nil {
		return nil, err
	}
	device.Call("destroy")
	return []AdapterInfo{adapterInfo(told)}, nil
}

// rawOpen takes a new device from the page.
func rawOpen(o Options) (d *rawDevice, caps Caps, err error) {
	defer caught(&err)
	h, device, told, err := askDevice()
	if err != nil {
		return nil, caps, err
	}
	info := adapterInfo(told)
	if _, err := choose([]AdapterInfo{info}, o); err != nil {
		device.Call("destroy")
		return nil, caps, err
	}
	limit := func(name string) int { return device.Get("limits").Get(name).Int() }
	has := func(name string) bool { return device.Get("features").Call("has", name).Bool() }
	binding := int64(limit("maxStorageBufferBindingSize"))
	if o.MaxBindingBytes > 0 {
		binding = min(binding, o.MaxBindingBytes)
	}
	caps = Caps{
		Adapter:         info,
		MaxBindingBytes: binding / 4 * 4,
		MaxUniformBytes: int64(limit("maxUniformBufferBindingSize")) / 16 * 16,
		MaxBufferBytes:  int64(limit("maxBufferSize")) / 16 * 16,
		OffsetAlignment: int64(max(limit("minStorageBufferOffsetAlignment"), limit("minUniformBufferOffsetAlignment"))),

		MaxWorkgroupsPerDim: limit("maxComputeWorkgroupsPerDimension"),
		MaxStorageBuffers:   limit("maxStorageBuffersPerShaderStage"),
		MaxWorkgroupBytes:   limit("maxComputeWorkgroupStorageSize"),
		MaxInvocations:      limit("maxComputeInvocationsPerWorkgroup"),
		MaxWorkgroupSize:    [3]int{limit("maxComputeWorkgroupSizeX"), limit("maxComputeWorkgroupSizeY"), limit("maxComputeWorkgroupSizeZ")},

		AsyncCompile: true,

		Variant: shaders.Variant{Dialect: shaders.Tint, F16: !o.NoF16 && has("shader-f16"), Subgroups: !o.NoSubgroups && has("subgroups")},
	}
	if v := &caps.Variant; v.F16 && v.Subgroups && !o.NoMatrices && has("chromium-experimental-subgroup-matrix") {
		v.Matrix = jsMatrix(told)
	}
	d = &rawDevice{table: h.Get("gpu"), lost: make(chan string, 1), waits: map[uint32]*wait{}}
	d.done = js.FuncOf(func(_ js.Value, args []js.Value) any {
		d.settle(uint32(args[0].Int()), args[1].String())
		return nil
	})
	var lost js.Func
	lost = js.FuncOf(func(_ js.Value, args []js.Value) any {
		lost.Release()
		d.lost <- args[0].String()
		return nil
	})
	d.device = uint32(d.table.Call("addDevice", device, d.done, lost).Int())
	return d, caps, nil
}

// watch calls f when the device is lost, which closing it counts as too.
func (d *rawDevice) watch(f func(error)) {
	go func() { f(pageError(<-d.lost)) }()
}

// crossings is the number of calls between Go and JavaScript for programs, writes and reads.
func (d *rawDevice) crossings() int64 { return d.calls }

// newWait registers an operation; JavaScript reports its end by the token.
func (d *rawDevice) newWait() (token uint32, w *wait) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.token++
	w = &wait{done: make(chan struct{})}
	d.waits[d.token] = w
	return d.token, w
}

// settle is called at the end of an operation, with its error message or "".
func (d *rawDevice) settle(token uint32, message string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	w := d.waits[token]
	if w == nil {
		return
	}
	delete(d.waits, token)
	if message != "" {
		w.err = pageError(message)
	}
	close(w.done)
}

// check turns the result of an import into an error.
func (d *rawDevice) check(result uint32) error {
	d.calls++
	if result != 0 {
		return nil
	}
	return pageError(d.table.Get("error").String())
}

// pageError makes an error of a message of gpu.ts.
func pageError(message string) error {
	if reason, ok := strings.CutPrefix(message, "device lost: "); ok {
		return fmt.Errorf("%w: %s", ErrLost, reason)
	}
	return classify(errors.New(message))
}

// close destroys the device. Everything made from it is released before.
func (d *rawDevice) close() {
	d.table.Call("closeDevice", d.device)
	d.done.Release()
}

func (d *rawDevice) newBuffer(label string, n int64, usage Usage) (rawBuffer, error) {
	return d.makeBuffer(label, n, int(usage))
}

func (d *rawDevice) newStaging(n int64) (rawBuffer, error) {
	const readback = 2
	return d.makeBuffer("readback", n, readback)
}

func (d *rawDevice) makeBuffer(label string, n int64, kind int) (b rawBuffer, err error) {
	defer caught(&err)
	id, err := promise.Await(context.Background(), d.table.Call("createBuffer", d.device, label, n, kind))
	if err != nil {
		return 0, err
	}
	return uint32(id.Int()), nil
}

// releaseBuffer destroys the buffer once what was submitted has run.
func (d *rawDevice) releaseBuffer(b rawBuffer) { d.table.Call("drop", b) }

// write queues a write of whole words.
func (d *rawDevice) write(b rawBuffer, off int64, p []byte) error {
	return d.check(jsWrite(d.device, b, float64(off), unsafe.Pointer(unsafe.SliceData(p)), uint32(len(p))))
}

// compilesBeside: newPipeline is done before the compiler is.
const compilesBeside = false

// newPipeline begins to compile s. Errors in the shader are known when it returns. The driver goes on compiling in the background,
// several shaders at a time; submitting a program that uses the pipeline, and waiting for the device, also wait for that.
func (d *rawDevice) newPipeline(s shaders.Shader) (p rawPipeline, err error) {
	defer caught(&err)
	accesses := make([]any, len(s.Bindings))
	for i, a := range s.Bindings {
		accesses[i] = int(a)
	}
	token, compiled := d.newWait()
	ids, err := promise.Await(context.Background(), d.table.Call("createPipeline", d.device, s.Name, s.Source, accesses, token))
	if err != nil {
		d.settle(token, "")
		return p, err
	}
	d.compiling = append(d.compiling, compiled)
	return rawPipeline{d, uint32(ids.Index(0).Int()), uint32(ids.Index(1).Int()), compiled}, nil
}

// awaitCompiled waits for the compilations among waits.
func (d *rawDevice) awaitCompiled(waits []*wait) error {
	for _, w := range waits {
		<-w.done
		if w.err != nil {
			return fmt.Errorf("compile: %w", w.err)
		}
	}
	d.compiling = slices.DeleteFunc(d.compiling, func(w *wait) bool { return slices.Contains(waits, w) })
	return nil
}

// release frees the pipeline.
func (p rawPipeline) release() {
	p.d.compiling = slices.DeleteFunc(p.d.compiling, func(w *wait) bool { return w == p.compiled })
	p.d.table.Call("drop", p.layout)
	p.d.table.Call("drop", p.pipeline)
}

// newGroup builds the bind group of one dispatch.
func (d *rawDevice) newGroup(_ string, p rawPipeline, args []Binding) (rawGroup, error) {
	list := make([]uint32, 0, 24)
	for _, a := range args {
		list = append(list, a.Buffer.raw, uint32(a.Off/4), uint32(a.Size/4))
	}
	g := jsGroup(d.device, p.layout, unsafe.Pointer(unsafe.SliceData(list)), uint32(len(args)))
	return g, d.check(g)
}

// releaseGroup frees a bind group.
func (d *rawDevice) releaseGroup(g rawGroup) { d.table.Call("drop", g) }

// submit replays programs in one call. Without programs it starts the queued writes, and only then can be waited for.
func (d *rawDevice) submit(programs []*Program) (rawSubmission, error) {
	if len(programs) == 0 {
		token, w := d.newWait()
		return w, d.check(jsFlush(d.device, token))
	}
	list, err := d.commands(programs)
	if err != nil {
		return nil, err
	}
	err = d.check(jsSubmit(d.device, unsafe.Pointer(unsafe.SliceData(list)), uint32(len(list))))
	runtime.KeepAlive(list)
	return nil, err
}

// commands is what gpu.ts replays for programs, once their shaders are compiled. It holds until the next call.
func (d *rawDevice) commands(programs []*Program) ([]uint32, error) {
	if len(d.compiling) > 0 {
		var waits []*wait
		for _, p := range programs {
			for _, o := range p.ops {
				if o.n == 0 {
					waits = append(waits, o.pipeline.compiled)
				}
			}
		}
		if err := d.awaitCompiled(waits); err != nil {
			return nil, err
		}
	}
	list := d.list[:0]
	for _, p := range programs {
		for _, o := range p.ops {
			if o.n > 0 {
				list = append(list, 0, o.src, uint32(o.srcOff/4), o.dst, uint32(o.dstOff/4), uint32(o.n/4))
			} else {
				list = append(list, o.pipeline.pipeline, o.group, o.grid[0], o.grid[1], o.grid[2])
			}
		}
	}
	d.list = list
	return list, nil
}

// poll waits for a flush or a readback.
func (d *rawDevice) poll(at rawSubmission) error {
	if at != nil {
		<-at.done
	}
	return nil // what reads afterwards reports
}

// readback starts programs and a copy of n bytes of src at off to the staging buffer. Without src it clears a word there instead, which
// serves to wait: submissions finish in order.
func (d *rawDevice) readback(programs []*Program, staging, src rawBuffer, off, n int64) (rawSubmission, error) {
	if src == 0 {
		if err := d.awaitCompiled(slices.Clone(d.compiling)); err != nil {
			return nil, err
		}
	}
	list, err := d.commands(programs)
	if err != nil {
		return nil, err
	}
	token, w := d.newWait()
	at := unsafe.Pointer(unsafe.SliceData(list))
	err = d.check(jsReadback(d.device, at, uint32(len(list)), staging, src, float64(off), uint32(n), token))
	runtime.KeepAlive(list)
	return w, err
}

// take copies the start of the staging buffer to dst, once poll has waited for its readback.
func (d *rawDevice) take(staging rawBuffer, at rawSubmission, dst []byte) error {
	if at.err != nil {
		return at.err
	}
	return d.check(jsTake(d.device, staging, unsafe.Pointer(unsafe.SliceData(dst)), uint32(len(dst))))
}

// WriteFrom is Device.Write of n bytes of data, a Uint8Array or a StoredFile of web/src/shared/engine.ts, from the index from on: they go
// to the GPU without passing through Go. data may be changed, or closed, at once.
func (b *Buffer) WriteFrom(off int64, data js.Value, from, n int64) error {
	if n == 0 {
		return nil
	}
	d, words := b.d, (n+3)/4*4
	file := !data.InstanceOf(js.Global().Get("Uint8Array"))
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.queueWrite(b, off, words, func() (err error) {
		defer caught(&err)
		if file {
			_, err = promise.Await(context.Background(), d.raw.table.Call("writeFile", d.raw.device, b.raw, off, data, from, n))
		} else {
			d.raw.table.Call("writeFrom", d.raw.device, b.raw, off, data, from, n)
		}
		return err
	})
	if err != nil {
		return err
	}
	d.stats.BytesBeside += n
	if file {
		return nil // the page bounds what it holds
	}
	return d.boundStaged(b, words)
}
