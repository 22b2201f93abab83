package weights

import (
	"context"

	"gossamer/runtime/gptoss"
)

// Placer is a Sink that knows where in memory the bytes of tensors belong. In a browser Load asks it, so that the page moves bytes
// from where they arrive to the GPU, and none of them passes through Go. Put and Place lead to the same bytes.
type Placer interface {
	Sink
	// Place returns where n bytes of t from off on belong, one place after the other.
	Place(t gptoss.TensorSpec, off, n int64) ([]Place, error)
}

// Place is where some bytes belong: Bytes of them at Off of Memory.
type Place struct {
	Memory Memory
	Off    int64
	Bytes  int64
}

// Memory takes bytes, such as a *gpu.Buffer.
type Memory interface {
	// Write copies p to the offset off.
	Write(off int64, p []byte) error
}

// mover is a Source that can bring bytes to their places without handing them out.
type mover interface {
	move(ctx context.Context, c *Checkpoint, sink Placer, progress func(Progress)) error
}
