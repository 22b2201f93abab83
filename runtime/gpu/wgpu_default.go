//go:build cgo && !cogentcore && !js

package gpu

import (
	"errors"

	"github.com/oliverbestmann/webgpu/wgpu"

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

const wgpuLibrary = "wgpu-native 29"

// backends are Vulkan, Metal and Direct3D 12, in the bits of wgpu-native's wgpu.h. OpenGL would show the same GPUs again, with less.
const backends wgpu.InstanceBackend = 1<<0 | 1<<2 | 1<<3

func newInstance() *wgpu.Instance {
	wgpu.SetLogLevel(wgpu.LogLevelOff) // errors are returned instead
	return wgpu.CreateInstance(&wgpu.InstanceDescriptor{Backends: backends})
}

func enumerate(instance *wgpu.Instance) []*wgpu.Adapter {
	return instance.EnumerateAdapters(&wgpu.InstanceEnumerateAdapterOptons{Backends: backends})
}

func nameAndDriver(info wgpu.AdapterInfo) (name, driver string) { return info.Device, info.Description }

// limits returns what the adapter has, and what to ask for at least.
func limits(adapter *wgpu.Adapter) (have, want wgpu.Limits) {
	have, want = adapter.GetLimits(), wgpu.DefaultLimits()
	want.MaxNonSamplerBindings = have.MaxNonSamplerBindings
	return have, want
}

// requestDevice opens the adapter with those features that it has and o does not forbid.
func requestDevice(adapter *wgpu.Adapter, limits wgpu.Limits, o Options) (*wgpu.Device, shaders.Variant, error) {
	var features []wgpu.FeatureName
	variant := shaders.Variant{Dialect: shaders.Naga}
	if !o.NoF16 && adapter.HasFeature(wgpu.FeatureNameShaderF16) {
		features, variant.F16 = append(features, wgpu.FeatureNameShaderF16), true
	}
	if !o.NoSubgroups && adapter.HasFeature(wgpu.NativeFeatureSubgroup) {
		features, variant.Subgroups = append(features, wgpu.NativeFeatureSubgroup), true
	}
	device, err := adapter.RequestDevice(&wgpu.DeviceDescriptor{Label: "gossamer", RequiredFeatures: features, RequiredLimits: &limits})
	return device, variant, err
}

func createBuffer(d *wgpu.Device, label string, n int64, usage wgpu.BufferUsage) (*wgpu.Buffer, error) {
	return d.TryCreateBuffer(&wgpu.BufferDescriptor{Label: label, Size: uint64(n), Usage: usage})
}

func writeBuffer(q *wgpu.Queue, b *wgpu.Buffer, off int64, p []byte) error {
	return q.TryWriteBuffer(b, uint64(off), p)
}

func createModule(d *wgpu.Device, label, source string) (*wgpu.ShaderModule, error) {
	return d.TryCreateShaderModule(&wgpu.ShaderModuleDescriptor{Label: label, WGSLSource: &wgpu.ShaderSourceWGSL{Code: source}})
}

func createGroupLayout(d *wgpu.Device, label string, entries []wgpu.BindGroupLayoutEntry) (*wgpu.BindGroupLayout, error) {
	return d.TryCreateBindGroupLayout(&wgpu.BindGroupLayoutDescriptor{Label: label, Entries: entries})
}

func createPipelineLayout(d *wgpu.Device, label string, groups ...*wgpu.BindGroupLayout) (*wgpu.PipelineLayout, error) {
	return d.TryCreatePipelineLayout(&wgpu.PipelineLayoutDescriptor{Label: label, BindGroupLayouts: groups})
}

func createPipeline(d *wgpu.Device, label string, layout *wgpu.PipelineLayout, module *wgpu.ShaderModule) (*wgpu.ComputePipeline, error) {
	return d.TryCreateComputePipeline(&wgpu.ComputePipelineDescriptor{
		Label: label, Layout: layout, Compute: wgpu.ProgrammableStageDescriptor{Module: module, EntryPoint: "main"},
	})
}

func createGroup(d *wgpu.Device, label string, layout *wgpu.BindGroupLayout, entries []wgpu.BindGroupEntry) (*wgpu.BindGroup, error) {
	return d.TryCreateBindGroup(&wgpu.BindGroupDescriptor{Label: label, Layout: layout, Entries: entries})
}

func createEncoder(d *wgpu.Device) (*wgpu.CommandEncoder, error) {
	return d.TryCreateCommandEncoder(nil)
}

func copyBuffer(enc *wgpu.CommandEncoder, src *wgpu.Buffer, srcOff int64, dst *wgpu.Buffer, dstOff, n int64) error {
	return enc.TryCopyBufferToBuffer(src, uint64(srcOff), dst, uint64(dstOff), uint64(n))
}

func clearBuffer(enc *wgpu.CommandEncoder, b *wgpu.Buffer, off, n int64) error {
	return enc.TryClearBuffer(b, uint64(off), uint64(n))
}

func endComputePass(pass *wgpu.ComputePassEncoder) error { return pass.TryEnd() }

func finish(enc *wgpu.CommandEncoder) (*wgpu.CommandBuffer, error) { return enc.TryFinish(nil) }

// pollUntil waits until the submission has run, or for some seconds.
func pollUntil(d *wgpu.Device, _ *wgpu.Queue, at wgpu.SubmissionIndex) { d.Poll(true, (*uint64)(&at)) }

// mapRead maps the first n bytes of b for reading. It calls poll, which waits for the device, until that is done.
func mapRead(b *wgpu.Buffer, n int, poll func() error) error {
	done := make(chan wgpu.MapAsyncStatus, 1)
	if err := b.TryMapAsync(wgpu.MapModeRead, 0, uint64(n), func(s wgpu.MapAsyncStatus) { done <- s }); err != nil {
		return err
	}
	for {
		if err := poll(); err != nil {
			return err
		}
		select {
		case s := <-done:
			if s != wgpu.MapAsyncStatusSuccess {
				return errors.New("mapping failed: " + s.String())
			}
			return nil
		default:
		}
	}
}

func unmap(b *wgpu.Buffer) error { return b.TryUnmap() }
