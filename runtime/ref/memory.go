package ref

import (
	"fmt"
	"math"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/gptoss"
)

// Memory is how much memory this process can still take.
type Memory struct {
	Bytes int64
	Of    string // what ends first, such as "of the machine's memory"
}

// MemoryNeeded is what a model takes in bytes, with a context of so many tokens and the other options as usual.
func MemoryNeeded(c *gptoss.Config, context int) int64 {
	o := Options{Context: context}
	o.complete(c)
	return memoryNeeded(c, o)
}

// memoryNeeded is what a model takes once a sequence fills its context, and what loading it takes besides. Go cannot recover from an
// allocation that fails, so this is compared with what there is before anything is allocated.
func memoryNeeded(c *gptoss.Config, o Options) int64 {
	var weights, vectors float64 // counted in floats, which do not overflow
	for _, t := range c.Tensors() {
		weights += float64(t.Bytes())
		switch t.Kind {
		case gptoss.AttnNorm, gptoss.MLPNorm, gptoss.FinalNorm, gptoss.Sinks, gptoss.QBias, gptoss.KBias, gptoss.VBias, gptoss.OBias,
			gptoss.RouterBias, gptoss.GateUpBias, gptoss.DownBias:
			vectors += 4 * float64(t.Elements())
		}
	}
	positions := float64(o.Context) * 4 * float64(c.HeadDim+2*c.Layers*c.KVDim())
	perToken := 4*c.Hidden + 2*c.QDim() + 2*c.KVDim() + c.Experts + c.TopK*(2+c.Hidden) + 2*c.Hidden + 3*c.Intermediate
	pass := 8 * (float64(o.Chunk)*float64(perToken) + 2*float64(c.Vocab))
	loading := min(weights, float64(loadingBytes))
	return int64(min(weights+vectors+positions+pass+loading, math.MaxInt64/2))
}

// loadingBytes are in memory at a time while a model is loaded: pieces of tensors, and chunks that are fetched, hashed and unpacked.
const loadingBytes = 2*checkpoint.PieceBytes + 8*24<<20

// checkMemory refuses a model that does not fit.
func checkMemory(c *gptoss.Config, o Options, free Memory, known bool) error {
	need := memoryNeeded(c, o)
	if !known || need <= free.Bytes {
		return nil
	}
	return fmt.Errorf("ref: the model takes %.2f GB of memory with a context of %d tokens, and %.2f GB are left %s: take a smaller context or model, or a machine with more",
		float64(need)/1e9, o.Context, float64(max(free.Bytes, 0))/1e9, free.Of)
}
