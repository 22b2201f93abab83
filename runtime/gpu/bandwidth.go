package gpu

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gossamer/shaders"
)

// copyShader copies 16 KiB per workgroup, neighbouring invocations neighbouring words.
var copyShader = shaders.Shader{
	Name: "copy",
	Source: `@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<u32>>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let first = (group.x * 1024u) + local;
  y[first] = x[first];
  y[first + 256u] = x[first + 256u];
  y[first + 512u] = x[first + 512u];
  y[first + 768u] = x[first + 768u];
}
`,
	Workgroup: [3]int{256, 1, 1},
	Bindings:  []shaders.Access{shaders.Read, shaders.ReadWrite},
}

// CopyBandwidth measures how fast a shader copies one large buffer to another, in bytes per second, counting
// bytes read and bytes written. Kernels that are bound by memory are compared with it. It takes a fraction of a second, and twice 256 MiB of
// the device's memory (32 MiB on a software renderer).
func (d *Device) CopyBandwidth(ctx context.Context) (bytesPerSecond float64, err error) {
	const groupBytes = 16 << 10
	size, budget := int64(256<<20), 300*time.Millisecond
	if d.caps.Adapter.CPU() {
		size, budget = 32<<20, 150*time.Millisecond
	}
	size = min(size, d.caps.MaxBindingBytes, d.caps.MaxBufferBytes, int64(d.caps.MaxWorkgroupsPerDim)*groupBytes) / groupBytes * groupBytes
	if size == 0 {
		return 0, fmt.Errorf("gpu: copy bandwidth: bindings of %s are too small to measure with", byteCount(d.caps.MaxBindingBytes))
	}
	x, err := d.NewBuffer("bandwidth source", size, Storage)
	if err != nil {
		return 0, err
	}
	defer x.Release()
	y, err := d.NewBuffer("bandwidth destination", size, Storage)
	if err != nil {
		return 0, err
	}
	defer y.Release()
	pl, err := d.NewPipeline(copyShader)
	if err != nil {
		return 0, err
	}
	defer pl.Release()
	const copies = 4 // per submit, so that the wait counts for little
	p := d.NewProgram("bandwidth")
	defer p.Release()
	for i := range copies {
		args := []Binding{{Buffer: x}, {Buffer: y}}
		if i%2 == 1 {
			args[0], args[1] = args[1], args[0]
		}
		if err := p.Dispatch(pl, [3]int{int(size / groupBytes), 1, 1}, args...); err != nil {
			return 0, err
		}
	}
	run := func() (time.Duration, error) {
		start := time.Now()
		err := errors.Join(d.Submit(ctx, p), d.Wait(ctx))
		return time.Since(start), err
	}
	if _, err := run(); err != nil { // the first run also zeroes the buffers
		return 0, err
	}
	best := time.Duration(0)
	for start := time.Now(); time.Since(start) < budget; {
		t, err := run()
		if err != nil {
			return 0, err
		}
		if best == 0 || t < best {
			best = t
		}
	}
	return float64(2*copies*size) / best.Seconds(), nil
}

// stepShader does next to nothing, in one workgroup.
var stepShader = shaders.Shader{
	Name: "latency",
	Source: `@group(0) @binding(0) var<storage, read_write> x: array<u32>;
@compute @workgroup_size(32)
fn main(@builtin(local_invocation_index) lane: u32) { x[lane] = x[lane] + 1u; }
`,
	Workgroup: [3]int{32, 1, 1},
	Bindings:  []shaders.Access{shaders.ReadWrite},
}

// Latency is what a dispatch costs beside its work.
type Latency struct {
	Dependent   time.Duration // each dispatch waits for what the one before has written
	Independent time.Duration // no two neighbours touch the same buffer
	Submit      time.Duration // of a program of one dispatch, and the wait for it
	Record      time.Duration // what the caller does for a program of RecordedDispatches: recording and submitting, without the wait
}

// RecordedDispatches are as many as a token of a model with 24 layers has.
const RecordedDispatches = 160

// DispatchLatency measures what dispatches cost that do next to nothing. It takes a fraction of a second.
func (d *Device) DispatchLatency(ctx context.Context) (l Latency, err error) {
	pl, err := d.NewPipeline(stepShader)
	if err != nil {
		return l, err
	}
	defer pl.Release()
	const chain = 256
	buffers := make([]*Buffer, 16)
	for i := range buffers {
		if buffers[i], err = d.NewBuffer("latency", 128, Storage); err != nil {
			return l, err
		}
		defer buffers[i].Release()
	}
	measure := func(dispatches int, buffers []*Buffer, whole bool) (time.Duration, error) {
		p := d.NewProgram("latency")
		defer p.Release()
		for i := range dispatches {
			if err := p.Dispatch(pl, [3]int{1, 1, 1}, Binding{Buffer: buffers[i%len(buffers)]}); err != nil {
				return 0, err
			}
		}
		best := time.Duration(0)
		for range 20 {
			start := time.Now()
			err := d.Submit(ctx, p)
			t := time.Since(start)
			if err := errors.Join(err, d.Wait(ctx)); err != nil {
				return 0, err
			}
			if whole {
				t = time.Since(start)
			}
			if best == 0 || t < best {
				best = t
			}
		}
		return best, nil
	}
	if l.Submit, err = measure(1, buffers, true); err != nil {
		return l, err
	}
	if l.Record, err = measure(RecordedDispatches, buffers, false); err != nil {
		return l, err
	}
	for _, k := range []struct {
		dst     *time.Duration
		buffers []*Buffer
	}{{&l.Dependent, buffers[:1]}, {&l.Independent, buffers}} {
		whole, err := measure(chain+1, k.buffers, true)
		if err != nil {
			return l, err
		}
		*k.dst = max(0, whole-l.Submit) / chain
	}
	return l, nil
}
