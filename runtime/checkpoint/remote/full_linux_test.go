package remote

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/packed"
)

// TestDownloadToFullDisk: a model is loaded although the cache has no room for all of it.
func TestDownloadToFullDisk(t *testing.T) {
	s, local := servePacked(t)
	cache := checkpointtest.SmallDisk(t, "512k")
	want := collect(t, local)
	for range 2 {
		c := mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache})
		if !maps.EqualFunc(want, collect(t, c), bytes.Equal) {
			t.Error("other bytes")
		}
		for name := range checkpointtest.ListFiles(t, cache) {
			if strings.HasSuffix(name, checkpoint.PartExt) {
				t.Errorf("left %s", name)
			}
		}
	}
	if cachedBytes(t, cache) == 0 {
		t.Error("kept nothing")
	}
}

// TestReadOnlyCache: what is in a cache that cannot be written is used, and the rest comes from the server.
func TestReadOnlyCache(t *testing.T) {
	s, local := servePacked(t)
	for name, lose := range map[string]func(file string, k packed.Chunk) (lost bool, err error){
		"Complete": func(string, packed.Chunk) (bool, error) { return false, nil },
		"Partial": func(file string, k packed.Chunk) (bool, error) {
			if k.SHA256 != local.Manifest.Chunks[0].SHA256 {
				return false, nil
			}
			return true, os.Remove(file)
		},
		"Damaged": func(file string, k packed.Chunk) (bool, error) {
			if k.SHA256 != local.Manifest.Chunks[0].SHA256 {
				return false, nil
			}
			return true, os.WriteFile(file, make([]byte, k.Bytes), 0o644)
		},
		"Empty": func(file string, _ packed.Chunk) (bool, error) { return true, os.Remove(file) },
	} {
		t.Run(name, func(t *testing.T) {
			cache, readOnly := checkpointtest.ReadOnlyDisk(t)
			collect(t, mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache}))
			missing := int64(0)
			for _, k := range local.Manifest.Chunks {
				lost, err := lose(filepath.Join(modelDir(cache, s.URL+"/model/"), k.SHA256), k)
				if err != nil {
					t.Fatal(err)
				}
				if lost {
					missing += k.Bytes
				}
			}
			readOnly()
			if sent := loadUnkept(t, s, local, cache); sent != missing {
				t.Errorf("the server sent %d bytes, want the %d that were missing", sent, missing)
			}
		})
	}
}

// TestReadOnlyCacheWithoutServer: a complete model in a cache that cannot be written needs nothing else.
func TestReadOnlyCacheWithoutServer(t *testing.T) {
	s, local := servePacked(t)
	cache, readOnly := checkpointtest.ReadOnlyDisk(t)
	collect(t, mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache}))
	readOnly()
	s.Close()
	if sent := loadUnkept(t, s, local, cache); sent != 0 {
		t.Errorf("the server sent %d bytes", sent)
	}
}

// TestFullDisk: a disk without any room is told, and the model is loaded.
func TestFullDisk(t *testing.T) {
	s, local := servePacked(t)
	cache := checkpointtest.SmallDisk(t, "16k")
	for i := 0; ; i++ {
		if err := os.WriteFile(filepath.Join(cache, fmt.Sprint(i)), make([]byte, 4096), 0o644); err != nil {
			break
		}
	}
	var told notes
	if !maps.EqualFunc(collect(t, local), collect(t, mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache, Logger: logTo(&told)})), bytes.Equal) {
		t.Error("other bytes")
	}
	if n := strings.Count(told.String(), "the disk is full: what is not there yet is loaded, but not kept"); n != 1 {
		t.Errorf("told %d times, want 1: %s", n, told.String())
	}
}
