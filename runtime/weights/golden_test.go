package weights

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/gptoss"
)

const golden = "../../testdata/golden"

// collector is a Sink that keeps everything and checks the order of the pieces.
type collector map[string][]byte

func (c collector) Put(_ context.Context, t gptoss.TensorSpec, off int64, p []byte) error {
	if int64(len(c[t.Name])) != off {
		return fmt.Errorf("%s: piece at %d after %d bytes", t.Name, off, len(c[t.Name]))
	}
	if len(p) > PieceBytes || (off+int64(len(p)) < t.Bytes() && len(p)%16 != 0) {
		return fmt.Errorf("%s: piece of %d bytes at %d", t.Name, len(p), off)
	}
	c[t.Name] = append(c[t.Name], p...)
	return nil
}

// load reads all tensors of a checkpoint, by Load, and checks that ReadTensor agrees.
func load(t *testing.T, c *Checkpoint) collector {
	t.Helper()
	got := collector{}
	var last Progress
	if err := c.Load(t.Context(), got, func(p Progress) {
		if p.BytesDone <= last.BytesDone {
			t.Errorf("progress %+v after %+v", p, last)
		}
		last = p
	}); err != nil {
		t.Fatal(err)
	}
	var total int64
	for _, spec := range c.Config().Tensors() {
		total += spec.Bytes()
		if int64(len(got[spec.Name])) != spec.Bytes() {
			t.Errorf("%s: %d bytes, want %d", spec.Name, len(got[spec.Name]), spec.Bytes())
		}
		one, err := c.ReadTensor(t.Context(), spec.Name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one, got[spec.Name]) {
			t.Errorf("%s: ReadTensor and Load differ", spec.Name)
		}
	}
	if last.BytesDone != total || last.BytesTotal != total {
		t.Errorf("last progress %+v, want %d bytes", last, total)
	}
	return got
}

func TestGoldenModels(t *testing.T) {
	for _, dir := range []string{"gqa_window8/model", "long_window128/model"} {
		c, err := OpenDir(filepath.Join(golden, dir))
		if err != nil {
			t.Fatal(err)
		}
		load(t, c)
		if len(c.Ignored()) > 0 {
			t.Errorf("%s: ignored %v", dir, c.Ignored())
		}
	}
}

func TestGoldenFullVocab(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(golden, "full_vocab/model")
	for _, name := range []string{configName, generationName} {
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
	c, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	load(t, c)
	if d := cmp.Diff([]int32{200002, 199999, 200012}, c.Config().EOS); d != "" {
		t.Errorf("EOS (-want +got):\n%s", d)
	}
}
