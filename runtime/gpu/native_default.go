//go:build cgo && !cogentcore && !js

package gpu

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/oliverbestmann/webgpu/wgpu"

	"gossamer/shaders"
)

// The types of the binding, under the names that the rest of the package uses.
type (
	rawBuffer     = *wgpu.Buffer
	rawGroup      = *wgpu.BindGroup
	rawSubmission = uint64
)

// rawPipeline is a compiled shader with the layout of its bind group.
type rawPipeline struct {
	layout   *wgpu.BindGroupLayout
	pipeline *wgpu.ComputePipeline
}

// rawDevice is a device of the binding with what it hangs on.
type rawDevice struct {
	instance *wgpu.Instance
	device   *wgpu.Device
	queue    *wgpu.Queue
}

// backends are Vulkan, Metal and Direct3D 12, in the bits of wgpu-native's wgpu.h. OpenGL would show the same GPUs again, with less.
const backends wgpu.InstanceBackend = 1<<0 | 1<<2 | 1<<3

// native lists the adapters.
func native(instance *wgpu.Instance) ([]*wgpu.Adapter, []AdapterInfo) {
	var adapters []*wgpu.Adapter
	var infos []AdapterInfo
	for _, a := range instance.EnumerateAdapters(&wgpu.InstanceEnumerateAdapterOptons{Backends: backends}) {
		raw := a.GetInfo()
		info := AdapterInfo{Index: len(infos), Name: raw.Device, Driver: raw.Description, Type: "unknown"}
		if info.Vendor = vendors[raw.VendorId]; info.Vendor == "" {
			info.Vendor = fmt.Sprintf("%#x", raw.VendorId)
		}
		switch raw.AdapterType {
		case wgpu.AdapterTypeDiscreteGPU:
			info.Type = "discrete"
		case wgpu.AdapterTypeIntegratedGPU:
			info.Type = "integrated"
		case wgpu.AdapterTypeCPU:
			info.Type = "cpu"
		}
		switch raw.BackendType {
		case wgpu.BackendTypeVulkan:
			info.Backend = "vulkan"
		case wgpu.BackendTypeMetal:
			info.Backend = "metal"
		case wgpu.BackendTypeD3D12:
			info.Backend = "d3d12"
		default:
			info.Backend = fmt.Sprint(raw.BackendType)
		}
		adapters, infos = append(adapters, a), append(infos, info)
	}
	return adapters, infos
}

// rawAdapters lists the adapters.
func rawAdapters() (infos []AdapterInfo, err error) {
	defer caught(&err)
	wgpu.SetLogLevel(wgpu.LogLevelOff) // what goes wrong is in our errors
	instance := wgpu.CreateInstance(&wgpu.InstanceDescriptor{Backends: backends})
	defer instance.Release()
	adapters, infos := native(instance)
	for _, a := range adapters {
		a.Release()
	}
	_, err = choose(infos, "")
	return infos, err
}

// rawOpen opens the adapter that o asks for.
func rawOpen(o Options) (d *rawDevice, caps Caps, err error) {
	defer caught(&err)
	wgpu.SetLogLevel(wgpu.LogLevelOff) // what goes wrong is in our errors
	instance := wgpu.CreateInstance(&wgpu.InstanceDescriptor{Backends: backends})
	adapters, infos := native(instance)
	defer func() {
		for _, a := range adapters {
			a.Release()
		}
		if err != nil {
			instance.Release()
		}
	}()
	i, err := choose(infos, o.Adapter)
	if err != nil {
		return nil, caps, err
	}
	adapter := adapters[i]

	have, want := adapter.GetLimits(), wgpu.DefaultLimits()
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
	want.MaxNonSamplerBindings = have.MaxNonSamplerBindings

	var features []wgpu.FeatureName
	variant := shaders.Variant{Dialect: shaders.Naga}
	if !o.NoF16 && adapter.HasFeature(wgpu.FeatureNameShaderF16) {
		features, variant.F16 = append(features, wgpu.FeatureNameShaderF16), true
	}
	if !o.NoSubgroups && adapter.HasFeature(wgpu.NativeFeatureSubgroup) {
		features, variant.Subgroups = append(features, wgpu.NativeFeatureSubgroup), true
	}
	device, err := adapter.RequestDevice(&wgpu.DeviceDescriptor{Label: "gossamer", RequiredFeatures: features, RequiredLimits: &want})
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
	return &rawDevice{instance: instance, device: device, queue: device.GetQueue()}, caps, nil
}

// close releases the device. Everything made from it is released before.
func (d *rawDevice) close() {
	d.device.Poll(true, nil) // releases are carried out where work is seen to be done
	d.queue.Release()
	d.device.Release()
	d.instance.Release()
}

// newBuffer returns a buffer of n bytes.
func (d *rawDevice) newBuffer(label string, n int64, usage Usage) (b rawBuffer, err error) {
	defer caught(&err)
	flags := wgpu.BufferUsageStorage | wgpu.BufferUsageCopySrc | wgpu.BufferUsageCopyDst
	if usage == Uniform {
		flags = wgpu.BufferUsageUniform | wgpu.BufferUsageCopyDst
	}
	return d.device.TryCreateBuffer(&wgpu.BufferDescriptor{Label: label, Size: uint64(n), Usage: flags})
}

// newStaging returns a buffer of n bytes that can be mapped to be read.
func (d *rawDevice) newStaging(n int64) (b rawBuffer, err error) {
	defer caught(&err)
	return d.device.TryCreateBuffer(&wgpu.BufferDescriptor{Label: "readback", Size: uint64(n), Usage: wgpu.BufferUsageMapRead | wgpu.BufferUsageCopyDst})
}

// releaseBuffer drops the reference. Bind groups and work under way keep the memory until they are done.
func (d *rawDevice) releaseBuffer(b rawBuffer) { b.Release() }

// write queues a write of whole words.
func (d *rawDevice) write(b rawBuffer, off int64, p []byte) (err error) {
	defer caught(&err)
	return d.queue.TryWriteBuffer(b, uint64(off), p)
}

// newPipeline compiles s.
func (d *rawDevice) newPipeline(s shaders.Shader) (p rawPipeline, err error) {
	defer caught(&err)
	module, err := d.device.TryCreateShaderModule(&wgpu.ShaderModuleDescriptor{Label: s.Name, WGSLSource: &wgpu.ShaderSourceWGSL{Code: s.Source}})
	if err != nil {
		return p, err
	}
	defer module.Release()
	entries := make([]wgpu.BindGroupLayoutEntry, len(s.Bindings))
	for i, access := range s.Bindings {
		kind := wgpu.BufferBindingTypeUniform
		switch access {
		case shaders.Read:
			kind = wgpu.BufferBindingTypeReadOnlyStorage
		case shaders.ReadWrite:
			kind = wgpu.BufferBindingTypeStorage
		}
		entries[i] = wgpu.BindGroupLayoutEntry{Binding: uint32(i), Visibility: wgpu.ShaderStageCompute, Buffer: wgpu.BufferBindingLayout{Type: kind}}
	}
	p.layout, err = d.device.TryCreateBindGroupLayout(&wgpu.BindGroupLayoutDescriptor{Label: s.Name, Entries: entries})
	if err != nil {
		return p, err
	}
	layout, err := d.device.TryCreatePipelineLayout(&wgpu.PipelineLayoutDescriptor{Label: s.Name, BindGroupLayouts: []*wgpu.BindGroupLayout{p.layout}})
	if err == nil {
		defer layout.Release()
		p.pipeline, err = d.device.TryCreateComputePipeline(&wgpu.ComputePipelineDescriptor{
			Label: s.Name, Layout: layout, Compute: wgpu.ProgrammableStageDescriptor{Module: module, EntryPoint: "main"},
		})
	}
	if err != nil {
		p.layout.Release()
	}
	return p, err
}

// release frees the pipeline.
func (p rawPipeline) release() {
	p.pipeline.Release()
	p.layout.Release()
}

// newGroup builds the bind group of one dispatch.
func (d *rawDevice) newGroup(label string, p rawPipeline, args []Binding) (g rawGroup, err error) {
	defer caught(&err)
	entries := make([]wgpu.BindGroupEntry, len(args))
	for i, a := range args {
		entries[i] = wgpu.BindGroupEntry{Binding: uint32(i), Buffer: a.Buffer.raw, Offset: uint64(a.Off), Size: uint64(a.Size)}
	}
	return d.device.TryCreateBindGroup(&wgpu.BindGroupDescriptor{Label: label, Layout: p.layout, Entries: entries})
}

// releaseGroup frees a bind group.
func (d *rawDevice) releaseGroup(g rawGroup) { g.Release() }

// submit records programs into one command buffer and submits it. Without programs it only starts the queued writes.
func (d *rawDevice) submit(programs []*Program) (at rawSubmission, err error) {
	defer caught(&err)
	return d.record(func(enc *wgpu.CommandEncoder) error {
		var pass *wgpu.ComputePassEncoder // open between copies, across programs
		endPass := func() error {
			if pass == nil {
				return nil
			}
			err := pass.TryEnd()
			pass.Release() // the binding wants it gone before the submit
			pass = nil
			return err
		}
		for _, p := range programs {
			for _, o := range p.ops {
				if o.n > 0 {
					if err := endPass(); err != nil {
						return err
					}
					if err := enc.TryCopyBufferToBuffer(o.src, uint64(o.srcOff), o.dst, uint64(o.dstOff), uint64(o.n)); err != nil {
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
	})
}

// record submits what f encodes.
func (d *rawDevice) record(f func(*wgpu.CommandEncoder) error) (rawSubmission, error) {
	enc, err := d.device.TryCreateCommandEncoder(nil)
	if err != nil {
		return 0, err
	}
	defer enc.Release()
	if err := f(enc); err != nil {
		return 0, err
	}
	commands, err := enc.TryFinish(nil)
	if err != nil {
		return 0, err
	}
	defer commands.Release()
	return rawSubmission(d.queue.Submit(commands)), nil
}

// poll waits until the submission has run, or for some seconds.
func (d *rawDevice) poll(at rawSubmission) { d.device.Poll(true, &at) }

// readback submits a copy of n bytes of src at off to the staging buffer. Without src it clears a word there instead, which
// serves to wait: submissions finish in order.
func (d *rawDevice) readback(staging, src rawBuffer, off, n int64) (at rawSubmission, err error) {
	defer caught(&err)
	return d.record(func(enc *wgpu.CommandEncoder) error {
		if src == nil {
			return enc.TryClearBuffer(staging, 0, 4)
		}
		return enc.TryCopyBufferToBuffer(src, uint64(off), staging, 0, uint64(n))
	})
}

// take copies the start of the staging buffer to dst, once the submission at is done. The caller holds the device's lock
// throughout: the binding allows no callback from within a submit, so a mapping may not be pending there.
func (d *rawDevice) take(staging rawBuffer, at rawSubmission, dst []byte) (err error) {
	defer caught(&err)
	n := max(4, (len(dst)+3)/4*4) // also without dst: only the mapping tells for sure that all is done
	done := make(chan wgpu.MapAsyncStatus, 1)
	if err := staging.TryMapAsync(wgpu.MapModeRead, 0, uint64(n), func(s wgpu.MapAsyncStatus) { done <- s }); err != nil {
		return err
	}
	for pause := time.Duration(0); ; pause += time.Millisecond / 10 {
		d.poll(at)
		select {
		case s := <-done:
			if s != wgpu.MapAsyncStatusSuccess {
				return errors.New("mapping failed: " + s.String())
			}
			copy(dst, staging.GetMappedRange(0, uint(n)))
			return staging.TryUnmap()
		default:
			time.Sleep(min(pause, 10*time.Millisecond)) // should the wait return early, don't spin
		}
	}
}
