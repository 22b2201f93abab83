package checkpoint

import (
	"gossamer/runtime/gptoss"
)

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
