//go:build cgo && !js && !linux

package gpu

// guarded runs f. There is no way here to stop the library from ending the process.
func guarded(_ uintptr, f func()) { f() }
