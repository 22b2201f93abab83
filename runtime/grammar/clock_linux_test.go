package grammar

import (
	"syscall"
	"time"
	"unsafe"
)

// cpuTime is the CPU time of this thread, of which other programs take nothing away.
func cpuTime() time.Duration {
	const clock = 3 // CLOCK_THREAD_CPUTIME_ID
	var now syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&now)), 0); errno != 0 {
		panic(errno)
	}
	return time.Duration(now.Nano())
}
