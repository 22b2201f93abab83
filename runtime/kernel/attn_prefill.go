package kernel

import (
	"math"

	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// AttnPrefillConfig is the shape of a layer's attention.
type AttnPrefillConfig struct {
	Heads, KVHeads int
	HeadDim        int  // multiple of 8, at most 256
	Window         int  // keys that a query sees, itself included, in a sliding layer; 0: a full layer
	Sinks          int  // element of Vectors where the sinks begin, multiple of 8
	Tables         int  // word of Step where the page tables begin
	KVF16          bool // the cache holds f16
	Rows           int  // rows of a chunk, at most
}

// AttnPrefill is the attention of a chunk's queries to the cache.
type AttnPrefill struct {
	*pipeline
	c AttnPrefillConfig
}

// AttnPrefillArgs are the buffers of AttnPrefill.
type AttnPrefillArgs struct {
	Chunk   *gpu.Buffer // uniform: rows in use
	Step    *gpu.Buffer // rows, of consecutive positions and with the same page tables, and page tables
	Q       *gpu.Buffer // f32 [rows][Heads][HeadDim]
	KCache  *gpu.Buffer // [page][128][KVHeads][HeadDim], with the keys of the chunk itself
	VCache  *gpu.Buffer // as KCache
	Vectors *gpu.Buffer // bf16, Heads sinks from element Sinks
	Out     *gpu.Buffer // out: f32 [rows][Heads][HeadDim]
}

// queries is the number of queries of an invocation. A workgroup has 16 times as many, so that few rows are spread over more
// workgroups.
func (c AttnPrefillConfig) queries() int {
	switch n := c.Rows * c.Heads / c.KVHeads; {
	case n <= 256:
		return 1
	case n <= 1024:
		return 2
	}
	return 4
}

func (c AttnPrefillConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("attn_prefill",
		check{c.KVHeads > 0 && c.Heads > 0 && c.Heads%c.KVHeads == 0, "Heads a multiple of KVHeads"},
		check{c.HeadDim > 0 && c.HeadDim%8 == 0 && c.HeadDim <= 256, "HeadDim a multiple of 8, at most 256"},
		check{c.Window >= 0, "Window at least 0"},
		check{c.Sinks >= 0 && c.Sinks%8 == 0, "Sinks a multiple of 8"},
		check{c.Tables >= 0, "Tables at least 0"},
		check{c.Rows > 0, "Rows above 0"},
	); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("attn_prefill", v, map[string]int{
		"HEADS": c.Heads, "KV_HEADS": c.KVHeads, "HEAD_DIM": c.HeadDim,
		"WINDOW": c.Window, "SLIDING": boolConst(c.Window > 0), "SINKS": c.Sinks, "TABLES": c.Tables, "KV_F16": boolConst(c.KVF16),
		"TM": c.queries(), "PARTS": ceilDiv(c.HeadDim, 64),
	})
}

// NewAttnPrefill compiles the kernel.
func NewAttnPrefill(dev *gpu.Device, c AttnPrefillConfig) (*AttnPrefill, error) {
	p, err := newPipeline(dev, c)
	return &AttnPrefill{p, c}, err
}

// Record appends the attention of a chunk of at most Rows rows.
func (k *AttnPrefill) Record(p *gpu.Program, a AttnPrefillArgs) error {
	tiles := ceilDiv(k.c.Rows*k.c.Heads/k.c.KVHeads, 16*k.c.queries())
	scale := floatWord(1 / math.Sqrt(float64(k.c.HeadDim)))
	return k.record(p, [3]int{tiles, k.c.KVHeads, 1}, []uint32{scale}, a.Chunk, a.Step, a.Q, a.KCache, a.VCache, a.Vectors, a.Out)
}
