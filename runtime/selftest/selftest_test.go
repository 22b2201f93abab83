package selftest

import (
	"math"
	"testing"

	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
)

func TestDevicePasses(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	before := dev.Stats().LiveBytes
	r, err := Run(t.Context(), dev)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("deviation %.1e", r.Deviation)
	if !r.Passed() || r.Tokens != replyTokens+1 || r.Reason() != "" {
		t.Errorf("%+v: %s", r, r.Reason())
	}
	if after := dev.Stats().LiveBytes; after != before {
		t.Errorf("%d bytes are left on the device", after-before)
	}
}

func TestFailures(t *testing.T) {
	for _, d := range []float64{3e-4, math.Inf(1), math.NaN()} {
		if r := (Result{Deviation: d}); r.Passed() || r.Reason() == "" {
			t.Errorf("a deviation of %v passes", d)
		}
	}
}
