package remote

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// TestManifestDoesNotTouchAnotherModel: a directory's manifest, or another server's, that names a chunk below the URL of a cached model
// leaves that model's folder as it is.
func TestManifestDoesNotTouchAnotherModel(t *testing.T) {
	root := t.TempDir()
	packTo(t, openDir(t, checkpointtest.WriteSmall(t)), filepath.Join(root, "model"))
	s := servePublic(t, root)
	o := Options{CacheDir: t.TempDir(), transport: s.Client().Transport}
	mine := mustOpenAt(t, "https://example.com/model", o)
	want := collect(t, mine)
	folder := modelDir(o.CacheDir, "https://example.com/model/")
	before := checkpointtest.ListFiles(t, folder)

	other := t.TempDir()
	packTo(t, openDir(t, filepath.Join("../../../testdata/golden", "gqa_window8/model")), other)
	rename(t, other, "https://example.com/model/"+mine.Manifest.Chunks[0].URL)
	openAway(t, other, o).Load(t.Context(), checkpointtest.Discard(), nil) // its hash is of other bytes
	mustOpenAt(t, serve(t, other).URL, o).Load(t.Context(), checkpointtest.Discard(), nil)

	if d := cmp.Diff(before, checkpointtest.ListFiles(t, folder)); d != "" {
		t.Errorf("the model's folder (-before +after):\n%s", d)
	}
	s.Close()
	if !maps.EqualFunc(want, collect(t, mustOpenAt(t, "https://example.com/model", o)), bytes.Equal) {
		t.Error("its URL is another model now")
	}
	models, err := ListCache(o.CacheDir)
	if err != nil || len(models) != 3 {
		t.Errorf("models %+v, %v", models, err)
	}
}

// loadUnkept loads a served model by way of a cache that cannot be written, which must be told once, and returns how many bytes of chunks
// the server sent.
func loadUnkept(t *testing.T, s *fileServer, local *packed.Model, cache string) int64 {
	t.Helper()
	before := s.chunkBytes()
	var told notes
	if !maps.EqualFunc(collect(t, local), collect(t, mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache, Logger: logTo(&told)})), bytes.Equal) {
		t.Error("other bytes")
	}
	if n := strings.Count(told.String(), "the cache cannot be written: what is not there yet is loaded, but not kept"); n != 1 {
		t.Errorf("told %d times, want 1: %s", n, told.String())
	}
	return s.chunkBytes() - before
}

// TestCacheDirectoryIsAFile: the model is loaded all the same.
func TestCacheDirectoryIsAFile(t *testing.T) {
	s, local := servePacked(t)
	cache := filepath.Join(t.TempDir(), "cache")
	if err := os.WriteFile(cache, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if sent := loadUnkept(t, s, local, cache); sent != storedBytes(local.Manifest) {
		t.Errorf("the server sent %d bytes, want all", sent)
	}
}

// TestNoPlaceForACache: without a cache directory the model is loaded, and that it is not kept is told.
func TestNoPlaceForACache(t *testing.T) {
	t.Setenv("HOME", "")
	t.Setenv("XDG_CACHE_HOME", "")
	s, local := servePacked(t)
	var told notes
	m, err := Open(t.Context(), s.URL+"/model", Options{Logger: logTo(&told)})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(collect(t, local), collect(t, m), bytes.Equal) || !strings.Contains(told.String(), "the model is loaded, but not kept") {
		t.Errorf("other bytes, or told only %s", told.String())
	}
}

// TestDamagedEntries: entries whose small files are damaged are listed beside the others, can be removed, and are mended by opening
// the model again.
func TestDamagedEntries(t *testing.T) {
	s, local := servePacked(t)
	cache := t.TempDir()
	folder := modelDir(cache, s.URL+"/model/")
	good := packTo(t, openDir(t, checkpointtest.WriteSmall(t)), filepath.Join(s.dir, "good"))
	collect(t, mustOpenAt(t, s.URL+"/good", Options{CacheDir: cache}))
	if err := os.Mkdir(filepath.Join(cache, "not one of ours"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{originName, packed.ManifestName} {
		for name, damage := range map[string]func(name string) error{
			"Empty":     func(name string) error { return os.WriteFile(name, nil, 0o644) },
			"Zeros":     func(name string) error { return os.WriteFile(name, make([]byte, 100), 0o644) },
			"OtherJSON": func(name string) error { return os.WriteFile(name, []byte(`{"url": "https://\u001b[2J/"}`), 0o644) },
			"Array":     func(name string) error { return os.WriteFile(name, []byte(`[]`), 0o644) },
			"Missing":   os.Remove,
			"Directory": func(name string) error { return errors.Join(os.Remove(name), os.Mkdir(name, 0o755)) },
			"Loop":      func(name string) error { return errors.Join(os.Remove(name), os.Symlink(name, name)) },
		} {
			t.Run(file+name, func(t *testing.T) {
				collect(t, mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache}))
				if err := damage(filepath.Join(folder, file)); err != nil {
					t.Fatal(err)
				}
				models, err := ListCache(cache)
				if err != nil || len(models) != 2 {
					t.Fatalf("models %+v, %v", models, err)
				}
				i := slices.IndexFunc(models, func(m CachedModel) bool { return m.Dir == folder })
				bad, other := models[i], models[1-i]
				if bad.Damaged == "" || bad.Verified || bad.Bytes != storedBytes(local.Manifest) || strings.Contains(bad.URL+bad.Damaged, "\x1b") {
					t.Errorf("the damaged entry: %+v", bad)
				}
				if other.URL != s.URL+"/good/" || other.Damaged != "" || other.TotalBytes != storedBytes(good.Manifest) {
					t.Errorf("the other entry: %+v", other)
				}
				sent := s.chunkBytes()
				if name != "Directory" {
					collect(t, mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache}))
					if models, err := ListCache(cache); err != nil || models[0].Damaged+models[1].Damaged != "" {
						t.Errorf("opened again: %+v, %v", models, err)
					}
					if s.chunkBytes() != sent {
						t.Error("chunks were downloaded again")
					}
				}
				if err := RemoveCached(cache, bad.URL); err != nil {
					t.Error(err)
				}
				if models, err := ListCache(cache); err != nil || len(models) != 1 {
					t.Errorf("after removal: %+v, %v", models, err)
				}
			})
		}
	}
}
