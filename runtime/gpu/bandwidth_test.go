package gpu_test

import (
	"testing"

	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
)

func TestBandwidth(t *testing.T) {
	for _, limit := range []int64{0, 1 << 20} {
		d := gputest.Open(t, gpu.Options{MaxBindingBytes: limit})
		b, err := d.Bandwidth(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("copy %.1f GB/s, read %.1f GB/s", b.Copy/1e9, b.Read/1e9)
		if !(b.Copy > 1e6 && b.Read > 1e6) { // even a software renderer moves a megabyte a second
			t.Errorf("%+v", b)
		}
		l, err := d.DispatchLatency(t.Context())
		if err != nil || l.Submit <= 0 || l.Empty <= 0 || l.Dependent <= 0 || l.Independent <= 0 {
			t.Errorf("%+v, %v", l, err)
		}
		t.Logf("%+v", l)
		if live := d.Stats().LiveBytes; live != 0 {
			t.Errorf("%d bytes left behind", live)
		}
	}
}
