//go:build (linux || darwin || windows) && (amd64 || arm64)

package dawn

import (
	"testing"
	"unsafe"
)

// TestSizes compares with the sizes and offsets that a C compiler gives to the structs of webgpu.h.
func TestSizes(t *testing.T) {
	for _, s := range []struct {
		name      string
		got, want uintptr
	}{
		{"StringView", unsafe.Sizeof(stringView{}), 16},
		{"CallbackInfo", unsafe.Sizeof(callbackInfo{}), 40},
		{"UncapturedErrorCallbackInfo", unsafe.Sizeof(errorCallbackInfo{}), 32},
		{"DawnTogglesDescriptor", unsafe.Sizeof(togglesDescriptor{}), 48},
		{"AdapterPropertiesSubgroupMatrixConfigs", unsafe.Sizeof(matrixConfigs{}), 32},
		{"SubgroupMatrixConfig", unsafe.Sizeof(matrixConfig{}), 28},
		{"InstanceDescriptor", unsafe.Sizeof(instanceDescriptor{}), 32},
		{"RequestAdapterOptions", unsafe.Sizeof(requestAdapterOptions{}), 32},
		{"AdapterInfo", unsafe.Sizeof(adapterInfo{}), 96},
		{"DeviceDescriptor", unsafe.Sizeof(deviceDescriptor{}), 144},
		{"BufferDescriptor", unsafe.Sizeof(bufferDescriptor{}), 48},
		{"ShaderModuleDescriptor", unsafe.Sizeof(shaderDescriptor{}), 24},
		{"ShaderSourceWGSL", unsafe.Sizeof(shaderSource{}), 32},
		{"BindGroupLayoutEntry", unsafe.Sizeof(groupLayoutEntry{}), 120},
		{"BindGroupLayoutEntry.buffer.type", unsafe.Offsetof(groupLayoutEntry{}.bufferType), 40},
		{"BindGroupLayoutDescriptor", unsafe.Sizeof(groupLayoutDescriptor{}), 40},
		{"PipelineLayoutDescriptor", unsafe.Sizeof(pipelineLayoutDescriptor{}), 48},
		{"ComputePipelineDescriptor", unsafe.Sizeof(pipelineDescriptor{}), 80},
		{"BindGroupEntry", unsafe.Sizeof(groupEntry{}), 56},
		{"BindGroupDescriptor", unsafe.Sizeof(groupDescriptor{}), 48},
		{"FutureWaitInfo", unsafe.Sizeof(futureWaitInfo{}), 16},
		{"Limits", unsafe.Sizeof(Limits{}), 152},
		{"Limits.maxStorageBuffersPerShaderStage", unsafe.Offsetof(Limits{}.MaxStorageBuffersPerShaderStage), 52},
		{"Limits.maxStorageBufferBindingSize", unsafe.Offsetof(Limits{}.MaxStorageBufferBindingSize), 72},
		{"Limits.maxBufferSize", unsafe.Offsetof(Limits{}.MaxBufferSize), 96},
		{"Limits.maxComputeWorkgroupStorageSize", unsafe.Offsetof(Limits{}.MaxComputeWorkgroupStorageSize), 124},
		{"Limits.maxComputeWorkgroupsPerDimension", unsafe.Offsetof(Limits{}.MaxComputeWorkgroupsPerDimension), 144},
	} {
		if s.got != s.want {
			t.Errorf("%s: %d bytes, C has %d", s.name, s.got, s.want)
		}
	}
}
