//go:build cgo && !js

package gpu

import (
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"gossamer/shaders"
)

// This file is the native implementation over one binding. What differs between bindings is in the files wgpu_*.go, one of which
// the build tags choose: each names the binding's types, and has the functions that create objects and encode commands.

// The types of the binding, under the names that the rest of the package uses.
type (
	rawBuffer     = wgpuBuffer
	rawGroup      = wgpuGroup
	rawSubmission = wgpuSubmission
)

// Bits that the WebGPU standard defines, the same in every binding.
const (
	usageMapRead = 0x0001
	usageCopySrc = 0x0004
	usageCopyDst = 0x0008
	usageUniform = 0x0040
	usageStorage = 0x0080

	stageCompute = 0x0004
)

// rawPipeline is a compiled shader with the layout of its bind group.
type rawPipeline struct {
	device   *rawDevice
	layout   wgpuGroupLayout
	pipeline wgpuPipeline
}

// rawDevice is a device of the binding, with the instance that it comes from and its queue.
type rawDevice struct {
	instance wgpuInstance
	device   wgpuDevice
	queue    wgpuQueue
	alarm    *os.File      // written to when the device is lost in a call that the library does not return from; see ask
	heard    *os.File      // the other end
	lost     chan struct{} // closed then: nothing of the device may be used any more, nor released
}

// native lists the adapters.
func native(instance wgpuInstance) ([]wgpuAdapter, []AdapterInfo) {
	adapters := enumerate(instance)
	infos := make([]AdapterInfo, len(adapters))
	for i, a := range adapters {
		raw := a.GetInfo()
		info := AdapterInfo{Index: i, Vendor: vendors[raw.VendorId], Backend: raw.BackendType.String()}
		info.Name, info.Driver = nameAndDriver(raw)
		if info.Vendor == "" {
			info.Vendor = fmt.Sprintf("%#x", raw.VendorId)
		}
		// The binding says discrete-gpu, integrated-gpu, cpu or unknown, and an empty string for other types.
		if info.Type = strings.TrimSuffix(raw.AdapterType.String(), "-gpu"); info.Type == "" {
			info.Type = "unknown"
		}
		infos[i] = info
	}
	return adapters, infos
}

// rawLibrary names the library, which is a part of the program.
func rawLibrary() string { return wgpuLibrary }

// rawAdapters lists the adapters.
func rawAdapters() (infos []AdapterInfo, err error) {
	defer caught(&err)
	instance := newInstance()
	defer instance.Release()
	adapters, infos := native(instance)
	for _, a := range adapters {
		a.Release()
	}
	_, err = choose(infos, Options{})
	return infos, err
}

// rawOpen opens the adapter that o asks for.
func rawOpen(o Options) (d *rawDevice, caps Caps, err error) {
	defer caught(&err)
	instance := newInstance()
	adapters, infos := native(instance)
	defer func() {
		for _, a := range adapters {
			a.Release()
		}
		if err != nil {
			instance.Release()
		}
	}()
	i, err := choose(infos, o)
	if err != nil {
		return nil, caps, err
	}
	adapter := adapters[i]

	have, want := limits(adapter)
	binding := have.MaxStorageBufferBindingSize
	if o.MaxBindingBytes > 0 {
		binding = min(binding, uint64(o.MaxBindingBytes))
	}
	want.MaxStorageBufferBindingSize = binding / 4 * 4
	want.MaxBufferSize = have.MaxBufferSize
	want.MaxStorageBuffersPerShaderStage = have.MaxStorageBuffersPerShaderStage
	want.MaxComputeWorkgroupStorageSize = have.MaxComputeWorkgroupStorageSize
	want.MaxComputeInvocationsPerWorkgroup = have.MaxComputeInvocationsPerWorkgroup
	want.MaxComputeWorkgroupSizeX = have.MaxComputeWorkgroupSizeX
	want.MaxComputeWorkgroupSizeY = have.MaxComputeWorkgroupSizeY
	want.MaxComputeWorkgroupSizeZ = have.MaxComputeWorkgroupSizeZ
	want.MaxComputeWorkgroupsPerDimension = have.MaxComputeWorkgroupsPerDimension

	device, variant, err := requestDevice(adapter, want, o)
	if err != nil {
		return nil, caps, fmt.Errorf("adapter %s: %w", infos[i], err)
	}
	caps = Caps{
		Adapter:         infos[i],
		MaxBindingBytes: int64(min(want.MaxStorageBufferBindingSize, math.MaxInt64) / 4 * 4),
		MaxUniformBytes: 64 << 10, // WebGPU's default; no kernel needs more
		MaxBufferBytes:  int64(min(want.MaxBufferSize, math.MaxInt64) / 4 * 4),
		OffsetAlignment: 256, // likewise the default, and every device's at most

		MaxWorkgroupsPerDim: int(want.MaxComputeWorkgroupsPerDimension),
		MaxStorageBuffers:   int(want.MaxStorageBuffersPerShaderStage),
		MaxWorkgroupBytes:   int(want.MaxComputeWorkgroupStorageSize),
		MaxInvocations:      int(want.MaxComputeInvocationsPerWorkgroup),
		MaxWorkgroupSize:    [3]int{int(want.MaxComputeWorkgroupSizeX), int(want.MaxComputeWorkgroupSizeY), int(want.MaxComputeWorkgroupSizeZ)},

		Variant: variant,
	}
	d = &rawDevice{instance: instance, device: device, queue: device.GetQueue(), lost: make(chan struct{})}
	heard, alarm, err := os.Pipe()
	if err != nil {
		return nil, caps, err
	}
	d.heard, d.alarm = heard, alarm
	return d, caps, nil
}

// ask runs f, which calls a function of the library that has no way to report the loss of the device: it would end the process. On Linux
// the thread that f runs on stops there instead, with what it holds, and ask returns ErrLost.
func (d *rawDevice) ask(f func()) error {
	done := make(chan any, 1)
	go func() {
		defer func() { done <- recover() }()
		guarded(d.alarm.Fd(), f)
	}()
	select {
	case r := <-done:
		if r != nil {
			panic(r) // for the caller's caught
		}
		return nil
	case <-d.lost:
		return ErrLost
	}
}

// gone says that a call has not returned. The library's locks may be held for ever.
func (d *rawDevice) gone() bool {
	select {
	case <-d.lost:
		return true
	default:
		return false
	}
}

// watch calls f when the device is lost. It ends when the device is closed.
func (d *rawDevice) watch(f func(error)) {
	go func() {
		defer d.heard.Close()
		if n, _ := d.heard.Read(make([]byte, 1)); n > 0 {
			close(d.lost)
			f(ErrLost)
		}
	}()
}

// abandoned are the objects of lost devices, for the life of the process: the binding would release what is garbage.
var abandoned struct {
	sync.Mutex
	objects []any
}

// abandon keeps objects of a lost device.
func abandon(objects ...any) {
	abandoned.Lock()
	defer abandoned.Unlock()
	abandoned.objects = append(abandoned.objects, objects...)
}

// free releases an object of a device that is there.
func (d *rawDevice) free(o interface{ Release() }) {
	if d.gone() {
		abandon(o)
		return
	}
	o.Release()
}

// close releases the device. Everything made from it is released before.
func (d *rawDevice) close() {
	if d.gone() || d.ask(func() { d.device.Poll(true, nil) }) != nil { // polling carries out the releases
		abandon(d)
		return
	}
	d.alarm.Close()
	d.queue.Release()
	d.device.Release()
	d.instance.Release()
}

// newBuffer returns a buffer of n bytes.
func (d *rawDevice) newBuffer(label string, n int64, usage Usage) (b rawBuffer, err error) {
	defer caught(&err)
	if usage == Uniform {
		return createBuffer(d.device, label, n, usageUniform|usageCopyDst)
	}
	return createBuffer(d.device, label, n, usageStorage|usageCopySrc|usageCopyDst)
}

// newStaging returns a buffer of n bytes that can be mapped to be read.
func (d *rawDevice) newStaging(n int64) (b rawBuffer, err error) {
	defer caught(&err)
	return createBuffer(d.device, "readback", n, usageMapRead|usageCopyDst)
}

// releaseBuffer drops the reference. Bind groups and work under way keep the memory until they are done.
func (d *rawDevice) releaseBuffer(b rawBuffer) { d.free(b) }

// write queues a write of whole words.
func (d *rawDevice) write(b rawBuffer, off int64, p []byte) (err error) {
	defer caught(&err)
	return writeBuffer(d.queue, b, off, p)
}

// compilesBeside says that newPipeline may run beside other calls: an error belongs to the thread of its call.
const compilesBeside = true

// newPipeline compiles s. Should the device be lost meanwhile, it does not wait for a compiler that may never end.
func (d *rawDevice) newPipeline(s shaders.Shader) (p rawPipeline, err error) {
	defer caught(&err)
	type result struct {
		rawPipeline
		err error
	}
	done := make(chan result, 1)
	if err := d.ask(func() {
		var r result
		defer func() { done <- r }()
		r.rawPipeline, r.err = d.compile(s)
	}); err != nil {
		return p, err
	}
	r := <-done
	return r.rawPipeline, r.err
}

func (d *rawDevice) compile(s shaders.Shader) (p rawPipeline, err error) {
	module, err := createModule(d.device, s.Name, s.Source)
	if err != nil {
		return p, err
	}
	defer module.Release()
	entries := make([]wgpuLayoutEntry, len(s.Bindings))
	for i, access := range s.Bindings {
		entries[i] = wgpuLayoutEntry{Binding: uint32(i), Visibility: stageCompute}
		switch access {
		case shaders.Read:
			entries[i].Buffer.Type = readOnlyStorage
		case shaders.ReadWrite:
			entries[i].Buffer.Type = storage
		default:
			entries[i].Buffer.Type = uniform
		}
	}
	p.device = d
	p.layout, err = createGroupLayout(d.device, s.Name, entries)
	if err != nil {
		return p, err
	}
	layout, err := createPipelineLayout(d.device, s.Name, p.layout)
	if err == nil {
		defer layout.Release()
		p.pipeline, err = createPipeline(d.device, s.Name, layout, module)
	}
	if err != nil {
		p.layout.Release()
	}
	return p, err
}

// release frees the pipeline.
func (p rawPipeline) release() {
	p.device.free(p.pipeline)
	p.device.free(p.layout)
}

// newGroup builds the bind group of one dispatch.
func (d *rawDevice) newGroup(label string, p rawPipeline, args []Binding) (g rawGroup, err error) {
	defer caught(&err)
	entries := make([]wgpuGroupEntry, len(args))
	for i, a := range args {
		entries[i] = wgpuGroupEntry{Binding: uint32(i), Buffer: a.Buffer.raw, Offset: uint64(a.Off), Size: uint64(a.Size)}
	}
	return createGroup(d.device, label, p.layout, entries)
}

// releaseGroup frees a bind group.
func (d *rawDevice) releaseGroup(g rawGroup) { d.free(g) }

// submit records programs into one command buffer and submits it. Without programs it only starts the queued writes.
func (d *rawDevice) submit(programs []*Program) (at rawSubmission, err error) {
	defer caught(&err)
	return d.record(func(enc wgpuEncoder) error { return encode(enc, programs) })
}

// encode records programs.
func encode(enc wgpuEncoder, programs []*Program) error {
	var pass wgpuPass // open between copies, across programs
	endPass := func() error {
		if pass == nil {
			return nil
		}
		err := endComputePass(pass)
		pass.Release() // it must be released before the submit
		pass = nil
		return err
	}
	for _, p := range programs {
		for _, o := range p.ops {
			if o.n > 0 {
				if err := endPass(); err != nil {
					return err
				}
				if err := copyBuffer(enc, o.src, o.srcOff, o.dst, o.dstOff, o.n); err != nil {
					return err
				}
				continue
			}
			if pass == nil {
				pass = enc.BeginComputePass(nil)
			}
			pass.SetPipeline(o.pipeline.pipeline)
			pass.SetBindGroup(0, o.group, nil)
			pass.DispatchWorkgroups(o.grid[0], o.grid[1], o.grid[2])
		}
	}
	return endPass()
}

// record submits what f encodes.
func (d *rawDevice) record(f func(wgpuEncoder) error) (at rawSubmission, err error) {
	enc, err := createEncoder(d.device)
	if err != nil {
		return 0, err
	}
	defer func() { d.free(enc) }()
	if err := f(enc); err != nil {
		return 0, err
	}
	commands, err := finish(enc)
	if err != nil {
		return 0, err
	}
	defer func() { d.free(commands) }()
	err = d.ask(func() { at = d.queue.Submit(commands) })
	return at, err
}

// poll waits until the submission has run, or for some seconds.
func (d *rawDevice) poll(at rawSubmission) error {
	return d.ask(func() { pollUntil(d.device, d.queue, at) })
}

// readback submits programs and a copy of n bytes of src at off to the staging buffer. Without src it clears a word there instead, which
// serves to wait: submissions finish in order.
func (d *rawDevice) readback(programs []*Program, staging, src rawBuffer, off, n int64) (at rawSubmission, err error) {
	defer caught(&err)
	return d.record(func(enc wgpuEncoder) error {
		if err := encode(enc, programs); err != nil {
			return err
		}
		if src == nil {
			return clearBuffer(enc, staging, 0, 4)
		}
		return copyBuffer(enc, src, off, staging, 0, n)
	})
}

// take copies the start of the staging buffer to dst, once the submission at is done. The caller holds the device's lock
// throughout: the binding allows no callback from within a submit, so a mapping may not be pending there.
func (d *rawDevice) take(staging rawBuffer, at rawSubmission, dst []byte) (err error) {
	defer caught(&err)
	n := max(4, (len(dst)+3)/4*4) // also without dst: only the mapping tells for sure that all is done
	pause := time.Duration(0)
	if d.gone() {
		return ErrLost
	}
	err = mapRead(staging, n, func() error {
		time.Sleep(min(pause, 10*time.Millisecond)) // a wait may end early: after 5 seconds it does; don't spin
		pause += time.Millisecond / 10
		return d.poll(at)
	})
	if err != nil {
		return err
	}
	copy(dst, staging.GetMappedRange(0, uint(n)))
	return unmap(staging)
}
