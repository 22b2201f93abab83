package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// DownConfig is the shape of the experts' second projection in decoding.
type DownConfig struct {
	Rows         int // of the batch
	Hidden       int
	Intermediate int // multiple of 32
	TopK         int
}

// DownDecode projects the experts' inner activations to the residual stream and adds their weighted sum to it.
type DownDecode struct {
	*pipeline
	c DownConfig
}

// DownArgs are the buffers of DownDecode. The weights are those of a shard of experts.
type DownArgs struct {
	Step   *gpu.Buffer
	Sel    *gpu.Buffer // {expert u32, weight f32} [Rows][TopK]
	H      *gpu.Buffer // f32 [Rows][TopK][Intermediate], in the order of lib/blocks.wgsl
	Blocks *gpu.Buffer // MXFP4 [shard.Count][Hidden][Intermediate/32][16]
	Scales *gpu.Buffer // E8M0 [shard.Count][Hidden][Intermediate/32]
	Bias   *gpu.Buffer // bf16 [shard.Count][Hidden]
	X      *gpu.Buffer // in and out: f32 [Rows][Hidden]
}

// downOutputs is the number of outputs of a workgroup. The hidden size is small: more would leave a large GPU with too few workgroups.
const downOutputs = 4

// downLanes is the largest workgroup: with three rounds of 128 lanes, where there are 4 experts of 2,880, an H200 was quickest.
const downLanes = 128

func (c DownConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("down_decode",
		check{c.Rows >= 1 && c.Rows <= maxGrid, "Rows from 1 to 65535"},
		check{c.Hidden > 0 && ceilDiv(c.Hidden, downOutputs) <= maxGrid, "Hidden from 1 to 262140"},
		check{c.Intermediate > 0 && c.Intermediate%32 == 0, "Intermediate a multiple of 32"},
		check{c.TopK >= 1 && c.TopK <= maxTopK, "TopK from 1 to 64"},
	); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("down_decode", v, map[string]int{
		"WIDTH": c.Hidden, "INNER": c.Intermediate, "TOPK": c.TopK, "OUTPUTS": downOutputs, "WG": lanes(c.TopK*c.Intermediate/32, 32, downLanes),
	})
}

// NewDownDecode compiles the kernel.
func NewDownDecode(dev *gpu.Device, c DownConfig) (*DownDecode, error) {
	p, err := newPipeline(dev, c)
	return &DownDecode{p, c}, err
}

// Record appends the contribution of a shard's experts.
func (k *DownDecode) Record(p *gpu.Program, s Shard, a DownArgs) error {
	return k.record(p, [3]int{ceilDiv(k.c.Hidden, downOutputs), 1, k.c.Rows}, []uint32{uint32(s.First), uint32(s.Count)},
		a.Step, a.Sel, a.H, a.Blocks, a.Scales, a.Bias, a.X)
}
