package model

import (
	"fmt"

	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/kernel"
	"gossamer/runtime/kv"
	"gossamer/shaders"
)

// sizes are the numbers that the shapes of a model's buffers and kernels follow from.
type sizes struct {
	cfg     *gptoss.Config
	kvType  Precision
	limits  limits
	vectors vectorLayout

	context       int // positions
	chunk         int // rows of a prefill chunk
	rows          int // rows of a decode program
	sequences     int // that may be alive
	fullPages     int // of each full layer
	slidingPages  int // of each sliding layer
	deterministic bool
	groupFrom     int            // rows from which experts are grouped
	matrix        shaders.Matrix // that subgroups multiply; the zero Matrix: none
	oneTerm       bool           // of the activations of prefill then
	workgroup     int            // bytes of a workgroup's memory
	oneClass      bool           // all chunks take one program: on a processor, compiling another costs more than padding rows
}

// newSizes decides how many rows, sequences and positions the buffers are made for.
func newSizes(c *gptoss.Config, caps gpu.Caps, o Options) (*sizes, error) {
	s := &sizes{
		cfg: c, kvType: o.KV, deterministic: o.Deterministic, vectors: newVectorLayout(c),
		limits: limits{binding: caps.MaxBindingBytes, buffer: caps.MaxBufferBytes}, oneTerm: o.Matrices == OneTerm, workgroup: caps.MaxWorkgroupBytes,
	}
	if o.usesMatrices(caps) {
		s.matrix = caps.Variant.Matrix
	}
	defaultContext := maxContext
	if caps.Adapter.CPU() {
		defaultContext = leastContext
	}
	if err := s.setRows(caps.Adapter.CPU(), o); err != nil {
		return nil, err
	}
	if o.KVTokens > 0 {
		defaultContext = min(defaultContext, o.KVTokens)
	}
	if err := s.setContext(o.Context, defaultContext); err != nil {
		return nil, err
	}
	return s, s.setPages(o.ResumeBytes, o.KVTokens)
}

func orDefault(v, def int) int {
	if v == 0 {
		return def
	}
	return v
}

// setRows decides on the rows of programs, and the sequences.
func (s *sizes) setRows(cpu bool, o Options) error {
	c, chunk := s.cfg, defaultChunk
	if cpu {
		chunk = defaultChunkCPU
		s.oneClass = o.Chunk == 0
	}
	s.rows = orDefault(o.Rows, 1)
	s.groupFrom = orDefault(o.groupFrom, groupFrom)
	if cpu && o.groupFrom == 0 {
		s.groupFrom = maxRows + 1 // a processor's cache serves rows one after the other better
	}
	s.sequences = orDefault(o.Sequences, max(s.rows, defaultSequences))
	s.chunk = orDefault(o.Chunk, chunk)
	if s.deterministic {
		s.chunk = min(s.chunk, kv.PageTokens)
	}
	if s.rows < 1 || s.rows > maxRows || s.rows&(s.rows-1) != 0 {
		return fmt.Errorf("model: %d rows, want 1, 2, 4, 8, 16 or 32", s.rows)
	}
	if s.sequences < s.rows || s.chunk < 1 || o.Context < 0 || o.ResumeBytes < 0 {
		return fmt.Errorf("model: %d sequences, chunks of %d tokens, context %d, %d bytes to resume: want at least %d sequences and positive numbers",
			s.sequences, s.chunk, o.Context, o.ResumeBytes, s.rows)
	}
	// The widest buffer of a prefill chunk has a row for each expert of each token.
	widest := int64(max(c.TopK*max(c.Hidden, c.Intermediate), c.QDim()+2*c.KVDim(), c.Experts)) * 4
	s.chunk = int(min(int64(s.chunk), s.limits.most()/widest))
	if s.chunk < 1 {
		return fmt.Errorf("model: the device binds at most %d bytes, the activations of one token take %d", s.limits.most(), widest)
	}
	return nil
}

// setContext decides on the positions: those asked for, or as many as fit.
func (s *sizes) setContext(asked, most int) error {
	c, limit := s.cfg, s.limits.most()
	// A layer's keys and the rotary table are each bound whole.
	fit := min(limit/s.pageBytes()*kv.PageTokens, limit/int64(c.HeadDim*4))
	if asked > 0 {
		if asked > c.MaxPositions {
			return fmt.Errorf("model: a context of %d positions: the model was made for %d", asked, c.MaxPositions)
		}
		if int64(asked) > fit {
			return fmt.Errorf("model: a context of %d positions: the device's bindings of %d bytes hold %d", asked, limit, fit)
		}
		s.context = asked
		return nil
	}
	s.context = int(min(int64(most), int64(c.MaxPositions), fit))
	if least := min(leastContext, c.MaxPositions, most); s.context < least {
		return fmt.Errorf("model: the device's bindings of %d bytes hold a context of %d positions, want at least %d: ask for a smaller context", limit, fit, least)
	}
	for s.context&(s.context-1) != 0 && s.context < c.MaxPositions {
		s.context &= s.context - 1 // down to a power of two
	}
	return nil
}

// setPages decides on the pages of the key/value cache, for so many tokens of all sequences, or as many as one can hold.
func (s *sizes) setPages(resumeBytes int64, tokens int) error {
	window := kv.WindowPages(s.cfg.Window)
	resume := int64(defaultResumePoints * window)
	if page := 2 * s.pageBytes() * int64(s.cfg.SlidingLayers()); resumeBytes > 0 && page > 0 {
		resume = resumeBytes / page
	}
	limit := s.limits.most() / s.pageBytes()
	chunk := (s.chunk+kv.PageTokens-1)/kv.PageTokens + 1 // more, of the one sequence whose prompt goes on
	running := window + chunk
	s.slidingPages = int(min(int64(s.sequences*window+chunk)+resume, limit))
	if s.slidingPages < running {
		return fmt.Errorf("model: the device's bindings hold %d pages of a layer's keys, a prefill chunk needs %d: take a smaller chunk", limit, running)
	}
	if tokens > 0 && tokens < s.context {
		return fmt.Errorf("model: room for %d tokens of all texts and a context of %d: one text could not fill it", tokens, s.context)
	}
	pages := pagesOf(max(tokens, s.context))
	if tokens > 0 && int64(pages) > limit {
		return fmt.Errorf("model: room for %d tokens of all texts: the device's bindings of %d bytes hold %d", tokens, s.limits.most(), limit*kv.PageTokens)
	}
	// A few pages more than those of the tokens, so that sequences which share a page can part.
	s.fullPages = int(min(int64(pages+s.sequences), limit))
	return nil
}

// pageBytes is the size of a page of keys, or of values, of one layer.
func (s *sizes) pageBytes() int64 {
	return kv.PageTokens * int64(s.cfg.KVDim()) * s.kvType.bytes()
}

// passTokens is the number of tokens before a position that its keys and values in sliding layers depend on, each layer on window-1
// positions of the one below.
func (s *sizes) passTokens() int { return (s.cfg.Window - 1) * s.cfg.SlidingLayers() }

// tableEntries is the number of pages that one table names.
func (s *sizes) tableEntries() int { return pagesOf(s.context) }

func pagesOf(tokens int) int { return (tokens + kv.PageTokens - 1) / kv.PageTokens }

// stepBytes is the size of a step buffer: its rows, then a table for full and one for sliding layers per text.
func (s *sizes) stepBytes(rows, texts int) int64 {
	return int64(rows)*kernel.StepRowBytes + int64(texts)*2*int64(s.tableEntries())*4
}

// prefillClasses are the row counts that prefill programs are recorded for: a chunk takes the smallest that holds it.
var prefillClasses = [...]int{16, 32, 128, 512, 2048}

// prefillClass is the row count of the program for n rows.
func (s *sizes) prefillClass(n int) int {
	if s.oneClass || s.deterministic {
		return s.chunk
	}
	for _, c := range prefillClasses {
		if n <= c {
			return min(c, s.chunk)
		}
	}
	return s.chunk
}

// denseTile is the tile of the products with one matrix of a class.
func (s *sizes) denseTile(class int) kernel.Tile {
	return kernel.TileFor(class).WithMatrix(s.matrix, s.oneTerm, s.workgroup)
}

// expertTile is the tile of the products over experts of a class.
func (s *sizes) expertTile(class int) kernel.Tile {
	return kernel.ExpertTileFor(class, s.cfg.TopK, s.cfg.Experts).WithMatrix(s.matrix, s.oneTerm, s.workgroup)
}

// expertLists is the shape of the sorted assignments of a class.
func (s *sizes) expertLists(class int) kernel.ExpertLists {
	return kernel.ExpertLists{Rows: class, TopK: s.cfg.TopK, Experts: s.cfg.Experts, Height: s.expertTile(class).Height()}
}

// unsplit is the length up to which the attention of full layers is not divided: a text that short keeps no large device busy anyway.
const unsplit = 256

// splitsFor is the number of parts of the attention of full layers in a program for texts of at most so many positions.
func (s *sizes) splitsFor(positions int) int {
	switch {
	case s.deterministic:
		return kernel.AttnSplits(s.context)
	case positions <= unsplit:
		return 1
	}
	return kernel.AttnSplits(positions)
}

// attention is the shape of a layer's attention in decode.
func (s *sizes) attention(rows, splits int, sliding bool) kernel.AttnConfig {
	c := s.cfg
	return kernel.AttnConfig{
		Rows: rows, Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim, Splits: splits, Sliding: sliding, Window: c.Window,
		Sinks: s.vectors.sinks, Tables: kernel.TablesWord(s.rows), KVF16: s.kvType == F16,
	}
}

// prefillAttention is the shape of the attention of a kind of layer in a class.
func (s *sizes) prefillAttention(class, kind int) kernel.AttnPrefillConfig {
	c := s.cfg
	return kernel.AttnPrefillConfig{
		Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim, Window: [kinds]int{slidingLayer: c.Window}[kind], Sinks: s.vectors.sinks,
		Tables: kernel.TablesWord(s.chunk), KVF16: s.kvType == F16, Rows: class,
	}.WithMatrix(s.matrix, s.oneTerm, s.workgroup)
}

func (s *sizes) sampling(rows int) kernel.SampleConfig {
	return kernel.SampleConfig{Rows: rows, Vocab: s.cfg.Vocab, Ring: maxRun}
}

// groups says that a program of so many rows reads the weights of an expert once for all of them.
func (s *sizes) groups(rows int) bool { return rows >= s.groupFrom }

// Bounds from which on products of a batch are computed by matrices. Below, most rows of a matrix would be padding.
const (
	matrixRows  = 16 // of a batch
	matrixShare = 2  // of an expert, on average
)

// rowsTile is the tile of the unembedding of a batch; its Matrix is zero where UnembedDecode does that.
func (s *sizes) rowsTile(rows int) kernel.Tile { return s.byMatrices(rows, kernel.TileFor(rows)) }

// rowsExpertTile is the tile of the products of a batch over experts; its Matrix is zero where GateUpRows and DownRows compute them.
func (s *sizes) rowsExpertTile(rows int) kernel.Tile {
	if !s.groups(rows) || rows*s.cfg.TopK < matrixShare*s.cfg.Experts {
		return kernel.Tile{}
	}
	return s.byMatrices(rows, kernel.ExpertTileFor(rows, s.cfg.TopK, s.cfg.Experts))
}

// byMatrices makes the tile of a product of a batch one of matrices. Its activations always have two terms: what is drawn depends on them, and
// reading the weights takes longer than both.
func (s *sizes) byMatrices(rows int, t kernel.Tile) kernel.Tile {
	if rows < matrixRows {
		return t
	}
	return t.WithMatrix(s.matrix, false, s.workgroup)
}

// rowLists is the shape of the assignments of a batch, sorted by expert.
func (s *sizes) rowLists(rows int) kernel.ExpertLists {
	l := kernel.ExpertLists{Rows: rows, TopK: s.cfg.TopK, Experts: s.cfg.Experts, Height: rows}
	if t := s.rowsExpertTile(rows); usesMatrix(t) {
		l.Height = t.Height()
	}
	return l
}

func usesMatrix(t kernel.Tile) bool { return t.Matrix != (shaders.Matrix{}) }

// maskWords is the size of a bit set of all ids, in words.
func (s *sizes) maskWords() int { return (s.cfg.Vocab + 31) / 32 }

// paddedRows is the number of rows of the decode program for n sequences.
func (s *sizes) paddedRows(n int) int {
	rows := 1
	if s.deterministic {
		return s.rows
	}
	for rows < n {
		rows *= 2
	}
	return rows
}

// A large tensor lives in shards: buffers that each hold a range of its rows or experts and fit the device's binding limit.

// span is a range of rows or experts.
type span struct{ first, count int }

func (s span) shard() kernel.Shard { return kernel.Shard{First: s.first, Count: s.count} }

// limits are what a device allows of one buffer.
type limits struct {
	binding int64 // bytes bound at once
	buffer  int64 // bytes of a buffer
}

// most is the size of the largest buffer that can be bound whole.
func (l limits) most() int64 { return min(l.binding, l.buffer) }

// shardSpans divides total units of unitBytes among as few spans as the limits allow. Boundaries are multiples of align units.
func shardSpans(what string, total int, unitBytes int64, align int, l limits) ([]span, error) {
	limit := l.most()
	per := int(min(limit/unitBytes, int64(total)))
	if per < total {
		per -= per % align
	}
	if per == 0 {
		return nil, fmt.Errorf("model: %s: the device binds at most %d bytes, the smallest part of this tensor takes %d: use another adapter or raise the limit",
			what, limit, unitBytes*int64(align))
	}
	n := (total + per - 1) / per
	// Even spans: the last shard's dispatch should not be a stub.
	per = (total + n - 1) / n
	if per < total {
		per = (per + align - 1) / align * align
	}
	var spans []span
	for first := 0; first < total; first += per {
		spans = append(spans, span{first, min(per, total-first)})
	}
	return spans, nil
}

// vectorAlign is the number of bf16 elements to which each small vector of a layer is aligned.
const vectorAlign = 8

// vectorLayout places a layer's small vectors side by side in one buffer, in elements.
type vectorLayout struct {
	attnNorm   int // [Hidden]
	qkvBias    int // [QDim + 2*KVDim]
	sinks      int // [Heads]
	oBias      int // [Hidden]
	mlpNorm    int // [Hidden]
	routerBias int // [Experts]
	total      int
}

func newVectorLayout(c *gptoss.Config) vectorLayout {
	var l vectorLayout
	place := func(at *int, n int) {
		*at = l.total
		l.total += (n + vectorAlign - 1) / vectorAlign * vectorAlign
	}
	place(&l.attnNorm, c.Hidden)
	place(&l.qkvBias, c.QDim()+2*c.KVDim())
	place(&l.sinks, c.Heads)
	place(&l.oBias, c.Hidden)
	place(&l.mlpNorm, c.Hidden)
	place(&l.routerBias, c.Experts)
	return l
}

// masks is how many masks the device keeps; see keptMasks.
func (s *sizes) masks() int {
	return max(s.rows, int(min(keptMasks, s.limits.most()/(4*int64(s.maskWords())))))
}
