package model

import (
	"encoding/binary"
	"errors"

	"gossamer/runtime/gpu"
	"gossamer/runtime/kernel"
)

// prefillScratch holds the activations of a chunk. Assignment a is choice a % TopK of row a / TopK.
type prefillScratch struct {
	step   *gpu.Buffer // rows and the page tables of one text
	chunk  *gpu.Buffer // uniform: rows in use
	x      *gpu.Buffer // f32 [chunk][Hidden]: the residual stream
	t      *gpu.Buffer // f32 [chunk][Hidden]: normalised
	qkv    *gpu.Buffer // f32 [chunk][QDim + 2*KVDim]
	q      *gpu.Buffer // f32 [chunk][QDim]: rotated
	a      *gpu.Buffer // f32 [chunk][QDim]: what the heads gathered
	router *gpu.Buffer // f32 [chunk][Experts]: router logits
	sel    *gpu.Buffer // {expert u32, weight f32} [chunk][TopK]
	lists  *gpu.Buffer // assignments by expert, kernel.ExpertLists
	h      *gpu.Buffer // f32 [chunk*TopK][Intermediate]: after SwiGLU, by assignment
	y      *gpu.Buffer // f32 [chunk*TopK][Hidden]: outputs of the experts, by assignment
}

// prefillClasses are the row counts that prefill programs are recorded for: a chunk takes the smallest that holds it.
var prefillClasses = [...]int{16, 32, 128, 512, 2048}

// prefillClass is the row count of the program for n rows.
func (m *Model) prefillClass(n int) int {
	if m.oneClass {
		return m.chunk
	}
	for _, c := range prefillClasses {
		if n <= c {
			return min(c, m.chunk)
		}
	}
	return m.chunk
}

// prefillKernels are the kernels that don't depend on the row class.
type prefillKernels struct {
	embed    *kernel.Embed
	attnNorm *kernel.RMSNorm
	mlpNorm  *kernel.RMSNorm
	ropeKV   [2]*kernel.RopeKV // full, sliding
	route    *kernel.Route
	combine  *kernel.Combine
}

// classKernels are the kernels of one row class.
type classKernels struct {
	qkv    *kernel.GemmBF16
	attn   [2]*kernel.AttnPrefill // full, sliding
	out    *kernel.GemmBF16
	router *kernel.GemmBF16
	sort   *kernel.SortExperts
	gateUp *kernel.MoEGateUp
	down   *kernel.MoEDown
}

// expertTile is the tile of the products over experts of a class.
func (m *Model) expertTile(class int) kernel.Tile {
	return kernel.ExpertTileFor(class, m.cfg.TopK, m.cfg.Experts)
}

// expertLists is the shape of the sorted assignments of a class.
func (m *Model) expertLists(class int) kernel.ExpertLists {
	return kernel.ExpertLists{Rows: class, TopK: m.cfg.TopK, Experts: m.cfg.Experts, Height: m.expertTile(class).Height()}
}

func (m *Model) makePrefillScratch() (err error) {
	c, s := m.cfg, &m.scratch.prefill
	n := int64(m.chunk)
	var lists int64
	for _, class := range prefillClasses {
		lists = max(lists, m.expertLists(min(class, m.chunk)).Bytes())
	}
	if s.chunk, err = m.dev.NewBuffer("prefill chunk", 16, gpu.Uniform); err != nil {
		return err
	}
	m.buffers = append(m.buffers, s.chunk)
	return m.makeBuffers([]bufferPlan{
		{&s.step, "prefill step", m.stepSize(m.chunk, 1)},
		{&s.x, "prefill x", n * int64(c.Hidden) * 4},
		{&s.t, "prefill t", n * int64(c.Hidden) * 4},
		{&s.qkv, "prefill qkv", n * int64(c.QDim()+2*c.KVDim()) * 4},
		{&s.q, "prefill q", n * int64(c.QDim()) * 4},
		{&s.a, "prefill a", n * int64(c.QDim()) * 4},
		{&s.router, "prefill router logits", n * int64(c.Experts) * 4},
		{&s.sel, "prefill choices", n * int64(c.TopK) * 8},
		{&s.lists, "prefill lists", lists},
		{&s.h, "prefill h", n * int64(c.TopK*c.Intermediate) * 4},
		{&s.y, "prefill y", n * int64(c.TopK*c.Hidden) * 4},
	})
}

func (m *Model) makePrefillKernels() error {
	c, k, v := m.cfg, &m.kernels.prefill, m.weights.vectors
	errs := []error{
		build(m, &k.embed, kernel.NewEmbed, kernel.EmbedConfig{Hidden: c.Hidden}),
		build(m, &k.attnNorm, kernel.NewRMSNorm, kernel.RMSNormConfig{Width: c.Hidden, Scale: v.attnNorm, Eps: c.NormEps}),
		build(m, &k.mlpNorm, kernel.NewRMSNorm, kernel.RMSNormConfig{Width: c.Hidden, Scale: v.mlpNorm, Eps: c.NormEps}),
		build(m, &k.route, kernel.NewRoute, kernel.RouteConfig{Experts: c.Experts, TopK: c.TopK}),
		build(m, &k.combine, kernel.NewCombine, kernel.CombineConfig{Hidden: c.Hidden, TopK: c.TopK}),
	}
	for i, sliding := range []bool{false, true} {
		errs = append(errs, build(m, &k.ropeKV[i], kernel.NewRopeKV, kernel.RopeKVConfig{
			Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim, Sliding: sliding, Tables: kernel.TablesWord(m.chunk), KVF16: m.kvType == F16,
		}))
	}
	return errors.Join(errs...)
}

// makeClassKernels compiles the kernels of a row class.
func (m *Model) makeClassKernels(class int) (*classKernels, error) {
	c, v := m.cfg, m.weights.vectors
	tile, experts := kernel.TileFor(class), m.expertTile(class)
	lists := m.expertLists(class)
	k := &classKernels{}
	errs := []error{
		build(m, &k.qkv, kernel.NewGemmBF16, kernel.GemmBF16Config{K: c.Hidden, Stride: c.QDim() + 2*c.KVDim(), Bias: v.qkvBias, Tile: tile}),
		build(m, &k.out, kernel.NewGemmBF16, kernel.GemmBF16Config{K: c.QDim(), Stride: c.Hidden, Bias: v.oBias, Residual: true, Tile: tile}),
		build(m, &k.router, kernel.NewGemmBF16, kernel.GemmBF16Config{K: c.Hidden, Stride: c.Experts, Bias: v.routerBias, Tile: tile}),
		build(m, &k.sort, kernel.NewSortExperts, lists),
		build(m, &k.gateUp, kernel.NewMoEGateUp, kernel.MoEGateUpConfig{
			Hidden: c.Hidden, Intermediate: c.Intermediate, Limit: c.SwiGLULimit, Alpha: c.SwiGLUAlpha, Lists: lists, Tile: experts,
		}),
		build(m, &k.down, kernel.NewMoEDown, kernel.MoEDownConfig{Hidden: c.Hidden, Intermediate: c.Intermediate, Lists: lists, Tile: experts}),
	}
	for i, window := range []int{0, c.Window} {
		errs = append(errs, build(m, &k.attn[i], kernel.NewAttnPrefill, kernel.AttnPrefillConfig{
			Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim, Window: window, Sinks: v.sinks,
			Tables: kernel.TablesWord(m.chunk), KVF16: m.kvType == F16, Rows: class,
		}))
	}
	return k, errors.Join(errs...)
}

// prefillProgram returns the program that runs the layers over up to a class of rows of the prefill buffers.
func (m *Model) prefillProgram(class int) (*gpu.Program, error) {
	return m.program(programKey{prefill: true, rows: class}, func(p *gpu.Program) error {
		k, err := m.makeClassKernels(class)
		if err != nil {
			return err
		}
		r := prefillRecorder{Model: m, p: p, class: class, k: k}
		return r.layers()
	})
}

// prefillRecorder records the forward pass of a chunk. It keeps the first error.
type prefillRecorder struct {
	*Model
	p     *gpu.Program
	class int
	k     *classKernels
	// trace, for tests, is called behind each stage with the buffer that holds its result; p may be exchanged.
	trace func(layer int, stage string, b *gpu.Buffer)
	err   error
}

func (r *prefillRecorder) do(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *prefillRecorder) stage(layer int, stage string, b *gpu.Buffer) {
	if r.trace != nil && r.err == nil {
		r.trace(layer, stage, b)
	}
}

// layers records the whole pass.
func (r *prefillRecorder) layers() error {
	r.embed()
	for n := range r.weights.layers {
		r.attention(n)
		r.mlp(n)
	}
	return r.err
}

func (s span) shard() kernel.Shard { return kernel.Shard{First: s.first, Count: s.count} }

func (r *prefillRecorder) embed() {
	s := &r.scratch.prefill
	for _, d := range r.weights.embedding {
		r.do(r.kernels.prefill.embed.Record(r.p, d.shard(), r.class, kernel.EmbedArgs{Step: s.step, Table: d.buf, X: s.x}))
	}
}

// attention: x += W_o attention(rope(norm(x) W_qkv)).
func (r *prefillRecorder) attention(n int) {
	s, k, l, cache := &r.scratch.prefill, &r.kernels.prefill, &r.weights.layers[n], r.weights.cache[n]
	chunk, vectors := s.chunk, l.vectors
	class := 0
	if r.cfg.Sliding[n] {
		class = 1
	}
	r.do(k.attnNorm.Record(r.p, r.class, kernel.RMSNormArgs{Chunk: chunk, X: s.x, Vectors: vectors, Y: s.t}))
	r.stage(n, "attn_norm", s.t)
	for _, d := range l.qkv {
		r.do(r.k.qkv.Record(r.p, d.shard(), r.class, kernel.GemmBF16Args{Chunk: chunk, X: s.t, W: d.buf, Vectors: vectors, Out: s.qkv}))
	}
	r.do(k.ropeKV[class].Record(r.p, r.class, kernel.RopeKVArgs{
		Chunk: chunk, Step: s.step, QKV: s.qkv, Rope: r.scratch.rope, Q: s.q, KCache: cache.k, VCache: cache.v,
	}))
	r.stage(n, "q_rope", s.q)
	r.stage(n, "k_rope", cache.k)
	r.stage(n, "v", cache.v)
	r.do(r.k.attn[class].Record(r.p, kernel.AttnPrefillArgs{
		Chunk: chunk, Step: s.step, Q: s.q, KCache: cache.k, VCache: cache.v, Vectors: vectors, Out: s.a,
	}))
	r.stage(n, "attn_heads", s.a)
	for _, d := range l.out {
		r.do(r.k.out.Record(r.p, d.shard(), r.class, kernel.GemmBF16Args{Chunk: chunk, X: s.a, W: d.buf, Vectors: vectors, Out: s.x}))
	}
	r.stage(n, "after_attn", s.x)
}

// mlp: x += the weighted outputs of each row's experts for norm(x).
func (r *prefillRecorder) mlp(n int) {
	s, k, l := &r.scratch.prefill, &r.kernels.prefill, &r.weights.layers[n]
	chunk, vectors := s.chunk, l.vectors
	r.do(k.mlpNorm.Record(r.p, r.class, kernel.RMSNormArgs{Chunk: chunk, X: s.x, Vectors: vectors, Y: s.t}))
	r.stage(n, "mlp_norm", s.t)
	for _, d := range l.router {
		r.do(r.k.router.Record(r.p, d.shard(), r.class, kernel.GemmBF16Args{Chunk: chunk, X: s.t, W: d.buf, Vectors: vectors, Out: s.router}))
	}
	r.stage(n, "router_logits", s.router)
	r.do(k.route.Record(r.p, r.class, kernel.RouteArgs{Chunk: chunk, Logits: s.router, Sel: s.sel}))
	r.stage(n, "choice", s.sel)
	r.do(r.k.sort.Record(r.p, kernel.SortExpertsArgs{Chunk: chunk, Sel: s.sel, Lists: s.lists}))
	for _, e := range l.experts {
		r.do(r.k.gateUp.Record(r.p, e.shard(), kernel.MoEGateUpArgs{
			Lists: s.lists, T: s.t, Blocks: e.gateUpBlocks, Scales: e.gateUpScales, Bias: e.gateUpBias, H: s.h,
		}))
	}
	for _, e := range l.experts {
		r.do(r.k.down.Record(r.p, e.shard(), kernel.MoEDownArgs{
			Lists: s.lists, H: s.h, Blocks: e.downBlocks, Scales: e.downScales, Bias: e.downBias, Y: s.y,
		}))
	}
	r.do(k.combine.Record(r.p, r.class, kernel.CombineArgs{Chunk: chunk, Sel: s.sel, Y: s.y, X: s.x}))
	r.stage(n, "after_mlp", s.x)
}

// writeChunk sets the number of rows in use.
func (m *Model) writeChunk(n int) error {
	return m.dev.Write(m.scratch.prefill.chunk, 0, binary.LittleEndian.AppendUint32(nil, uint32(n)))
}
