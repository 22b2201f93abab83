package model

import (
	"encoding/binary"
	"errors"
	"math"

	"gossamer/runtime/gpu"
	"gossamer/runtime/kernel"
)

// decodeScratch holds the state of the rows of a decode program, R of them at most.
type decodeScratch struct {
	step       *gpu.Buffer // rows, then the page tables of each
	x          *gpu.Buffer // f32 [R][Hidden]: the residual stream, and after the program the hidden state
	q          *gpu.Buffer // f32 [R][QDim]
	a          *gpu.Buffer // f32 [R][QDim]
	partials   *gpu.Buffer // partial attention of splits
	router     *gpu.Buffer // f32 [R][Experts]
	t          *gpu.Buffer // f32 [R][Hidden]
	sel        *gpu.Buffer // {expert u32, weight f32} [R][TopK]
	h          *gpu.Buffer // f32 [R][TopK][Intermediate]
	logits     *gpu.Buffer // f32 [R][Vocab]
	allowed    *gpu.Buffer // bit sets [R][(Vocab+31)/32]
	candidates *gpu.Buffer // scratch of sampling
	ring       *gpu.Buffer // u32 [R][ringTokens]: the chosen tokens, for the host
}

// ringTokens is how many tokens of a row stay readable; at least maxRun.
const ringTokens = 64

// splitClasses say into how many parts the attention of full layers is divided, by the longest text of the batch: none where it is
// short, then so that a large device has about two workgroups for each of its processors, and long parts where the text is long.
var splitClasses = [...]struct{ upTo, splits int }{{256, 1}, {2048, 16}, {16384, 32}, {math.MaxInt, 64}}

func splitsFor(positions int) int {
	for _, c := range splitClasses {
		if positions <= c.upTo {
			return c.splits
		}
	}
	panic("model: the last split class has no bound")
}

// rowKernels are the decode kernels for a number of rows.
type rowKernels struct {
	sample      *kernel.Sample
	qkv         [2]*kernel.QKVDecode // full, sliding
	attnSliding *kernel.AttnDecode
	out         *kernel.OutDecode
	router      *kernel.RouterDecode
	gateUp      *kernel.GateUpDecode
	down        *kernel.DownDecode
	unembed     *kernel.UnembedDecode
}

// attention is the shape of a layer's attention in decode.
func (m *Model) attention(rows, splits int, sliding bool) kernel.AttnConfig {
	c := m.cfg
	return kernel.AttnConfig{
		Rows: rows, Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim, Splits: splits, Sliding: sliding, Window: c.Window,
		Sinks: m.weights.vectors.sinks, Tables: kernel.TablesWord(m.rows), KVF16: m.kvType == F16,
	}
}

func (m *Model) sampling(rows int) kernel.SampleConfig {
	return kernel.SampleConfig{Rows: rows, Vocab: m.cfg.Vocab, Ring: ringTokens}
}

func (m *Model) makeDecodeScratch() error {
	c, s := m.cfg, &m.scratch.decode
	r := int64(m.rows)
	partials := 0
	for _, class := range splitClasses {
		if class.splits > 1 {
			partials = max(partials, m.attention(m.rows, class.splits, false).ResultFloats())
		}
		if class.upTo >= m.context {
			break
		}
	}
	return m.makeBuffers([]bufferPlan{
		{&s.step, "decode step", m.stepSize(m.rows, m.rows)},
		{&s.x, "decode x", r * int64(c.Hidden) * 4},
		{&s.q, "decode q", r * int64(c.QDim()) * 4},
		{&s.a, "decode a", r * int64(c.QDim()) * 4},
		{&s.partials, "decode partial attention", max(int64(partials), 1) * 4},
		{&s.router, "decode router logits", r * int64(c.Experts) * 4},
		{&s.t, "decode t", r * int64(c.Hidden) * 4},
		{&s.sel, "decode choices", r * int64(c.TopK) * 8},
		{&s.h, "decode h", r * int64(c.TopK*c.Intermediate) * 4},
		{&s.logits, "logits", r * int64(c.Vocab) * 4},
		{&s.allowed, "allowed ids", r * int64((c.Vocab+31)/32) * 4},
		{&s.candidates, "sampling candidates", int64(m.sampling(m.rows).CandidateWords()) * 4},
		{&s.ring, "chosen tokens", r * ringTokens * 4},
	})
}

// rowKernels returns the kernels for a number of rows.
func (m *Model) rowKernels(rows int) (*rowKernels, error) {
	if k, ok := m.kernels.rows[rows]; ok {
		return k, nil
	}
	c, v, k := m.cfg, m.weights.vectors, &rowKernels{}
	errs := []error{
		build(m, &k.sample, kernel.NewSample, m.sampling(rows)),
		build(m, &k.attnSliding, kernel.NewAttnDecode, m.attention(rows, 1, true)),
		build(m, &k.out, kernel.NewOutDecode, kernel.OutConfig{Rows: rows, Hidden: c.Hidden, Inputs: c.QDim(), Bias: v.oBias}),
		build(m, &k.router, kernel.NewRouterDecode, kernel.RouterConfig{
			Rows: rows, Hidden: c.Hidden, Experts: c.Experts, Norm: v.mlpNorm, Bias: v.routerBias, NormEps: c.NormEps,
		}),
		build(m, &k.gateUp, kernel.NewGateUpDecode, kernel.GateUpConfig{
			Rows: rows, Hidden: c.Hidden, Intermediate: c.Intermediate, Experts: c.Experts, TopK: c.TopK, Limit: c.SwiGLULimit, Alpha: c.SwiGLUAlpha,
		}),
		build(m, &k.down, kernel.NewDownDecode, kernel.DownConfig{Rows: rows, Hidden: c.Hidden, Intermediate: c.Intermediate, TopK: c.TopK}),
		build(m, &k.unembed, kernel.NewUnembedDecode, kernel.UnembedConfig{Rows: rows, Hidden: c.Hidden, Vocab: c.Vocab, NormEps: c.NormEps}),
	}
	for i, sliding := range []bool{false, true} {
		errs = append(errs, build(m, &k.qkv[i], kernel.NewQKVDecode, kernel.QKVConfig{
			Rows: rows, Hidden: c.Hidden, Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim, Norm: v.attnNorm, Bias: v.qkvBias,
			NormEps: c.NormEps, Sliding: sliding, Tables: kernel.TablesWord(m.rows), KVF16: m.kvType == F16,
		}))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	m.kernels.rows[rows] = k
	return k, nil
}

// decodeProgram returns the program that samples a token for each of n sequences and computes the logits behind it, for texts
// of at most the given number of positions.
func (m *Model) decodeProgram(n, positions int) (*gpu.Program, error) {
	rows, splits := paddedRows(n), splitsFor(positions)
	return m.program(programKey{rows: rows, splits: splits}, func(p *gpu.Program) error {
		k, err := m.rowKernels(rows)
		if err != nil {
			return err
		}
		r := decodeRecorder{Model: m, p: p, rows: rows, splits: splits, k: k}
		// The full layers' attention belongs to this program alone.
		r.do(build(m, &r.attnFull, kernel.NewAttnDecode, m.attention(rows, splits, false)))
		if splits > 1 {
			r.do(build(m, &r.reduce, kernel.NewAttnReduce, m.attention(rows, splits, false)))
		}
		if r.err != nil {
			return r.err
		}
		s := &m.scratch.decode
		r.do(k.sample.Record(p, kernel.SampleArgs{
			Step: s.step, Logits: s.logits, Allowed: s.allowed, Candidates: s.candidates, Tokens: s.ring,
		}))
		for _, d := range m.weights.embedding {
			r.do(m.kernels.prefill.embed.Record(p, d.shard(), rows, kernel.EmbedArgs{Step: s.step, Table: d.buf, X: s.x}))
		}
		for n := range m.weights.layers {
			r.attention(n)
			r.mlp(n)
		}
		r.unembed()
		return r.err
	})
}

// headProgram returns the program that computes the logits of the first rows from their hidden states.
func (m *Model) headProgram(rows int) (*gpu.Program, error) {
	return m.program(programKey{head: true, rows: rows}, func(p *gpu.Program) error {
		k, err := m.rowKernels(rows)
		if err != nil {
			return err
		}
		r := decodeRecorder{Model: m, p: p, rows: rows, k: k}
		r.unembed()
		return r.err
	})
}

// decodeRecorder records the forward pass of one token a row. It keeps the first error.
type decodeRecorder struct {
	*Model
	p        *gpu.Program
	rows     int
	splits   int
	k        *rowKernels
	attnFull *kernel.AttnDecode
	reduce   *kernel.AttnReduce // nil without splits
	err      error
}

func (r *decodeRecorder) do(err error) {
	if r.err == nil {
		r.err = err
	}
}

// attention: x += W_o attention(rope(norm(x) W_qkv)).
func (r *decodeRecorder) attention(n int) {
	s, l, cache := &r.scratch.decode, &r.weights.layers[n], r.weights.cache[n]
	vectors := l.vectors
	class, attn, reduce := 0, r.attnFull, r.reduce
	if r.cfg.Sliding[n] {
		class, attn, reduce = 1, r.k.attnSliding, nil
	}
	for _, d := range l.qkv {
		r.do(r.k.qkv[class].Record(r.p, d.shard(), kernel.QKVArgs{
			Step: s.step, X: s.x, Vectors: vectors, W: d.buf, Rope: r.scratch.rope,
			Q: s.q, K: cache.k, V: cache.v,
		}))
	}
	out := s.a
	if reduce != nil {
		out = s.partials
	}
	r.do(attn.Record(r.p, kernel.AttnArgs{
		Step: s.step, Q: s.q, K: cache.k, V: cache.v, Vectors: vectors, Out: out,
	}))
	if reduce != nil {
		r.do(reduce.Record(r.p, kernel.AttnReduceArgs{Partials: s.partials, Vectors: vectors, A: s.a}))
	}
	for _, d := range l.out {
		r.do(r.k.out.Record(r.p, d.shard(), kernel.OutArgs{A: s.a, W: d.buf, Vectors: vectors, X: s.x}))
	}
}

// mlp: x += the weighted outputs of each row's experts for norm(x).
func (r *decodeRecorder) mlp(n int) {
	s, l := &r.scratch.decode, &r.weights.layers[n]
	vectors := l.vectors
	for _, d := range l.router {
		r.do(r.k.router.Record(r.p, d.shard(), kernel.RouterArgs{
			X: s.x, Vectors: vectors, W: d.buf, Logits: s.router, T: s.t,
		}))
	}
	for _, e := range l.experts {
		r.do(r.k.gateUp.Record(r.p, e.shard(), kernel.GateUpArgs{
			Step: s.step, Logits: s.router, T: s.t,
			Blocks: e.gateUpBlocks, Scales: e.gateUpScales, Bias: e.gateUpBias, H: s.h, Sel: s.sel,
		}))
	}
	for _, e := range l.experts {
		r.do(r.k.down.Record(r.p, e.shard(), kernel.DownArgs{
			Step: s.step, Sel: s.sel, H: s.h,
			Blocks: e.downBlocks, Scales: e.downScales, Bias: e.downBias, X: s.x,
		}))
	}
}

func (r *decodeRecorder) unembed() {
	s := &r.scratch.decode
	for _, d := range r.weights.unembedding {
		r.do(r.k.unembed.Record(r.p, d.shard(), kernel.UnembedArgs{
			X: s.x, Norm: r.weights.finalNorm, W: d.buf, Logits: s.logits,
		}))
	}
}

func floatBytes(values []float32) []byte {
	b := make([]byte, 0, len(values)*4)
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}
