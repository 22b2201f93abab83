package main

import (
	"context"
	"fmt"

	gossamer "gossamer/runtime"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/ref"
)

// usualContext is the context that memory is told for, in tokens.
const usualContext = 8192

// fit is whether a model fits the memory that it would run in.
type fit struct {
	text    string // what it takes, and what is there
	refused error  // why it cannot run; nil: it can, or nobody knows
}

// fits compares what a model takes with what is known of this machine. Of a model without a configuration it is known that it takes at
// least the bytes of its files.
func fits(ctx context.Context, c *gptoss.Config, fileBytes int64) (fit, error) {
	quietDrivers()
	on, err := chosen(ctx)
	if err != nil {
		return fit{}, err
	}
	positions, webgpu := usualContext, on.Backend == string(gossamer.WebGPU)
	bytes, need := fileBytes, "more than "+byteCount(fileBytes)
	if c != nil {
		positions = min(usualContext, c.MaxPositions)
		if bytes = ref.MemoryNeeded(c, positions); webgpu {
			f, err := gossamer.GPUMemory(c, positions)
			if err != nil {
				return fit{}, err
			}
			bytes = f.Weights + f.KV + f.Scratch
		}
		need = fmt.Sprintf("%s with %d tokens of context", byteCount(bytes), positions)
	}
	free, known := ref.FreeMemory()
	switch {
	case webgpu:
		return fit{text: fmt.Sprintf("%s, of %s (WebGPU does not say how much it has)", need, on.Adapter)}, nil
	case !known:
		return fit{text: need + ", on the CPU"}, nil
	}
	f := fit{text: fmt.Sprintf("%s, on the CPU; %s free", need, byteCount(max(free.Bytes, 0)))}
	if bytes > free.Bytes {
		f.refused = fmt.Errorf("the model takes %s of memory, and %s are free %s: take a smaller model or a machine with more; gossamer pull --force downloads it all the same",
			byteCount(bytes), byteCount(max(free.Bytes, 0)), free.Of)
	}
	return f, nil
}
