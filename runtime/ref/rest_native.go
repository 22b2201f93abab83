//go:build !js

package ref

// rest is of use in browsers only: here goroutines have threads.
type rest struct{}

func (rest) take() {}
