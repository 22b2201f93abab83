//go:build cgo

package gpu_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/runtime/testenv"
)

// TestLostDeviceIsAnError: a Vulkan function that reports a lost device ends the call with ErrLost; later calls fail alike, and what
// was made can be released. It runs in processes of its own, with a Vulkan loader that loses devices.
func TestLostDeviceIsAnError(t *testing.T) {
	if os.Getenv("LOSE") != "" {
		loseDevice(t)
		return
	}
	gputest.Open(t, gpu.Options{})
	loader, dir := vulkanLoader(t), t.TempDir()
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-o", filepath.Join(dir, "libvulkan.so.1"), "testdata/lose.c", "-ldl").CombinedOutput(); err != nil {
		testenv.Missing(t, string(out))
	}
	for _, function := range []string{"vkQueueSubmit", "vkWaitSemaphores", "vkGetSemaphoreCounterValue"} {
		for _, at := range []string{"1", "5"} {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.timeout", "10m", "-test.v")
			cmd.Env = append(os.Environ(), "LOSE="+function, "LOSE_AT="+at, "LOSE_TIMES=1000000", "VULKAN="+loader, "LD_LIBRARY_PATH="+dir)
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
				t.Errorf("%s from call %s on: %v\n%s", function, at, err, out)
			}
		}
	}
}

// vulkanLoader is the path of the loader that this process uses.
func vulkanLoader(t *testing.T) string {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	path := regexp.MustCompile(`/\S*libvulkan\.so\S*`).Find(maps)
	if path == nil {
		t.Skip("the adapter is not one of Vulkan's")
	}
	return string(path)
}

func loseDevice(t *testing.T) {
	d, err := gpu.Open(t.Context(), gpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.NewBuffer("data", 1<<10, gpu.Storage)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 1<<10)
	for range 100 {
		if err = errors.Join(b.Write(0, p), d.Read(t.Context(), b, 0, p)); err != nil {
			break
		}
	}
	if !errors.Is(err, gpu.ErrLost) {
		t.Errorf("got %v, want ErrLost", err)
	}
	if err := d.Wait(t.Context()); !errors.Is(err, gpu.ErrLost) {
		t.Errorf("afterwards: %v", err)
	}
	if _, err := d.NewBuffer("more", 16, gpu.Storage); !errors.Is(err, gpu.ErrLost) {
		t.Errorf("a new buffer: %v", err)
	}
	b.Release()
	d.Close()
}
