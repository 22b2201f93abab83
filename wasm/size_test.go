package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gossamer/runtime/testenv"
)

// A visitor downloads the program before anything else happens.
const (
	maxBytes       = 9_300_000
	maxBrotliBytes = 1_800_000
)

func inBrowser(cmd *exec.Cmd) *exec.Cmd {
	cmd.Env = append(cmd.Environ(), "GOOS=js", "GOARCH=wasm")
	return cmd
}

func TestSize(t *testing.T) {
	program := filepath.Join(t.TempDir(), "gossamer.wasm")
	out, err := inBrowser(exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, ".")).CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", info.Size())
	if info.Size() > maxBytes {
		t.Errorf("the program has %d bytes, want at most %d", info.Size(), maxBytes)
	}

	testenv.Node(t)
	// As static hosts send it: by level 11, which Node takes for granted.
	const compress = "zlib.brotliCompressSync(fs.readFileSync(process.argv[1])).length"
	out, err = exec.Command("node", "-p", compress, program).Output()
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	compressed, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes of brotli", compressed)
	if compressed > maxBrotliBytes {
		t.Errorf("the program has %d bytes of brotli, want at most %d", compressed, maxBrotliBytes)
	}
}

// TestPackages: these cost much, and nothing in a browser needs them.
func TestPackages(t *testing.T) {
	out, err := inBrowser(exec.Command("go", "list", "-deps", ".")).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := strings.Fields(string(out))
	for _, p := range []string{
		"net/http", "net", "crypto/tls", "text/template", "html/template", "flag", "testing", "os/exec",
		"github.com/pkoukk/tiktoken-go", "github.com/cogentcore/webgpu/wgpu", "gossamer/runtime/tokenizer/o200k",
		"gossamer/runtime/playback",
	} {
		if slices.Contains(packages, p) {
			t.Errorf("the program links %s", p)
		}
	}
}
