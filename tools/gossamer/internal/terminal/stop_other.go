//go:build !unix

package terminal

// stopProcess does nothing: there is no job control.
func stopProcess() {}
