package model

import (
	"fmt"

	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/kernel"
)

// buffers are all that a model holds in the device's memory, but for the parameters of dispatches, which are a few bytes each.
type buffers struct {
	// The checkpoint's bytes, placed but not changed.
	embedding   []dense     // [Vocab][Hidden]
	unembedding []dense     // [Vocab][Hidden]
	finalNorm   *gpu.Buffer // [Hidden] bf16
	layers      []layer     // [Layers]

	rope    *gpu.Buffer // f32 [context][HeadDim/2][2]: cos and sin
	page    *gpu.Buffer // a page on its way from one place to another
	prefill prefillScratch
	decode  decodeScratch
}

// layer holds a layer's weights and its part of the key/value cache.
type layer struct {
	kind    int         // of attention: full or sliding
	vectors *gpu.Buffer // bf16, see vectorLayout
	qkv     []dense     // [QDim + 2*KVDim][Hidden]: q, k and v side by side
	out     []dense     // [Hidden][QDim]
	router  []dense     // [Experts][Hidden]
	experts []experts
	keys    *gpu.Buffer // [page][kv.PageTokens][KVDim] of f16 or f32
	values  *gpu.Buffer // the same
}

// Kinds of attention, by which kernels are chosen.
const (
	fullLayer    = 0
	slidingLayer = 1
	kinds        = 2
)

// dense is a shard of rows of a bf16 matrix.
type dense struct {
	span
	buf *gpu.Buffer // [count][columns] bf16
}

// experts is a shard of a layer's experts.
type experts struct {
	span
	gateUpBlocks *gpu.Buffer // [count][2*Intermediate][Hidden/32][16]
	gateUpScales *gpu.Buffer // [count][2*Intermediate][Hidden/32]
	gateUpBias   *gpu.Buffer // [count][2*Intermediate] bf16
	downBlocks   *gpu.Buffer // [count][Hidden][Intermediate/32][16]
	downScales   *gpu.Buffer // [count][Hidden][Intermediate/32]
	downBias     *gpu.Buffer // [count][Hidden] bf16
}

// bf16Bytes is the size of one bf16 element.
const bf16Bytes = 2

// expertBytes is the size of one expert's part of each tensor, in the order of the fields of experts.
func expertBytes(c *gptoss.Config) [6]int64 {
	h, i := int64(c.Hidden), int64(c.Intermediate)
	return [6]int64{2 * i * h / 2, 2 * i * h / 32, 2 * i * bf16Bytes, h * i / 2, h * i / 32, h * bf16Bytes}
}

// prefillScratch holds the activations of a chunk. Assignment a is choice a % TopK of row a / TopK.
type prefillScratch struct {
	chunk  *gpu.Buffer // uniform: rows in use
	step   *gpu.Buffer // rows and the page tables of one text
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

// decodeScratch holds the state of the rows of a decode program, R of them at most.
type decodeScratch struct {
	step       *gpu.Buffer // rows, then the page tables of each
	x          *gpu.Buffer // f32 [R][Hidden]: the residual stream
	q          *gpu.Buffer // f32 [R][QDim]
	a          *gpu.Buffer // f32 [R][QDim]
	partials   *gpu.Buffer // partial attention of splits
	router     *gpu.Buffer // f32 [R][Experts]
	t          *gpu.Buffer // f32 [R][Hidden]
	sel        *gpu.Buffer // {expert u32, weight f32} [R][TopK]
	h          *gpu.Buffer // f32 [R][TopK][Intermediate]
	chunk      *gpu.Buffer // uniform: R, for the kernels of prefill that decode has too; nil where it has none
	lists      *gpu.Buffer // assignments by expert, kernel.ExpertLists; nil where experts are never grouped, as the next
	y          *gpu.Buffer // f32 [R][TopK][Hidden]: outputs of the experts, by assignment
	logits     *gpu.Buffer // f32 [R][Vocab]
	masks      *gpu.Buffer // bit sets [sizes.masks][(Vocab+31)/32]
	candidates *gpu.Buffer // scratch of sampling
	ring       *gpu.Buffer // u32 [maxRun][R]: the chosen tokens, for the host
	params     *gpu.Buffer // kernel.SampleParams [R], of rows with full sampling, as all that follow
	counts     *gpu.Buffer // u16 [R][Vocab, made even]: occurrences, for penalties
	biases     *gpu.Buffer // {id u32, bias f32} [R][kernel.MaxBiases]
	keys       *gpu.Buffer // scratch of sampling, as the next two
	list       *gpu.Buffer
	edges      *gpu.Buffer
	logprobs   *gpu.Buffer // {id u32, log probability f32} [maxRun][R][1 + 20], for the host
	spare      *gpu.Buffer // f32 [Vocab]: logits on their way to another row; nil with one row
}

// part is what a buffer is counted as.
type part int

const (
	weightsPart part = iota
	kvPart
	scratchPart
	parts
)

// declaration is one buffer to be made.
type declaration struct {
	dst   **gpu.Buffer
	label string
	bytes int64
	usage gpu.Usage
	part  part
}

// declare lists the buffers of a model in the order in which they are made: weights, keys and values, all others. The buffers that
// it returns are nil until the declared ones are put in.
func declare(s *sizes) (*buffers, []declaration, error) {
	b := &buffers{layers: make([]layer, s.cfg.Layers)}
	d := declarer{sizes: s}
	d.weights(b)
	d.cache(b)
	d.scratch(b)
	return b, d.list, d.err
}

// declarer collects declarations. It keeps the first error.
type declarer struct {
	*sizes
	list []declaration
	err  error
}

// add declares a storage buffer. Kernels bind it whole.
func (d *declarer) add(p part, dst **gpu.Buffer, label string, nBytes int64) {
	if limit := d.limits.most(); nBytes > limit && d.err == nil {
		d.err = fmt.Errorf("model: %s takes %d bytes, the device binds at most %d: take a smaller context or chunk, or another adapter", label, nBytes, limit)
	}
	d.list = append(d.list, declaration{dst, label, nBytes, gpu.Storage, p})
}

func (d *declarer) weights(b *buffers) {
	c := d.cfg
	d.dense(&b.embedding, "embedding", c.Vocab, c.Hidden, 1)
	d.dense(&b.unembedding, "unembedding", c.Vocab, c.Hidden, 1)
	d.add(weightsPart, &b.finalNorm, "final norm", int64(c.Hidden)*bf16Bytes)
	for n := range b.layers {
		l := &b.layers[n]
		if c.Sliding[n] {
			l.kind = slidingLayer
		}
		name := func(what string) string { return fmt.Sprintf("layer %d %s", n, what) }
		d.add(weightsPart, &l.vectors, name("vectors"), int64(d.vectors.total)*bf16Bytes)
		// RoPE pairs elements of one head, so a head's rows stay together.
		d.dense(&l.qkv, name("qkv"), c.QDim()+2*c.KVDim(), c.Hidden, c.HeadDim)
		d.dense(&l.out, name("attention output"), c.Hidden, c.QDim(), 1)
		d.dense(&l.router, name("router"), c.Experts, c.Hidden, 1)
		d.experts(&l.experts, name)
	}
}

func (d *declarer) dense(dst *[]dense, what string, rows, columns, align int) {
	rowBytes := int64(columns) * bf16Bytes
	shards := d.shards(what, rows, rowBytes, align)
	*dst = make([]dense, len(shards))
	for i, s := range shards {
		(*dst)[i].span = s
		d.add(weightsPart, &(*dst)[i].buf, fmt.Sprintf("%s rows %d..%d", what, s.first, s.first+s.count-1), int64(s.count)*rowBytes)
	}
}

func (d *declarer) experts(dst *[]experts, name func(what string) string) {
	sizes := expertBytes(d.cfg)
	shards := d.shards(name("experts"), d.cfg.Experts, max(sizes[0], sizes[3]), 1)
	*dst = make([]experts, len(shards))
	for i, s := range shards {
		e := &(*dst)[i]
		e.span = s
		for j, b := range []struct {
			what string
			dst  **gpu.Buffer
		}{
			{"gate_up blocks", &e.gateUpBlocks}, {"gate_up scales", &e.gateUpScales}, {"gate_up bias", &e.gateUpBias},
			{"down blocks", &e.downBlocks}, {"down scales", &e.downScales}, {"down bias", &e.downBias},
		} {
			d.add(weightsPart, b.dst, name(fmt.Sprintf("%s of experts %d..%d", b.what, s.first, s.first+s.count-1)), int64(s.count)*sizes[j])
		}
	}
}

func (d *declarer) shards(what string, total int, unitBytes int64, align int) []span {
	spans, err := shardSpans(what, total, unitBytes, align, d.limits)
	if d.err == nil {
		d.err = err
	}
	return spans
}

func (d *declarer) cache(b *buffers) {
	for n := range b.layers {
		l, pages := &b.layers[n], d.fullPages
		if l.kind == slidingLayer {
			pages = d.slidingPages
		}
		d.add(kvPart, &l.keys, fmt.Sprintf("layer %d keys", n), int64(pages)*d.pageBytes())
		d.add(kvPart, &l.values, fmt.Sprintf("layer %d values", n), int64(pages)*d.pageBytes())
	}
}

// scratch declares what lives during a program only, and the tables that programs read.
func (d *declarer) scratch(b *buffers) {
	c := d.cfg
	add := func(dst **gpu.Buffer, label string, nBytes int64) { d.add(scratchPart, dst, label, nBytes) }
	add(&b.rope, "rope table", int64(d.context)*int64(c.HeadDim)*4)
	add(&b.page, "page copy", d.pageBytes())

	p, n := &b.prefill, int64(d.chunk)
	var lists int64
	for _, class := range prefillClasses {
		lists = max(lists, d.expertLists(min(class, d.chunk)).Bytes())
	}
	d.list = append(d.list, declaration{&p.chunk, "prefill chunk", 16, gpu.Uniform, scratchPart})
	add(&p.step, "prefill step", d.stepBytes(d.chunk, 1))
	add(&p.x, "prefill x", n*int64(c.Hidden)*4)
	add(&p.t, "prefill t", n*int64(c.Hidden)*4)
	add(&p.qkv, "prefill qkv", n*int64(c.QDim()+2*c.KVDim())*4)
	add(&p.q, "prefill q", n*int64(c.QDim())*4)
	add(&p.a, "prefill a", n*int64(c.QDim())*4)
	add(&p.router, "prefill router logits", n*int64(c.Experts)*4)
	add(&p.sel, "prefill choices", n*int64(c.TopK)*8)
	add(&p.lists, "prefill lists", lists)
	add(&p.h, "prefill h", n*int64(c.TopK*c.Intermediate)*4)
	add(&p.y, "prefill y", n*int64(c.TopK*c.Hidden)*4)

	s, r := &b.decode, int64(d.rows)
	partials := 1
	if splits := d.splitsFor(d.context); splits > 1 {
		partials = d.attention(d.rows, splits, false).ResultFloats()
	}
	add(&s.step, "decode step", d.stepBytes(d.rows, d.rows))
	if usesMatrix(d.rowsTile(d.rows)) {
		d.list = append(d.list, declaration{&s.chunk, "decode rows", 16, gpu.Uniform, scratchPart})
	}
	add(&s.x, "decode x", r*int64(c.Hidden)*4)
	add(&s.q, "decode q", r*int64(c.QDim())*4)
	add(&s.a, "decode a", r*int64(c.QDim())*4)
	add(&s.partials, "decode partial attention", int64(partials)*4)
	add(&s.router, "decode router logits", r*int64(c.Experts)*4)
	add(&s.t, "decode t", r*int64(c.Hidden)*4)
	add(&s.sel, "decode choices", r*int64(c.TopK)*8)
	add(&s.h, "decode h", r*int64(c.TopK*c.Intermediate)*4)
	if d.groups(d.rows) {
		add(&s.lists, "decode lists", d.rowLists(d.rows).Bytes())
		add(&s.y, "decode y", r*int64(c.TopK*c.Hidden)*4)
	}
	add(&s.logits, "logits", r*int64(c.Vocab)*4)
	add(&s.masks, "masks", int64(d.masks())*int64(d.maskWords())*4)
	add(&s.candidates, "sampling candidates", int64(d.sampling(d.rows).CandidateWords())*4)
	add(&s.ring, "chosen tokens", maxRun*r*4)
	shape := d.sampling(d.rows)
	add(&s.params, "sampling parameters", r*kernel.SampleParamsBytes)
	add(&s.counts, "counts of tokens", int64(shape.CountWords())*4)
	add(&s.biases, "logit biases", int64(shape.BiasWords())*4)
	add(&s.keys, "sampling keys", int64(shape.KeyWords())*4)
	add(&s.list, "sampling list", int64(shape.ListWords())*4)
	add(&s.edges, "sampling edges", int64(shape.EdgeWords())*4)
	add(&s.logprobs, "log probabilities", int64(shape.LogprobWords())*4)
	if d.rows > 1 {
		add(&s.spare, "logits on the way", int64(c.Vocab)*4)
	}
}
