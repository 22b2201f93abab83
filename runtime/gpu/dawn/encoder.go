//go:build (linux || darwin || windows) && (amd64 || arm64)

package dawn

import (
	"errors"
	"unsafe"
)

// Encoder records one submission.
type Encoder struct {
	d       *Device
	encoder uintptr
	pass    uintptr // open between copies; 0: none
}

// NewEncoder begins a recording. Submit ends it and must be called.
func (d *Device) NewEncoder() *Encoder {
	return &Encoder{d: d, encoder: call(d.library.f.DeviceCreateCommandEncoder, d.device, 0)}
}

// Dispatch appends a run of p with g over a grid of workgroups.
func (e *Encoder) Dispatch(p Pipeline, g Group, grid [3]uint32) {
	f := &e.d.library.f
	if e.pass == 0 {
		e.pass = call(f.CommandEncoderBeginComputePass, e.encoder, 0)
	}
	call(f.ComputePassEncoderSetPipeline, e.pass, p.pipeline)
	call(f.ComputePassEncoderSetBindGroup, e.pass, 0, uintptr(g), 0, 0)
	call(f.ComputePassEncoderDispatchWorkgroups, e.pass, uintptr(grid[0]), uintptr(grid[1]), uintptr(grid[2]))
}

// endPass ends the pass that is open.
func (e *Encoder) endPass() {
	if e.pass != 0 {
		call(e.d.library.f.ComputePassEncoderEnd, e.pass)
		call(e.d.library.f.ComputePassEncoderRelease, e.pass)
		e.pass = 0
	}
}

// Copy appends a copy of n bytes.
func (e *Encoder) Copy(dst Buffer, dstOff int64, src Buffer, srcOff, n int64) {
	e.endPass()
	call(e.d.library.f.CommandEncoderCopyBufferToBuffer, e.encoder, uintptr(src), uintptr(srcOff), uintptr(dst), uintptr(dstOff), uintptr(n))
}

// Clear appends zeroing n bytes of b.
func (e *Encoder) Clear(b Buffer, off, n int64) {
	e.endPass()
	call(e.d.library.f.CommandEncoderClearBuffer, e.encoder, uintptr(b), uintptr(off), uintptr(n))
}

// Submit submits what was recorded, behind the writes that are queued.
func (e *Encoder) Submit() error {
	e.endPass()
	f := &e.d.library.f
	commands := call(f.CommandEncoderFinish, e.encoder, 0)
	call(f.CommandEncoderRelease, e.encoder)
	call(f.QueueSubmit, e.d.queue, 1, uintptr(unsafe.Pointer(&[1]uintptr{commands})))
	call(f.CommandBufferRelease, commands)
	return e.d.check()
}

// Done returns a future of everything submitted. It need not be waited for.
func (d *Device) Done() *Future {
	l := d.library
	info := &callbackInfo{mode: modeSpontaneous, callback: l.callbacks.status}
	return &Future{d: d, id: callWithInfo(l.f.QueueOnSubmittedWorkDone, info, d.queue)}
}

// Map begins to map the first n bytes of b to be read, behind everything submitted. The future must be waited for.
func (d *Device) Map(b Buffer, n int64) (*Future, error) {
	l := d.library
	future := &Future{d: d}
	future.callback = l.callbacks.register(func(status uint32, _ uintptr, message string) {
		l.callbacks.forget(future.callback)
		if status != success {
			future.fail(errors.New(message))
		}
	})
	info := &callbackInfo{mode: modeWaitAnyOnly, callback: l.callbacks.status, user1: future.callback}
	future.id = callWithInfo(l.f.BufferMapAsync, info, uintptr(b), mapModeRead, 0, uintptr(n))
	return future, d.check()
}

// Read copies the start of b to dst, once a mapping of it is done.
func (d *Device) Read(b Buffer, dst []byte) error {
	p := call(d.library.f.BufferGetConstMappedRange, uintptr(b), 0, uintptr((len(dst)+3)/4*4))
	if p == 0 {
		return errors.Join(errors.New("nothing is mapped"), d.check())
	}
	copy(dst, unsafe.Slice(*(**byte)(unsafe.Pointer(&p)), len(dst)))
	return nil
}

// Unmap ends a mapping, if there is one.
func (d *Device) Unmap(b Buffer) error {
	call(d.library.f.BufferUnmap, uintptr(b))
	return d.check()
}
