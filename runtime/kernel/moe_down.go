package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// MoEDownConfig is the shape of the experts' second product.
type MoEDownConfig struct {
	Hidden       int         // multiple of 8
	Intermediate int         // multiple of 32
	Lists        ExpertLists // with Height that of Tile
	Tile         Tile
}

// MoEDown is the second product of each row with its experts, with bias.
type MoEDown struct {
	*pipeline
	c MoEDownConfig
}

// MoEDownArgs are the buffers of MoEDown.
type MoEDownArgs struct {
	Lists  *gpu.Buffer // of SortExperts
	H      *gpu.Buffer // f32 [rows*TopK][Intermediate], by assignment
	Blocks *gpu.Buffer // MXFP4 [shard.Count][Hidden][Intermediate/32][16]
	Scales *gpu.Buffer // [shard.Count][Hidden][Intermediate/32]
	Bias   *gpu.Buffer // bf16 [shard.Count][Hidden]
	Y      *gpu.Buffer // out: f32 [rows*TopK][Hidden], by assignment
}

func (c MoEDownConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("moe_down", append(append(c.Tile.checks(), c.Lists.checks()...),
		check{c.Hidden > 0 && c.Hidden%8 == 0, "Hidden a multiple of 8"},
		check{c.Intermediate > 0 && c.Intermediate%32 == 0, "Intermediate a multiple of 32"},
		check{c.Lists.Height == c.Tile.Height(), "Lists and Tile of one height"},
	)...); err != nil {
		return shaders.Shader{}, err
	}
	return c.Tile.build("moe_down", v, mxfp4Unit, map[string]int{"K": c.Intermediate, "WIDTH": c.Hidden, "MAX_TILES": c.Lists.maxTiles()})
}

// NewMoEDown compiles the kernel.
func NewMoEDown(dev *gpu.Device, c MoEDownConfig) (*MoEDown, error) {
	p, err := newPipeline(dev, c)
	return &MoEDown{p, c}, err
}

// Record appends the product for the experts of one shard. Y of other experts' assignments stays as it is.
func (k *MoEDown) Record(p *gpu.Program, s Shard, a MoEDownArgs) error {
	grid := [3]int{ceilDiv(k.c.Hidden, k.c.Tile.width()), k.c.Lists.maxTiles(), 1}
	return k.record(p, grid, []uint32{uint32(s.First), uint32(s.Count)}, a.Lists, a.H, a.Blocks, a.Scales, a.Bias, a.Y)
}
