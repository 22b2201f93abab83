package model

import (
	"gossamer/runtime/checkpoint"
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// Precision is how keys and values are stored.
type Precision int

const (
	F16 Precision = iota // two bytes; the default
	F32                  // four bytes; for exact comparison
)

func (p Precision) bytes() int64 {
	if p == F32 {
		return 4
	}
	return 2
}

func (p Precision) String() string {
	if p == F32 {
		return "f32"
	}
	return "f16"
}

// Matrices is how prompts, and batches of 16 rows and more, are computed on a device whose subgroups multiply matrices.
type Matrices int

const (
	TwoTerms   Matrices = iota // by these, with activations of two f16 terms; the default
	OneTerm                    // by these, with activations of prompts rounded to f16: half of the products, with an error of 2e-4 of their spread
	NoMatrices                 // as on devices without
)

// Options choose what a model may use of its device. The zero value suits one user.
type Options struct {
	// Context is the number of positions that one sequence can hold.
	// 0: the largest power of two up to the model's and 131,072 that the device has room for (8,192 on a software adapter).
	Context int
	// KVTokens is the number of positions that all sequences hold together, in the layers that see the whole text; those that sequences share
	// count once. 0: Context, and at least that.
	KVTokens int
	// KV is the precision of the key/value cache.
	KV Precision
	// Chunk is the number of tokens that a prefill program takes at once. 0: 512 (64 on a software adapter, shorter texts too).
	Chunk int
	// Rows is the largest number of sequences decoded at once, a power of two up to 32. 0: 1.
	Rows int
	// Sequences is how many sequences may be in use, at least Rows; each takes three pages of the sliding layers. Any number may rest. 0: 4,
	// or Rows.
	Sequences int
	// ResumeBytes is the memory for places to resume from, of all sequences; where it is used up the least recently used one is dropped. Below
	// a page of all sliding layers there is no such place but what sequences in use leave. 0: as much as 16 of them take at most.
	ResumeBytes int64
	// Deterministic makes the logits of a text the same to the bit, whatever else is in the batch and however much of the prompt was in
	// memory from an earlier prompt: every step runs the widest program, and prompts are computed by pages. It takes longer. Tokens of replies have
	// other bits as a part of a piece, see engine.Limits.
	Deterministic bool
	// Matrices is how prompts and large batches are computed where the device multiplies matrices; elsewhere it means nothing. Software adapters
	// gain nothing by them and do without.
	Matrices Matrices
	// WarmUp records what a first prompt needs before weights are loaded, so that a compiler that works beside everything else, as
	// in browsers, is done when they are there. Model.WarmUp does the rest.
	WarmUp bool
	// Progress is called while weights are loaded.
	Progress func(checkpoint.Progress)

	groupFrom   int  // for tests: rows from which experts are grouped, whatever the device
	matricesCPU bool // for tests: software adapters use matrices too
}

// Defaults and bounds of Options.
const (
	maxRows             = 32
	groupFrom           = 4 // of gpt-oss-20b's experts, four rows choose 13 different ones together and 16 one by one
	maxContext          = 131072
	leastContext        = 8192 // below it a model that could hold more is refused
	defaultChunk        = 512
	defaultChunkCPU     = 64
	defaultSequences    = 4
	defaultResumePoints = 16
)

// usesMatrices says that products are to be computed by the matrices that a device's subgroups multiply.
func (o *Options) usesMatrices(caps gpu.Caps) bool {
	return caps.Variant.Matrix != (shaders.Matrix{}) && o.Matrices != NoMatrices && (o.matricesCPU || !caps.Adapter.CPU())
}
