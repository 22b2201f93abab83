package remote

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/packed"
)

// cachedBytes is the size of the chunks in a cache, finished or not.
func cachedBytes(t *testing.T, cache string) (n int64) {
	t.Helper()
	for name, size := range checkpointtest.ListFiles(t, cache) {
		if base := filepath.Base(name); base != originName && base != packed.ManifestName {
			n += size
		}
	}
	return n
}

// TestDamagedCacheIsFetchedAgain: chunks that were changed in the cache are fetched again.
func TestDamagedCacheIsFetchedAgain(t *testing.T) {
	s, local := servePacked(t)
	cache := t.TempDir()
	c := mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache})
	want := collect(t, c)
	sent := s.chunkBytes()
	k, part := local.Manifest.Chunks[1], local.Manifest.Chunks[3]
	dir := modelDir(cache, s.URL+"/model/")
	if err := os.WriteFile(filepath.Join(dir, k.SHA256), make([]byte, k.Bytes), 0o644); err != nil {
		t.Fatal(err)
	}
	// A damaged beginning of a chunk, too.
	if err := errors.Join(os.Remove(filepath.Join(dir, part.SHA256)), os.WriteFile(filepath.Join(dir, part.SHA256+checkpoint.PartExt), make([]byte, 1000), 0o644)); err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(want, collect(t, c), bytes.Equal) {
		t.Error("other bytes")
	}
	if got, want := s.chunkBytes()-sent, k.Bytes+part.Bytes-1000+part.Bytes; got != want {
		t.Errorf("the server sent %d bytes, want %d", got, want)
	}
}

// TestConcurrentLoadsIntoOneCache: several programs load the same model into one cache at the same time.
func TestConcurrentLoadsIntoOneCache(t *testing.T) {
	s, local := servePacked(t)
	want := collect(t, local)
	cache := t.TempDir()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			c, err := Open(t.Context(), s.URL+"/model", Options{CacheDir: cache})
			if err != nil {
				t.Error(err)
				return
			}
			got := checkpointtest.Collector{}
			if err := c.Load(t.Context(), got, nil); err != nil {
				t.Error(err)
			} else if !maps.EqualFunc(want, got, bytes.Equal) {
				t.Error("other bytes")
			}
		})
	}
	wg.Wait()
	if got, want := cachedBytes(t, cache), storedBytes(local.Manifest); got != want {
		t.Errorf("%d bytes in the cache, want %d", got, want)
	}
}
