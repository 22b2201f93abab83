package checkpoint

import "syscall/js"

// Memory takes bytes, such as a *gpu.Buffer.
type Memory interface {
	// Write copies p to the offset off.
	Write(off int64, p []byte) error
	// WriteFrom copies n bytes of a Uint8Array, or of a StoredFile of web/src/shared/engine.ts, from from on to the offset off.
	WriteFrom(off int64, data js.Value, from, n int64) error
}
