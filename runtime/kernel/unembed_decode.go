package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// UnembedConfig is the shape of the unembedding.
type UnembedConfig struct {
	Rows    int // of the batch, 1 to 8 or a multiple of 8 up to 32
	Hidden  int // multiple of 8
	Vocab   int
	NormEps float64
}

// UnembedDecode computes the logits: final norm and unembedding.
type UnembedDecode struct {
	*pipeline
	c UnembedConfig
}

// UnembedArgs are the buffers of UnembedDecode.
type UnembedArgs struct {
	X      *gpu.Buffer // f32 [Rows][Hidden]
	Norm   *gpu.Buffer // bf16 [Hidden]
	W      *gpu.Buffer // bf16 [shard.Count][Hidden]
	Logits *gpu.Buffer // out: f32 [Rows][Vocab]
}

// unembedOutputs is the number of logits of a workgroup: 8 loads of 16 bytes in flight in each lane.
const unembedOutputs = 8

// A hidden state of at most narrowHidden elements leaves most lanes of unembed_decode without work; unembed_narrow has a few logits
// a lane. Small models have the large vocabulary too, so this is most of their work.
const (
	narrowHidden  = 512
	narrowLanes   = 64
	narrowOutputs = 4 // of a lane
)

func (c UnembedConfig) narrow() bool { return c.Hidden <= narrowHidden }

// outputs is the number of logits of a workgroup.
func (c UnembedConfig) outputs() int {
	if c.narrow() {
		return narrowLanes * narrowOutputs
	}
	return unembedOutputs
}

func (c UnembedConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("unembed_decode",
		rowsCheck(c.Rows),
		check{c.Hidden > 0 && c.Hidden%8 == 0, "Hidden a multiple of 8"},
		check{c.Vocab > 0, "Vocab"},
	); err != nil {
		return shaders.Shader{}, err
	}
	tiles, rows := rowTiles(c.Rows)
	if c.narrow() {
		return shaders.Build("unembed_narrow", v, map[string]int{
			"ROWS": rows, "ROW_TILES": tiles, "WIDTH": c.Hidden, "VOCAB": c.Vocab, "OUTPUTS": narrowOutputs, "WG": narrowLanes,
		})
	}
	return shaders.Build("unembed_decode", v, map[string]int{
		"ROWS": rows, "ROW_TILES": tiles, "WIDTH": c.Hidden, "VOCAB": c.Vocab, "OUTPUTS": c.outputs(), "WG": lanes(c.Hidden/8, 64, denseLanes),
	})
}

// NewUnembedDecode compiles the kernel.
func NewUnembedDecode(dev *gpu.Device, c UnembedConfig) (*UnembedDecode, error) {
	p, err := newPipeline(dev, c)
	return &UnembedDecode{p, c}, err
}

// Record appends the logits of a shard's ids.
func (k *UnembedDecode) Record(p *gpu.Program, s Shard, a UnembedArgs) error {
	tiles, _ := rowTiles(k.c.Rows)
	return k.record(p, fold(ceilDiv(s.Count, k.c.outputs())*tiles), []uint32{uint32(s.First), uint32(s.Count), floatWord(k.c.NormEps)},
		a.X, a.Norm, a.W, a.Logits)
}
