package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// RMSNormConfig is the shape of a normalisation.
type RMSNormConfig struct {
	Width int     // elements of a row, multiple of 8
	Scale int     // element of Vectors where the scales begin, multiple of 8
	Eps   float64 // added to the mean square
}

// RMSNorm divides rows by their root mean square and multiplies them with scales.
type RMSNorm struct {
	*pipeline
	c RMSNormConfig
}

// RMSNormArgs are the buffers of RMSNorm.
type RMSNormArgs struct {
	Chunk   *gpu.Buffer // uniform: rows in use
	X       *gpu.Buffer // f32 [rows][Width]
	Vectors *gpu.Buffer // bf16, Width scales from element Scale
	Y       *gpu.Buffer // out: f32 [rows][Width]
}

func (c RMSNormConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("rmsnorm",
		check{c.Width > 0 && c.Width%8 == 0, "Width a multiple of 8"},
		check{c.Scale >= 0 && c.Scale%8 == 0, "Scale a multiple of 8"},
		check{c.Eps > 0, "Eps above 0"},
	); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("rmsnorm", v, map[string]int{"WIDTH": c.Width, "SCALE": c.Scale, "WG": 256})
}

// NewRMSNorm compiles the kernel.
func NewRMSNorm(dev *gpu.Device, c RMSNormConfig) (*RMSNorm, error) {
	p, err := newPipeline(dev, c)
	return &RMSNorm{p, c}, err
}

// Record appends the normalisation of at most rows rows.
func (k *RMSNorm) Record(p *gpu.Program, rows int, a RMSNormArgs) error {
	return k.record(p, [3]int{rows, 1, 1}, []uint32{floatWord(k.c.Eps)}, a.Chunk, a.X, a.Vectors, a.Y)
}
