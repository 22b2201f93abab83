package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// QKVConfig is the shape of a layer's query, key and value projections in decoding.
type QKVConfig struct {
	Rows    int // of the batch, 1 to 8 or a multiple of 8 up to 32
	Hidden  int // multiple of 8
	Heads   int // query heads
	KVHeads int
	HeadDim int // multiple of 8
	Norm    int // element of the layer's vectors where the norm's weight begins, multiple of 8
	Bias    int // element where the bias begins, multiple of 8
	NormEps float64
	Sliding bool // which page table: the sliding layers' or the full ones'
	Tables  int  // word of the step buffer where the page tables begin
	KVF16   bool // keys and values are stored as f16
}

// QKVDecode computes query, key and value of one position per row: norm, projections, bias, RoPE and the cache write.
type QKVDecode struct {
	*pipeline
	c QKVConfig
}

// QKVArgs are the buffers of QKVDecode.
type QKVArgs struct {
	Step    *gpu.Buffer
	X       *gpu.Buffer // f32 [Rows][Hidden]
	Vectors *gpu.Buffer // the layer's small vectors, bf16
	W       *gpu.Buffer // bf16 [shard.Count][Hidden], rows of q, k, v
	Rope    *gpu.Buffer // f32 [positions][HeadDim/2][2]
	Q       *gpu.Buffer // out: f32 [Rows][Heads][HeadDim]
	K, V    *gpu.Buffer // out: [page][128][KVHeads][HeadDim]
}

// qkvOutputs is the number of outputs of a workgroup: 8 loads of 16 bytes in flight in each lane.
const qkvOutputs = 8

func (c QKVConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("qkv_decode",
		rowsCheck(c.Rows),
		check{c.Hidden > 0 && c.Hidden%8 == 0, "Hidden a multiple of 8"},
		check{c.HeadDim > 0 && c.HeadDim%8 == 0, "HeadDim a multiple of 8"},
		check{c.Heads > 0 && c.KVHeads > 0, "heads"},
		check{c.Norm%8 == 0 && c.Bias%8 == 0, "vectors at multiples of 8"},
	); err != nil {
		return shaders.Shader{}, err
	}
	tiles, rows := rowTiles(c.Rows)
	return shaders.Build("qkv_decode", v, map[string]int{
		"ROWS": rows, "ROW_TILES": tiles, "WIDTH": c.Hidden, "HEADS": c.Heads, "KV_HEADS": c.KVHeads, "HEAD_DIM": c.HeadDim, "OUTPUTS": qkvOutputs,
		"NORM": c.Norm, "BIAS": c.Bias, "SLIDING": boolConst(c.Sliding), "TABLES": c.Tables, "KV_F16": boolConst(c.KVF16),
		"WG": lanes(c.Hidden/8, 64, denseLanes),
	})
}

// NewQKVDecode compiles the kernel.
func NewQKVDecode(dev *gpu.Device, c QKVConfig) (*QKVDecode, error) {
	p, err := newPipeline(dev, c)
	return &QKVDecode{p, c}, err
}

// Record appends the computation of a shard's rows, which are whole heads.
func (k *QKVDecode) Record(p *gpu.Program, s Shard, a QKVArgs) error {
	if err := checkShape("qkv_decode", check{s.First%k.c.HeadDim == 0 && s.Count%k.c.HeadDim == 0, "shards of whole heads"}); err != nil {
		return err
	}
	tiles, _ := rowTiles(k.c.Rows)
	return k.record(p, fold(s.Count/qkvOutputs*tiles), []uint32{uint32(s.First), uint32(s.Count), floatWord(k.c.NormEps)},
		a.Step, a.X, a.Vectors, a.W, a.Rope, a.Q, a.K, a.V)
}
