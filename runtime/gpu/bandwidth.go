package gpu

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// readShader reads 16 KiB per workgroup. It writes only if it finds what is nowhere, so that nothing is left out.
var readShader = shaders.Shader{
	Name: "read",
	Source: `@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<u32>>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let first = (group.x * 1024u) + local;
  let all = (x[first] | x[first + 256u]) | (x[first + 512u] | x[first + 768u]);
  if (all.x == 0x9e3779b9u) {
    y[first] = all;
  }
}
`,
	Workgroup: [3]int{256, 1, 1},
	Bindings:  []shaders.Access{shaders.Read, shaders.ReadWrite},
}

// Bandwidth is how fast shaders move what lies in a device's memory, in bytes per second.
type Bandwidth struct {
	Copy float64 // one large buffer to another; bytes read and bytes written count
	Read float64 // without writing, as decoding does
}

// Bandwidth measures with two buffers of 256 MiB in turn (32 MiB on a software renderer), without what a submit costs. It takes a second at most.
func (d *Device) Bandwidth(ctx context.Context) (b Bandwidth, err error) {
	const groupBytes = 16 << 10
	size, budget := int64(256<<20), 300*time.Millisecond
	if d.caps.Adapter.CPU() {
		size, budget = 32<<20, 150*time.Millisecond
	}
	size = min(size, d.caps.MaxBindingBytes, d.caps.MaxBufferBytes, int64(d.caps.MaxWorkgroupsPerDim)*groupBytes) / groupBytes * groupBytes
	if size == 0 {
		return b, fmt.Errorf("gpu: bandwidth: bindings of %s are too small to measure with", byteCount(d.caps.MaxBindingBytes))
	}
	var buffers [2]*Buffer
	for i := range buffers {
		if buffers[i], err = d.NewBuffer("bandwidth", size, Storage); err != nil {
			return b, err
		}
		defer buffers[i].Release()
	}
	for _, k := range []struct {
		shader shaders.Shader
		rate   *float64
		bytes  int64 // that a dispatch moves
	}{{copyShader, &b.Copy, 2 * size}, {readShader, &b.Read, size}} {
		pl, err := d.NewPipeline(k.shader)
		if err != nil {
			return b, err
		}
		defer pl.Release()
		p := d.NewProgram("bandwidth")
		defer p.Release()
		for i := range buffers {
			if err := p.Dispatch(pl, [3]int{int(size / groupBytes), 1, 1}, Binding{Buffer: buffers[i]}, Binding{Buffer: buffers[1-i]}); err != nil {
				return b, err
			}
		}
		took, err := d.Time(ctx, p, budget)
		if err != nil {
			return b, err
		}
		*k.rate = float64(int64(len(buffers))*k.bytes) / took.Seconds()
	}
	return b, nil
}

// Time measures how long a program takes where it follows itself, without what a submit and the wait for it cost. It runs the program again and
// again for about the given time; the first time, which may compile, does not count.
func (d *Device) Time(ctx context.Context, p *Program, about time.Duration) (time.Duration, error) {
	run := func(n int) (time.Duration, error) {
		start := time.Now()
		err := errors.Join(d.Submit(ctx, slices.Repeat([]*Program{p}, n)...), d.Wait(ctx))
		return time.Since(start), err
	}
	if _, err := run(1); err != nil {
		return 0, err
	}
	one, err := run(1)
	// As many runs a submit as make a measurement long; of several the fastest.
	n, many := 2, time.Duration(0)
	for err == nil {
		if many, err = run(n); many >= about/8 || n == 1<<10 {
			break
		}
		n *= 2
	}
	for start := time.Now(); err == nil && time.Since(start) < about; {
		var again time.Duration
		if again, err = run(n); err == nil {
			many = min(many, again)
			again, err = run(1)
			one = min(one, again)
		}
	}
	if many > one {
		return (many - one) / time.Duration(n-1), err
	}
	return many / time.Duration(n), err // something else was faster than the clock
}

// stepShader does next to nothing, in one workgroup; emptyShader nothing.
var (
	stepShader = shaders.Shader{
		Name: "latency",
		Source: `@group(0) @binding(0) var<storage, read_write> x: array<u32>;
@compute @workgroup_size(32)
fn main(@builtin(local_invocation_index) lane: u32) { x[lane] = x[lane] + 1u; }
`,
		Workgroup: [3]int{32, 1, 1},
		Bindings:  []shaders.Access{shaders.ReadWrite},
	}
	emptyShader = shaders.Shader{
		Name: "empty",
		Source: `@group(0) @binding(0) var<storage, read> x: array<u32>;
@compute @workgroup_size(32)
fn main() {}
`,
		Workgroup: [3]int{32, 1, 1},
		Bindings:  []shaders.Access{shaders.Read},
	}
)

// Latency is what a dispatch costs beside its work.
type Latency struct {
	Empty       time.Duration // it touches nothing
	Dependent   time.Duration // each dispatch waits for what the one before has written
	Independent time.Duration // no two neighbours touch the same buffer
	Submit      time.Duration // of a program of one dispatch, and the wait for it
	Record      time.Duration // what the caller does for a program of RecordedDispatches: recording and submitting, without the wait
}

// RecordedDispatches are as many as a token of a model with 24 layers has.
const RecordedDispatches = 160

// DispatchLatency measures what dispatches cost that do next to nothing. It takes a fraction of a second.
func (d *Device) DispatchLatency(ctx context.Context) (l Latency, err error) {
	const chain = 256
	buffers := make([]*Buffer, 16)
	for i := range buffers {
		if buffers[i], err = d.NewBuffer("latency", 128, Storage); err != nil {
			return l, err
		}
		defer buffers[i].Release()
	}
	record := func(shader shaders.Shader, dispatches int, buffers []*Buffer) (*Program, func(), error) {
		pl, err := d.NewPipeline(shader)
		if err != nil {
			return nil, func() {}, err
		}
		p := d.NewProgram("latency")
		for i := range dispatches {
			err = errors.Join(err, p.Dispatch(pl, [3]int{1, 1, 1}, Binding{Buffer: buffers[i%len(buffers)]}))
		}
		return p, func() { p.Release(); pl.Release() }, err
	}
	for _, k := range []struct {
		to      *time.Duration
		shader  shaders.Shader
		buffers []*Buffer
	}{{&l.Empty, emptyShader, buffers[:1]}, {&l.Dependent, stepShader, buffers[:1]}, {&l.Independent, stepShader, buffers}} {
		p, release, err := record(k.shader, chain, k.buffers)
		defer release()
		if err != nil {
			return l, err
		}
		whole, err := d.Time(ctx, p, 50*time.Millisecond)
		if err != nil {
			return l, err
		}
		*k.to = whole / chain
	}
	for _, k := range []struct {
		to         *time.Duration
		dispatches int
		whole      bool // with the wait
	}{{&l.Submit, 1, true}, {&l.Record, RecordedDispatches, false}} {
		p, release, err := record(stepShader, k.dispatches, buffers)
		defer release()
		if err != nil {
			return l, err
		}
		for range 20 {
			start := time.Now()
			err := d.Submit(ctx, p)
			submitted := time.Since(start)
			if err := errors.Join(err, d.Wait(ctx)); err != nil {
				return l, err
			}
			t := submitted
			if k.whole {
				t = time.Since(start)
			}
			if *k.to == 0 || t < *k.to {
				*k.to = t
			}
		}
	}
	return l, nil
}
