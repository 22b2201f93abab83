package safetensors

import (
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
)

const golden = "../../../testdata/golden"

func openDir(dir string) (*checkpoint.Checkpoint, error) { return Open(os.DirFS(dir), dir) }

func TestGoldenModels(t *testing.T) {
	for _, dir := range []string{"gqa_window8/model", "long_window128/model"} {
		c, err := openDir(filepath.Join(golden, dir))
		if err != nil {
			t.Fatal(err)
		}
		checkpointtest.Load(t, c)
		if len(c.Notes()) > 0 {
			t.Errorf("%s: notes %q", dir, c.Notes())
		}
	}
}

func TestGoldenFullVocab(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(golden, "full_vocab/model")
	for _, name := range []string{ConfigName, generationName} {
		data, err := os.ReadFile(filepath.Join(src, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(filepath.Join(src, singleName+".gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	const want = "41215be2503147d4716481143339076ea1b69d84537e606e478e653748b34d87" // case.json: unpacked
	if sum := fmt.Sprintf("%x", sha256.Sum256(data)); sum != want {
		t.Fatalf("unpacked file has SHA-256 %s, want %s", sum, want)
	}
	if err := os.WriteFile(filepath.Join(dir, singleName), data, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := openDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	checkpointtest.Load(t, c)
	if d := cmp.Diff([]int32{200002, 199999, 200012}, c.Config().EOS); d != "" {
		t.Errorf("EOS (-want +got):\n%s", d)
	}
}
