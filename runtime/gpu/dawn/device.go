//go:build (linux || darwin || windows) && (amd64 || arm64)

package dawn

import (
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

var (
	// ErrLost is returned by calls on a device that its driver has reset, or that was removed.
	ErrLost = errors.New("device lost")
	// ErrOutOfMemory is returned where the device has no memory left.
	ErrOutOfMemory = errors.New("out of memory")
)

// Device is an open adapter with its queue.
type Device struct {
	Limits   *Limits
	Features []Feature // that it was opened with, of those asked for

	library       *Library
	device, queue uintptr
	errors        uintptr     // number of the callback for errors
	lost          chan string // see Lost

	mu     sync.Mutex
	failed []error // errors that no call has returned yet
	loss   error   // ErrLost, once it is
}

// open asks for the device.
func (d *Device) open(adapter uintptr, features []uint32) error {
	c := d.library.callbacks
	var losses uintptr
	losses = c.register(func(reason uint32, _ uintptr, message string) {
		c.forget(losses) // it is told once
		d.told(reason, message)
	})
	d.errors = c.register(func(kind uint32, _ uintptr, message string) {
		err := errors.New(strings.TrimSpace(message))
		if kind == errorOutOfMemory {
			err = fmt.Errorf("%w: %w", ErrOutOfMemory, err)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.failed = append(d.failed, err)
	})
	descriptor := &deviceDescriptor{
		next: d.library.toggles, label: view("gossamer"), featureCount: uintptr(len(features)), features: &features[0], limits: d.Limits,
		lost:       callbackInfo{mode: modeSpontaneous, callback: c.device, user1: losses},
		uncaptured: errorCallbackInfo{callback: c.device, user1: d.errors},
	}
	var err error
	d.device, err = d.library.request(d.library.f.AdapterRequestDevice, adapter, uintptr(unsafe.Pointer(descriptor)))
	if err != nil {
		c.forget(losses)
		c.forget(d.errors)
		return err
	}
	d.queue = call(d.library.f.DeviceGetQueue, d.device)
	return nil
}

// told takes note of the device's end.
func (d *Device) told(reason uint32, message string) {
	if reason == lostDestroyed || reason == lostCancelled { // by Close
		close(d.lost)
		return
	}
	d.mu.Lock()
	d.loss = fmt.Errorf("%w: %s", ErrLost, strings.TrimSpace(message))
	d.mu.Unlock()
	d.lost <- message
}

// Lost gets the reason if the device is lost, and is closed when the device is closed before.
func (d *Device) Lost() <-chan string { return d.lost }

// isLost returns ErrLost, with the reason, if the device is.
func (d *Device) isLost() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.loss
}

// check returns the errors that there were since it was last called.
func (d *Device) check() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := errors.Join(append(d.failed, d.loss)...)
	d.failed = nil
	return err
}

// Close waits for nothing: it ends what the device does and releases it. Everything made from it is released before.
func (d *Device) Close() {
	f := &d.library.f
	call(f.QueueRelease, d.queue)
	call(f.DeviceDestroy, d.device)
	call(f.DeviceRelease, d.device)
	d.library.callbacks.forget(d.errors)
}

// ForceLoss makes the device lost.
func (d *Device) ForceLoss(message string) {
	m := view(message)
	if runtime.GOOS == "windows" {
		call(d.library.f.DeviceForceLoss, d.device, lostUnknown, uintptr(unsafe.Pointer(&m)))
	} else {
		call(d.library.f.DeviceForceLoss, d.device, lostUnknown, uintptr(unsafe.Pointer(m.data)), m.n)
	}
}

// Objects of a device; 0 is none.
type (
	Buffer uintptr
	Group  uintptr
)

// NewBuffer returns a buffer of zeros.
func (d *Device) NewBuffer(label string, bytes int64, usage Usage) (Buffer, error) {
	descriptor := &bufferDescriptor{label: view(label), usage: uint64(usage), size: uint64(bytes)}
	b := Buffer(call(d.library.f.DeviceCreateBuffer, d.device, uintptr(unsafe.Pointer(descriptor))))
	err := d.check()
	if err == nil && b == 0 {
		err = ErrOutOfMemory
	}
	if err != nil && b != 0 {
		d.ReleaseBuffer(b)
	}
	return b, err
}

// ReleaseBuffer drops the reference. Groups and work under way keep the memory until they are done.
func (d *Device) ReleaseBuffer(b Buffer) { call(d.library.f.BufferRelease, uintptr(b)) }

// Write queues a write of p, which is copied, at off; both are whole words.
func (d *Device) Write(b Buffer, off int64, p []byte) error {
	call(d.library.f.QueueWriteBuffer, d.queue, uintptr(b), uintptr(off), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return d.check()
}

// Pipeline is a compiled shader with the layout of its group.
type Pipeline struct{ layout, pipeline uintptr }

// tintPlace is how Dawn points into a source, which has no name.
var tintPlace = regexp.MustCompile(`(^|\s):(\d+:\d+) error`)

// NewPipeline compiles a shader whose function is called main. An error names the place in the source as "wgsl:line:column".
func (d *Device) NewPipeline(label, source string, bindings []BindingType) (p Pipeline, err error) {
	f := &d.library.f
	code := &shaderSource{chain: chainedStruct{sType: sourceWGSL}, code: view(source)}
	module := call(f.DeviceCreateShaderModule, d.device, uintptr(unsafe.Pointer(&shaderDescriptor{next: code, label: view(label)})))
	defer call(f.ShaderModuleRelease, module)
	if err := d.check(); err != nil {
		if text := err.Error(); tintPlace.MatchString(text) {
			err = errors.New(tintPlace.ReplaceAllString(text, "${1}wgsl:$2 error"))
		}
		return p, err
	}
	entries := make([]groupLayoutEntry, len(bindings))
	for i, b := range bindings {
		entries[i] = groupLayoutEntry{binding: uint32(i), visibility: stageCompute, bufferType: uint32(b)}
	}
	p.layout = call(f.DeviceCreateBindGroupLayout, d.device, uintptr(unsafe.Pointer(&groupLayoutDescriptor{
		label: view(label), count: uintptr(len(entries)), entries: unsafe.SliceData(entries),
	})))
	layout := call(f.DeviceCreatePipelineLayout, d.device, uintptr(unsafe.Pointer(&pipelineLayoutDescriptor{
		label: view(label), count: 1, layouts: &p.layout,
	})))
	p.pipeline = call(f.DeviceCreateComputePipeline, d.device, uintptr(unsafe.Pointer(&pipelineDescriptor{
		label: view(label), layout: layout, module: module, entry: view("main"),
	})))
	call(f.PipelineLayoutRelease, layout)
	if err = d.check(); err != nil {
		d.ReleasePipeline(p)
	}
	return p, err
}

// ReleasePipeline frees the pipeline.
func (d *Device) ReleasePipeline(p Pipeline) {
	call(d.library.f.ComputePipelineRelease, p.pipeline)
	call(d.library.f.BindGroupLayoutRelease, p.layout)
}

// Range is a part of a buffer.
type Range struct {
	Buffer    Buffer
	Off, Size int64 // bytes
}

// NewGroup returns a group that binds args to the bindings of a pipeline.
func (d *Device) NewGroup(label string, p Pipeline, args []Range) (Group, error) {
	entries := make([]groupEntry, len(args))
	for i, a := range args {
		entries[i] = groupEntry{binding: uint32(i), buffer: uintptr(a.Buffer), offset: uint64(a.Off), size: uint64(a.Size)}
	}
	g := Group(call(d.library.f.DeviceCreateBindGroup, d.device, uintptr(unsafe.Pointer(&groupDescriptor{
		label: view(label), layout: p.layout, count: uintptr(len(entries)), entries: unsafe.SliceData(entries),
	}))))
	err := d.check()
	if err != nil && g != 0 {
		d.ReleaseGroup(g)
	}
	return g, err
}

// ReleaseGroup frees the group.
func (d *Device) ReleaseGroup(g Group) { call(d.library.f.BindGroupRelease, uintptr(g)) }
