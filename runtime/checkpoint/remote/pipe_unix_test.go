//go:build unix

package remote

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/packed"
)

// TestPipesInTheCache: a pipe in the place of a file of the cache does not make the load wait for ever.
func TestPipesInTheCache(t *testing.T) {
	s, local := servePacked(t)
	want := collect(t, local)
	k := local.Manifest.Chunks[1].SHA256
	for _, name := range []string{originName, packed.ManifestName, k, k + checkpoint.PartExt} {
		t.Run(name, func(t *testing.T) {
			cache := t.TempDir()
			collect(t, mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache}))
			dir := modelDir(cache, s.URL+"/model/")
			if err := errors.Join(os.RemoveAll(filepath.Join(dir, k)), os.RemoveAll(filepath.Join(dir, name)), syscall.Mkfifo(filepath.Join(dir, name), 0o600)); err != nil {
				t.Fatal(err)
			}
			if models, err := ListCache(cache); err != nil || len(models) != 1 {
				t.Errorf("models %+v, %v", models, err)
			}
			if !maps.EqualFunc(want, collect(t, mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache})), bytes.Equal) {
				t.Error("other bytes")
			}
		})
	}
}
