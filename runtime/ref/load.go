package ref

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/tensor"
)

// Options of Load. The zero value is useful.
type Options struct {
	// Context is the number of positions a sequence can hold; 0 means 8192 or the model's MaxPositions, the smaller one.
	Context int
	// KVF16 rounds keys and values to float16, as a GPU's cache does; for comparison. They take the memory of float32 all the same.
	KVF16 bool
	// Chunk is the number of tokens that go through a layer together; 0 means 256. Results don't depend on it.
	Chunk int
	// Workers is the number of goroutines that compute at a time for one sequence; 0 means GOMAXPROCS. Results don't depend on it.
	Workers int
	// Progress is called while the model is loaded; may be nil.
	Progress func(checkpoint.Progress)
	// Trace is shown intermediate values of each chunk, row-major with the chunk's tokens first; may be nil. It must not keep
	// values. Names, by layer: attn_norm, q_rope, k_rope, v, attn_heads, after_attn, mlp_norm, router_logits, expert_index,
	// expert_weight, after_mlp; with layer -1: final_norm.
	Trace func(layer int, name string, values []float64)
}

// Load reads a checkpoint into memory as it is stored: the model takes as many bytes as the checkpoint.
func Load(ctx context.Context, c *checkpoint.Checkpoint, o Options) (*Model, error) {
	config := c.Config()
	if o.Context < 0 || o.Context > config.MaxPositions {
		return nil, fmt.Errorf("ref: context of %d tokens: the model was made for 1 to %d", o.Context, config.MaxPositions)
	}
	o.complete(config)
	free, known := FreeMemory()
	if err := checkMemory(config, o, free, known); err != nil {
		return nil, err
	}

	t := tensors{}
	for _, spec := range config.Tensors() {
		if spec.DType == gptoss.BF16 {
			t[tensorKey{spec.Kind, spec.Layer}] = stored{bf16: make([]uint16, spec.Elements())}
		} else {
			t[tensorKey{spec.Kind, spec.Layer}] = stored{bytes: make([]byte, spec.Bytes())}
		}
	}
	if err := c.Load(ctx, t, o.Progress); err != nil {
		return nil, fmt.Errorf("ref: load: %w", err)
	}
	m := &Model{config: config, options: o, rope: config.RopeTable(0, o.Context)}
	m.params.Store(t.params(config))
	return m, nil
}

// complete fills in what is usual.
func (o *Options) complete(c *gptoss.Config) {
	if o.Context == 0 {
		o.Context = min(8192, c.MaxPositions)
	}
	if o.Chunk <= 0 {
		o.Chunk = 256
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
}

// tensors holds the tensors of a checkpoint. It is the checkpoint.Sink.
type tensors map[tensorKey]stored

type tensorKey struct {
	kind  gptoss.Kind
	layer int
}

// stored is one tensor, in one of two forms: decoding a []uint16 is twice as fast as decoding its bytes.
type stored struct {
	bf16  []uint16
	bytes []byte // of MXFP4: codes or scales
}

func (t tensors) Put(_ context.Context, spec gptoss.TensorSpec, off int64, p []byte) error {
	s := t[tensorKey{spec.Kind, spec.Layer}]
	if off+int64(len(p)) > int64(2*len(s.bf16)+len(s.bytes)) {
		return fmt.Errorf("ref: %d bytes at %d of tensor %s: it has %d", len(p), off, spec.Name, 2*len(s.bf16)+len(s.bytes))
	}
	if s.bf16 == nil {
		copy(s.bytes[off:], p)
		return nil
	}
	for i := range len(p) / 2 {
		s.bf16[int(off)/2+i] = binary.LittleEndian.Uint16(p[2*i:])
	}
	return nil
}

// linear is a bfloat16 matrix [rows][cols].
func (t tensors) linear(rows, cols int, kind gptoss.Kind, layer int) linear {
	return linear{Rows: rows, Cols: cols, BF16: t[tensorKey{kind, layer}].bf16}
}

// vector is a bfloat16 vector, or several in a row, as float32.
func (t tensors) vector(kind gptoss.Kind, layer int) []float32 {
	b := t[tensorKey{kind, layer}].bf16
	v := make([]float32, len(b))
	for i := range v {
		v[i] = tensor.FromBF16(b[i])
	}
	return v
}

// experts is n MXFP4 matrices [rows][cols], each a view into the layer's tensors.
func (t tensors) experts(n, rows, cols int, blocks, scales, bias gptoss.Kind, layer int) []linear {
	b, s, v := t[tensorKey{blocks, layer}].bytes, t[tensorKey{scales, layer}].bytes, t.vector(bias, layer)
	ls := make([]linear, n)
	for e := range ls {
		ls[e] = linear{
			Rows: rows, Cols: cols,
			Blocks: b[e*rows*cols/2:][:rows*cols/2],
			Scales: s[e*rows*cols/tensor.BlockValues:][:rows*cols/tensor.BlockValues],
			Bias:   v[e*rows:][:rows],
		}
	}
	return ls
}

// params arranges the tensors by layer.
func (t tensors) params(c *gptoss.Config) *params {
	p := &params{
		embedding:   t.linear(c.Vocab, c.Hidden, gptoss.Embedding, -1),
		layers:      make([]layer, c.Layers),
		finalNorm:   t.vector(gptoss.FinalNorm, -1),
		unembedding: t.linear(c.Vocab, c.Hidden, gptoss.Unembedding, -1),
	}
	for n := range p.layers {
		biased := func(rows, cols int, weight, bias gptoss.Kind) linear {
			l := t.linear(rows, cols, weight, n)
			l.Bias = t.vector(bias, n)
			return l
		}
		p.layers[n] = layer{
			attnNorm: t.vector(gptoss.AttnNorm, n),
			q:        biased(c.QDim(), c.Hidden, gptoss.QWeight, gptoss.QBias),
			k:        biased(c.KVDim(), c.Hidden, gptoss.KWeight, gptoss.KBias),
			v:        biased(c.KVDim(), c.Hidden, gptoss.VWeight, gptoss.VBias),
			sinks:    t.vector(gptoss.Sinks, n),
			o:        biased(c.Hidden, c.QDim(), gptoss.OWeight, gptoss.OBias),
			mlpNorm:  t.vector(gptoss.MLPNorm, n),
			router:   biased(c.Experts, c.Hidden, gptoss.RouterWeight, gptoss.RouterBias),
			gateUp:   t.experts(c.Experts, 2*c.Intermediate, c.Hidden, gptoss.GateUpBlocks, gptoss.GateUpScales, gptoss.GateUpBias, n),
			down:     t.experts(c.Experts, c.Hidden, c.Intermediate, gptoss.DownBlocks, gptoss.DownScales, gptoss.DownBias, n),
		}
	}
	return p
}
