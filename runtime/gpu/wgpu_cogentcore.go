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
	"reflect"
	"unsafe"

	"github.com/cogentcore/webgpu/wgpu"

	"gossamer/shaders"
)

type (
	wgpuInstance    = *wgpu.Instance
	wgpuAdapter     = *wgpu.Adapter
	wgpuDevice      = *wgpu.Device
	wgpuQueue       = *wgpu.Queue
	wgpuBuffer      = *wgpu.Buffer
	wgpuGroup       = *wgpu.BindGroup
	wgpuGroupLayout = *wgpu.BindGroupLayout
	wgpuPipeline    = *wgpu.ComputePipeline
	wgpuEncoder     = *wgpu.CommandEncoder
	wgpuPass        = *wgpu.ComputePassEncoder
	wgpuSubmission  = wgpu.SubmissionIndex
	wgpuLayoutEntry = wgpu.BindGroupLayoutEntry
	wgpuGroupEntry  = wgpu.BindGroupEntry
)

// What a binding of a bind group layout can be; the numbers differ between bindings.
const (
	uniform         = wgpu.BufferBindingTypeUniform
	storage         = wgpu.BufferBindingTypeStorage
	readOnlyStorage = wgpu.BufferBindingTypeReadOnlyStorage
)

const wgpuLibrary = "wgpu-native 0.19"

func newInstance() *wgpu.Instance {
	wgpu.SetLogLevel(wgpu.LogLevelOff) // errors are returned instead
	return wgpu.CreateInstance(nil)    // a descriptor has fields that the binding leaves uninitialised
}

// enumerate lists the adapters without those of OpenGL, which would show the same GPUs again, with less.
func enumerate(instance *wgpu.Instance) []*wgpu.Adapter {
	const backends = wgpu.InstanceBackendVulkan | wgpu.InstanceBackendMetal | wgpu.InstanceBackendDX12
	return instance.EnumerateAdapters(&wgpu.InstanceEnumerateAdapterOptons{Backends: backends})
}

// nameAndDriver returns the adapter's name from its description: the binding's Name and VendorName are numbers. It has no driver.
func nameAndDriver(info wgpu.AdapterInfo) (name, driver string) { return info.DriverDescription, "" }

// limits returns what the adapter has, and what to ask for at least. What the adapter has can't itself be asked for: a field of it is
// not initialised.
func limits(adapter *wgpu.Adapter) (have, want wgpu.Limits) {
	return adapter.GetLimits().Limits, wgpu.DefaultLimits()
}

// requestDevice opens the adapter without features: it grants shader-f16, but its compiler knows neither f16 nor subgroups.
func requestDevice(adapter *wgpu.Adapter, limits wgpu.Limits, _ Options) (*wgpu.Device, shaders.Variant, error) {
	device, err := adapter.RequestDevice(&wgpu.DeviceDescriptor{Label: "gossamer", RequiredLimits: &wgpu.RequiredLimits{Limits: limits}})
	return device, shaders.Variant{Dialect: shaders.Naga19}, err
}

func createBuffer(d *wgpu.Device, label string, n int64, usage wgpu.BufferUsage) (*wgpu.Buffer, error) {
	return d.CreateBuffer(&wgpu.BufferDescriptor{Label: label, Size: uint64(n), Usage: usage})
}

func writeBuffer(q *wgpu.Queue, b *wgpu.Buffer, off int64, p []byte) error {
	return q.WriteBuffer(b, uint64(off), p)
}

func createModule(d *wgpu.Device, label, source string) (*wgpu.ShaderModule, error) {
	return d.CreateShaderModule(&wgpu.ShaderModuleDescriptor{Label: label, WGSLDescriptor: &wgpu.ShaderModuleWGSLDescriptor{Code: source}})
}

func createGroupLayout(d *wgpu.Device, label string, entries []wgpu.BindGroupLayoutEntry) (*wgpu.BindGroupLayout, error) {
	return d.CreateBindGroupLayout(&wgpu.BindGroupLayoutDescriptor{Label: label, Entries: entries})
}

func createPipelineLayout(d *wgpu.Device, label string, groups ...*wgpu.BindGroupLayout) (*wgpu.PipelineLayout, error) {
	return d.CreatePipelineLayout(&wgpu.PipelineLayoutDescriptor{Label: label, BindGroupLayouts: groups})
}

func createPipeline(d *wgpu.Device, label string, layout *wgpu.PipelineLayout, module *wgpu.ShaderModule) (*wgpu.ComputePipeline, error) {
	return d.CreateComputePipeline(&wgpu.ComputePipelineDescriptor{
		Label: label, Layout: layout, Compute: wgpu.ProgrammableStageDescriptor{Module: module, EntryPoint: "main"},
	})
}

func createGroup(d *wgpu.Device, label string, layout *wgpu.BindGroupLayout, entries []wgpu.BindGroupEntry) (*wgpu.BindGroup, error) {
	return d.CreateBindGroup(&wgpu.BindGroupDescriptor{Label: label, Layout: layout, Entries: entries})
}

func createEncoder(d *wgpu.Device) (*wgpu.CommandEncoder, error) { return d.CreateCommandEncoder(nil) }

func copyBuffer(enc *wgpu.CommandEncoder, src *wgpu.Buffer, srcOff int64, dst *wgpu.Buffer, dstOff, n int64) error {
	return enc.CopyBufferToBuffer(src, uint64(srcOff), dst, uint64(dstOff), uint64(n))
}

func clearBuffer(enc *wgpu.CommandEncoder, b *wgpu.Buffer, off, n int64) error {
	return enc.ClearBuffer(b, uint64(off), uint64(n))
}

func endComputePass(pass *wgpu.ComputePassEncoder) error { return pass.End() }

func finish(enc *wgpu.CommandEncoder) (*wgpu.CommandBuffer, error) { return enc.Finish(nil) }

// pollUntil waits until the submission has run, or for some seconds.
func pollUntil(d *wgpu.Device, q *wgpu.Queue, at wgpu.SubmissionIndex) {
	d.Poll(true, &wgpu.WrappedSubmissionIndex{Queue: q, SubmissionIndex: at})
}

// mapRead maps the first n bytes of b for reading. It calls poll, which waits for the device, until that is done.
//
// The binding's MapAsync hands C the address of a Go variable that nothing keeps alive until the callback reads it: a garbage
// collection before that frees it, and the callback panics. So this one call goes to the C library directly, with a callback in C.
func mapRead(b *wgpu.Buffer, n int, poll func() error) error {
	status := C.gossamer_map_read(reflect.ValueOf(b).Elem().FieldByName("ref").UnsafePointer(), C.size_t(n))
	for {
		if err := poll(); err != nil {
			return err // and the status may still be written
		}
		switch s := C.gossamer_map_status(status); {
		case s == 0:
			C.free(unsafe.Pointer(status))
			return nil
		case s > 0:
			C.free(unsafe.Pointer(status))
			return errors.New("mapping failed: " + wgpu.BufferMapAsyncStatus(s).String())
		}
	}
}

func unmap(b *wgpu.Buffer) error { return b.Unmap() }
