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

	// Matrix is the shape of the matrices that subgroups multiply; the zero Matrix: invocations multiply numbers. See WithMatrix.
	Matrix  shaders.Matrix
	OneTerm bool // of queries, and of the weights of values; see Tile
}

// Sizes of the kernel by matrices.
const (
	matrixQueries     = 32 // of a workgroup
	matrixKeys        = 32 // at a time
	matrixInvocations = 128
)

// WithMatrix returns the shape for a device that multiplies matrices of this shape, or c where the kernel can't be made of them: subgroups can't
// divide the products, or heads are too large for a workgroup's memory.
func (c AttnPrefillConfig) WithMatrix(m shaders.Matrix, oneTerm bool, workgroupBytes int) AttnPrefillConfig {
	with := c
	with.Matrix, with.OneTerm = m, oneTerm
	_, scores := divide(matrixQueries, matrixKeys, matrixInvocations, m)
	_, values := divide(matrixQueries, c.wideHead(), matrixInvocations, m)
	if scores && values && with.matrixBytes() <= workgroupBytes {
		return with
	}
	return c
}

// wideHead is the number of elements of a head, zeros included, in the kernel by matrices.
func (c AttnPrefillConfig) wideHead() int { return ceilDiv(c.HeadDim, 32) * 32 }

// matrixBytes is the memory of a workgroup of the kernel by matrices.
func (c AttnPrefillConfig) matrixBytes() int {
	terms, kvTerms := 2, 2
	if c.OneTerm {
		terms, kvTerms = 1, 1
	}
	if c.KVF16 {
		kvTerms = 1
	}
	wide := c.wideHead()
	row := wide + 8
	sums := max(matrixQueries*wide, matrixQueries*matrixKeys+matrixQueries*16)
	return 2*(terms*matrixQueries*(row+matrixKeys+8)+kvTerms*matrixKeys*row) + 4*sums
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
	if c.Matrix != (shaders.Matrix{}) {
		return matrixQueries / 16
	}
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
	if c.Matrix != (shaders.Matrix{}) {
		return c.matrixShader(v)
	}
	return shaders.Build("attn_prefill", v, map[string]int{
		"HEADS": c.Heads, "KV_HEADS": c.KVHeads, "HEAD_DIM": c.HeadDim,
		"WINDOW": c.Window, "SLIDING": boolConst(c.Window > 0), "SINKS": c.Sinks, "TABLES": c.Tables, "KV_F16": boolConst(c.KVF16),
		"TM": c.queries(), "PARTS": ceilDiv(c.HeadDim, 64),
	})
}

// matrixShader builds the kernel by matrices.
func (c AttnPrefillConfig) matrixShader(v shaders.Variant) (shaders.Shader, error) {
	scores, ok := divide(matrixQueries, matrixKeys, matrixInvocations, c.Matrix)
	values, fits := divide(matrixQueries, c.wideHead(), matrixInvocations, c.Matrix)
	if err := checkShape("attn_prefill_matrix",
		check{ok && fits && c.Matrix == v.Matrix, "a Matrix that the device has and that divides the kernel's products"},
	); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("attn_prefill_matrix", v, map[string]int{
		"HEADS": c.Heads, "KV_HEADS": c.KVHeads, "HEAD_DIM": c.HeadDim, "WIDE": c.wideHead(), "PARTS": ceilDiv(c.wideHead(), 64),
		"WINDOW": c.Window, "SLIDING": boolConst(c.Window > 0), "SINKS": c.Sinks, "TABLES": c.Tables,
		"KV_F16": boolConst(c.KVF16), "KV_F32": boolConst(!c.KVF16), "LOW": boolConst(!c.OneTerm), "LOW_KV": boolConst(!c.KVF16 && !c.OneTerm),
		"LANES": c.Matrix.Lanes, "MATRIX_M": c.Matrix.M, "MATRIX_N": c.Matrix.N, "MATRIX_K": c.Matrix.K,
		"SCORE_ACROSS": scores.across, "SCORE_ROWS": scores.rows, "SCORE_COLS": scores.cols,
		"VALUE_ACROSS": values.across, "VALUE_ROWS": values.rows, "VALUE_COLS": values.cols,
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
