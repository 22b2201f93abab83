package checkpointtest

import (
	"syscall"
	"testing"
)

// SmallDisk is a file system with room for n bytes.
func SmallDisk(t testing.TB, n string) string {
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
