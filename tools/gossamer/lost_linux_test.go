//go:build cgo

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gossamer/runtime/goldentest"
	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/runtime/testenv"
)

// TestReplySurvivesTheLossOfItsDevice loses the device at several points of a reply, with a Vulkan loader that does so: the model is
// loaded again, and the reply is the same.
func TestReplySurvivesTheLossOfItsDevice(t *testing.T) {
	gputest.Open(t, gpu.Options{})
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	loader := regexp.MustCompile(`/\S*libvulkan\.so\S*`).Find(maps)
	if loader == nil {
		t.Skip("the adapter is not one of Vulkan's")
	}
	dir, source := t.TempDir(), filepath.Join(testenv.Root(t), "runtime", "gpu", "testdata", "lose.c")
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-o", filepath.Join(dir, "libvulkan.so.1"), source, "-ldl").CombinedOutput(); err != nil {
		testenv.Missing(t, string(out))
	}
	const loaded = "the model is loaded again"
	generate := func(environ ...string) result {
		t.Helper()
		model := filepath.Join(goldentest.Dir(t), "gqa_window8", "model")
		r := process(t, "", environ, "generate", "--model", model, "--tokens", "18,3,7", "--max-tokens", "40", "--ignore-eos", "--backend", "webgpu")
		if r.code != exitOK {
			t.Fatalf("%q: exit status %d\n%s", environ, r.code, r.stderr)
		}
		return r
	}
	want := generate()
	if want.stdout == "" || strings.Contains(want.stderr, loaded) {
		t.Fatalf("undisturbed: %q\n%s", want.stdout, want.stderr)
	}
	losses := 0
	for _, function := range []string{"vkQueueSubmit", "vkWaitSemaphores", "vkGetSemaphoreCounterValue"} {
		for _, at := range []int{10, 25, 40} {
			r := generate("LD_LIBRARY_PATH="+dir, "LOSE="+function, "LOSE_AT="+strconv.Itoa(at), "LOSE_TIMES=1", "VULKAN="+string(loader))
			if r.stdout != want.stdout {
				t.Errorf("%s, call %d: the reply became %q, want %q", function, at, r.stdout, want.stdout)
			}
			losses += strings.Count(r.stderr, loaded)
		}
	}
	if losses < 3 {
		t.Errorf("the device was lost %d times in 9 replies, want 3 at least", losses)
	}
}
