package kernel

import (
	"testing"

	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
)

// Every kernel compiles in representative shapes, in the variant of the device and in the plainest one of its dialect.
func TestCompileAll(t *testing.T) {
	for _, o := range []gpu.Options{{}, {NoF16: true, NoSubgroups: true}} {
		dev := gputest.Open(t, o)
		all, err := All(dev.Caps().Variant)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			p, err := dev.NewPipeline(s)
			if err != nil {
				t.Error(err)
				continue
			}
			p.Release()
		}
		t.Logf("%+v: %d shaders", dev.Caps().Variant, len(all))
	}
}
