package gpu_test

import (
	"encoding/binary"
	"math"
	"testing"

	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// scale multiplies x by the uniform's first word, and adds the element's index.
var scale = shaders.Shader{
	Name: "scale",
	Source: `
struct Params { factor: f32, count: u32, }
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

func TestRoundTrip(t *testing.T) {
	d, err := gpu.Open(t.Context(), gpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	t.Logf("%+v", d.Caps())
	const n = 1000
	params, err := d.NewBuffer("params", 8, gpu.Uniform)
	if err != nil {
		t.Fatal(err)
	}
	x, err := d.NewBuffer("x", 4*n, gpu.Storage)
	if err != nil {
		t.Fatal(err)
	}
	y, err := d.NewBuffer("y", 4*n, gpu.Storage)
	if err != nil {
		t.Fatal(err)
	}
	pl, err := d.NewPipeline(scale)
	if err != nil {
		t.Fatal(err)
	}
	p := d.NewProgram("test")
	if err := p.Dispatch(pl, [3]int{(n + 63) / 64, 1, 1}, gpu.Binding{Buffer: params}, gpu.Binding{Buffer: x}, gpu.Binding{Buffer: y}); err != nil {
		t.Fatal(err)
	}
	host := make([]byte, 4*n)
	for i := range n {
		binary.LittleEndian.PutUint32(host[4*i:], math.Float32bits(float32(i)/2))
	}
	if err := d.Write(params, 0, binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, math.Float32bits(4)), n)); err != nil {
		t.Fatal(err)
	}
	if err := d.Write(x, 0, host); err != nil {
		t.Fatal(err)
	}
	if err := d.Submit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := d.Read(t.Context(), y, 0, host); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if got, want := math.Float32frombits(binary.LittleEndian.Uint32(host[4*i:])), float32(3*i); got != want {
			t.Fatalf("y[%d] = %g, want %g", i, got, want)
		}
	}
	t.Logf("%+v", d.Stats())
}
