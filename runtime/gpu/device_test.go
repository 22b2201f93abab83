package gpu_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

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

func TestWriteDispatchRead(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	const n = 1000 // not a multiple of the workgroup
	params := newBuffer(t, d, "params", 8, gpu.Uniform)
	x, y := newBuffer(t, d, "x", 4*n, gpu.Storage), newBuffer(t, d, "y", 4*n, gpu.Storage)
	p := d.NewProgram("scale")
	defer p.Release()
	err := p.Dispatch(newPipeline(t, d, scale), [3]int{(n + 63) / 64, 1, 1}, gpu.Binding{Buffer: params}, gpu.Binding{Buffer: x}, gpu.Binding{Buffer: y})
	if err != nil {
		t.Fatal(err)
	}
	host := make([]byte, 4*n)
	for i := range n {
		binary.LittleEndian.PutUint32(host[4*i:], math.Float32bits(float32(i)/2))
	}
	uniform := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, math.Float32bits(4)), n)
	if err := errors.Join(d.Write(params, 0, uniform), d.Write(x, 0, host), d.Submit(t.Context(), p)); err != nil {
		t.Fatal(err)
	}
	for i, word := range readWords(t, d, y, n) {
		if got, want := math.Float32frombits(word), float32(3*i); got != want { // small integers are exact
			t.Fatalf("y[%d] = %g, want %g", i, got, want)
		}
	}
}

func TestBuffersStartAsZerosAndRoundUp(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	b, u := newBuffer(t, d, "b", 1001, gpu.Storage), newBuffer(t, d, "u", 17, gpu.Uniform)
	if b.Bytes() != 1004 || u.Bytes() != 32 {
		t.Errorf("sizes %d and %d, want 1004 and 32", b.Bytes(), u.Bytes())
	}
	for i, w := range readWords(t, d, b, 251) {
		if w != 0 {
			t.Fatalf("word %d of a new buffer is %#x", i, w)
		}
	}
}

// A buffer is compared with a byte slice that is written in the same way.
func TestWritesAndReadsAreBytes(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	const n = 4096
	b := newBuffer(t, d, "b", n, gpu.Storage)
	rapid.Check(t, func(r *rapid.T) {
		gputest.Poison(t, b, 0xdeadbeef)
		want := make([]byte, n)
		for i := range want {
			want[i] = []byte{0xef, 0xbe, 0xad, 0xde}[i%4]
		}
		for range rapid.IntRange(1, 4).Draw(r, "writes") {
			off := rapid.IntRange(0, n/4-1).Draw(r, "word") * 4
			p := rapid.SliceOfN(rapid.Byte(), 0, min(n-off, 40)).Draw(r, "bytes")
			if err := d.Write(b, int64(off), p); err != nil {
				r.Fatal(err)
			}
			copy(want[off:], p)
			for i := len(p); i%4 != 0; i++ { // the rest of the last word
				want[off+i] = 0
			}
		}
		off := rapid.IntRange(0, n/4-1).Draw(r, "from") * 4
		got := make([]byte, rapid.IntRange(0, n-off).Draw(r, "count"))
		if err := d.Read(context.Background(), b, int64(off), got); err != nil {
			r.Fatal(err)
		}
		if string(got) != string(want[off:off+len(got)]) {
			r.Fatalf("read %d bytes at %d: got %x, want %x", len(got), off, got, want[off:off+len(got)])
		}
	})
}

// Writes beyond the flush limit and reads beyond the staging limit arrive whole.
func TestLargeWriteAndRead(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	const n, rounds = 40 << 20, 6 // 240 MiB written, flushed at every 64
	b := newBuffer(t, d, "large", n, gpu.Storage)
	p := make([]byte, n)
	for round := range rounds {
		for i := 0; i < n; i += 4 {
			binary.LittleEndian.PutUint32(p[i:], uint32(i*rounds+round))
		}
		if err := d.Write(b, 0, p); err != nil {
			t.Fatal(err)
		}
	}
	for i, w := range readWords(t, d, b, n/4) {
		if want := uint32(4*i*rounds + rounds - 1); w != want {
			t.Fatalf("word %d is %d, want %d", i, w, want)
		}
	}
}

func TestCopiesAndDispatchesRunInOrder(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	x, y := newBuffer(t, d, "x", 256, gpu.Storage), newBuffer(t, d, "y", 1024, gpu.Storage)
	pl := newPipeline(t, d, increment)
	p := d.NewProgram("in order")
	defer p.Release()
	for i := range int64(4) { // the i-th copy sees i+1 increments
		if err := errors.Join(p.Dispatch(pl, [3]int{1, 1, 1}, gpu.Binding{Buffer: x}), p.Copy(y, i*256, x, 0, 256)); err != nil {
			t.Fatal(err)
		}
	}
	if p.Dispatches() != 4 {
		t.Errorf("%d dispatches, want 4", p.Dispatches())
	}
	if err := d.Submit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	for i, w := range readWords(t, d, y, 256) {
		if want := uint32(i/64 + 1); w != want {
			t.Fatalf("y[%d] = %d, want %d", i, w, want)
		}
	}
}

// A binding's range is what the shader sees as its array.
func TestBindingOffsets(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	x := newBuffer(t, d, "x", 1024, gpu.Storage)
	p := d.NewProgram("offset")
	defer p.Release()
	if err := p.Dispatch(newPipeline(t, d, increment), [3]int{1, 1, 1}, gpu.Binding{Buffer: x, Off: 256, Size: 256}); err != nil {
		t.Fatal(err)
	}
	if err := d.Submit(t.Context(), p, p); err != nil {
		t.Fatal(err)
	}
	for i, w := range readWords(t, d, x, 256) {
		want := uint32(0)
		if i >= 64 && i < 128 {
			want = 2
		}
		if w != want {
			t.Fatalf("x[%d] = %d, want %d", i, w, want)
		}
	}
}

func TestReplayCreatesNoBuffers(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	p, x := newCounter(t, d)
	readWords(t, d, x, 64) // makes the staging buffer
	before := d.Stats()
	for range 1000 {
		if err := d.Submit(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Submit(t.Context(), p, p, p); err != nil { // one submit
		t.Fatal(err)
	}
	for i, w := range readWords(t, d, x, 64) {
		if w != 1003 {
			t.Fatalf("x[%d] = %d, want 1003", i, w)
		}
	}
	after := d.Stats()
	if got := after.Submits - before.Submits; got != 1001 {
		t.Errorf("%d submits, want 1001", got)
	}
	if got := after.Dispatches - before.Dispatches; got != 1003 {
		t.Errorf("%d dispatches, want 1003", got)
	}
	if got := after.BuffersCreated - before.BuffersCreated; got != 0 {
		t.Errorf("%d buffers created in the replay", got)
	}
	if after.Readbacks != before.Readbacks+1 || after.BytesRead != before.BytesRead+256 {
		t.Errorf("readbacks %d and bytes %d, want one more with 256 bytes than %d and %d", after.Readbacks, after.BytesRead, before.Readbacks, before.BytesRead)
	}
}

func TestReleasedBuffersAreNotLive(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	before := d.Stats()
	for i := range 300 {
		b, err := d.NewBuffer("short-lived", 16<<20, gpu.Storage) // 4.7 GiB in all
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Write(b, 0, []byte{1, 2, 3, 4}); err != nil {
			t.Fatal(err)
		}
		if live := d.Stats().LiveBytes - before.LiveBytes; live != 16<<20 {
			t.Fatalf("cycle %d: %d bytes live, want %d", i, live, 16<<20)
		}
		b.Release()
		b.Release() // is harmless
	}
	if after := d.Stats(); after.LiveBytes != before.LiveBytes || after.LiveBuffers != before.LiveBuffers {
		t.Errorf("%d buffers of %d bytes live, want %d of %d", after.LiveBuffers, after.LiveBytes, before.LiveBuffers, before.LiveBytes)
	}
}

// The older binding panics if a garbage collection falls between MapAsync and Poll; see wgpu_cogentcore.go.
func TestGarbageCollectionDuringReads(t *testing.T) {
	if runtime.GOOS == "js" {
		t.Skip("the only thread either collects garbage or runs JavaScript's promises")
	}
	d := gputest.Open(t, gpu.Options{})
	p, x := newCounter(t, d)
	stop := make(chan struct{})
	var collector sync.WaitGroup
	collector.Go(func() {
		var garbage [][]byte
		for {
			select {
			case <-stop:
				return
			default:
				garbage = garbage[:0]
				for range 1000 { // small ones, which reuse what a collection freed
					garbage = append(garbage, make([]byte, 8))
				}
				runtime.GC()
			}
		}
	})
	for i := range 300 {
		if err := d.Submit(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if got := readWords(t, d, x, 64)[63]; got != uint32(i+1) {
			t.Fatalf("after %d submits the count is %d", i+1, got)
		}
	}
	close(stop)
	collector.Wait()
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

func TestShaderErrorNamesTheLine(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	bad := increment
	bad.Source = strings.Replace(bad.Source, "+ 1u", "+ 1.5", 1)
	_, err := d.NewPipeline(bad)
	wantError(t, err, nil, "gpu: shader increment:")
	bad.Source = "fn helper() {\n  let x: f32 = 1u;\n}"
	_, err = d.NewPipeline(bad)
	wantError(t, err, nil, "gpu: shader increment: line 2:")
	bad.Source = "fn helper() {}"
	_, err = d.NewPipeline(bad)
	wantError(t, err, nil, "gpu: shader increment:", "main")
	bad.Source = ""
	_, err = d.NewPipeline(bad)
	wantError(t, err, nil, "gpu: shader increment has no source")
	bad = increment
	bad.Bindings = []shaders.Access{shaders.Read}
	_, err = d.NewPipeline(bad) // the layout contradicts the source
	wantError(t, err, nil, "gpu: shader increment:")
	bad = increment
	bad.Bindings = nil
	_, err = d.NewPipeline(bad)
	wantError(t, err, nil, "gpu: shader increment:")
	bad.Workgroup = [3]int{1 << 20, 1, 1}
	_, err = d.NewPipeline(bad)
	wantError(t, err, nil, "gpu: shader increment has a workgroup of [1048576 1 1]")
	bad = increment
	bad.Bindings = make([]shaders.Access, d.Caps().MaxStorageBuffers+1)
	for i := range bad.Bindings {
		bad.Bindings[i] = shaders.Read
	}
	_, err = d.NewPipeline(bad)
	wantError(t, err, nil, "storage buffers: the device allows")
	newCounter(t, d) // the device works on
}

func TestRefusedDispatches(t *testing.T) {
	const limit = 1 << 20
	d := gputest.Open(t, gpu.Options{MaxBindingBytes: limit})
	other, err := gpu.Open(t.Context(), gpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if got := d.Caps().MaxBindingBytes; got != limit {
		t.Errorf("MaxBindingBytes is %d, want %d", got, limit)
	}
	params := newBuffer(t, d, "params", 8, gpu.Uniform)
	x, y := newBuffer(t, d, "x", 4096, gpu.Storage), newBuffer(t, d, "y", 4096, gpu.Storage)
	large := newBuffer(t, d, "large", limit+4, gpu.Storage)
	foreign := newBuffer(t, other, "foreign", 4096, gpu.Storage)
	gone := newBuffer(t, d, "gone", 4096, gpu.Storage)
	gone.Release()
	pl, inc := newPipeline(t, d, scale), newPipeline(t, d, increment)
	freed := newPipeline(t, d, increment)
	freed.Release()
	two := increment
	two.Name = "two"
	two.Source = strings.Replace(two.Source, "@compute", "@group(0) @binding(1) var<storage, read_write> y: array<u32>;\n@compute", 1)
	two.Bindings = []shaders.Access{shaders.ReadWrite, shaders.ReadWrite}
	both := newPipeline(t, d, two)
	p := d.NewProgram("refuser")
	defer p.Release()
	one := [3]int{1, 1, 1}
	bind := func(buffers ...*gpu.Buffer) []gpu.Binding {
		args := make([]gpu.Binding, len(buffers))
		for i, b := range buffers {
			args[i].Buffer = b
		}
		return args
	}
	for _, c := range []struct {
		name string
		err  error
		want []string
	}{
		{"too few bindings", p.Dispatch(pl, one, bind(params, x)...), []string{"gpu: program refuser: dispatch 0: shader scale has 3 bindings, got 2"}},
		{"no buffer", p.Dispatch(pl, one, bind(params, x, nil)...), []string{"shader scale: binding 2: no buffer"}},
		{"storage for a uniform", p.Dispatch(pl, one, bind(x, x, y)...), []string{`binding 0: buffer "x" is a storage buffer`}},
		{"uniform for storage", p.Dispatch(pl, one, bind(params, params, y)...), []string{`binding 1: buffer "params" is a uniform`}},
		{"read and written", p.Dispatch(pl, one, bind(params, x, x)...), []string{`binding 2: buffer "x" is bound to be read and to be written`, "also binding 1"}},
		{"written twice", p.Dispatch(both, one, bind(x, x)...), []string{`buffer "x" is bound twice to be written`}},
		{"too large", p.Dispatch(inc, one, bind(large)...), []string{`buffer "large" binds 1048580 bytes: the device allows bindings of 1 MiB`}},
		{"offset", p.Dispatch(inc, one, gpu.Binding{Buffer: x, Off: 4}), []string{`buffer "x": offset 4 is not a multiple of 256`}},
		{"beyond the end", p.Dispatch(inc, one, gpu.Binding{Buffer: x, Off: 3840, Size: 512}), []string{`buffer "x" has 4096 bytes, asked for 512 at 3840`}},
		{"empty", p.Dispatch(inc, one, gpu.Binding{Buffer: x, Off: 4096}), []string{`buffer "x": 0 bytes at 4096`}},
		{"odd size", p.Dispatch(inc, one, gpu.Binding{Buffer: x, Size: 6}), []string{"6 bytes"}},
		{"zero grid", p.Dispatch(inc, [3]int{1, 0, 1}, bind(x)...), []string{"shader increment: grid [1 0 1]"}},
		{"large grid", p.Dispatch(inc, [3]int{1 << 20, 1, 1}, bind(x)...), []string{"grid [1048576 1 1]: the device allows 1 to"}},
		{"released buffer", p.Dispatch(inc, one, bind(gone)...), []string{`buffer "gone" is released`}},
		{"released pipeline", p.Dispatch(freed, one, bind(x)...), []string{"shader increment is released"}},
		{"no pipeline", p.Dispatch(nil, one, bind(x)...), []string{"no pipeline"}},
		{"another device", p.Dispatch(inc, one, bind(foreign)...), []string{`buffer "foreign" belongs to another device`}},
		{"copy onto itself", p.Copy(x, 0, x, 2048, 1024), []string{`gpu: program refuser: copy 0: source and destination are both buffer "x"`}},
		{"odd copy", p.Copy(x, 0, y, 0, 6), []string{"6 bytes are not whole words"}},
		{"copy beyond the end", p.Copy(x, 4000, y, 0, 100), []string{`buffer "x" has 4096 bytes, asked for 100 at 4000`}},
		{"copy from a uniform", p.Copy(x, 0, params, 0, 8), []string{`buffer "params" is a uniform`}},
		{"write beyond the end", d.Write(x, 4096, []byte{1}), []string{`gpu: write: buffer "x" has 4096 bytes, asked for 4 at 4096`}},
		{"odd write", d.Write(x, 2, make([]byte, 4)), []string{"offset 2 is not a multiple of 4"}},
		{"read beyond the end", d.Read(t.Context(), x, 4096, make([]byte, 1)), []string{`gpu: read: buffer "x" has 4096 bytes`}},
		{"write to a released one", d.Write(gone, 0, make([]byte, 4)), []string{`buffer "gone" is released`}},
		{"submit elsewhere", other.Submit(t.Context(), p), []string{"gpu: submit refuser: belongs to another device"}},
	} {
		t.Run(c.name, func(t *testing.T) { wantError(t, c.err, nil, c.want...) })
	}
	if p.Dispatches() != 0 {
		t.Errorf("%d dispatches were recorded", p.Dispatches())
	}
	// Two ranges of one buffer may be written, and what is left of the program runs.
	if err := p.Dispatch(both, one, gpu.Binding{Buffer: x, Size: 256}, gpu.Binding{Buffer: x, Off: 256, Size: 256}); err != nil {
		t.Error(err)
	}
	if err := d.Submit(t.Context(), p); err != nil {
		t.Error(err)
	}
}

func TestRefusedBuffers(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	most := d.Caps().MaxBufferBytes
	_, err := d.NewBuffer("monster", most+1, gpu.Storage)
	wantError(t, err, nil, `gpu: buffer "monster" of `, ": the device allows ")
	_, err = d.NewBuffer("overflow", math.MaxInt64, gpu.Storage)
	wantError(t, err, nil, `gpu: buffer "overflow" of `, ": the device allows ")
	_, err = d.NewBuffer("nothing", 0, gpu.Storage)
	wantError(t, err, nil, `gpu: buffer "nothing" of 0 bytes: want at least 1`)
	_, err = d.NewBuffer("constants", 1<<20, gpu.Uniform)
	wantError(t, err, nil, `gpu: uniform buffer "constants" of 1 MiB: the device allows uniforms of 65536 bytes`)
}

func TestSubmitAfterReleaseFails(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	p, x := newCounter(t, d)
	if err := d.Submit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	x.Release()
	wantError(t, d.Submit(t.Context(), p), gpu.ErrClosed, `gpu: submit count: buffer "counter" is released`)
	p.Release()
	wantError(t, d.Submit(t.Context(), p), gpu.ErrClosed, "gpu: submit count")

	p = d.NewProgram("orphan")
	defer p.Release()
	pl, y := newPipeline(t, d, increment), newBuffer(t, d, "y", 256, gpu.Storage)
	if err := p.Dispatch(pl, [3]int{1, 1, 1}, gpu.Binding{Buffer: y}); err != nil {
		t.Fatal(err)
	}
	pl.Release()
	wantError(t, d.Submit(t.Context(), p), gpu.ErrClosed, "gpu: submit orphan: shader increment is released")
	wantError(t, p.Copy(y, 0, x, 0, 4), gpu.ErrClosed, "shader increment is released")
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

// A shader of each extension compiles where Caps promises it, in the device's dialect.
func TestVariants(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	v := d.Caps().Variant
	t.Logf("%+v", d.Caps())
	if v.F16 {
		s := increment
		s.Name, s.Source = "f16", "enable f16;\n"+strings.Replace(s.Source, "+ 1u", "+ u32(f16(1.0))", 1)
		newPipeline(t, d, s)
	}
	if v.Subgroups {
		s := increment
		s.Name, s.Source = "subgroups", strings.Replace(s.Source, "+ 1u", "+ subgroupAdd(1u)", 1)
		if v.Dialect == shaders.Tint {
			s.Source = "enable subgroups;\n" + s.Source
		}
		newPipeline(t, d, s)
	}
	plain := gputest.Open(t, gpu.Options{NoF16: true, NoSubgroups: true}).Caps().Variant
	if plain.F16 || plain.Subgroups || plain.Dialect != v.Dialect {
		t.Errorf("without extensions the variant is %+v", plain)
	}
}

func TestCopyBandwidth(t *testing.T) {
	for _, limit := range []int64{0, 1 << 20} {
		d := gputest.Open(t, gpu.Options{MaxBindingBytes: limit})
		rate, err := d.CopyBandwidth(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%.1f GB/s", rate/1e9)
		if !(rate > 1e6) { // even a software renderer moves a megabyte a second
			t.Errorf("copy bandwidth is %g bytes/s", rate)
		}
		if live := d.Stats().LiveBytes; live != 0 {
			t.Errorf("%d bytes left behind", live)
		}
	}
}

// BenchmarkSubmit400 measures 400 tiny dispatches, each of which needs what the one before wrote: the price of a dispatch.
func BenchmarkSubmit400(b *testing.B) {
	d := gputest.Open(b, gpu.Options{})
	x := newBuffer(b, d, "x", 256, gpu.Storage)
	pl := newPipeline(b, d, increment)
	p := d.NewProgram("400")
	defer p.Release()
	for range 400 {
		if err := p.Dispatch(pl, [3]int{1, 1, 1}, gpu.Binding{Buffer: x}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := errors.Join(d.Submit(b.Context(), p), d.Wait(b.Context())); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(400*b.N), "us/dispatch")
}

func BenchmarkRead4(b *testing.B) {
	d := gputest.Open(b, gpu.Options{})
	x := newBuffer(b, d, "x", 256, gpu.Storage)
	dst := make([]byte, 4)
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Read(b.Context(), x, 0, dst); err != nil {
			b.Fatal(err)
		}
	}
}
