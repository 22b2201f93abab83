package checkpointtest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/gptoss"
)

// SinkFunc is a checkpoint.Sink.
type SinkFunc func(t gptoss.TensorSpec, off int64, p []byte) error

// Put calls f.
func (f SinkFunc) Put(_ context.Context, t gptoss.TensorSpec, off int64, p []byte) error {
	return f(t, off, p)
}

// Discard is a sink that keeps nothing.
func Discard() checkpoint.Sink {
	return SinkFunc(func(gptoss.TensorSpec, int64, []byte) error { return nil })
}

// Collector is a sink that keeps every tensor by its name and checks the order of the pieces.
type Collector map[string][]byte

// Put keeps a piece.
func (c Collector) Put(_ context.Context, t gptoss.TensorSpec, off int64, p []byte) error {
	if int64(len(c[t.Name])) != off {
		return fmt.Errorf("%s: piece at %d after %d bytes", t.Name, off, len(c[t.Name]))
	}
	if len(p) > checkpoint.PieceBytes || (off+int64(len(p)) < t.Bytes() && len(p)%16 != 0) {
		return fmt.Errorf("%s: piece of %d bytes at %d", t.Name, len(p), off)
	}
	c[t.Name] = append(c[t.Name], p...)
	return nil
}

// Collect loads all tensors.
func Collect(t testing.TB, c *checkpoint.Checkpoint) Collector {
	t.Helper()
	got := Collector{}
	if err := c.Load(t.Context(), got, nil); err != nil {
		t.Fatal(err)
	}
	return got
}

// Load loads all tensors, and checks the progress and that ReadAt agrees.
func Load(t testing.TB, c *checkpoint.Checkpoint) Collector {
	t.Helper()
	got := Collector{}
	var last checkpoint.Progress
	if err := c.Load(t.Context(), got, func(p checkpoint.Progress) {
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
		one, err := ReadTensor(t.Context(), c, spec.Name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one, got[spec.Name]) {
			t.Errorf("%s: ReadAt and Load differ", spec.Name)
		}
	}
	if last.BytesDone != total || last.BytesTotal != total {
		t.Errorf("last progress %+v, want %d bytes", last, total)
	}
	return got
}

// ReadTensor reads one tensor whole.
func ReadTensor(ctx context.Context, c *checkpoint.Checkpoint, name string) ([]byte, error) {
	size := int64(0)
	for _, t := range c.Config().Tensors() {
		if t.Name == name {
			size = t.Bytes()
		}
	}
	data := make([]byte, size)
	return data, c.ReadAt(ctx, name, data, 0)
}

// Poke changes bytes of a tensor in its file, which lies in dir.
func Poke(t testing.TB, c *checkpoint.Checkpoint, dir, name string, off int64, p []byte) {
	t.Helper()
	d := c.Description()
	for _, s := range d.Segments {
		if d.Config.Tensors()[s.Tensor].Name != name {
			continue
		}
		f, err := os.OpenFile(filepath.Join(dir, d.Files[s.File]), os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(p, s.Off+off-s.At); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("there is no tensor %q", name)
}

// WriteSmall makes a checkpoint of two shards and a few small chunks and returns its directory.
func WriteSmall(t testing.TB) string {
	t.Helper()
	return write(t, func(*gptoss.Config) {})
}

// WriteLarge makes a checkpoint of two shards with an embedding of three pieces and returns its directory.
func WriteLarge(t testing.TB) string {
	t.Helper()
	return write(t, func(c *gptoss.Config) { c.Vocab = 2*checkpoint.PieceBytes/(2*c.Hidden) + 100 })
}

func write(t testing.TB, change func(c *gptoss.Config)) string {
	t.Helper()
	c, err := Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	change(c)
	dir := t.TempDir()
	if err := Write(dir, c, 1, Options{Shards: 2}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// ListFiles lists the files of a directory with their sizes.
func ListFiles(t testing.TB, dir string) map[string]int64 {
	t.Helper()
	files := map[string]int64{}
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// WantError compares an error's whole text; "…" in want stands for any text.
func WantError(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", want)
	}
	pattern := strings.ReplaceAll(regexp.QuoteMeta(want), "…", ".+")
	if !regexp.MustCompile("(?s)^" + pattern + "$").MatchString(err.Error()) {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}
