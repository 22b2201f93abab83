//go:build !cgo && !js && !static && (linux || darwin || windows) && (amd64 || arm64)

package gpu

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"gossamer/runtime/gpu/dawn"
	"gossamer/shaders"
)

// This file is the native implementation without cgo, over a library of Dawn that is found when the program runs.

type (
	rawBuffer     = dawn.Buffer
	rawGroup      = dawn.Group
	rawSubmission = *dawn.Future
)

// rawPipeline is a compiled shader.
type rawPipeline struct {
	device *dawn.Device
	dawn.Pipeline
}

// rawDevice is a device of Dawn.
type rawDevice struct{ device *dawn.Device }

// library loads Dawn, once for the process: it can't be unloaded.
var library = sync.OnceValues(func() (*dawn.Library, error) {
	path, err := dawn.Find()
	if err != nil {
		return nil, fmt.Errorf("%w: this program was built without cgo, and %w; or build it with CGO_ENABLED=1, or use the CPU backend", ErrNoAdapter, err)
	}
	l, err := dawn.Load(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoAdapter, err)
	}
	return l, nil
})

// rawLibrary names the library, and the file that it comes from.
func rawLibrary() string {
	l, err := library()
	if err != nil {
		return ""
	}
	return l.String()
}

// told adds the sentinel to an error of Dawn.
func told(err error) error {
	switch {
	case errors.Is(err, dawn.ErrLost):
		return fmt.Errorf("%w: %w", ErrLost, err)
	case errors.Is(err, dawn.ErrOutOfMemory):
		return fmt.Errorf("%w: %w", ErrOutOfMemory, err)
	}
	return err
}

// adapters lists the adapters.
func adapters() ([]*dawn.Adapter, []AdapterInfo, error) {
	l, err := library()
	if err != nil {
		return nil, nil, err
	}
	list, reason, err := l.Adapters()
	if err != nil {
		return nil, nil, err
	}
	if len(list) == 0 {
		return nil, nil, fmt.Errorf("%w: Dawn finds no GPU whose driver it accepts (of Mesa's drivers, those of version 25 and newer): %w",
			ErrNoAdapter, reason)
	}
	infos := make([]AdapterInfo, len(list))
	for i, a := range list {
		infos[i] = AdapterInfo{Index: i, Name: a.Name, Driver: a.Driver, Backend: a.Backend, Type: a.Type, Vendor: vendors[a.VendorID]}
		if infos[i].Vendor == "" {
			infos[i].Vendor = a.Vendor
		}
		if infos[i].Vendor == "" {
			infos[i].Vendor = fmt.Sprintf("%#x", a.VendorID)
		}
	}
	return list, infos, nil
}

// rawAdapters lists the adapters.
func rawAdapters() ([]AdapterInfo, error) {
	_, infos, err := adapters()
	return infos, err
}

// rawOpen opens the adapter that o asks for.
func rawOpen(o Options) (d *rawDevice, caps Caps, err error) {
	list, infos, err := adapters()
	if err != nil {
		return nil, caps, err
	}
	i, err := choose(infos, o)
	if err != nil {
		return nil, caps, err
	}
	request := dawn.Request{MaxBindingBytes: uint64(o.MaxBindingBytes)}
	if !o.NoF16 {
		request.Features = append(request.Features, dawn.ShaderF16)
	}
	if !o.NoSubgroups {
		request.Features = append(request.Features, dawn.Subgroups)
	}
	matrix := bestMatrix(list[i].Matrices)
	if o.NoF16 || o.NoSubgroups || o.NoMatrices {
		matrix = shaders.Matrix{}
	}
	if matrix != (shaders.Matrix{}) {
		request.Features = append(request.Features, dawn.SubgroupMatrix)
	}
	device, err := list[i].Open(request)
	if err != nil {
		return nil, caps, fmt.Errorf("adapter %s: %w", infos[i], err)
	}
	m := device.Limits
	has := func(f dawn.Feature) bool { return slices.Contains(device.Features, f) }
	caps = Caps{
		Adapter:         infos[i],
		MaxBindingBytes: int64(min(m.MaxStorageBufferBindingSize, math.MaxInt64) / 4 * 4),
		MaxUniformBytes: 64 << 10, // WebGPU's default; no kernel needs more
		MaxBufferBytes:  int64(min(m.MaxBufferSize, math.MaxInt64) / 4 * 4),
		OffsetAlignment: 256, // likewise the default, and every device's at most

		MaxWorkgroupsPerDim: int(m.MaxComputeWorkgroupsPerDimension),
		MaxStorageBuffers:   int(m.MaxStorageBuffersPerShaderStage),
		MaxWorkgroupBytes:   int(m.MaxComputeWorkgroupStorageSize),
		MaxInvocations:      int(m.MaxComputeInvocationsPerWorkgroup),
		MaxWorkgroupSize:    [3]int{int(m.MaxComputeWorkgroupSizeX), int(m.MaxComputeWorkgroupSizeY), int(m.MaxComputeWorkgroupSizeZ)},

		Variant: shaders.Variant{Dialect: shaders.Tint, F16: has(dawn.ShaderF16), Subgroups: has(dawn.Subgroups), Matrix: matrix},
	}
	return &rawDevice{device}, caps, nil
}

// bestMatrix is the largest of the shapes that an adapter has; the zero Matrix if it has none.
func bestMatrix(list []dawn.Matrix) (best shaders.Matrix) {
	for _, m := range list {
		if m.M*m.N*m.K > best.M*best.N*best.K {
			best = shaders.Matrix{M: m.M, N: m.N, K: m.K, Lanes: m.Lanes}
		}
	}
	return best
}

// watch calls f when the device is lost. It ends when the device is closed.
func (d *rawDevice) watch(f func(error)) {
	go func() {
		if reason, lost := <-d.device.Lost(); lost {
			f(fmt.Errorf("%w: %s", ErrLost, reason))
		}
	}()
}

// close releases the device. Everything made from it is released before.
func (d *rawDevice) close() { d.device.Close() }

// newBuffer returns a buffer of n bytes.
func (d *rawDevice) newBuffer(label string, n int64, usage Usage) (rawBuffer, error) {
	bits := dawn.Storage | dawn.CopySrc | dawn.CopyDst
	if usage == Uniform {
		bits = dawn.Uniform | dawn.CopyDst
	}
	b, err := d.device.NewBuffer(label, n, bits)
	return b, told(err)
}

// newStaging returns a buffer of n bytes that can be mapped to be read.
func (d *rawDevice) newStaging(n int64) (rawBuffer, error) {
	b, err := d.device.NewBuffer("readback", n, dawn.MapRead|dawn.CopyDst)
	return b, told(err)
}

// releaseBuffer drops the reference. Bind groups and work under way keep the memory until they are done.
func (d *rawDevice) releaseBuffer(b rawBuffer) { d.device.ReleaseBuffer(b) }

// write queues a write of whole words.
func (d *rawDevice) write(b rawBuffer, off int64, p []byte) error {
	return told(d.device.Write(b, off, p))
}

// compilesBeside: newPipeline may not run beside other calls, whose errors it would take for its own.
const compilesBeside = false

// newPipeline compiles s.
func (d *rawDevice) newPipeline(s shaders.Shader) (rawPipeline, error) {
	bindings := make([]dawn.BindingType, len(s.Bindings))
	for i, access := range s.Bindings {
		switch access {
		case shaders.Read:
			bindings[i] = dawn.ReadOnlyBinding
		case shaders.ReadWrite:
			bindings[i] = dawn.StorageBinding
		default:
			bindings[i] = dawn.UniformBinding
		}
	}
	p, err := d.device.NewPipeline(s.Name, s.Source, bindings)
	return rawPipeline{d.device, p}, told(err)
}

// release frees the pipeline.
func (p rawPipeline) release() { p.device.ReleasePipeline(p.Pipeline) }

// newGroup builds the bind group of one dispatch.
func (d *rawDevice) newGroup(label string, p rawPipeline, args []Binding) (rawGroup, error) {
	ranges := make([]dawn.Range, len(args))
	for i, a := range args {
		ranges[i] = dawn.Range{Buffer: a.Buffer.raw, Off: a.Off, Size: a.Size}
	}
	g, err := d.device.NewGroup(label, p.Pipeline, ranges)
	return g, told(err)
}

// releaseGroup frees a bind group.
func (d *rawDevice) releaseGroup(g rawGroup) { d.device.ReleaseGroup(g) }

// submit records programs into one command buffer and submits it. Without programs it starts the queued writes, and only then can be
// waited for.
func (d *rawDevice) submit(programs []*Program) (rawSubmission, error) {
	enc := d.device.NewEncoder()
	encode(enc, programs)
	if err := enc.Submit(); err != nil {
		return nil, told(err)
	}
	if len(programs) > 0 {
		return nil, nil
	}
	return d.device.Done(), nil
}

// encode records programs.
func encode(enc *dawn.Encoder, programs []*Program) {
	for _, p := range programs {
		for _, o := range p.ops {
			if o.n > 0 {
				enc.Copy(o.dst, o.dstOff, o.src, o.srcOff, o.n)
			} else {
				enc.Dispatch(o.pipeline.Pipeline, o.group, o.grid)
			}
		}
	}
}

// poll waits for a flush or a readback.
func (d *rawDevice) poll(at rawSubmission) error {
	if at == nil {
		return nil
	}
	return told(at.Wait())
}

// readback submits programs and a copy of n bytes of src at off to the staging buffer, and begins to map that. Without src it clears a word
// there instead, which serves to wait: submissions finish in order.
func (d *rawDevice) readback(programs []*Program, staging, src rawBuffer, off, n int64) (rawSubmission, error) {
	if err := d.device.Unmap(staging); err != nil { // the last read may have been given up before it took anything
		return nil, told(err)
	}
	enc := d.device.NewEncoder()
	encode(enc, programs)
	if src == 0 {
		enc.Clear(staging, 0, 4)
	} else {
		enc.Copy(staging, 0, src, off, n)
	}
	if err := enc.Submit(); err != nil {
		return nil, told(err)
	}
	at, err := d.device.Map(staging, max(n, 4))
	return at, told(err)
}

// take copies the start of the staging buffer to dst, once poll has waited for its readback.
func (d *rawDevice) take(staging rawBuffer, at rawSubmission, dst []byte) error {
	if err := at.Err(); err != nil {
		return told(errors.Join(err, d.device.Unmap(staging)))
	}
	err := d.device.Read(staging, dst)
	return told(errors.Join(err, d.device.Unmap(staging)))
}
