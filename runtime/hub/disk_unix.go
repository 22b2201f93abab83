//go:build linux || darwin

package hub

import "golang.org/x/sys/unix"

// diskRoom is how many bytes may still be written to the file system of a directory; false if it does not say.
func diskRoom(dir string) (int64, bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil || s.Blocks == 0 {
		return 0, false
	}
	return int64(min(s.Bavail, 1<<62/uint64(s.Bsize))) * int64(s.Bsize), true
}
