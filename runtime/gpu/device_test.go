package gpu_test

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/shaders"
)

// scale is y[i] = x[i]*factor + i for i < count.
var scale = shaders.Shader{
	Name: "scale",
	Source: `struct Params { factor: f32, count: u32, }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < params.count) {
    y[id.x] = (x[id.x] * params.factor) + f32(id.x);
  }
}`,
	Workgroup: [3]int{64, 1, 1},
	Bindings:  []shaders.Access{shaders.Uniform, shaders.Read, shaders.ReadWrite},
}

// increment adds 1 to each of the 64 words of x.
var increment = shaders.Shader{
	Name: "increment",
	Source: `@group(0) @binding(0) var<storage, read_write> x: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  x[id.x] = x[id.x] + 1u;
}`,
	Workgroup: [3]int{64, 1, 1},
	Bindings:  []shaders.Access{shaders.ReadWrite},
}

// spin keeps the device busy for a while: a chain of dependent operations that no compiler can shorten.
var spin = shaders.Shader{
	Name: "spin",
	Source: `@group(0) @binding(0) var<storage, read_write> x: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  var v = x[id.x];
  for (var i = 0u; i < 200000u; i = i + 1u) {
    v = (v * 1664525u) + (v >> 7u) + i;
  }
  x[id.x] = v;
}`,
	Workgroup: [3]int{64, 1, 1},
	Bindings:  []shaders.Access{shaders.ReadWrite},
}

func newBuffer(t testing.TB, d *gpu.Device, label string, nBytes int64, usage gpu.Usage) *gpu.Buffer {
	t.Helper()
	b, err := d.NewBuffer(label, nBytes, usage)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Release)
	return b
}

func newPipeline(t testing.TB, d *gpu.Device, s shaders.Shader) *gpu.Pipeline {
	t.Helper()
	pl, err := d.NewPipeline(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pl.Release)
	return pl
}

// newCounter returns a program that increments 64 words, and those.
func newCounter(t testing.TB, d *gpu.Device) (*gpu.Program, *gpu.Buffer) {
	t.Helper()
	x := newBuffer(t, d, "counter", 256, gpu.Storage)
	p := d.NewProgram("count")
	t.Cleanup(p.Release)
	if err := p.Dispatch(newPipeline(t, d, increment), [3]int{1, 1, 1}, gpu.Binding{Buffer: x}); err != nil {
		t.Fatal(err)
	}
	return p, x
}

// readWords reads the first n words of b.
func readWords(t testing.TB, d *gpu.Device, b *gpu.Buffer, n int) []uint32 {
	t.Helper()
	p := make([]byte, 4*n)
	if err := d.Read(t.Context(), b, 0, p); err != nil {
		t.Fatal(err)
	}
	words := make([]uint32, n)
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(p[4*i:])
	}
	return words
}

// wantError checks that err is there, is want if that is not nil, and names each of parts.
func wantError(t testing.TB, err, want error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", parts)
		return
	}
	if want != nil && !errors.Is(err, want) {
		t.Errorf("error %q is not %q", err, want)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	var group sync.WaitGroup
	for range 4 {
		p, x := newCounter(t, d)
		group.Go(func() {
			word := make([]byte, 4)
			for i := range 50 {
				if err := errors.Join(d.Submit(t.Context(), p), d.Read(t.Context(), x, 0, word)); err != nil {
					t.Error(err)
					return
				}
				if got := binary.LittleEndian.Uint32(word); got != uint32(i+1) {
					t.Errorf("after %d submits the count is %d", i+1, got)
					return
				}
			}
		})
	}
	group.Wait()
}

// Shaders compile beside other calls, and each call gets its own errors.
func TestCompilersBesideOtherCalls(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	bad := increment
	bad.Source = strings.Replace(bad.Source, "+ 1u", "+ 1.5", 1)
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			for range 20 {
				if pl, err := d.NewPipeline(increment); err != nil {
					t.Error(err)
				} else {
					pl.Release()
				}
				if _, err := d.NewPipeline(bad); err == nil {
					t.Error("a shader with an error compiles")
				}
			}
		})
	}
	p, x := newCounter(t, d)
	for range 100 {
		if err := d.Submit(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	group.Wait()
	if got := readWords(t, d, x, 1)[0]; got != 100 {
		t.Errorf("the count is %d, want 100", got)
	}
}

func TestCloseWhileCompiling(t *testing.T) {
	gputest.Open(t, gpu.Options{}) // skips where there is no adapter
	d, err := gpu.Open(t.Context(), gpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				if _, err := d.NewPipeline(spin); err != nil {
					wantError(t, err, gpu.ErrClosed, "gpu: ")
					return
				}
			}
		})
	}
	for d.Stats().Pipelines < 4 {
		time.Sleep(time.Millisecond)
	}
	d.Close()
	group.Wait()
}

func TestUseAfterClose(t *testing.T) {
	gputest.Open(t, gpu.Options{}) // skips where there is no adapter
	d, err := gpu.Open(t.Context(), gpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, x := newCounter(t, d)
	pl := newPipeline(t, d, increment)
	if err := d.Submit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	d.Close()
	d.Close() // is harmless, and so are the releases that the test's end brings
	_, bufferErr := d.NewBuffer("late", 4, gpu.Storage)
	_, pipelineErr := d.NewPipeline(increment)
	for _, err := range []error{
		bufferErr, pipelineErr, d.Write(x, 0, make([]byte, 4)), d.Read(t.Context(), x, 0, make([]byte, 4)), d.Wait(t.Context()),
		d.Submit(t.Context(), p), p.Dispatch(pl, [3]int{1, 1, 1}, gpu.Binding{Buffer: x}), d.NewProgram("late").Copy(x, 0, x, 0, 4),
	} {
		wantError(t, err, gpu.ErrClosed, "gpu: ")
	}
	if s := d.Stats(); s.LiveBuffers != 0 || s.LiveBytes != 0 {
		t.Errorf("%d buffers of %d bytes live after Close", s.LiveBuffers, s.LiveBytes)
	}
}

func TestCancelledWaitLeavesTheDeviceUsable(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	p, x := newCounter(t, d)
	busy := d.NewProgram("busy")
	defer busy.Release()
	if err := busy.Dispatch(newPipeline(t, d, spin), [3]int{64, 1, 1}, gpu.Binding{Buffer: newBuffer(t, d, "spin", 64*256, gpu.Storage)}); err != nil {
		t.Fatal(err)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, d.Submit(done, p), context.Canceled)
	wantError(t, d.Wait(done), context.Canceled)
	wantError(t, d.Read(done, x, 0, make([]byte, 4)), context.Canceled)

	for range 3 {
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if err := d.Submit(t.Context(), busy, p); err != nil {
			t.Fatal(err)
		}
		dst := make([]byte, 4)
		if err := d.Read(short, x, 0, dst); err != nil { // a fast device may be done in time
			wantError(t, err, context.DeadlineExceeded, "gpu: read:")
			if binary.LittleEndian.Uint32(dst) != 0 {
				t.Error("a read that was given up wrote to its destination")
			}
		}
		cancel()
	}
	if got := readWords(t, d, x, 1)[0]; got != 3 {
		t.Errorf("the count is %d, want 3", got)
	}
}

func TestCloseDuringACancelledWait(t *testing.T) {
	gputest.Open(t, gpu.Options{})
	d, err := gpu.Open(t.Context(), gpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := d.NewProgram("busy")
	if err := p.Dispatch(newPipeline(t, d, spin), [3]int{64, 1, 1}, gpu.Binding{Buffer: newBuffer(t, d, "spin", 64*256, gpu.Storage)}); err != nil {
		t.Fatal(err)
	}
	if err := d.Submit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	d.Wait(short) // whether it ends in time doesn't matter
	d.Close()
}

func TestAdapters(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	infos, err := gpu.Adapters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, info := range infos {
		t.Logf("%d: %v, vendor %q, driver %q", i, info, info.Vendor, info.Driver)
		if info.Index != i || info.Name == "" || info.Vendor == "" || info.Backend == "" || info.Type == "" {
			t.Errorf("adapter %d is incomplete: %+v", i, info)
		}
	}
	used := d.Caps().Adapter
	byName, err := gpu.Open(t.Context(), gpu.Options{Adapter: strings.ToUpper(used.Name)})
	if err != nil {
		t.Fatal(err)
	}
	byName.Close()
	_, err = gpu.Open(t.Context(), gpu.Options{Adapter: "abacus"})
	wantError(t, err, gpu.ErrNoAdapter, `matches "abacus"`, used.Name)
	_, err = gpu.Open(t.Context(), gpu.Options{MaxBindingBytes: -1})
	wantError(t, err, nil, "MaxBindingBytes is -1")
}
