package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// MoEGateUpConfig is the shape of the experts' first product.
type MoEGateUpConfig struct {
	Hidden       int // elements of a row, multiple of 32
	Intermediate int // gates, and ups, of an expert
	Limit        float64
	Alpha        float64
	Lists        ExpertLists // with Height that of Tile
	Tile         Tile
}

// MoEGateUp is the first product of each row with its experts, with bias and activation (clamped SwiGLU).
type MoEGateUp struct {
	*pipeline
	c MoEGateUpConfig
}

// MoEGateUpArgs are the buffers of MoEGateUp.
type MoEGateUpArgs struct {
	Lists  *gpu.Buffer // of SortExperts
	T      *gpu.Buffer // f32 [rows][Hidden]
	Blocks *gpu.Buffer // MXFP4 [shard.Count][2*Intermediate][Hidden/32][16]; row 2i is gate i, row 2i+1 up i
	Scales *gpu.Buffer // [shard.Count][2*Intermediate][Hidden/32]
	Bias   *gpu.Buffer // bf16 [shard.Count][2*Intermediate]
	H      *gpu.Buffer // out: f32 [rows*TopK][Intermediate], by assignment
}

func (c MoEGateUpConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("moe_gate_up", append(append(c.Tile.checks(), c.Lists.checks()...),
		check{c.Hidden > 0 && c.Hidden%32 == 0, "Hidden a multiple of 32"},
		check{c.Intermediate > 0, "Intermediate above 0"},
		check{c.Lists.Height == c.Tile.Height(), "Lists and Tile of one height"},
	)...); err != nil {
		return shaders.Shader{}, err
	}
	return c.Tile.build("moe_gate_up", v, mxfp4Unit, map[string]int{
		"K": c.Hidden, "WIDTH": c.Intermediate, "TOPK": c.Lists.TopK, "MAX_TILES": c.Lists.maxTiles(),
	})
}

// NewMoEGateUp compiles the kernel.
func NewMoEGateUp(dev *gpu.Device, c MoEGateUpConfig) (*MoEGateUp, error) {
	p, err := newPipeline(dev, c)
	return &MoEGateUp{p, c}, err
}

// Record appends the product for the experts of one shard. H of other experts' assignments stays as it is.
func (k *MoEGateUp) Record(p *gpu.Program, s Shard, a MoEGateUpArgs) error {
	grid := [3]int{ceilDiv(2*k.c.Intermediate, k.c.Tile.width()), k.c.Lists.maxTiles(), 1}
	params := []uint32{uint32(s.First), uint32(s.Count), floatWord(k.c.Limit), floatWord(k.c.Alpha)}
	return k.record(p, grid, params, a.Lists, a.T, a.Blocks, a.Scales, a.Bias, a.H)
}
