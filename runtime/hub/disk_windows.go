package hub

import "golang.org/x/sys/windows"

// diskRoom is how many bytes may still be written to the file system of a directory; false if it does not say.
func diskRoom(dir string) (int64, bool) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, false
	}
	return int64(min(free, 1<<62)), true
}
