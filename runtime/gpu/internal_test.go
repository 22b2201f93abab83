package gpu

import (
	"errors"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	infos := []AdapterInfo{
		{Index: 0, Name: "llvmpipe", Type: "cpu"},
		{Index: 1, Name: "Intel UHD", Type: "integrated"},
		{Index: 2, Name: "NVIDIA RTX", Type: "discrete"},
		{Index: 3, Name: "NVIDIA GTX", Type: "discrete"},
	}
	for _, c := range []struct {
		infos []AdapterInfo
		want  string
		index int
		err   error
	}{
		{infos, "", 2, nil},
		{infos[:2], "", 1, nil},
		{infos[:1], "", 0, nil},
		{infos, "3", 3, nil},
		{infos, "nvidia", 2, nil},
		{infos, "gtx", 3, nil},
		{infos, "LLVM", 0, nil},
		{infos, "4", 0, ErrNoAdapter},
		{infos, "-1", 0, ErrNoAdapter},
		{infos, "radeon", 0, ErrNoAdapter},
		{nil, "", 0, ErrNoAdapter},
	} {
		if i, err := choose(c.infos, Options{Adapter: c.want}); i != c.index || !errors.Is(err, c.err) {
			t.Errorf("choose(%d adapters, %q) = %d, %v; want %d, %v", len(c.infos), c.want, i, err, c.index, c.err)
		}
	}
}

// TestChooseWithoutSoftware: only its name brings a software renderer then.
func TestChooseWithoutSoftware(t *testing.T) {
	software := []AdapterInfo{{Index: 0, Name: "llvmpipe", Type: "cpu"}}
	if _, err := choose(software, Options{NoSoftware: true}); !errors.Is(err, ErrNoAdapter) || !strings.Contains(err.Error(), "llvmpipe") {
		t.Errorf("got %v, want that there is only llvmpipe", err)
	}
	if _, err := choose(software, Options{NoSoftware: true, Adapter: "llvm"}); err != nil {
		t.Errorf("asked for by its name: %v", err)
	}
	both := append(software, AdapterInfo{Index: 1, Name: "virtual", Type: "unknown"})
	if i, err := choose(both, Options{NoSoftware: true}); i != 1 || err != nil {
		t.Errorf("chose %d, %v; want the other one", i, err)
	}
}

// A device can't be lost on purpose, so this tests what follows from the texts that the bindings report.
func TestLossAndExhaustionAreRecognised(t *testing.T) {
	for _, text := range []string{"In wgpuQueueSubmit\n    Parent device is lost", "mapping failed: device-lost"} {
		d := &Device{raw: &rawDevice{}}
		err := d.fail("submit", classify(errors.New(text)))
		if !errors.Is(err, ErrLost) || !errors.Is(d.usable(), ErrLost) {
			t.Errorf("%q is not seen as a loss: %v, %v", text, err, d.usable())
		}
	}
	if err := classify(errors.New("Validation Error: Not enough memory left.")); !errors.Is(err, ErrOutOfMemory) {
		t.Errorf("%v is not seen as out of memory", err)
	}
	plain := errors.New("Buffer size 12 is too large")
	if err := classify(plain); err != plain {
		t.Errorf("%v became %v", plain, err)
	}
}

func TestPanicsOfTheBindingBecomeErrors(t *testing.T) {
	f := func() (err error) {
		defer caught(&err)
		panic("failed to acquire ComputePassEncoder")
	}
	if err := f(); err == nil || err.Error() != "binding: failed to acquire ComputePassEncoder" {
		t.Errorf("got %v", err)
	}
}
