package packed

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gossamer/runtime/checkpoint/checkpointtest"
)

// TestPackFullDisk: a full disk is a clear error, leaves no half chunk, and packing goes on once there is room.
func TestPackFullDisk(t *testing.T) {
	src := openDir(t, checkpointtest.WriteSmall(t))
	dir := checkpointtest.SmallDisk(t, "512k")
	_, err := Pack(t.Context(), src, dir, nil)
	checkpointtest.WantError(t, err, "checkpoint: write …: no space left on device: make room and run this again, what is complete is kept")
	files := checkpointtest.ListFiles(t, dir)
	for name := range files {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if hash := strings.TrimSuffix(filepath.Base(name), chunkExt); err != nil || hash != HashOf(data) {
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
	if !maps.EqualFunc(checkpointtest.Load(t, src), checkpointtest.Load(t, packed.Checkpoint), bytes.Equal) {
		t.Error("other bytes")
	}
}
