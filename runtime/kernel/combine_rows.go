package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// combineRowsConfig is a CombineConfig.
type combineRowsConfig CombineConfig

// CombineRows adds the weighted outputs of each row's experts to the residual stream.
type CombineRows struct {
	*pipeline
	c CombineConfig
}

// CombineRowsArgs are the buffers of CombineRows.
type CombineRowsArgs struct {
	Step *gpu.Buffer
	Sel  *gpu.Buffer // {expert u32, weight f32} [rows][TopK]
	Y    *gpu.Buffer // f32 [rows][TopK][Hidden]
	X    *gpu.Buffer // in and out: f32 [rows][Hidden]; unused rows are left alone
}

func (c combineRowsConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("combine_rows", CombineConfig(c).checks()...); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("combine_rows", v, map[string]int{"WIDTH": c.Hidden, "TOPK": c.TopK, "WG": combineWG})
}

// NewCombineRows compiles the kernel.
func NewCombineRows(dev *gpu.Device, c CombineConfig) (*CombineRows, error) {
	p, err := newPipeline(dev, combineRowsConfig(c))
	return &CombineRows{p, c}, err
}

// Record appends the sum of rows rows.
func (k *CombineRows) Record(p *gpu.Program, rows int, a CombineRowsArgs) error {
	return k.record(p, [3]int{ceilDiv(k.c.Hidden/4, combineWG), rows, 1}, nil, a.Step, a.Sel, a.Y, a.X)
}
