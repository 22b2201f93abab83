//go:build cgo && !js

package gpu

/*
#cgo LDFLAGS: -Wl,--wrap=_Unwind_RaiseException
#include <unistd.h>

// alarm is where the loss of the device is to be reported that this thread is calling the library for; -1: nowhere.
static _Thread_local int alarm_fd = -1;

static void gossamer_guard(int fd) { alarm_fd = fd; }

// The linker puts the wrapper in the place of the function with which Rust's panics begin to unwind the stack, for the objects that are
// linked into the program, and leaves the function itself to it.
int __real__Unwind_RaiseException(void *exception);

int __wrap__Unwind_RaiseException(void *exception) {
	if (alarm_fd < 0)
		return __real__Unwind_RaiseException(exception);
	char lost = 1;
	if (write(alarm_fd, &lost, 1) < 0)
		return __real__Unwind_RaiseException(exception);
	for (;;)
		pause();
}
*/
import "C"

import "runtime"

// guarded runs f, which calls the library, on a thread that stops for good where the library would end the process; alarm then gets a
// byte. The caller must not wait for guarded alone.
func guarded(alarm uintptr, f func()) {
	runtime.LockOSThread() // from here to the end it is the same thread
	defer runtime.UnlockOSThread()
	C.gossamer_guard(C.int(alarm))
	defer C.gossamer_guard(-1)
	f()
}
