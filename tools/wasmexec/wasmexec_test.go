// Package wasmexec runs the tests of the browser's build in Node, with WebGPU by Dawn; see wasmexec.mjs.
package wasmexec

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestBrowserBuild runs what the platform makes a difference to: the device, the page's store, what a token costs, and a whole model
// against plain Go, whose kernels Tint compiles. The other tests pass there too, but take long on a software adapter.
func TestBrowserBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("compiling shaders takes minutes on a software adapter")
	}
	missing := func(what string) {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing", what)
		}
		t.Skipf("%s is missing", what)
	}
	if _, err := exec.LookPath("node"); err != nil {
		missing("node")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for path, what := range map[string]string{
		"build/dawn/node_modules/webgpu": "Dawn for Node (make setup-test)",
		"web/node_modules/esbuild":       "esbuild (npm ci in web/)",
	} {
		if _, err := os.Stat(filepath.Join(root, path)); errors.Is(err, fs.ErrNotExist) {
			missing(what)
		}
	}
	for _, c := range []struct{ name, pkg, run string }{
		{"Device", "runtime/gpu", "Loss|Crossings|WriteFrom|Uncaught|WriteDispatchRead|WritesReads|Copies|Offsets|ShaderError|Refused|Variants|UseAfterClose|ReleasesBreak"},
		{"Store", "runtime/weights", "TestPage"},
		{"Vocabulary", "runtime/tokenizer", "Golden"},
		{"Token", "runtime/model", "CrossingsPerToken"},
		{"Model", "runtime/selftest", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "go", "test", "-exec", filepath.Join(root, "tools/wasmexec/wasmexec"), "-run", c.run, "./"+c.pkg)
			cmd.Dir = root
			cmd.Env = append(cmd.Environ(), "GOOS=js", "GOARCH=wasm")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
