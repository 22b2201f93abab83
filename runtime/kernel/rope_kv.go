package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// RopeKVConfig is the shape of a layer's queries, keys and values, and of its cache.
type RopeKVConfig struct {
	Heads, KVHeads int
	HeadDim        int  // multiple of 8
	Sliding        bool // a layer with a window: its pages are in the sliding page tables, and are always written
	Tables         int  // word of Step where the page tables begin
	KVF16          bool // the cache holds f16
}

// RopeKV rotates queries and keys and puts keys and values into the cache.
type RopeKV struct {
	*pipeline
	c RopeKVConfig
}

// RopeKVArgs are the buffers of RopeKV.
type RopeKVArgs struct {
	Chunk  *gpu.Buffer // uniform: rows in use
	Step   *gpu.Buffer // rows and page tables
	QKV    *gpu.Buffer // f32 [rows][(Heads+2*KVHeads)*HeadDim]: queries, keys, values
	Rope   *gpu.Buffer // f32 [positions][HeadDim/2][2]: gptoss.Config.RopeTable
	Q      *gpu.Buffer // out: f32 [rows][Heads][HeadDim]
	KCache *gpu.Buffer // out: [page][128][KVHeads][HeadDim]
	VCache *gpu.Buffer // out: as KCache
}

func (c RopeKVConfig) checks() []check {
	return []check{
		{c.KVHeads > 0 && c.Heads > 0 && c.Heads%c.KVHeads == 0, "Heads a multiple of KVHeads"},
		{c.HeadDim > 0 && c.HeadDim%8 == 0, "HeadDim a multiple of 8"},
		{c.Tables >= 0, "Tables at least 0"},
	}
}

func (c RopeKVConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("rope_kv", c.checks()...); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("rope_kv", v, map[string]int{
		"HEADS": c.Heads, "KV_HEADS": c.KVHeads, "HEAD_DIM": c.HeadDim,
		"SLIDING": boolConst(c.Sliding), "TABLES": c.Tables, "KV_F16": boolConst(c.KVF16), "WG": ropeWG,
	})
}

const ropeWG = 128

// NewRopeKV compiles the kernel.
func NewRopeKV(dev *gpu.Device, c RopeKVConfig) (*RopeKV, error) {
	p, err := newPipeline(dev, c)
	return &RopeKV{p, c}, err
}

// Record appends the rotation of at most rows rows.
func (k *RopeKV) Record(p *gpu.Program, rows int, a RopeKVArgs) error {
	pairs := (k.c.Heads + 2*k.c.KVHeads) * k.c.HeadDim / 4
	return k.record(p, [3]int{ceilDiv(pairs, ropeWG), rows, 1}, nil, a.Chunk, a.Step, a.QKV, a.Rope, a.Q, a.KCache, a.VCache)
}
