package gpu

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gossamer/shaders"
)

var (
	// ErrNoAdapter is returned where WebGPU finds no device to run on.
	ErrNoAdapter = errors.New("no WebGPU adapter")
	// errClosed is returned by every call on a closed Device, or on what was released.
	errClosed = errors.New("closed")
	// ErrLost is returned once the device is lost: reset by its driver, or removed. Everything on it is gone, but what it
	// took of this program's memory. With wgpu-native a loss is found by the call that meets it; elsewhere than on Linux such a call ends
	// the process.
	ErrLost error = lostError{}
	// ErrOutOfMemory is returned where the device has no memory left for a buffer.
	ErrOutOfMemory = errors.New("out of memory")
)

type lostError struct{}

func (lostError) Error() string {
	return "device lost: its driver reset it, or it was removed: run this again, with a newer driver if it happens often"
}

// DeviceLost identifies the error to packages that do not import this one.
func (lostError) DeviceLost() bool { return true }

// Options choose and restrict a device. The zero value takes the best adapter with all that it allows.
type Options struct {
	// Adapter is an index into Adapters, or a part of the adapter's name in any case. Empty: the most capable one.
	Adapter string
	// NoSoftware refuses adapters that compute on the CPU, unless Adapter names one.
	NoSoftware bool
	// MaxBindingBytes lowers the size limit of a storage binding, as a weaker device would. 0: the adapter's.
	MaxBindingBytes int64
	// NoF16 leaves the shader-f16 feature off.
	NoF16 bool
	// NoSubgroups leaves the subgroups feature off.
	NoSubgroups bool
	// NoMatrices leaves the products of matrices by subgroups off.
	NoMatrices bool
}

// AdapterInfo describes one adapter: a way to reach one GPU.
type AdapterInfo struct {
	Index   int    // position in Adapters, accepted by Options.Adapter
	Name    string // e.g. "NVIDIA H200"
	Vendor  string // e.g. "NVIDIA"; the PCI id where it is not known
	Driver  string // empty where it is not known
	Backend string // "vulkan", "metal", "d3d12", "opengl", ...
	Type    string // "discrete", "integrated", "cpu" or "unknown"
}

// CPU says that the adapter is a software renderer.
func (a AdapterInfo) CPU() bool { return a.Type == "cpu" }

func (a AdapterInfo) String() string {
	return fmt.Sprintf("%s (%s, %s)", a.Name, a.Type, a.Backend)
}

// Caps is what an open device offers.
type Caps struct {
	Adapter         AdapterInfo
	MaxBindingBytes int64 // of one storage binding, multiple of 4
	MaxUniformBytes int64 // of one uniform binding
	MaxBufferBytes  int64
	OffsetAlignment int64 // of a binding's offset, storage and uniform alike

	MaxWorkgroupsPerDim int
	MaxStorageBuffers   int    // per shader
	MaxWorkgroupBytes   int    // of var<workgroup>
	MaxInvocations      int    // per workgroup
	MaxWorkgroupSize    [3]int // invocations per dimension

	// AsyncCompile says that NewPipeline returns before the shader is compiled, and other work goes on meanwhile.
	AsyncCompile bool

	Variant shaders.Variant
}

// Stats counts what a device did since it was opened.
type Stats struct {
	Submits    int64 // queue submits that carried programs
	Dispatches int64 // in those
	Readbacks  int64 // completed calls of Read and Wait

	BytesWritten int64
	BytesRead    int64

	BuffersCreated int64 // including the device's own staging buffers
	LiveBuffers    int64 // made by NewBuffer and not released
	LiveBytes      int64 // of those

	Pipelines int64 // made by NewPipeline

	// In a browser:
	Crossings   int64 // calls between Go and JavaScript for submits, writes and reads
	BytesBeside int64 // of BytesWritten, those that did not pass through Go
}

// Device is an open GPU with its queue.
type Device struct {
	caps  Caps
	waits sync.WaitGroup // waits that their callers gave up

	// staging is held by the one Read in progress. It carries the readback buffer from one to the next.
	staging chan *staging

	mu      sync.Mutex // guards what follows, and the queue
	raw     *rawDevice // nil when closed
	lostErr error
	stats   Stats
	live    map[releaser]struct{}
	flushes []rawSubmission // queue writes under way that were flushed without a program, oldest first
	pending int64           // bytes written since the last submit

	closing   bool
	compiling int       // calls of NewPipeline that compile without mu
	compiled  sync.Cond // one of them has ended
}

// releaser is what a Device must release before itself.
type releaser interface{ releaseLocked() }

// staging is a mappable buffer that readbacks go through.
type staging struct {
	raw   rawBuffer
	bytes int64
}

// Library says what implements WebGPU here; empty where nothing does.
func Library() string { return rawLibrary() }

// Adapters lists the adapters of this machine, in the order of Options.Adapter's index.
func Adapters(ctx context.Context) ([]AdapterInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	infos, err := rawAdapters()
	if err != nil {
		return nil, fmt.Errorf("gpu: adapters: %w", err)
	}
	return infos, nil
}

// Open opens the adapter that o asks for, with the largest limits it has.
func Open(ctx context.Context, o Options) (*Device, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.MaxBindingBytes < 0 {
		return nil, fmt.Errorf("gpu: open: MaxBindingBytes is %d, want 0 or more", o.MaxBindingBytes)
	}
	raw, caps, err := rawOpen(o)
	if err != nil {
		return nil, fmt.Errorf("gpu: open: %w", err)
	}
	d := &Device{
		caps:    caps,
		staging: make(chan *staging, 1),
		raw:     raw,
		live:    map[releaser]struct{}{},
	}
	if compilesBeside {
		d.compiled.L = &d.mu
	}
	d.staging <- &staging{}
	raw.watch(func(err error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.raw != nil {
			d.note("device", err)
		}
	})
	return d, nil
}

// choose returns the index of the adapter in infos that o asks for; see Options.Adapter and Options.NoSoftware.
func choose(infos []AdapterInfo, o Options) (int, error) {
	if len(infos) == 0 {
		return 0, fmt.Errorf("%w: install a Vulkan driver (Debian: mesa-vulkan-drivers has the open ones and a software renderer) or use the CPU backend", ErrNoAdapter)
	}
	want := o.Adapter
	if want == "" {
		order := []string{"discrete", "integrated", "unknown", "cpu"}
		best := slices.MinFunc(infos, func(a, b AdapterInfo) int {
			return slices.Index(order, a.Type) - slices.Index(order, b.Type)
		})
		if o.NoSoftware && best.CPU() {
			return 0, fmt.Errorf("%w but %s, which computes on the CPU itself", ErrNoAdapter, best.Name)
		}
		return best.Index, nil
	}
	if i, err := strconv.Atoi(want); err == nil && i >= 0 && i < len(infos) {
		return i, nil
	}
	names := make([]string, len(infos))
	for i, info := range infos {
		if strings.Contains(strings.ToLower(info.Name), strings.ToLower(want)) {
			return i, nil
		}
		names[i] = fmt.Sprintf("%d %q", i, info.Name)
	}
	return 0, fmt.Errorf("%w matches %q: there are %s", ErrNoAdapter, want, strings.Join(names, ", "))
}

// Caps returns what the device offers. It does not change.
func (d *Device) Caps() Caps { return d.caps }

// Stats returns the counters.
func (d *Device) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stats
	if d.raw != nil {
		s.Crossings = d.raw.crossings()
	}
	return s
}

// Close waits for reads in progress, and for compilers, and releases the device and everything made from it. It may be called twice.
func (d *Device) Close() {
	s := <-d.staging // no Read is in progress from here on
	d.waits.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if compilesBeside {
		d.closing = true // no compiler begins from here on
		for d.compiling > 0 {
			d.compiled.Wait()
		}
	}
	d.staging <- &staging{}
	if d.raw == nil {
		return
	}
	for r := range d.live {
		r.releaseLocked()
	}
	if s.bytes > 0 {
		d.raw.releaseBuffer(s.raw)
	}
	d.raw.close()
	d.raw = nil
}

// usable returns why the device can't be used, or nil. The caller holds mu.
func (d *Device) usable() error {
	if d.raw == nil || compilesBeside && d.closing {
		return errClosed
	}
	return d.lostErr
}

// fail wraps an error of the binding as one of this package's; see note. The caller holds mu.
func (d *Device) fail(what string, err error) error {
	return fmt.Errorf("gpu: %w", d.note(what, err))
}

// note says what an error of the binding was about, and remembers if it tells of the device's loss. The caller holds mu.
func (d *Device) note(what string, err error) error {
	if errors.Is(err, ErrLost) && d.lostErr == nil {
		d.lostErr = ErrLost
	}
	return fmt.Errorf("%s: %w", what, err)
}

// classify adds the sentinel to an error of the binding. Both bindings report by text only.
func classify(err error) error {
	text := strings.ToLower(err.Error())
	switch {
	case errors.Is(err, ErrLost):
	case strings.Contains(text, "device is lost"), strings.Contains(text, "device lost"), strings.Contains(text, "device-lost"):
		return fmt.Errorf("%w: %w", ErrLost, err)
	case strings.Contains(text, "out of memory"), strings.Contains(text, "outofmemory"), strings.Contains(text, "not enough memory"):
		return fmt.Errorf("%w: %w", ErrOutOfMemory, err)
	}
	return err
}

// caught turns a panic of the binding into an error. Use: defer caught(&err).
func caught(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("binding: %v", r)
	}
	if *err != nil {
		*err = classify(*err)
	}
}

// byteCount writes n as people read it, exact where it is not a whole number of MiB.
func byteCount(n int64) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
