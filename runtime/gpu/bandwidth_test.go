package gpu_test

import (
	"testing"

	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
)

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
