package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// OutConfig is the shape of a layer's output projection of attention in decoding.
type OutConfig struct {
	Rows   int // of the batch, 1 to 8 or a multiple of 8 up to 32
	Hidden int
	Inputs int // width of all query heads, multiple of 8
	Bias   int // element of the layer's vectors where the bias begins, multiple of 8
}

// OutDecode projects the attention heads to the residual stream and adds them to it.
type OutDecode struct {
	*pipeline
	c OutConfig
}

// OutArgs are the buffers of OutDecode.
type OutArgs struct {
	A       *gpu.Buffer // f32 [Rows][Inputs]
	W       *gpu.Buffer // bf16 [shard.Count][Inputs]
	Vectors *gpu.Buffer // the layer's small vectors, bf16
	X       *gpu.Buffer // in and out: f32 [Rows][Hidden]
}

// outOutputs is the number of outputs of a workgroup. The hidden size is small: more would leave a large GPU with too few workgroups.
const outOutputs = 4

func (c OutConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("out_decode",
		rowsCheck(c.Rows),
		check{c.Hidden > 0, "Hidden"},
		check{c.Inputs > 0 && c.Inputs%8 == 0, "Inputs a multiple of 8"},
		check{c.Bias%8 == 0, "vectors at multiples of 8"},
	); err != nil {
		return shaders.Shader{}, err
	}
	tiles, rows := rowTiles(c.Rows)
	return shaders.Build("out_decode", v, map[string]int{
		"ROWS": rows, "ROW_TILES": tiles, "WIDTH": c.Hidden, "INPUTS": c.Inputs, "OUTPUTS": outOutputs, "BIAS": c.Bias, "WG": lanes(c.Inputs/8, 64, denseLanes),
	})
}

// NewOutDecode compiles the kernel.
func NewOutDecode(dev *gpu.Device, c OutConfig) (*OutDecode, error) {
	p, err := newPipeline(dev, c)
	return &OutDecode{p, c}, err
}

// Record appends the projection to a shard's rows.
func (k *OutDecode) Record(p *gpu.Program, s Shard, a OutArgs) error {
	tiles, _ := rowTiles(k.c.Rows)
	return k.record(p, fold(ceilDiv(s.Count, outOutputs)*tiles), []uint32{uint32(s.First), uint32(s.Count)}, a.A, a.W, a.Vectors, a.X)
}
