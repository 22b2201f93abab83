package checkpoint

import (
	"context"

	"gossamer/runtime/gptoss"
)

// Sink takes the weights of a model as they arrive.
type Sink interface {
	// Put takes the bytes of t from off to off+len(p). The pieces of a tensor arrive in order and without gaps; those of several
	// tensors may alternate, because a packed model keeps what belongs to one expert together. p is at most PieceBytes long, a
	// multiple of 16 except at a tensor's end, and valid only during the call. Put is never called concurrently.
	Put(ctx context.Context, t gptoss.TensorSpec, off int64, p []byte) error
}

// Placer is a Sink that knows where in memory the bytes of tensors belong. In a browser LoadPlaced asks it, so that the page moves
// bytes from where they arrive to the GPU; only those of compressed chunks pass through Go. Put and Place lead to the same bytes.
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
