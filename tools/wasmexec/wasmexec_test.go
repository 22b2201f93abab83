// Package wasmexec runs the tests of the browser's build where it runs: in Node with WebGPU by Dawn (wasmexec.mjs), and in Chromium
// (chromium.mjs).
package wasmexec

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// missing skips t; in continuous integration it fails.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing", what)
	}
	t.Skipf("%s is missing", what)
}

// repository is its root, where node and the given files must be: what they are by path.
func repository(t *testing.T, files map[string]string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("compiling shaders takes minutes on a software adapter")
	}
	if _, err := exec.LookPath("node"); err != nil {
		missing(t, "node")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for path, what := range files {
		if _, err := os.Stat(filepath.Join(root, path)); errors.Is(err, fs.ErrNotExist) {
			missing(t, what)
		}
	}
	return root
}

// goTest runs tests of a package; runner is the program of this directory that runs them, "" for the native build.
func goTest(t *testing.T, root, runner, pkg, run string, environ ...string) {
	t.Helper()
	args := []string{"test", "-count=1", "-timeout=20m", "-v", "-run", run}
	env := environ
	if runner != "" {
		args = append(args, "-exec", filepath.Join(root, "tools/wasmexec", runner))
		env = append(env, "GOOS=js", "GOARCH=wasm")
	}
	cmd := exec.CommandContext(t.Context(), "go", append(args, "./"+pkg)...)
	cmd.Dir = root
	cmd.Env = append(cmd.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	} else if testing.Verbose() {
		t.Logf("%s", out)
	}
}

// TestNode runs what the platform makes a difference to: the device, the page's store, and the vocabulary that is handed in.
func TestNode(t *testing.T) {
	root := repository(t, map[string]string{
		"build/dawn/node_modules/webgpu": "Dawn for Node (make setup-test)",
		"web/node_modules/esbuild":       "esbuild (npm ci in web/)",
	})
	for _, c := range []struct{ name, pkg, run string }{
		{"Device", "runtime/gpu", "Loss|Crossings|WriteFrom|Uncaught|WriteDispatchRead|WritesAndReads|Copies|Offsets|ShaderError|Refused|Variants|UseAfterClose|SubmitAfterRelease"},
		{"Store", "runtime/checkpoint/page", "TestPage"},
		{"Vocabulary", "runtime/tokenizer", "Golden"},
	} {
		t.Run(c.name, func(t *testing.T) { goTest(t, root, "wasmexec", c.pkg, c.run) })
	}
}

// TestChromium runs whole models: the reference data within the native tolerances, with and without subgroups, in one piece and
// divided into many, what a token costs, and the self-test. (The text of 4,500 tokens is left to the native build: it takes minutes.)
// Beside it, the self-test, and replies compared with those of the native build: a processor that plays a GPU rarely keeps two cores busy.
func TestChromium(t *testing.T) {
	root := repository(t, map[string]string{"web/node_modules/playwright-core": "Playwright (npm ci in web/)"})
	if os.Getenv("CHROMIUM") == "" {
		if _, err := os.Stat("/usr/bin/chromium"); err != nil {
			missing(t, "Chromium (make setup-test, or set CHROMIUM to its path)")
		}
	}
	t.Run("Model", func(t *testing.T) {
		t.Parallel()
		goTest(t, root, "chromium", "runtime/model", "TestGolden$/./Prompt|TestGolden$/./Greedy|TestGoldenOnLesserDevices|TestSplitModels|CrossingsPerToken|ProcessorTimePerToken")
	})
	t.Run("SelfTestAndReplies", func(t *testing.T) {
		t.Parallel()
		goTest(t, root, "chromium", "runtime/selftest", "")
		replies := "GOSSAMER_REPLIES=" + filepath.Join(t.TempDir(), "replies.json")
		goTest(t, root, "", "runtime", "^TestReplies$", replies)
		goTest(t, root, "chromium", "runtime", "^TestReplies$", replies)
	})
}
