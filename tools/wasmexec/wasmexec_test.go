// Package wasmexec runs the tests of the browser's build where it runs: in Node with WebGPU by Dawn (wasmexec.mjs), and in Chromium
// (chromium.mjs).
package wasmexec

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gossamer/runtime/testenv"
)

// passed matches the line of a test of a package that has passed, not those of its parts.
var passed = regexp.MustCompile(`(?m)^--- PASS: (\S+)`)

// goTest runs tests of a package, those that match one of the patterns in run; runner is the program of this directory that runs them,
// "" for the native build. Each pattern must match a test that passes, so that none is forgotten when tests are renamed.
func goTest(t *testing.T, root, runner, pkg string, run []string, environ ...string) {
	t.Helper()
	args := []string{"test", "-count=1", "-timeout=60m", "-v", "-run", strings.Join(run, "|")}
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
		return
	}
	var names []string
	for _, m := range passed.FindAllSubmatch(out, -1) {
		names = append(names, string(m[1]))
	}
	for _, pattern := range run {
		test, _, _ := strings.Cut(pattern, "/")
		if !matchesAny(t, test, names) {
			t.Errorf("no test of %s that matches %q has passed: %v", pkg, test, names)
		}
	}
	if testing.Verbose() {
		t.Logf("%s", out)
	}
}

func matchesAny(t *testing.T, pattern string, names []string) bool {
	t.Helper()
	re, err := regexp.Compile(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if re.MatchString(name) {
			return true
		}
	}
	return false
}

// TestNode runs what the platform makes a difference to: the device, the page's store, and the vocabulary that is handed in.
func TestNode(t *testing.T) {
	root := testenv.Node(t, "build/dawn/node_modules/webgpu", "web/node_modules/esbuild")
	for _, c := range []struct {
		name, pkg string
		run       []string
	}{
		{"Device", "runtime/gpu", []string{
			"Loss", "Crossings", "WriteFrom", "Uncaught", "WriteDispatchRead", "WritesAndReads", "Copies", "Offsets", "ShaderError", "Refused",
			"Variants", "UseAfterClose", "SubmitAfterRelease",
		}},
		{"Store", "runtime/checkpoint/page", []string{"TestPage"}},
		{"Vocabulary", "runtime/tokenizer", []string{"Golden"}},
	} {
		t.Run(c.name, func(t *testing.T) { goTest(t, root, "wasmexec", c.pkg, c.run) })
	}
}

// TestChromium runs whole models: the reference data within the native tolerances, with and without subgroups, in one piece and
// divided into many, and the crossings of a token. (The text of 4,500 tokens is left to the native build: it takes minutes.)
// Beside it, the device's sampler over random rows, the self-test, and replies compared with those of the native build: a processor that plays a GPU rarely keeps two cores busy.
func TestChromium(t *testing.T) {
	root := testenv.Node(t, "web/node_modules/playwright-core")
	if os.Getenv("CHROMIUM") == "" {
		if _, err := os.Stat("/usr/bin/chromium"); err != nil {
			testenv.Missing(t, "Chromium is missing: run make setup-test, or set CHROMIUM to its path")
		}
	}
	t.Run("Model", func(t *testing.T) {
		t.Parallel()
		goTest(t, root, "chromium", "runtime/model", []string{
			"TestGolden$/./Prompt", "TestGolden$/./Greedy", "TestGoldenOnLesserDevices$/(NoSubgroups|1MiB)/.", "TestShardedModelComputesTheSame",
			"CrossingsPerToken",
		})
	})
	t.Run("Sampler", func(t *testing.T) {
		t.Parallel()
		goTest(t, root, "chromium", "runtime/kernel", []string{"TestSamplerRows$"})
	})
	t.Run("SelfTestAndReplies", func(t *testing.T) {
		t.Parallel()
		goTest(t, root, "chromium", "runtime/selftest", []string{"Test"})
		replies := "GOSSAMER_REPLIES=" + filepath.Join(t.TempDir(), "replies.json")
		goTest(t, root, "", "runtime", []string{"^TestReplies$"}, replies)
		goTest(t, root, "chromium", "runtime", []string{"^TestReplies$"}, replies)
	})
}
