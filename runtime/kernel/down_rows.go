package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// DownRowsConfig is the shape of the experts' second projection of a batch.
type DownRowsConfig struct {
	Hidden       int
	Intermediate int         // multiple of 32
	Lists        ExpertLists // whose Height is Rows
}

// DownRows projects the inner activations of the rows' experts. CombineRows adds them up.
type DownRows struct {
	*pipeline
	c DownRowsConfig
}

// DownRowsArgs are the buffers of DownRows. The weights are those of a shard of experts.
type DownRowsArgs struct {
	Lists  *gpu.Buffer // of RouteRows
	H      *gpu.Buffer // f32 [Rows][TopK][Intermediate], in the order of lib/blocks.wgsl
	Blocks *gpu.Buffer // MXFP4 [shard.Count][Hidden][Intermediate/32][16]
	Scales *gpu.Buffer // E8M0 [shard.Count][Hidden][Intermediate/32]
	Bias   *gpu.Buffer // bf16 [shard.Count][Hidden]
	Y      *gpu.Buffer // out: f32 [Rows][TopK][Hidden]; other shards' experts and unused rows are left alone
}

// downRowsOutputs is the number of outputs of a workgroup, as many as in GateUpRows.
const downRowsOutputs = 2 * gateUpRowsPairs

func (c DownRowsConfig) lanes() int { return lanes(c.Intermediate/32, 32, downLanes) }

func (c DownRowsConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("down_rows", append(append(c.Lists.rowsChecks(), c.Lists.oneTile()),
		check{c.Hidden > 0 && ceilDiv(c.Hidden, downRowsOutputs) <= maxGrid, "Hidden from 1 to 524280"},
		check{c.Intermediate > 0 && c.Intermediate%32 == 0, "Intermediate a multiple of 32"},
	)...); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("down_rows", v, map[string]int{
		"K": c.Intermediate, "SHARE": 1, "WIDTH": c.Hidden, "OUTPUTS": downRowsOutputs, "WG": c.lanes(), "MAX_TILES": c.Lists.maxTiles(),
	})
}

// NewDownRows compiles the kernel.
func NewDownRows(dev *gpu.Device, c DownRowsConfig) (*DownRows, error) {
	p, err := newPipeline(dev, c)
	return &DownRows{p, c}, err
}

// Record appends the outputs of a shard's experts.
func (k *DownRows) Record(p *gpu.Program, s Shard, a DownRowsArgs) error {
	return k.record(p, [3]int{ceilDiv(k.c.Hidden, downRowsOutputs), k.c.Lists.maxTiles(), 1}, []uint32{uint32(s.First), uint32(s.Count)},
		a.Lists, a.H, a.Blocks, a.Scales, a.Bias, a.Y)
}

// WeightBytes is what a step reads of the experts' blocks, scales and biases, given the experts that each row in use has chosen.
func (c DownRowsConfig) WeightBytes(choices [][]int) int64 {
	return expertBytes(c.Hidden, c.Intermediate, c.lanes(), choices)
}
