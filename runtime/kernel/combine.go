package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// CombineConfig is the shape of the sum over experts.
type CombineConfig struct {
	Hidden int // multiple of 4
	TopK   int
}

// Combine adds the weighted outputs of each row's experts to the residual.
type Combine struct {
	*pipeline
	c CombineConfig
}

// CombineArgs are the buffers of Combine.
type CombineArgs struct {
	Chunk *gpu.Buffer // uniform: rows in use
	Sel   *gpu.Buffer // {expert u32, weight f32} [rows][TopK]
	Y     *gpu.Buffer // f32 [rows*TopK][Hidden], by assignment
	X     *gpu.Buffer // in and out: f32 [rows][Hidden]
}

const combineWG = 64

func (c CombineConfig) checks() []check {
	return []check{
		{c.Hidden > 0 && c.Hidden%4 == 0, "Hidden a multiple of 4"},
		{c.TopK > 0, "TopK above 0"},
	}
}

func (c CombineConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("combine", c.checks()...); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("combine", v, map[string]int{"WIDTH": c.Hidden, "TOPK": c.TopK, "WG": combineWG})
}

// NewCombine compiles the kernel.
func NewCombine(dev *gpu.Device, c CombineConfig) (*Combine, error) {
	p, err := newPipeline(dev, c)
	return &Combine{p, c}, err
}

// Record appends the sum of at most rows rows.
func (k *Combine) Record(p *gpu.Program, rows int, a CombineArgs) error {
	return k.record(p, [3]int{ceilDiv(k.c.Hidden/4, combineWG), rows, 1}, nil, a.Chunk, a.Sel, a.Y, a.X)
}
