//go:build (linux || darwin || windows) && (amd64 || arm64)

package dawn

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// functions are the addresses of C functions, by their names without "wgpu".
type functions struct {
	CreateInstance, HasInstanceFeature, InstanceRequestAdapter, InstanceWaitAny, InstanceRelease uintptr

	// GetInstanceFeatures is not called. Versions of the API whose numbers are others do not have it.
	GetInstanceFeatures uintptr

	AdapterGetInfo, AdapterGetLimits, AdapterHasFeature, AdapterRequestDevice, AdapterRelease uintptr

	DeviceGetQueue, DeviceCreateBuffer, DeviceCreateShaderModule, DeviceCreateBindGroupLayout, DeviceCreatePipelineLayout uintptr
	DeviceCreateComputePipeline, DeviceCreateBindGroup, DeviceCreateCommandEncoder                                        uintptr
	DeviceForceLoss, DeviceDestroy, DeviceRelease                                                                         uintptr

	BufferMapAsync, BufferGetConstMappedRange, BufferUnmap, BufferRelease                      uintptr
	ShaderModuleRelease, BindGroupLayoutRelease, PipelineLayoutRelease, ComputePipelineRelease uintptr
	BindGroupRelease, CommandEncoderRelease, CommandBufferRelease, ComputePassEncoderRelease   uintptr

	CommandEncoderBeginComputePass, CommandEncoderCopyBufferToBuffer, CommandEncoderClearBuffer, CommandEncoderFinish uintptr
	ComputePassEncoderSetPipeline, ComputePassEncoderSetBindGroup, ComputePassEncoderDispatchWorkgroups               uintptr
	ComputePassEncoderEnd                                                                                             uintptr

	QueueSubmit, QueueWriteBuffer, QueueOnSubmittedWorkDone, QueueRelease uintptr
}

// resolve finds all functions.
func (f *functions) resolve(address func(symbol string) uintptr) error {
	var missing []string
	v := reflect.ValueOf(f).Elem()
	for i := range v.NumField() {
		symbol := "wgpu" + v.Type().Field(i).Name
		a := address(symbol)
		if a == 0 {
			missing = append(missing, symbol)
		}
		v.Field(i).Set(reflect.ValueOf(a))
	}
	if missing != nil {
		return fmt.Errorf("it lacks %s: its API is another version than this program's", strings.Join(missing, ", "))
	}
	return nil
}

// call calls a C function. Addresses of Go's memory are converted to uintptr in the list of arguments, which keeps that memory, and what
// it points to, alive and in place until the call returns.
//
//go:uintptrescapes
func call(function uintptr, args ...uintptr) uintptr {
	r, _, _ := purego.SyscallN(function, args...)
	return r
}

// callWithInfo calls a C function whose last parameter is a callback info by value, which is 40 bytes. On amd64 C passes such a struct on
// the stack, whatever registers are left; on Windows and on arm64 it passes the address of a copy.
//
//go:uintptrescapes
func callWithInfo(function uintptr, info *callbackInfo, args ...uintptr) uintptr {
	if runtime.GOARCH == "amd64" && runtime.GOOS != "windows" {
		const registers = 6
		for len(args) < registers {
			args = append(args, 0)
		}
		return call(function, append(args, 0, uintptr(info.mode), info.callback, info.user1, info.user2)...)
	}
	r := call(function, append(args, uintptr(unsafe.Pointer(info)))...)
	runtime.KeepAlive(info)
	return r
}
