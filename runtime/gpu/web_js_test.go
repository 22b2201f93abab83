package gpu

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"syscall/js"
	"testing"
	"time"

	"gossamer/shaders"
)

func openTest(t *testing.T) *Device {
	t.Helper()
	d, err := Open(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// addOne adds 1 to each of the 64 words of x.
var addOne = shaders.Shader{
	Name: "addOne",
	Source: `@group(0) @binding(0) var<storage, read_write> x: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) { x[id.x] = x[id.x] + 1u; }`,
	Workgroup: [3]int{64, 1, 1},
	Bindings:  []shaders.Access{shaders.ReadWrite},
}

// TestDeviceLossIsReported destroys the device behind our back, as a driver's reset does.
func TestDeviceLossIsReported(t *testing.T) {
	host, err := host()
	if err != nil {
		t.Fatal(err)
	}
	// Keeps what openDevice hands out.
	var device js.Value
	open := host.Get("openDevice")
	keep := js.FuncOf(func(_ js.Value, args []js.Value) any {
		device = args[0].Get("device")
		return args[0]
	})
	defer keep.Release()
	wrapped := js.FuncOf(func(js.Value, []js.Value) any { return open.Invoke().Call("then", keep) })
	defer wrapped.Release()
	host.Set("openDevice", wrapped)
	defer host.Set("openDevice", open)

	d := openTest(t)
	b, err := d.NewBuffer("b", 256, Storage)
	if err != nil {
		t.Fatal(err)
	}
	pl, err := d.NewPipeline(addOne)
	if err != nil {
		t.Fatal(err)
	}
	p := d.NewProgram("p")
	if err := p.Dispatch(pl, [3]int{1, 1, 1}, Binding{Buffer: b}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Submit(t.Context(), p), d.Wait(t.Context())); err != nil {
		t.Fatal(err)
	}
	reading := make(chan error, 1)
	go func() { reading <- d.Read(context.Background(), b, 0, make([]byte, 4)) }()
	device.Call("destroy")
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		d.mu.Lock()
		err := d.usable()
		d.mu.Unlock()
		if errors.Is(err, ErrLost) {
			break
		}
		if time.Since(start) > time.Minute {
			t.Fatal("nobody told of the loss")
		}
	}
	if err := <-reading; err != nil && !errors.Is(err, ErrLost) { // it may have been over
		t.Errorf("the read in progress failed with %v", err)
	}
	for name, err := range map[string]error{
		"Submit": d.Submit(t.Context(), p),
		"Write":  d.Write(b, 0, make([]byte, 4)),
		"Read":   d.Read(t.Context(), b, 0, make([]byte, 4)),
		"Wait":   d.Wait(t.Context()),
	} {
		if !errors.Is(err, ErrLost) {
			t.Errorf("%s after the loss: %v", name, err)
		}
	}
}

// TestCrossings: a submit is one call however long the program, a read is a call, its end and another call.
func TestCrossings(t *testing.T) {
	d := openTest(t)
	b, err := d.NewBuffer("b", 256, Storage)
	if err != nil {
		t.Fatal(err)
	}
	pl, err := d.NewPipeline(addOne)
	if err != nil {
		t.Fatal(err)
	}
	p := d.NewProgram("p")
	for range 400 {
		if err := p.Dispatch(pl, [3]int{1, 1, 1}, Binding{Buffer: b}); err != nil {
			t.Fatal(err)
		}
	}
	step := func() {
		word := make([]byte, 4)
		if err := errors.Join(d.Write(b, 0, word), d.Submit(t.Context(), p), d.Read(t.Context(), b, 0, word)); err != nil {
			t.Fatal(err)
		}
		if word[0] != 400%256 || word[1] != 400/256 {
			t.Errorf("the count is %v, want 400", word)
		}
	}
	step()
	before := d.Stats().Crossings
	step()
	if got := d.Stats().Crossings - before; got != 5 {
		t.Errorf("%d crossings, want 5", got)
	}
}

// TestWriteFrom writes parts of a Uint8Array, whole words and not.
func TestWriteFrom(t *testing.T) {
	d := openTest(t)
	data := js.Global().Get("Uint8Array").New(100)
	for i := range 100 {
		data.SetIndex(i, i)
	}
	for _, c := range []struct{ off, from, n int64 }{{0, 0, 100}, {4, 1, 8}, {8, 3, 5}, {12, 99, 1}, {16, 50, 0}} {
		b, err := d.NewBuffer("b", 104, Storage)
		if err != nil {
			t.Fatal(err)
		}
		before := d.Stats().BytesBeside
		if err := b.WriteFrom(c.off, data, c.from, c.n); err != nil {
			t.Fatal(err)
		}
		if got := d.Stats().BytesBeside - before; got != c.n {
			t.Errorf("%d bytes are counted, want %d", got, c.n)
		}
		got := make([]byte, 104)
		if err := d.Read(t.Context(), b, 0, got); err != nil {
			t.Fatal(err)
		}
		for i, v := range got {
			want := byte(0)
			if at := int64(i) - c.off; at >= 0 && at < c.n {
				want = byte(c.from + at)
			}
			if v != want {
				t.Errorf("%+v: byte %d is %d, want %d", c, i, v, want)
			}
		}
		if err := b.WriteFrom(100, data, 0, 8); err == nil {
			t.Error("a write beyond the end is accepted")
		}
	}
}

// TestWriteFromFile writes parts of a file, whole words and not, in order with other writes, and more than the page stages at a time.
func TestWriteFromFile(t *testing.T) {
	d := openTest(t)
	const size = 40<<20 + 3
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(i>>16 ^ i*7)
	}
	data := js.Global().Get("Uint8Array").New(size)
	js.CopyBytesToJS(data, content)
	file := js.Global().Get("Function").New("data", `return {
		length: data.length,
		fails: false,
		read(to, from) {
			if (this.fails) throw new Error('unreadable');
			to.set(data.subarray(from, from + to.length));
		},
	}`).Invoke(data)
	b, err := d.NewBuffer("b", size+9, Storage)
	if err != nil {
		t.Fatal(err)
	}
	check := func(off, from, n int64) {
		t.Helper()
		got := make([]byte, (n+3)/4*4)
		if err := d.Read(t.Context(), b, off, got); err != nil {
			t.Fatal(err)
		}
		want := append(bytes.Clone(content[from:from+n]), 0, 0, 0)[:len(got)]
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes from %d on are others at %d", n, from, off)
		}
	}
	for _, c := range []struct{ off, from, n int64 }{{0, 0, 100}, {8, 1, 8}, {12, size - 1, 1}, {16, 50, 0}, {4, 2, size - 2}} {
		if err := b.WriteFrom(c.off, file, c.from, c.n); err != nil {
			t.Fatal(err)
		}
		check(c.off, c.from, c.n)
	}
	for range 2 { // the later one counts, also behind a part that the device has already
		if err := errors.Join(b.WriteFrom(0, file, 9, 16), d.Write(b, 4, content[20:24]), b.WriteFrom(8, file, 40, 4)); err != nil {
			t.Fatal(err)
		}
		check(0, 9, 4)
		check(4, 20, 4)
		check(8, 40, 4)
		check(12, 21, 4)
	}
	file.Set("fails", true)
	if err := b.WriteFrom(0, file, 0, 8); err == nil || !strings.Contains(err.Error(), "unreadable") {
		t.Errorf("a file that cannot be read: %v", err)
	}
	file.Set("fails", false)
	if err := b.WriteFrom(0, file, 30, 8); err != nil {
		t.Error(err)
	}
	check(0, 30, 8)
}

// TestUncaughtErrors: what the device refuses without our noticing comes with the next call.
func TestUncaughtErrors(t *testing.T) {
	d := openTest(t)
	b, err := d.NewBuffer("b", 256, Uniform)
	if err != nil {
		t.Fatal(err)
	}
	pl, err := d.NewPipeline(addOne)
	if err != nil {
		t.Fatal(err)
	}
	// A uniform as storage, which Dispatch would refuse. Some implementations tell of it at once, others with a later call.
	_, err = d.raw.newGroup("", pl.raw, []Binding{{Buffer: b, Size: 256}})
	for range 3 {
		err = errors.Join(err, d.Wait(t.Context()))
	}
	if err == nil {
		t.Fatal("the error is lost")
	}
	if got := strings.Count(err.Error(), "Binding usage"); got != 1 {
		t.Errorf("the error is told %d times: %v", got, err)
	}
}

// BenchmarkReplay400 is what the processor does for a program of 400 dispatches.
func BenchmarkReplay400(b *testing.B) {
	d, err := Open(b.Context(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	x, err := d.NewBuffer("x", 256, Storage)
	if err != nil {
		b.Fatal(err)
	}
	pl, err := d.NewPipeline(addOne)
	if err != nil {
		b.Fatal(err)
	}
	p := d.NewProgram("400")
	for range 400 {
		if err := p.Dispatch(pl, [3]int{1, 1, 1}, Binding{Buffer: x}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Submit(b.Context(), p); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := d.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// TestMatricesOfTheBrowser: the shape of matrices is one that the adapter tells, and there is none where the device lacks the feature.
func TestMatricesOfTheBrowser(t *testing.T) {
	_, device, told, err := askDevice()
	if err != nil {
		t.Fatal(err)
	}
	has := device.Get("features").Call("has", "chromium-experimental-subgroup-matrix").Bool()
	device.Call("destroy")
	got := openTest(t).Caps().Variant.Matrix
	if (got != shaders.Matrix{}) != has || got != jsMatrix(told) && has {
		t.Errorf("%+v is used, the adapter tells of %+v; the device has the feature: %v", got, jsMatrix(told), has)
	}
	if os.Getenv("GOSSAMER_TEST_MATRICES") == "1" && !has {
		t.Error("this device does not multiply matrices: run make test-matrices-chromium")
	}
}

// TestMatrixShapes: of what Chromium 156 tells of an adapter the largest shape with f16 factors and f32 sums is taken, if subgroups have one size.
func TestMatrixShapes(t *testing.T) {
	config := func(component, result string, m, n, k int) any {
		return map[string]any{"componentType": component, "resultComponentType": result, "M": m, "N": n, "K": k}
	}
	configs := []any{config("f16", "f16", 16, 16, 16), config("f16", "f32", 8, 8, 8), config("f16", "f32", 16, 8, 16), config("u8", "u32", 16, 16, 32)}
	for _, tt := range []struct {
		info map[string]any
		want shaders.Matrix
	}{
		{map[string]any{}, shaders.Matrix{}},
		{map[string]any{"subgroupMinSize": 4, "subgroupMaxSize": 4, "subgroupMatrixConfigs": []any{}}, shaders.Matrix{}},
		{map[string]any{"subgroupMinSize": 32, "subgroupMaxSize": 32, "subgroupMatrixConfigs": configs}, shaders.Matrix{M: 16, N: 8, K: 16, Lanes: 32}},
		{map[string]any{"subgroupMinSize": 32, "subgroupMaxSize": 32, "subgroupMatrixConfigs": configs[:2]}, shaders.Matrix{M: 8, N: 8, K: 8, Lanes: 32}},
		{map[string]any{"subgroupMinSize": 16, "subgroupMaxSize": 32, "subgroupMatrixConfigs": configs}, shaders.Matrix{}},
		{map[string]any{"subgroupMinSize": 32, "subgroupMaxSize": 32, "subgroupMatrixConfigs": configs[:1]}, shaders.Matrix{}},
	} {
		if got := jsMatrix(js.ValueOf(tt.info)); got != tt.want {
			t.Errorf("%v: %+v, want %+v", tt.info, got, tt.want)
		}
	}
}
