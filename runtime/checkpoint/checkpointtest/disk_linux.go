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

// ReadOnlyDisk is a file system that can be written until readOnly is called.
func ReadOnlyDisk(t testing.TB) (dir string, readOnly func()) {
	t.Helper()
	dir = SmallDisk(t, "64m")
	return dir, func() {
		t.Helper()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
	}
}

// ResizeDisk gives a SmallDisk room for n bytes.
func ResizeDisk(t testing.TB, dir, n string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size="+n); err != nil {
		t.Fatal(err)
	}
}
