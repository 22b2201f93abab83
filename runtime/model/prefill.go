package model

import (
	"gossamer/runtime/gpu"
	"gossamer/runtime/kernel"
)

// prefillProgram returns the program that runs the layers over up to a class of rows of the prefill buffers.
func (p *programs) prefillProgram(class int) (*gpu.Program, error) {
	return p.program(programKey{prefill: true, rows: class}, func(prog *gpu.Program) error {
		k, err := p.classKernels(class)
		if err != nil {
			return err
		}
		r := p.prefillRecorder(prog, class, k)
		return r.layers()
	})
}

func (p *programs) prefillRecorder(prog *gpu.Program, class int, k *classKernels) *prefillRecorder {
	return &prefillRecorder{recorder: recorder{p: prog}, buf: p.buf, s: &p.buf.prefill, rows: class, all: &p.prefill, k: k}
}

// prefillRecorder records the forward pass of a chunk.
type prefillRecorder struct {
	recorder
	buf  *buffers
	s    *prefillScratch
	rows int
	all  *prefillKernels // of every class
	k    *classKernels
	// trace, for tests, is called behind the steps whose results may be compared, with the buffer that holds them; p may be exchanged.
	trace func(layer int, step string, b *gpu.Buffer)

	n int // the layer that is recorded
	l *layer
}

// layers records the whole pass.
func (r *prefillRecorder) layers() error {
	r.embed()
	for n := range r.buf.layers {
		r.n, r.l = n, &r.buf.layers[n]
		r.attention()
		r.mlp()
	}
	return r.err
}

// attention: x += W_o attention(rope(W_qkv norm(x))).
func (r *prefillRecorder) attention() {
	s, l := r.s, r.l
	r.norm("attn_norm", r.all.attnNorm, s.x, s.t)
	r.linear("qkv", r.k.qkv, l.qkv, s.t, s.qkv)
	r.rope()
	r.attend()
	r.linear("after_attn", r.k.out, l.out, s.a, s.x)
}

// mlp: x += the weighted outputs of each row's experts for norm(x).
func (r *prefillRecorder) mlp() {
	s, l := r.s, r.l
	r.norm("mlp_norm", r.all.mlpNorm, s.x, s.t)
	r.linear("router_logits", r.k.router, l.router, s.t, s.router)
	r.choose()
	r.sort()
	r.gateUp()
	r.down()
	r.combine()
}

// embed: x = the rows' embeddings.
func (r *prefillRecorder) embed() {
	for _, d := range r.buf.embedding {
		r.do(r.all.embed.Record(r.p, d.shard(), r.rows, kernel.EmbedArgs{Step: r.s.step, Table: d.buf, X: r.s.x}))
	}
}

// norm: y = RMSNorm(x).
func (r *prefillRecorder) norm(step string, k *kernel.RMSNorm, x, y *gpu.Buffer) {
	r.do(k.Record(r.p, r.rows, kernel.RMSNormArgs{Chunk: r.s.chunk, X: x, Vectors: r.l.vectors, Y: y}))
	r.done(step, y)
}

// linear: y = W x + b, or y += W x + b where the kernel has a residual.
func (r *prefillRecorder) linear(step string, k *kernel.GemmBF16, w []dense, x, y *gpu.Buffer) {
	for _, d := range w {
		r.do(k.Record(r.p, d.shard(), r.rows, kernel.GemmBF16Args{Chunk: r.s.chunk, X: x, W: d.buf, Vectors: r.l.vectors, Out: y}))
	}
	r.done(step, y)
}

// rope: q = the rotated queries; the rotated keys and the values go to their pages.
func (r *prefillRecorder) rope() {
	s, l := r.s, r.l
	r.do(r.all.rope[l.kind].Record(r.p, r.rows, kernel.RopeKVArgs{
		Chunk: s.chunk, Step: s.step, QKV: s.qkv, Rope: r.buf.rope, Q: s.q, KCache: l.keys, VCache: l.values,
	}))
	r.done("q_rope", s.q)
	r.done("k_rope", l.keys)
	r.done("v", l.values)
}

// attend: a = softmax(q keys, sinks) values.
func (r *prefillRecorder) attend() {
	s, l := r.s, r.l
	r.do(r.k.attn[l.kind].Record(r.p, kernel.AttnPrefillArgs{
		Chunk: s.chunk, Step: s.step, Q: s.q, KCache: l.keys, VCache: l.values, Vectors: l.vectors, Out: s.a,
	}))
	r.done("attn_heads", s.a)
}

// choose: the experts of each row, and their weights.
func (r *prefillRecorder) choose() {
	r.do(r.all.route.Record(r.p, r.rows, kernel.RouteArgs{Chunk: r.s.chunk, Logits: r.s.router, Sel: r.s.sel}))
	r.done("choice", r.s.sel)
}

// sort: the rows of each expert.
func (r *prefillRecorder) sort() {
	r.do(r.k.sort.Record(r.p, kernel.SortExpertsArgs{Chunk: r.s.chunk, Sel: r.s.sel, Lists: r.s.lists}))
}

// gateUp: h = SwiGLU(W_gate_up t), by expert.
func (r *prefillRecorder) gateUp() {
	for _, e := range r.l.experts {
		r.do(r.k.gateUp.Record(r.p, e.shard(), kernel.MoEGateUpArgs{
			Lists: r.s.lists, T: r.s.t, Blocks: e.gateUpBlocks, Scales: e.gateUpScales, Bias: e.gateUpBias, H: r.s.h,
		}))
	}
}

// down: y = W_down h, by expert.
func (r *prefillRecorder) down() {
	for _, e := range r.l.experts {
		r.do(r.k.down.Record(r.p, e.shard(), kernel.MoEDownArgs{
			Lists: r.s.lists, H: r.s.h, Blocks: e.downBlocks, Scales: e.downScales, Bias: e.downBias, Y: r.s.y,
		}))
	}
}

// combine: x += the sum of y by the weights of the choice.
func (r *prefillRecorder) combine() {
	r.do(r.all.combine.Record(r.p, r.rows, kernel.CombineArgs{Chunk: r.s.chunk, Sel: r.s.sel, Y: r.s.y, X: r.s.x}))
	r.done("after_mlp", r.s.x)
}

func (r *prefillRecorder) done(step string, b *gpu.Buffer) {
	if r.trace != nil && r.err == nil {
		r.trace(r.n, step, b)
	}
}
