package gpu_test

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/shaders"
)

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

// A readback takes programs along in its submit, and shows nothing of what is submitted behind it.
func TestReadbackWithPrograms(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	x := newBuffer(t, d, "x", 256, gpu.Storage)
	p := d.NewProgram("increment")
	if err := p.Dispatch(newPipeline(t, d, increment), [3]int{1, 1, 1}, gpu.Binding{Buffer: x}); err != nil {
		t.Fatal(err)
	}
	before := d.Stats()
	for i := range 3 {
		r, err := d.StartRead(t.Context(), x, 0, 256, p)
		if err != nil {
			t.Fatal(err)
		}
		submitted := d.Submit(t.Context(), p)
		raw := make([]byte, 256)
		if err := errors.Join(submitted, r.Finish(t.Context(), raw)); err != nil {
			t.Fatal(err)
		}
		if got := binary.LittleEndian.Uint32(raw[252:]); got != uint32(2*i+1) {
			t.Fatalf("readback %d shows %d increments, want %d", i, got, 2*i+1)
		}
	}
	if after := d.Stats(); after.Submits-before.Submits != 6 || after.Dispatches-before.Dispatches != 6 {
		t.Errorf("%d submits and %d dispatches, want 6", after.Submits-before.Submits, after.Dispatches-before.Dispatches)
	}
	p.Release()
	if _, err := d.StartRead(t.Context(), x, 0, 256, p); err == nil {
		t.Error("a readback behind a released program")
	}
	if got := readWords(t, d, x, 64)[0]; got != 6 {
		t.Errorf("%d increments, want 6", got)
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
