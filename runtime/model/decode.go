package model

import (
	"gossamer/runtime/gpu"
	"gossamer/runtime/kernel"
)

// sampling is what a decode program does to choose tokens. Each kind can do all that the one before does.
type sampling int

const (
	plainSampling    sampling = iota // temperature and mask
	fullSampling                     // bias, penalties, top_k, top_p, min_p
	fullWithLogprobs                 // and log probabilities
)

// decodePrograms are the halves of a token. Between them the host may read what was drawn.
type decodePrograms struct {
	draw    *gpu.Program // chooses the tokens by the logits that the program before has left
	forward *gpu.Program // computes the logits behind them
}

func (d decodePrograms) dispatches() int { return d.draw.Dispatches() + d.forward.Dispatches() }

// decodePrograms returns the programs that sample a token for each of n texts and compute the logits behind it, for texts of at most the
// given number of positions.
func (p *programs) decodePrograms(n, positions int, sampling sampling) (d decodePrograms, err error) {
	rows := p.paddedRows(n)
	if d.draw, err = p.drawProgram(rows, sampling); err != nil {
		return d, err
	}
	d.forward, err = p.forwardProgram(rows, p.splitsFor(positions))
	return d, err
}

func (p *programs) drawProgram(rows int, sampling sampling) (*gpu.Program, error) {
	return p.program(programKey{draw: true, rows: rows, sampling: sampling}, func(prog *gpu.Program) error {
		k, err := p.decodeKernels(rows)
		if err != nil {
			return err
		}
		r := p.decodeRecorder(prog, rows, k)
		r.do(p.draw(r, rows, sampling))
		return r.err
	})
}

func (p *programs) forwardProgram(rows, splits int) (*gpu.Program, error) {
	return p.program(programKey{rows: rows, splits: splits}, func(prog *gpu.Program) error {
		k, err := p.decodeKernels(rows)
		if err != nil {
			return err
		}
		r := p.decodeRecorder(prog, rows, k)
		r.do(p.fullAttention(r, rows, splits))
		r.forward()
		return r.err
	})
}

// draw records the choice of tokens.
func (p *programs) draw(r *decodeRecorder, rows int, sampling sampling) error {
	if sampling == plainSampling {
		r.sample()
		return nil
	}
	if err := p.needFull(rows, r.k); err != nil {
		return err
	}
	r.sampleFull(sampling == fullWithLogprobs)
	return nil
}

// fullAttention gives the recorder the attention of full layers, which depends on the splits.
func (p *programs) fullAttention(r *decodeRecorder, rows, splits int) error {
	k, ok := r.k.attnFull[splits]
	if !ok {
		if err := build(p, &k.attn, kernel.NewAttnDecode, p.attention(rows, splits, false)); err != nil {
			return err
		}
		if splits > 1 {
			if err := build(p, &k.reduce, kernel.NewAttnReduce, p.attention(rows, splits, false)); err != nil {
				return err
			}
		}
		r.k.attnFull[splits] = k
	}
	r.attn[fullLayer], r.reduce[fullLayer] = k.attn, k.reduce
	return nil
}

// headProgram returns the program that computes the logits of row 0 from its hidden state.
func (p *programs) headProgram() (*gpu.Program, error) {
	return p.program(programKey{head: true, rows: 1}, func(prog *gpu.Program) error {
		k, err := p.decodeKernels(1)
		if err != nil {
			return err
		}
		r := p.decodeRecorder(prog, 1, k)
		r.unembed()
		return r.err
	})
}

func (p *programs) decodeRecorder(prog *gpu.Program, rows int, k *decodeKernels) *decodeRecorder {
	r := &decodeRecorder{recorder: recorder{p: prog}, buf: p.buf, s: &p.buf.decode, rows: rows, embedding: p.prefill.embed, k: k}
	r.attn[slidingLayer] = k.attnSliding
	return r
}

// decodeRecorder records the forward pass of one token a row.
type decodeRecorder struct {
	recorder
	buf       *buffers
	s         *decodeScratch
	rows      int
	embedding *kernel.Embed
	k         *decodeKernels
	attn      [kinds]*kernel.AttnDecode
	reduce    [kinds]*kernel.AttnReduce // nil without splits

	l *layer // that is recorded
}

// forward: the logits behind the tokens.
func (r *decodeRecorder) forward() {
	if r.err != nil {
		return
	}
	r.embed()
	for n := range r.buf.layers {
		r.l = &r.buf.layers[n]
		r.attention()
		r.mlp()
	}
	r.unembed()
}

// attention: x += W_o attention(rope(W_qkv norm(x))).
func (r *decodeRecorder) attention() {
	r.qkv()
	r.attend()
	r.out()
}

// mlp: x += the weighted outputs of each row's experts for norm(x).
func (r *decodeRecorder) mlp() {
	r.router()
	if r.k.grouped != nil {
		r.groupedExperts()
		return
	}
	r.gateUp()
	r.down()
}

// groupedExperts: the same as gateUp and down for several rows, with each expert's weights read once.
func (r *decodeRecorder) groupedExperts() {
	s, g := r.s, r.k.grouped
	r.do(g.route.Record(r.p, kernel.RouteRowsArgs{Step: s.step, Logits: s.router, Sel: s.sel, Lists: s.lists}))
	for _, e := range r.l.experts {
		a := kernel.GateUpRowsArgs{Lists: s.lists, T: s.t, Blocks: e.gateUpBlocks, Scales: e.gateUpScales, Bias: e.gateUpBias, H: s.h}
		if g.matrix != nil {
			r.do(g.matrix.gateUp.Record(r.p, e.shard(), kernel.MoEGateUpArgs(a)))
		} else {
			r.do(g.gateUp.Record(r.p, e.shard(), a))
		}
	}
	for _, e := range r.l.experts {
		a := kernel.DownRowsArgs{Lists: s.lists, H: s.h, Blocks: e.downBlocks, Scales: e.downScales, Bias: e.downBias, Y: s.y}
		if g.matrix != nil {
			r.do(g.matrix.down.Record(r.p, e.shard(), kernel.MoEDownArgs(a)))
		} else {
			r.do(g.down.Record(r.p, e.shard(), a))
		}
	}
	r.do(g.combine.Record(r.p, r.rows, kernel.CombineRowsArgs{Step: s.step, Sel: s.sel, Y: s.y, X: s.x}))
}

// sample: the next token of each row, by the logits that the program before has left.
func (r *decodeRecorder) sample() {
	s := r.s
	r.do(r.k.sample.Record(r.p, kernel.SampleArgs{Step: s.step, Logits: s.logits, Masks: s.masks, Candidates: s.candidates, Tokens: s.ring}))
}

// sampleFull: the same with all that a request can ask for, then the log probabilities, if wanted.
func (r *decodeRecorder) sampleFull(logprobs bool) {
	s := r.s
	r.do(r.k.sampleFull.Record(r.p, kernel.SampleFullArgs{
		Step: s.step, Params: s.params, Logits: s.logits, Masks: s.masks, Counts: s.counts, Bias: s.biases,
		Keys: s.keys, List: s.list, Edges: s.edges, Candidates: s.candidates, Tokens: s.ring,
	}))
	if logprobs {
		r.do(r.k.logprobs.Record(r.p, kernel.LogprobsArgs{Step: s.step, Params: s.params, Logits: s.logits, List: s.list, Logprobs: s.logprobs}))
	}
}

// embed: x = the rows' embeddings.
func (r *decodeRecorder) embed() {
	for _, d := range r.buf.embedding {
		r.do(r.embedding.Record(r.p, d.shard(), r.rows, kernel.EmbedArgs{Step: r.s.step, Table: d.buf, X: r.s.x}))
	}
}

// qkv: q = rope(W_q norm(x) + b); the same of keys, and the values, go to their page.
func (r *decodeRecorder) qkv() {
	s, l := r.s, r.l
	for _, d := range l.qkv {
		r.do(r.k.qkv[l.kind].Record(r.p, d.shard(), kernel.QKVArgs{
			Step: s.step, X: s.x, Vectors: l.vectors, W: d.buf, Rope: r.buf.rope, Q: s.q, K: l.keys, V: l.values,
		}))
	}
}

// attend: a = softmax(q keys, sinks) values, where the context is split by way of partial sums.
func (r *decodeRecorder) attend() {
	s, l, reduce := r.s, r.l, r.reduce[r.l.kind]
	out := s.a
	if reduce != nil {
		out = s.partials
	}
	r.do(r.attn[l.kind].Record(r.p, kernel.AttnArgs{Step: s.step, Q: s.q, K: l.keys, V: l.values, Vectors: l.vectors, Out: out}))
	if reduce != nil {
		r.do(reduce.Record(r.p, kernel.AttnReduceArgs{Partials: s.partials, Vectors: l.vectors, A: s.a}))
	}
}

// out: x += W_o a + b.
func (r *decodeRecorder) out() {
	for _, d := range r.l.out {
		r.do(r.k.out.Record(r.p, d.shard(), kernel.OutArgs{A: r.s.a, W: d.buf, Vectors: r.l.vectors, X: r.s.x}))
	}
}

// router: t = norm(x); the router's logits W_r t + b.
func (r *decodeRecorder) router() {
	for _, d := range r.l.router {
		r.do(r.k.router.Record(r.p, d.shard(), kernel.RouterArgs{X: r.s.x, Vectors: r.l.vectors, W: d.buf, Logits: r.s.router, T: r.s.t}))
	}
}

// gateUp: the choice of experts; h = SwiGLU(W_gate_up t) of those.
func (r *decodeRecorder) gateUp() {
	s := r.s
	for _, e := range r.l.experts {
		r.do(r.k.gateUp.Record(r.p, e.shard(), kernel.GateUpArgs{
			Step: s.step, Logits: s.router, T: s.t, Blocks: e.gateUpBlocks, Scales: e.gateUpScales, Bias: e.gateUpBias, H: s.h, Sel: s.sel,
		}))
	}
}

// down: x += the sum of W_down h by the weights of the choice.
func (r *decodeRecorder) down() {
	s := r.s
	for _, e := range r.l.experts {
		r.do(r.k.down.Record(r.p, e.shard(), kernel.DownArgs{
			Step: s.step, Sel: s.sel, H: s.h, Blocks: e.downBlocks, Scales: e.downScales, Bias: e.downBias, X: s.x,
		}))
	}
}

// unembed: logits = W_u norm(x).
func (r *decodeRecorder) unembed() {
	if r.k.unembedRows != nil {
		r.unembedByMatrices(r.k.unembedRows)
		return
	}
	for _, d := range r.buf.unembedding {
		r.do(r.k.unembed.Record(r.p, d.shard(), kernel.UnembedArgs{X: r.s.x, Norm: r.buf.finalNorm, W: d.buf, Logits: r.s.logits}))
	}
}

// unembedByMatrices: the same for many rows. Unused ones are computed too.
func (r *decodeRecorder) unembedByMatrices(u *matrixUnembed) {
	s := r.s
	r.do(u.norm.Record(r.p, r.rows, kernel.RMSNormArgs{Chunk: s.chunk, X: s.x, Vectors: r.buf.finalNorm, Y: s.t}))
	for _, d := range r.buf.unembedding {
		r.do(u.gemm.Record(r.p, d.shard(), r.rows, kernel.GemmBF16Args{Chunk: s.chunk, X: s.t, W: d.buf, Vectors: r.buf.finalNorm, Out: s.logits}))
	}
}
