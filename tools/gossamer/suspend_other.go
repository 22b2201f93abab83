//go:build !unix

package main

// stopProcess does nothing: there is no job control.
func stopProcess() {}
