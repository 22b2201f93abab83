package main

import (
	"context"
	"fmt"

	gossamer "gossamer/runtime"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/model"
	"gossamer/runtime/ref"
)

// usualContext is the context that memory is told for, in tokens.
const usualContext = 8192

// fit is whether a model fits the memory that it would run in.
type fit struct {
	text    string
	refused bool // it is known not to
}

// fits compares what a model takes with what is known of this machine. The configuration may be nil; what a model's files have in bytes is
// the least it takes then.
func fits(ctx context.Context, c *gptoss.Config, fileBytes int64) (fit, error) {
	quietDrivers()
	on, err := chosen(ctx)
	if err != nil {
		return fit{}, err
	}
	if on.Backend == string(gossamer.WebGPU) {
		need := fmt.Sprintf("at least %s", byteCount(fileBytes))
		if c != nil {
			bytes, err := gpuBytes(c)
			if err != nil {
				return fit{}, err
			}
			need = fmt.Sprintf("%s with a context of %d tokens", byteCount(bytes), usualContext)
		}
		return fit{text: fmt.Sprintf("%s on the GPU, %s; how much it has, WebGPU does not say", need, on.Adapter)}, nil
	}
	bytes, need := fileBytes, fmt.Sprintf("at least %s", byteCount(fileBytes))
	if c != nil {
		bytes = ref.MemoryNeeded(c, min(usualContext, c.MaxPositions))
		need = fmt.Sprintf("%s with a context of %d tokens", byteCount(bytes), min(usualContext, c.MaxPositions))
	}
	free, known := ref.FreeMemory()
	if !known {
		return fit{text: fmt.Sprintf("%s; the CPU computes here, how much is free is not known", need)}, nil
	}
	return fit{fmt.Sprintf("%s; the CPU computes here, %s are free %s", need, byteCount(max(free.Bytes, 0)), free.Of), bytes > free.Bytes}, nil
}

// gpuBytes is what a model takes of a GPU's memory, in the usual context.
func gpuBytes(c *gptoss.Config) (int64, error) {
	plan, err := model.NewPlan(c, gpu.Caps{MaxBindingBytes: 128 << 20, MaxBufferBytes: 256 << 20}, model.Options{Context: min(usualContext, c.MaxPositions)})
	if err != nil {
		return 0, err
	}
	f := plan.Footprint()
	return f.Weights + f.KV + f.Scratch, nil
}
