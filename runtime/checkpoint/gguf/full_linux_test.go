package gguf

import (
	"path/filepath"
	"testing"

	"gossamer/runtime/checkpoint/checkpointtest"
)

// TestWriteFullDisk: a full disk is a clear error and leaves no file.
func TestWriteFullDisk(t *testing.T) {
	src := openDir(t, checkpointtest.WriteSmall(t))
	full := checkpointtest.SmallDisk(t, "64k")
	err := Write(t.Context(), src, filepath.Join(full, "x.gguf"), Options{}, nil)
	checkpointtest.WantError(t, err, "checkpoint: write …x.gguf: …: no space left on device: make room and run this again, what is complete is kept")
	if files := checkpointtest.ListFiles(t, full); len(files) > 0 {
		t.Errorf("left %v", files)
	}
}
