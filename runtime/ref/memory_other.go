//go:build !linux

package ref

// FreeMemory tells nothing: these systems have no figure for what a process can still take.
func FreeMemory() (Memory, bool) { return Memory{}, false }
