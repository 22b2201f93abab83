//go:build cgo && cogentcore && !js

package gpu

/*
#include <stdint.h>
#include <stdlib.h>

// As in the webgpu.h of the binding's version; its library is linked by the binding.
typedef void (*map_callback)(int status, void *userdata);
extern void wgpuBufferMapAsync(void *buffer, uint32_t mode, size_t offset, size_t size, map_callback callback, void *userdata);

static void gossamer_mapped(int status, void *userdata) {
	__atomic_store_n((int *)userdata, status, __ATOMIC_RELEASE);
}

// gossamer_map_read asks for a mapping and returns where its status will be: -1 until it is known.
static int *gossamer_map_read(void *buffer, size_t size) {
	int *status = malloc(sizeof *status);
	*status = -1;
	wgpuBufferMapAsync(buffer, 1, 0, size, gossamer_mapped, status);
	return status;
}

static int gossamer_map_status(int *status) { return __atomic_load_n(status, __ATOMIC_ACQUIRE); }
*/
import "C"

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"
	"unsafe"

	"github.com/cogentcore/webgpu/wgpu"

	"gossamer/shaders"
)

// The types of the binding, under the names that the rest of the package uses.
type (
	rawBuffer     = *wgpu.Buffer
	rawGroup      = *wgpu.BindGroup
	rawSubmission = wgpu.SubmissionIndex
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

// backends leave out OpenGL, which would show the same GPUs again, with less.
const backends = wgpu.InstanceBackendVulkan | wgpu.InstanceBackendMetal | wgpu.InstanceBackendDX12

// native lists the adapters.
func native(instance *wgpu.Instance) ([]*wgpu.Adapter, []AdapterInfo) {
	var adapters []*wgpu.Adapter
	var infos []AdapterInfo
	for _, a := range instance.EnumerateAdapters(&wgpu.InstanceEnumerateAdapterOptons{Backends: backends}) {
		raw := a.GetInfo()
		// The binding's Name and VendorName are numbers; the name is in the description.
		info := AdapterInfo{Index: len(infos), Name: raw.DriverDescription, Type: "unknown"}
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
	wgpu.SetLogLevel(wgpu.LogLevelOff)   // what goes wrong is in our errors
	instance := wgpu.CreateInstance(nil) // a descriptor has fields that the binding leaves uninitialised
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
	wgpu.SetLogLevel(wgpu.LogLevelOff)   // what goes wrong is in our errors
	instance := wgpu.CreateInstance(nil) // a descriptor has fields that the binding leaves uninitialised
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

	have, want := adapter.GetLimits().Limits, wgpu.DefaultLimits() // what GetLimits returns can't be asked for: a field is not initialised
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

	device, err := adapter.RequestDevice(&wgpu.DeviceDescriptor{Label: "gossamer", RequiredLimits: &wgpu.RequiredLimits{Limits: want}})
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

		Variant: shaders.Variant{Dialect: shaders.Naga19}, // it grants shader-f16, but its compiler knows neither f16 nor subgroups
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
	return d.device.CreateBuffer(&wgpu.BufferDescriptor{Label: label, Size: uint64(n), Usage: flags})
}

// newStaging returns a buffer of n bytes that can be mapped to be read.
func (d *rawDevice) newStaging(n int64) (b rawBuffer, err error) {
	defer caught(&err)
	return d.device.CreateBuffer(&wgpu.BufferDescriptor{Label: "readback", Size: uint64(n), Usage: wgpu.BufferUsageMapRead | wgpu.BufferUsageCopyDst})
}

// releaseBuffer drops the reference. Bind groups and work under way keep the memory until they are done.
func (d *rawDevice) releaseBuffer(b rawBuffer) { b.Release() }

// write queues a write of whole words.
func (d *rawDevice) write(b rawBuffer, off int64, p []byte) (err error) {
	defer caught(&err)
	return d.queue.WriteBuffer(b, uint64(off), p)
}

// newPipeline compiles s.
func (d *rawDevice) newPipeline(s shaders.Shader) (p rawPipeline, err error) {
	defer caught(&err)
	module, err := d.device.CreateShaderModule(&wgpu.ShaderModuleDescriptor{Label: s.Name, WGSLDescriptor: &wgpu.ShaderModuleWGSLDescriptor{Code: s.Source}})
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
	p.layout, err = d.device.CreateBindGroupLayout(&wgpu.BindGroupLayoutDescriptor{Label: s.Name, Entries: entries})
	if err != nil {
		return p, err
	}
	layout, err := d.device.CreatePipelineLayout(&wgpu.PipelineLayoutDescriptor{Label: s.Name, BindGroupLayouts: []*wgpu.BindGroupLayout{p.layout}})
	if err == nil {
		defer layout.Release()
		p.pipeline, err = d.device.CreateComputePipeline(&wgpu.ComputePipelineDescriptor{
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
	return d.device.CreateBindGroup(&wgpu.BindGroupDescriptor{Label: label, Layout: p.layout, Entries: entries})
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
			err := pass.End()
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
					if err := enc.CopyBufferToBuffer(o.src, uint64(o.srcOff), o.dst, uint64(o.dstOff), uint64(o.n)); err != nil {
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
	enc, err := d.device.CreateCommandEncoder(nil)
	if err != nil {
		return 0, err
	}
	defer enc.Release()
	if err := f(enc); err != nil {
		return 0, err
	}
	commands, err := enc.Finish(nil)
	if err != nil {
		return 0, err
	}
	defer commands.Release()
	return d.queue.Submit(commands), nil
}

// poll waits until the submission has run, or for some seconds.
func (d *rawDevice) poll(at rawSubmission) {
	d.device.Poll(true, &wgpu.WrappedSubmissionIndex{Queue: d.queue, SubmissionIndex: at})
}

// readback submits a copy of n bytes of src at off to the staging buffer. Without src it clears a word there instead, which
// serves to wait: submissions finish in order.
func (d *rawDevice) readback(staging, src rawBuffer, off, n int64) (at rawSubmission, err error) {
	defer caught(&err)
	return d.record(func(enc *wgpu.CommandEncoder) error {
		if src == nil {
			return enc.ClearBuffer(staging, 0, 4)
		}
		return enc.CopyBufferToBuffer(src, uint64(off), staging, 0, uint64(n))
	})
}

// take copies the start of the staging buffer to dst, once the submission at is done.
//
// The binding's MapAsync hands C the address of a Go variable that nothing keeps alive until the callback reads it: a garbage
// collection before that frees it, and the callback panics. So this one call goes to the C library directly, with a callback in C.
func (d *rawDevice) take(staging rawBuffer, at rawSubmission, dst []byte) (err error) {
	defer caught(&err)
	n := max(4, (len(dst)+3)/4*4) // also without dst: only the mapping tells for sure that all is done
	status := C.gossamer_map_read(reflect.ValueOf(staging).Elem().FieldByName("ref").UnsafePointer(), C.size_t(n))
	defer C.free(unsafe.Pointer(status))
	for pause := time.Duration(0); ; pause += time.Millisecond / 10 {
		d.poll(at)
		switch s := C.gossamer_map_status(status); {
		case s == 0:
			copy(dst, staging.GetMappedRange(0, uint(n)))
			return staging.Unmap()
		case s > 0:
			return errors.New("mapping failed: " + wgpu.BufferMapAsyncStatus(s).String())
		}
		time.Sleep(min(pause, 10*time.Millisecond)) // a wait ends after 5 seconds in any case; don't spin
	}
}
