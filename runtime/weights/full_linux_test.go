package weights

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// smallDisk is a file system with room for n bytes.
func smallDisk(t *testing.T, n string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+n); err != nil {
		t.Skipf("cannot mount a small file system (this needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestPackFullDisk: a full disk is a clear error, leaves no half chunk, and packing goes on once there is room.
func TestPackFullDisk(t *testing.T) {
	src := openDir(t, writeSmall(t))
	dir := smallDisk(t, "512k")
	_, err := Pack(t.Context(), src, dir, nil)
	wantError(t, err, "weights: write …: no space left on device: make room and run this again, what is complete is kept")
	files := listFilesOf(t, dir)
	for name := range files {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if hash := strings.TrimSuffix(filepath.Base(name), chunkExt); err != nil || hash != hashOf(data) {
			t.Errorf("left %s (%v)", name, err)
		}
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=4m"); err != nil {
		t.Fatal(err)
	}
	packed, report := packTo(t, src, dir)
	if report.Written != report.Chunks-len(files) {
		t.Errorf("wrote %d of %d chunks, %d were there", report.Written, report.Chunks, len(files))
	}
	if !maps.EqualFunc(load(t, src), load(t, packed), bytes.Equal) {
		t.Error("other bytes")
	}

	full := smallDisk(t, "64k")
	err = WriteGGUF(t.Context(), src, filepath.Join(full, "x.gguf"), GGUFOptions{}, nil)
	wantError(t, err, "weights: write …x.gguf: …: no space left on device: make room and run this again, what is complete is kept")
	if files := listFilesOf(t, full); len(files) > 0 {
		t.Errorf("left %v", files)
	}
}

// TestURLFullDisk: a model is loaded although the cache has no room for all of it.
func TestURLFullDisk(t *testing.T) {
	s, packed := servePacked(t)
	cache := smallDisk(t, "512k")
	want := collect(t, packed)
	for range 2 {
		c := mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache})
		if !maps.EqualFunc(want, collect(t, c), bytes.Equal) {
			t.Error("other bytes")
		}
		for name := range listFilesOf(t, cache) {
			if strings.HasSuffix(name, partExt) {
				t.Errorf("left %s", name)
			}
		}
	}
	if cachedBytes(t, cache) == 0 {
		t.Error("kept nothing")
	}
}
