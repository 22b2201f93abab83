//go:build !js

package checkpoint

// Memory takes bytes, such as a *gpu.Buffer.
type Memory interface {
	// Write copies p to the offset off.
	Write(off int64, p []byte) error
}
