package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// attnReduceConfig is an AttnConfig with splits.
type attnReduceConfig AttnConfig

// AttnReduce joins what AttnDecode found in its splits.
type AttnReduce struct {
	*pipeline
	c AttnConfig
}

// AttnReduceArgs are the buffers of AttnReduce.
type AttnReduceArgs struct {
	Partials *gpu.Buffer // what AttnDecode wrote
	Vectors  *gpu.Buffer // the layer's small vectors, bf16
	A        *gpu.Buffer // out: f32 [Rows][Heads][HeadDim]
}

// reduceLanes is the largest workgroup of the reduction: every device allows it.
const reduceLanes = 256

func (c attnReduceConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := AttnConfig(c).check("attn_reduce"); err != nil {
		return shaders.Shader{}, err
	}
	parts := c.HeadDim / 4
	groups := min(reduceLanes/parts, c.Splits)
	return shaders.Build("attn_reduce", v, map[string]int{
		"HEADS": c.Heads, "HEAD_DIM": c.HeadDim, "SPLITS": c.Splits, "SINKS": c.Sinks, "GROUPS": groups,
		"ROUNDS": ceilDiv(c.Splits, groups), "WG": groups * parts,
	})
}

// NewAttnReduce compiles the kernel that follows AttnDecode of the same shape.
func NewAttnReduce(dev *gpu.Device, c AttnConfig) (*AttnReduce, error) {
	p, err := newPipeline(dev, attnReduceConfig(c))
	return &AttnReduce{p, c}, err
}

// Record appends the reduction of all rows.
func (k *AttnReduce) Record(p *gpu.Program, a AttnReduceArgs) error {
	return k.record(p, [3]int{k.c.Heads, 1, k.c.Rows}, nil, a.Partials, a.Vectors, a.A)
}
