package kernel

import (
	"math"
	"testing"

	"gossamer/runtime/gpu"
	"gossamer/runtime/tensor"
)

func TestAttnPrefill(t *testing.T) {
	for _, tt := range []struct {
		name string
		cacheCase
		size float64 // of queries and keys
	}{
		{"OneRow", cacheCase{heads: 2, kvHeads: 1, headDim: 8, rows: 1, n: 1}, 1},
		{"NoGroups", cacheCase{heads: 3, kvHeads: 3, headDim: 16, rows: 20, n: 20}, 1},
		{"SingleTile", cacheCase{heads: 8, kvHeads: 1, headDim: 64, rows: 2, n: 2, start: 30}, 1},
		{"PartialTile", cacheCase{heads: 8, kvHeads: 2, headDim: 64, rows: 9, n: 9}, 1},
		{"TilesSplitRows", cacheCase{heads: 6, kvHeads: 2, headDim: 32, rows: 40, n: 40, start: 3}, 1},
		{"RowsOutOfUse", cacheCase{heads: 8, kvHeads: 2, headDim: 64, rows: 33, n: 4, start: 10}, 1},
		{"NoRows", cacheCase{heads: 8, kvHeads: 2, headDim: 64, rows: 4, n: 0, start: 10}, 1},
		{"ChunkAfterContext", cacheCase{heads: 8, kvHeads: 1, headDim: 64, rows: 10, n: 10, start: 300}, 1},
		{"PageBoundary", cacheCase{heads: 4, kvHeads: 1, headDim: 32, rows: 10, n: 10, start: 250}, 1},
		{"WholePages", cacheCase{heads: 4, kvHeads: 1, headDim: 32, rows: 16, n: 16, start: 240}, 1},
		{"WindowNotReached", cacheCase{heads: 4, kvHeads: 1, headDim: 32, window: 128, rows: 8, n: 8}, 1},
		{"WindowEdge", cacheCase{heads: 4, kvHeads: 1, headDim: 32, window: 128, rows: 8, n: 8, start: 124}, 1},
		{"WindowInsidePages", cacheCase{heads: 4, kvHeads: 1, headDim: 32, window: 128, rows: 40, n: 40, start: 370}, 1},
		{"WindowOfOne", cacheCase{heads: 2, kvHeads: 1, headDim: 8, window: 1, rows: 40, n: 40, start: 60}, 1},
		{"WindowOfAKeyTile", cacheCase{heads: 2, kvHeads: 1, headDim: 8, window: 32, rows: 40, n: 40, start: 60}, 1},
		{"SmallestHead", cacheCase{heads: 4, kvHeads: 2, headDim: 8, rows: 5, n: 5, start: 70}, 1},
		{"HeadOf24", cacheCase{heads: 4, kvHeads: 2, headDim: 24, rows: 5, n: 5, start: 70}, 1},
		{"HeadOf80", cacheCase{heads: 4, kvHeads: 2, headDim: 80, rows: 5, n: 5, start: 70}, 1},
		{"LargestHead", cacheCase{heads: 4, kvHeads: 2, headDim: 256, rows: 5, n: 5, start: 70}, 1},
		{"TwoQueriesAnInvocation", cacheCase{heads: 8, kvHeads: 1, headDim: 64, rows: 100, n: 50, start: 20}, 1},
		{"FourQueriesAnInvocation", cacheCase{heads: 8, kvHeads: 1, headDim: 64, rows: 200, n: 70, start: 20}, 1},
		{"FourQueriesOfLargeHeads", cacheCase{heads: 8, kvHeads: 1, headDim: 192, rows: 200, n: 20, start: 20}, 1},
		{"LargeScores", cacheCase{heads: 4, kvHeads: 1, headDim: 64, rows: 8, n: 8, start: 100}, 8},
		{"EqualScores", cacheCase{heads: 4, kvHeads: 1, headDim: 64, rows: 8, n: 8, start: 100}, 0},
		{"F16", cacheCase{heads: 8, kvHeads: 2, headDim: 64, f16: true, rows: 10, n: 7, start: 125}, 1},
		{"F16Window", cacheCase{heads: 8, kvHeads: 2, headDim: 40, f16: true, window: 50, rows: 10, n: 7, start: 125}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.checkAttnPrefill(newRig(t), tt.size, tt.attnPrefill()) })
	}
}

func TestAttnPrefillRandomShapes(t *testing.T) {
	randomShapes(t, drawCache, func(r rig, c cacheCase) { c.checkAttnPrefill(r, 1, c.attnPrefill()) })
}

const sinksAt = 16

// attnPrefill is the kernel's shape.
func (c cacheCase) attnPrefill() AttnPrefillConfig {
	return AttnPrefillConfig{
		Heads: c.heads, KVHeads: c.kvHeads, HeadDim: c.headDim, Window: c.window, Sinks: sinksAt, Tables: c.tables(), KVF16: c.f16, Rows: c.rows,
	}
}

func (c cacheCase) checkAttnPrefill(r rig, size float64, config AttnPrefillConfig) {
	r.t.Helper()
	k, err := NewAttnPrefill(r.dev, config)
	r.must(err)
	defer k.Release()
	q := numbers(1).floats(c.rows*c.heads*c.headDim, size)
	vectors := numbers(2).floats(sinksAt+c.heads, 3)
	// Only what is visible is in the cache: all else is NaN.
	keys, values := c.cache(3, size), c.cache(4, 2)
	a := AttnPrefillArgs{
		Chunk: r.chunk(c.n), Step: c.step(r), Q: r.floats("q", q), Vectors: r.bf16("vectors", vectors),
		KCache: r.words("k", c.cacheBits(keys)), VCache: r.words("v", c.cacheBits(values)), Out: r.empty("a", len(q)),
	}
	got := r.twice(func() { r.fill(a.Out) }, func(p *gpu.Program) error { return k.Record(p, a) },
		func() []uint32 { return r.readWords(a.Out, len(q)) })

	want := make([]near, len(q))
	for i := range want {
		want[i] = untouched
	}
	scale := 1 / math.Sqrt(float64(c.headDim))
	tile := Tile{Matrix: config.Matrix, OneTerm: config.OneTerm}
	rounding := func(own, cached float64) float64 { // of a product with what is in the cache
		n := tile.rounded(own, cached, 0)
		if !c.f16 {
			n += tile.rounded(cached, own, 0)
		}
		return n
	}
	for row := range c.n {
		position := c.start + row
		first := c.firstKey(row)
		for h := range c.heads {
			query := q[(row*c.heads+h)*c.headDim:][:c.headDim]
			sink := float64(vectors[sinksAt+h])
			scores := make([]float64, position+1)
			low, high := sink, sink
			off := 0.0 // the largest error of a score: its products and sums round
			for j := first; j <= position; j++ {
				size, rounded := 0.0, 0.0
				key := keys[c.cacheIndex(j, h*c.kvHeads/c.heads):]
				for e, f := range query {
					scores[j] += float64(f) * float64(key[e]) * scale
					size += math.Abs(float64(f) * float64(key[e]) * scale)
					rounded += rounding(float64(f)*scale, float64(key[e]))
				}
				low, high = min(low, scores[j]), max(high, scores[j])
				off = max(off, size*eps32*float64(c.headDim+4)+rounded)
			}
			sum := math.Exp(sink - high)
			out := make([]float64, c.headDim)
			outSize, outRounded := make([]float64, c.headDim), make([]float64, c.headDim)
			for j := first; j <= position; j++ {
				w := math.Exp(scores[j] - high)
				sum += w
				value := values[c.cacheIndex(j, h*c.kvHeads/c.heads):]
				for e := range out {
					out[e] += w * float64(value[e])
					outSize[e] += w * math.Abs(float64(value[e]))
					outRounded[e] += rounding(w, float64(value[e]))
				}
			}
			// WGSL allows exp(x) an error of 3+2|x| units. A weight meets one exp of its own and one for every tile of keys
			// that raises the maximum; the exponents of those add up to at most the range of the scores. Sums and products
			// round once for every key and tile. The same holds for the divisor.
			tiles := float64((position-first)/32 + 2)
			rel := off + 2*eps32*(3*(tiles+1)+4*(high-low)) + eps32*(float64(position-first)+2*tiles+8)
			for e := range out {
				want[(row*c.heads+h)*c.headDim+e] = near{out[e] / sum, (2*rel*outSize[e]+2*outRounded[e])/sum + 1e-37}
			}
		}
	}
	tile.holds(r.t, compare(r.t, "a", got, want))
}

// firstKey is the first position that the chunk's row sees.
func (c cacheCase) firstKey(row int) int {
	if c.window == 0 {
		return 0
	}
	return max(0, c.start+row-c.window+1)
}

// cache returns an arena with random elements in all positions that the chunk's rows see, and NaN elsewhere.
func (c cacheCase) cache(s numbers, size float64) []float32 {
	fs := make([]float32, c.cacheLen())
	for i := range fs {
		fs[i] = float32(math.NaN())
	}
	random := s.floats(len(fs), size)
	for j := c.firstKey(0); j < c.start+c.n; j++ {
		at := c.cacheIndex(j, 0)
		copy(fs[at:at+c.kvHeads*c.headDim], random[at:])
	}
	if c.f16 {
		for i, f := range fs {
			fs[i] = tensor.FromF16(tensor.ToF16(f))
		}
	}
	return fs
}
