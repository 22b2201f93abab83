//go:build (linux || darwin || windows) && (amd64 || arm64)

package dawn

import "unsafe"

// The structs of webgpu.h as C lays them out on 64-bit machines, without the WGPU of their names. Fields that stay zero have no name.
type (
	stringView struct {
		data *byte
		n    uintptr
	}
	chainedStruct struct {
		_     unsafe.Pointer
		sType uint32
		_     uint32
	}
	callbackInfo struct { // of requests, mappings, finished work and losses
		_        unsafe.Pointer
		mode     uint32
		_        uint32
		callback uintptr
		user1    uintptr
		user2    uintptr
	}
	errorCallbackInfo struct {
		_        unsafe.Pointer
		callback uintptr
		user1    uintptr
		_        uintptr
	}
	togglesDescriptor struct {
		chain   chainedStruct
		count   uintptr
		enabled **byte
		_       [2]uintptr
	}
	instanceDescriptor struct {
		next         *togglesDescriptor
		featureCount uintptr
		features     *uint32
		_            unsafe.Pointer
	}
	requestAdapterOptions struct {
		next            *togglesDescriptor
		featureLevel    uint32
		powerPreference uint32
		fallback        uint32
		backendType     uint32
		_               uintptr
	}
	matrixConfigs struct {
		chain   chainedStruct
		count   uintptr
		configs unsafe.Pointer
	}
	matrixConfig struct {
		component, result        uint32
		m, n, k                  uint32
		subgroupMin, subgroupMax uint32
	}
	adapterInfo struct {
		next                                      *matrixConfigs
		vendor, architecture, device, description stringView
		backendType, adapterType                  uint32
		vendorID, deviceID                        uint32
		subgroupMin, subgroupMax                  uint32
	}
	deviceDescriptor struct {
		next         *togglesDescriptor
		label        stringView
		featureCount uintptr
		features     *uint32
		limits       *Limits
		_            unsafe.Pointer // the queue's descriptor
		_            stringView
		lost         callbackInfo
		uncaptured   errorCallbackInfo
	}
	bufferDescriptor struct {
		_     unsafe.Pointer
		label stringView
		usage uint64
		size  uint64
		_     uint32
		_     uint32
	}
	shaderSource struct {
		chain chainedStruct
		code  stringView
	}
	shaderDescriptor struct {
		next  *shaderSource
		label stringView
	}
	groupLayoutEntry struct {
		_          unsafe.Pointer
		binding    uint32
		_          uint32
		visibility uint64
		_          uint64
		_          unsafe.Pointer // of the buffer's layout
		bufferType uint32
		_          uint32
		_          uint64
		_          [8]uint64 // layouts of samplers, textures and storage textures
	}
	groupLayoutDescriptor struct {
		_       unsafe.Pointer
		label   stringView
		count   uintptr
		entries *groupLayoutEntry
	}
	pipelineLayoutDescriptor struct {
		_       unsafe.Pointer
		label   stringView
		count   uintptr
		layouts *uintptr
		_       uint64
	}
	pipelineDescriptor struct {
		_      unsafe.Pointer
		label  stringView
		layout uintptr
		_      unsafe.Pointer // of the stage
		module uintptr
		entry  stringView
		_      [2]uintptr
	}
	groupEntry struct {
		_       unsafe.Pointer
		binding uint32
		_       uint32
		buffer  uintptr
		offset  uint64
		size    uint64
		_       [2]uintptr
	}
	groupDescriptor struct {
		_       unsafe.Pointer
		label   stringView
		layout  uintptr
		count   uintptr
		entries *groupEntry
	}
	futureWaitInfo struct {
		id uint64
		_  uint64
	}
)

// Limits are those of an adapter that matter to compute shaders, in the names of WebGPU. It is passed by address only: an assignment
// would leave out what has no name.
type Limits struct {
	_                                 unsafe.Pointer
	_                                 [4]uint32 // of textures
	maxBindGroups                     uint32
	_                                 [6]uint32
	MaxStorageBuffersPerShaderStage   uint32
	_                                 [2]uint32
	_                                 uint64
	MaxStorageBufferBindingSize       uint64
	minUniformBufferOffsetAlignment   uint32
	minStorageBufferOffsetAlignment   uint32
	_                                 [2]uint32
	MaxBufferSize                     uint64
	_                                 [5]uint32
	MaxComputeWorkgroupStorageSize    uint32
	MaxComputeInvocationsPerWorkgroup uint32
	MaxComputeWorkgroupSizeX          uint32
	MaxComputeWorkgroupSizeY          uint32
	MaxComputeWorkgroupSizeZ          uint32
	MaxComputeWorkgroupsPerDimension  uint32
	maxImmediateSize                  uint32
}

// Numbers of webgpu.h.
const (
	timedWaitAny = 1 // a feature of instances

	featureLevelCore = 2
	lowPower         = 1
	highPerformance  = 2

	modeWaitAnyOnly = 1
	modeSpontaneous = 3

	success  = 1 // of requests, waits, mappings
	timedOut = 2 // of waits

	errorOutOfMemory = 3

	lostUnknown   = 1
	lostDestroyed = 2
	lostCancelled = 3

	sourceWGSL            = 2
	togglesDescriptorType = 0x5000A
	matrixConfigsType     = 0x5003B
	matrixF32             = 1 // a type of components
	matrixF16             = 2

	stageCompute = 4
	mapModeRead  = 1
)

// Feature is an optional feature of adapters and devices.
type Feature uint32

const (
	ShaderF16    Feature = 0x0B
	Subgroups    Feature = 0x12
	implicitSync Feature = 0x50004 // Dawn's own: functions may be called from several threads
	// SubgroupMatrix is an experiment of Dawn's: products of small matrices that a subgroup computes together.
	SubgroupMatrix Feature = 0x50034
)

// Usage is what a buffer is for, in bits.
type Usage uint64

const (
	MapRead Usage = 0x0001
	CopySrc Usage = 0x0004
	CopyDst Usage = 0x0008
	Uniform Usage = 0x0040
	Storage Usage = 0x0080
)

// BindingType is what a shader does with a buffer that it binds.
type BindingType uint32

const (
	UniformBinding  BindingType = 2
	StorageBinding  BindingType = 3
	ReadOnlyBinding BindingType = 4
)

// view passes a string to C. The struct that it is part of keeps the text alive.
func view(s string) stringView {
	if s == "" {
		return stringView{}
	}
	return stringView{unsafe.StringData(s), uintptr(len(s))}
}

// String copies a string of C.
func (s stringView) String() string {
	if s.data == nil {
		return ""
	}
	if s.n == ^uintptr(0) { // it ends with a zero
		for s.n = 0; *(*byte)(unsafe.Add(unsafe.Pointer(s.data), s.n)) != 0; s.n++ {
		}
	}
	return string(unsafe.Slice(s.data, s.n))
}
