package model

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"gossamer/runtime/gpu"
	"gossamer/runtime/kernel"
)

// programs are the compiled kernels of a model and what was recorded with them.
type programs struct {
	*sizes
	dev      *gpu.Device
	buf      *buffers
	prefill  prefillKernels
	decode   map[int]*decodeKernels      // by number of rows
	kernels  []interface{ Release() }    // every one of them
	recorded map[programKey]*gpu.Program // what was recorded once
}

// programKey names a recorded program.
type programKey struct {
	prefill  bool
	head     bool     // only the unembedding
	draw     bool     // only the choice of tokens
	rows     int      // of the chunk, or of the batch
	splits   int      // of the attention of full layers in decode; 0 in prefill
	sampling sampling // of draw
}

func (k programKey) String() string {
	switch {
	case k.prefill:
		return fmt.Sprintf("prefill of %d rows", k.rows)
	case k.head:
		return "unembedding"
	case k.draw:
		return fmt.Sprintf("draw of %d rows, sampling %d", k.rows, k.sampling)
	}
	return fmt.Sprintf("decode of %d rows, %d splits", k.rows, k.splits)
}

// prefillKernels are the kernels that don't depend on the row class.
type prefillKernels struct {
	embed    *kernel.Embed
	attnNorm *kernel.RMSNorm
	mlpNorm  *kernel.RMSNorm
	rope     [kinds]*kernel.RopeKV
	route    *kernel.Route
	combine  *kernel.Combine
}

// classKernels are the kernels of one row class of prefill.
type classKernels struct {
	qkv    *kernel.GemmBF16
	attn   [kinds]*kernel.AttnPrefill
	out    *kernel.GemmBF16
	router *kernel.GemmBF16
	sort   *kernel.SortExperts
	gateUp *kernel.MoEGateUp
	down   *kernel.MoEDown
}

// decodeKernels are the decode kernels for a number of rows.
type decodeKernels struct {
	sample      *kernel.Sample
	sampleFull  *kernel.SampleFull // once a row needs it, as the next one
	logprobs    *kernel.Logprobs
	qkv         [kinds]*kernel.QKVDecode
	attnSliding *kernel.AttnDecode
	attnFull    map[int]fullAttention // by number of splits
	out         *kernel.OutDecode
	router      *kernel.RouterDecode
	gateUp      *kernel.GateUpDecode // nil where experts are grouped over rows
	down        *kernel.DownDecode
	grouped     *groupedExperts       // nil where each row reads its own
	unembed     *kernel.UnembedDecode // nil where it is by matrices
	unembedRows *matrixUnembed        // nil where it is not
}

// fullAttention are the kernels of the attention of full layers.
type fullAttention struct {
	attn   *kernel.AttnDecode
	reduce *kernel.AttnReduce // nil without splits
}

// groupedExperts are the kernels by which several rows share the weights of the experts that they chose.
type groupedExperts struct {
	route   *kernel.RouteRows
	gateUp  *kernel.GateUpRows // nil where the products are by matrices, as the next
	down    *kernel.DownRows
	matrix  *matrixExperts // in their place
	combine *kernel.CombineRows
}

// matrixExperts are a batch's products over experts by matrices.
type matrixExperts struct {
	gateUp *kernel.MoEGateUp
	down   *kernel.MoEDown
}

// matrixUnembed is a batch's unembedding by matrices.
type matrixUnembed struct {
	norm *kernel.RMSNorm
	gemm *kernel.GemmBF16
}

// newPrograms compiles the kernels that every conversation needs and uploads the rotary table that they read.
func newPrograms(dev *gpu.Device, s *sizes, b *buffers) (*programs, error) {
	p := &programs{sizes: s, dev: dev, buf: b, decode: map[int]*decodeKernels{}, recorded: map[programKey]*gpu.Program{}}
	err := p.writeRope()
	if err == nil {
		err = p.makePrefillKernels()
	}
	if err == nil {
		_, err = p.decodeKernels(1)
	}
	if err != nil {
		p.release()
		return nil, err
	}
	return p, nil
}

// release frees all programs and kernels.
func (p *programs) release() {
	for _, x := range p.recorded {
		x.Release()
	}
	for _, x := range p.kernels {
		x.Release()
	}
	clear(p.recorded)
	p.kernels = nil
}

// program returns the recorded program for key; record is called the first time.
func (p *programs) program(key programKey, record func(*gpu.Program) error) (*gpu.Program, error) {
	if prog, ok := p.recorded[key]; ok {
		return prog, nil
	}
	prog := p.dev.NewProgram(key.String())
	if err := record(prog); err != nil {
		prog.Release()
		return nil, fmt.Errorf("model: %s: %w", key, err)
	}
	p.recorded[key] = prog
	return prog, nil
}

// build compiles a kernel and notes it for release.
func build[K interface{ Release() }, C any](p *programs, dst *K, compile func(*gpu.Device, C) (K, error), c C) error {
	k, err := compile(p.dev, c)
	if err != nil {
		return err
	}
	*dst = k
	p.kernels = append(p.kernels, k)
	return nil
}

func (p *programs) makePrefillKernels() error {
	c, k, v := p.cfg, &p.prefill, p.vectors
	errs := []error{
		build(p, &k.embed, kernel.NewEmbed, kernel.EmbedConfig{Hidden: c.Hidden}),
		build(p, &k.attnNorm, kernel.NewRMSNorm, kernel.RMSNormConfig{Width: c.Hidden, Scale: v.attnNorm, Eps: c.NormEps}),
		build(p, &k.mlpNorm, kernel.NewRMSNorm, kernel.RMSNormConfig{Width: c.Hidden, Scale: v.mlpNorm, Eps: c.NormEps}),
		build(p, &k.route, kernel.NewRoute, kernel.RouteConfig{Experts: c.Experts, TopK: c.TopK}),
		build(p, &k.combine, kernel.NewCombine, kernel.CombineConfig{Hidden: c.Hidden, TopK: c.TopK}),
	}
	for kind := range kinds {
		errs = append(errs, build(p, &k.rope[kind], kernel.NewRopeKV, kernel.RopeKVConfig{
			Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim, Sliding: kind == slidingLayer, Tables: kernel.TablesWord(p.chunk), KVF16: p.kvType == F16,
		}))
	}
	return errors.Join(errs...)
}

// classKernels compiles the kernels of a row class.
func (p *programs) classKernels(class int) (*classKernels, error) {
	c, v := p.cfg, p.vectors
	tile, experts := p.denseTile(class), p.expertTile(class)
	lists := p.expertLists(class)
	k := &classKernels{}
	errs := []error{
		build(p, &k.qkv, kernel.NewGemmBF16, kernel.GemmBF16Config{K: c.Hidden, Stride: c.QDim() + 2*c.KVDim(), Bias: v.qkvBias, Tile: tile}),
		build(p, &k.out, kernel.NewGemmBF16, kernel.GemmBF16Config{K: c.QDim(), Stride: c.Hidden, Bias: v.oBias, Residual: true, Tile: tile}),
		build(p, &k.router, kernel.NewGemmBF16, kernel.GemmBF16Config{K: c.Hidden, Stride: c.Experts, Bias: v.routerBias, Tile: tile}),
		build(p, &k.sort, kernel.NewSortExperts, lists),
		p.expertProducts(lists, experts, &k.gateUp, &k.down),
	}
	for kind := range kinds {
		errs = append(errs, build(p, &k.attn[kind], kernel.NewAttnPrefill, p.prefillAttention(class, kind)))
	}
	return k, errors.Join(errs...)
}

// decodeKernels returns the kernels for a number of rows.
func (p *programs) decodeKernels(rows int) (*decodeKernels, error) {
	if k, ok := p.decode[rows]; ok {
		return k, nil
	}
	c, v, k := p.cfg, p.vectors, &decodeKernels{attnFull: map[int]fullAttention{}}
	errs := []error{
		build(p, &k.sample, kernel.NewSample, p.sampling(rows)),
		build(p, &k.attnSliding, kernel.NewAttnDecode, p.attention(rows, 1, true)),
		build(p, &k.out, kernel.NewOutDecode, kernel.OutConfig{Rows: rows, Hidden: c.Hidden, Inputs: c.QDim(), Bias: v.oBias}),
		build(p, &k.router, kernel.NewRouterDecode, kernel.RouterConfig{
			Rows: rows, Hidden: c.Hidden, Experts: c.Experts, Norm: v.mlpNorm, Bias: v.routerBias, NormEps: c.NormEps,
			Plain: usesMatrix(p.rowsExpertTile(rows)),
		}),
		p.expertKernels(rows, k),
		p.unembedKernels(rows, k),
	}
	for kind := range kinds {
		errs = append(errs, build(p, &k.qkv[kind], kernel.NewQKVDecode, kernel.QKVConfig{
			Rows: rows, Hidden: c.Hidden, Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim, Norm: v.attnNorm, Bias: v.qkvBias,
			NormEps: c.NormEps, Sliding: kind == slidingLayer, Tables: kernel.TablesWord(p.rows), KVF16: p.kvType == F16,
		}))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p.decode[rows] = k
	return k, nil
}

// expertKernels compiles the experts' kernels for a number of rows.
func (p *programs) expertKernels(rows int, k *decodeKernels) error {
	c := p.cfg
	if !p.groups(rows) {
		return errors.Join(
			build(p, &k.gateUp, kernel.NewGateUpDecode, kernel.GateUpConfig{
				Rows: rows, Hidden: c.Hidden, Intermediate: c.Intermediate, Experts: c.Experts, TopK: c.TopK, Limit: c.SwiGLULimit, Alpha: c.SwiGLUAlpha,
			}),
			build(p, &k.down, kernel.NewDownDecode, kernel.DownConfig{Rows: rows, Hidden: c.Hidden, Intermediate: c.Intermediate, TopK: c.TopK}),
		)
	}
	lists, tile, g := p.rowLists(rows), p.rowsExpertTile(rows), &groupedExperts{}
	k.grouped = g
	err := errors.Join(
		build(p, &g.route, kernel.NewRouteRows, lists),
		build(p, &g.combine, kernel.NewCombineRows, kernel.CombineConfig{Hidden: c.Hidden, TopK: c.TopK}),
	)
	if usesMatrix(tile) {
		g.matrix = &matrixExperts{}
		return errors.Join(err, p.expertProducts(lists, tile, &g.matrix.gateUp, &g.matrix.down))
	}
	return errors.Join(err,
		build(p, &g.gateUp, kernel.NewGateUpRows, kernel.GateUpRowsConfig{
			Hidden: c.Hidden, Intermediate: c.Intermediate, Limit: c.SwiGLULimit, Alpha: c.SwiGLUAlpha, Lists: lists,
		}),
		build(p, &g.down, kernel.NewDownRows, kernel.DownRowsConfig{Hidden: c.Hidden, Intermediate: c.Intermediate, Lists: lists}),
	)
}

// expertProducts compiles the products over experts of a tile.
func (p *programs) expertProducts(lists kernel.ExpertLists, tile kernel.Tile, gateUp **kernel.MoEGateUp, down **kernel.MoEDown) error {
	c := p.cfg
	return errors.Join(
		build(p, gateUp, kernel.NewMoEGateUp, kernel.MoEGateUpConfig{
			Hidden: c.Hidden, Intermediate: c.Intermediate, Limit: c.SwiGLULimit, Alpha: c.SwiGLUAlpha, Lists: lists, Tile: tile,
		}),
		build(p, down, kernel.NewMoEDown, kernel.MoEDownConfig{Hidden: c.Hidden, Intermediate: c.Intermediate, Lists: lists, Tile: tile}),
	)
}

// unembedKernels compiles the unembedding for a number of rows.
func (p *programs) unembedKernels(rows int, k *decodeKernels) error {
	c, tile := p.cfg, p.rowsTile(rows)
	if !usesMatrix(tile) {
		return build(p, &k.unembed, kernel.NewUnembedDecode, kernel.UnembedConfig{Rows: rows, Hidden: c.Hidden, Vocab: c.Vocab, NormEps: c.NormEps})
	}
	u := &matrixUnembed{}
	k.unembedRows = u
	return errors.Join(
		build(p, &u.norm, kernel.NewRMSNorm, kernel.RMSNormConfig{Width: c.Hidden, Eps: c.NormEps}),
		build(p, &u.gemm, kernel.NewGemmBF16, kernel.GemmBF16Config{K: c.Hidden, Stride: c.Vocab, Bias: kernel.NoBias, Tile: tile}),
		p.dev.Write(p.buf.decode.chunk, 0, binary.LittleEndian.AppendUint32(nil, uint32(p.rows))),
	)
}

// needFull compiles what rows need that ask for more than a temperature.
func (p *programs) needFull(rows int, k *decodeKernels) error {
	if k.logprobs != nil {
		return nil
	}
	if err := build(p, &k.sampleFull, kernel.NewSampleFull, p.sampling(rows)); err != nil {
		return err
	}
	return build(p, &k.logprobs, kernel.NewLogprobs, p.sampling(rows))
}

// writeRope uploads the rotary table in pieces.
func (p *programs) writeRope() error {
	const positions = 4096
	for first := 0; first < p.context; first += positions {
		table := p.cfg.RopeTable(first, min(positions, p.context-first))
		if err := p.dev.Write(p.buf.rope, int64(first)*int64(p.cfg.HeadDim)*4, floatBytes(table)); err != nil {
			return err
		}
	}
	return nil
}

func floatBytes(values []float32) []byte {
	b := make([]byte, 0, len(values)*4)
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// recorder appends dispatches to a program and keeps the first error.
type recorder struct {
	p   *gpu.Program
	err error
}

func (r *recorder) do(err error) {
	if r.err == nil {
		r.err = err
	}
}
