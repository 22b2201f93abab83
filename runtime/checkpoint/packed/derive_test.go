package packed

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/checkpoint/checkpointtest"
)

// TestDerive compares manifests of repositories in both layouts with those of the same files on disk. Beginnings of files are read
// once, the rest not at all, and a source that hands out little at a time will do.
func TestDerive(t *testing.T) {
	c, err := checkpointtest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	for _, original := range []bool{false, true} {
		root := t.TempDir()
		dir := root
		if original {
			dir = filepath.Join(root, "original")
		}
		if err := checkpointtest.Write(dir, c, 1, checkpointtest.Options{Shards: 2, Original: original}); err != nil {
			t.Fatal(err)
		}
		next, asked := map[string]int64{}, map[string]bool{}
		read := func(name string, off, n int64) ([]byte, int64, error) {
			if asked[name] && off == 0 {
				t.Errorf("%s was asked for twice", name)
			}
			asked[name] = true
			data, err := os.ReadFile(filepath.Join(root, name))
			if err != nil {
				return nil, 0, err
			}
			if off != next[name] {
				t.Errorf("%s is read at %d after %d", name, off, next[name])
			}
			some := data[off:min(off+min(n, 1000), int64(len(data)))]
			next[name] = off + int64(len(some))
			return some, int64(len(data)), nil
		}
		derived, err := Derive(read, "the repository")
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseDerived(encodeManifest(t, derived))
		if err != nil {
			t.Fatal(err)
		}
		for name, n := range next {
			if strings.HasSuffix(name, ".safetensors") && n > 20_000 {
				t.Errorf("%d bytes of %s were read", n, name)
			}
		}
		away := t.TempDir()
		if _, err := PackInPlace(t.Context(), openDir(t, root), away, "", nil); err != nil {
			t.Fatal(err)
		}
		want, err := ReadManifest(os.DirFS(away))
		if err != nil {
			t.Fatal(err)
		}
		for i := range want.Chunks {
			want.Chunks[i].SHA256 = ""
		}
		if d := cmp.Diff(want, got, ignoreConfig); d != "" {
			t.Errorf("original %v (-on disk +derived):\n%s", original, d)
		}
	}
	_, err = Derive(func(string, int64, int64) ([]byte, int64, error) { return nil, 0, fs.ErrNotExist }, "the repository")
	checkpointtest.WantError(t, err, "checkpoint: no .safetensors file in the repository: give a directory with config.json and the published weights")
	broken := errors.New("the line is broken")
	if _, err = Derive(func(string, int64, int64) ([]byte, int64, error) { return nil, 0, broken }, "the repository"); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}
