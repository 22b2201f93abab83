package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// RouterConfig is the shape of a layer's router in decoding.
type RouterConfig struct {
	Rows    int // of the batch, 1 to 8 or a multiple of 8 up to 32
	Hidden  int // multiple of 32
	Experts int
	Norm    int // element of the layer's vectors where the norm's weight begins, multiple of 8
	Bias    int // element where the router's bias begins, multiple of 8
	NormEps float64
	Plain   bool // T in the order of X, not in that of lib/blocks.wgsl
}

// RouterDecode normalises the residual stream and computes the router's logits.
type RouterDecode struct {
	*pipeline
	c RouterConfig
}

// RouterArgs are the buffers of RouterDecode.
type RouterArgs struct {
	X       *gpu.Buffer // f32 [Rows][Hidden]
	Vectors *gpu.Buffer // the layer's small vectors, bf16
	W       *gpu.Buffer // bf16 [shard.Count][Hidden]
	Logits  *gpu.Buffer // out: f32 [Rows][Experts]
	T       *gpu.Buffer // out: f32 [Rows][Hidden] in the order of lib/blocks.wgsl, unless it is Plain; written whole by every shard
}

func (c RouterConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("router_decode",
		rowsCheck(c.Rows),
		check{c.Hidden > 0 && c.Hidden%32 == 0, "Hidden a multiple of 32"},
		check{c.Experts >= 1 && c.Experts <= maxGrid, "Experts from 1 to 65535"},
		check{c.Norm%8 == 0 && c.Bias%8 == 0, "vectors at multiples of 8"},
	); err != nil {
		return shaders.Shader{}, err
	}
	_, rows := rowTiles(c.Rows)
	return shaders.Build("router_decode", v, map[string]int{
		"ROWS": rows, "WIDTH": c.Hidden, "EXPERTS": c.Experts, "NORM": c.Norm, "BIAS": c.Bias, "PLAIN": boolConst(c.Plain), "WG": lanes(c.Hidden/8, 64, denseLanes),
	})
}

// NewRouterDecode compiles the kernel.
func NewRouterDecode(dev *gpu.Device, c RouterConfig) (*RouterDecode, error) {
	p, err := newPipeline(dev, c)
	return &RouterDecode{p, c}, err
}

// Record appends the logits of a shard's experts.
func (k *RouterDecode) Record(p *gpu.Program, s Shard, a RouterArgs) error {
	tiles, _ := rowTiles(k.c.Rows)
	return k.record(p, [3]int{s.Count, tiles, 1}, []uint32{uint32(s.First), uint32(s.Count), floatWord(k.c.NormEps)},
		a.X, a.Vectors, a.W, a.Logits, a.T)
}
