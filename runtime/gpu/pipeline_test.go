package gpu_test

import (
	"strings"
	"testing"

	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/shaders"
)

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
