package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// EmbedConfig is the shape of an embedding table.
type EmbedConfig struct {
	Hidden int // multiple of 8
}

// Embed looks rows of the batch up in the embedding.
type Embed struct{ *pipeline }

// EmbedArgs are the buffers of Embed.
type EmbedArgs struct {
	Step  *gpu.Buffer // rows
	Table *gpu.Buffer // bf16 [shard.Count][Hidden]
	X     *gpu.Buffer // out: f32 [rows][Hidden]
}

func (c EmbedConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("embed", check{c.Hidden > 0 && c.Hidden%8 == 0, "Hidden a multiple of 8"}); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("embed", v, map[string]int{"WIDTH": c.Hidden, "WG": lanes(c.Hidden/8, 32, 128)})
}

// NewEmbed compiles the kernel.
func NewEmbed(dev *gpu.Device, c EmbedConfig) (*Embed, error) {
	p, err := newPipeline(dev, c)
	return &Embed{p}, err
}

// Record appends the lookup of rows tokens. Rows whose token is not in the shard stay as they are.
func (k *Embed) Record(p *gpu.Program, s Shard, rows int, a EmbedArgs) error {
	return k.record(p, fold(rows), []uint32{uint32(s.First), uint32(s.Count), uint32(rows)}, a.Step, a.Table, a.X)
}
