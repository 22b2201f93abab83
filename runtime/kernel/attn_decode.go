package kernel

import (
	"math"

	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// AttnConfig is the shape of a layer's attention in decoding.
type AttnConfig struct {
	Rows    int // of the batch
	Heads   int // query heads
	KVHeads int // divides Heads
	HeadDim int // multiple of 8, at most 256
	Splits  int // parts of the visible positions, each a workgroup, see AttnSplits; AttnReduce joins them if there are more than 1
	Sliding bool
	Window  int  // positions that a sliding layer sees
	Sinks   int  // element of the layer's vectors where the sinks begin, multiple of 8
	Tables  int  // word of the step buffer where the page tables begin
	KVF16   bool // keys and values are f16
}

// Parts into which the attention of a text of a length is divided, so that a large device has about two workgroups for each of its
// processors, and the parts of a long text are long: fewSplits up to fewPositions, twice as many up to 8 times as many positions, and so
// on, as far as AttnConfig.Splits goes. How a row is divided depends on its own length alone.
const (
	fewSplits    = 16
	fewPositions = 2048
)

// AttnSplits is the number of parts of a text of so many positions.
func AttnSplits(positions int) int {
	splits := fewSplits
	for upTo := fewPositions; positions > upTo; upTo *= 8 {
		splits *= 2
	}
	return splits
}

// AttnDecode is the attention of one position per row to those before it and itself.
type AttnDecode struct {
	*pipeline
	c AttnConfig
}

// AttnArgs are the buffers of AttnDecode.
type AttnArgs struct {
	Step    *gpu.Buffer
	Q       *gpu.Buffer // f32 [Rows][Heads][HeadDim]
	K, V    *gpu.Buffer // [page][128][KVHeads][HeadDim]
	Vectors *gpu.Buffer // the layer's small vectors, bf16
	Out     *gpu.Buffer // out: f32 [Rows][Heads][HeadDim], or ResultFloats for AttnReduce if there are splits
}

// attnLanes is the largest workgroup. Its partial sums take 64 bytes a lane of the 16 KiB of workgroup memory that every device has.
const attnLanes = 128

// group is how many query heads of a KV head a workgroup serves, and by how many workgroups they are shared. Many splits keep a
// device busy, and share keys and values among up to 8 heads. Without splits the workgroups are few and the keys too, so that one
// head each is quickest, and the cache of the device serves the others.
func (c AttnConfig) group() (heads, passes int) {
	all := c.Heads / c.KVHeads
	if c.Splits == 1 {
		return 1, all
	}
	parts := c.HeadDim / 8
	passes = ceilDiv(all, min(8, parts, attnLanes/parts)) // their queries take 32 bytes a part of the workgroup memory
	return ceilDiv(all, passes), passes
}

// ResultFloats is the size of the result: of the heads, or of the partial sums where there are splits.
func (c AttnConfig) ResultFloats() int {
	n := c.Rows * c.Heads * c.Splits
	if c.Splits == 1 {
		return n * c.HeadDim
	}
	return (n*(c.HeadDim+2) + 3) / 4 * 4 // AttnReduce reads four at a time
}

func (c AttnConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := c.check("attn_decode"); err != nil {
		return shaders.Shader{}, err
	}
	group, passes := c.group()
	parts := c.HeadDim / 8
	steps := 2
	if c.Splits == 1 {
		steps = 8 // a window of 128 positions at once, where heads have 64 elements
	}
	streams := min(attnLanes/parts, 32)
	return shaders.Build("attn_decode", v, map[string]int{
		"HEADS": c.Heads, "KV_HEADS": c.KVHeads, "HEAD_DIM": c.HeadDim, "GROUP": group, "PASSES": passes, "SPLITS": c.Splits,
		"FEW_SPLITS": fewSplits, "FEW_POSITIONS": fewPositions,
		"SINKS": c.Sinks, "SLIDING": boolConst(c.Sliding), "WINDOW": c.Window, "TABLES": c.Tables, "STREAMS": streams,
		"STEPS": steps, "WG": streams * parts, "KV_F16": boolConst(c.KVF16),
	})
}

func (c AttnConfig) check(name string) error {
	return checkShape(name,
		check{c.Rows >= 1 && c.Rows <= maxGrid, "Rows from 1 to 65535"},
		check{c.KVHeads > 0 && c.Heads > 0 && c.Heads <= maxGrid && c.Heads%c.KVHeads == 0, "Heads a multiple of KVHeads, at most 65535"},
		check{c.HeadDim > 0 && c.HeadDim%8 == 0 && c.HeadDim <= 256, "HeadDim a multiple of 8, at most 256"},
		check{c.Splits >= 1 && c.Splits <= 1024, "Splits from 1 to 1024"},
		check{c.Window > 0, "a Window"},
		check{c.Sinks%8 == 0, "vectors at multiples of 8"},
	)
}

// NewAttnDecode compiles the kernel.
func NewAttnDecode(dev *gpu.Device, c AttnConfig) (*AttnDecode, error) {
	p, err := newPipeline(dev, c)
	return &AttnDecode{p, c}, err
}

// Record appends the attention of all rows.
func (k *AttnDecode) Record(p *gpu.Program, a AttnArgs) error {
	_, passes := k.c.group()
	return k.record(p, [3]int{k.c.KVHeads * passes, k.c.Splits, k.c.Rows}, []uint32{floatWord(1 / math.Sqrt(float64(k.c.HeadDim)))},
		a.Step, a.Q, a.K, a.V, a.Vectors, a.Out)
}
