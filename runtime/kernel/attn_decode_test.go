package kernel

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
	"gossamer/runtime/tensor"
)

type attnCase struct {
	batch
	heads, splits int
	scale         float64 // of queries and keys
}

func TestAttnDecode(t *testing.T) {
	for _, tt := range []struct {
		name string
		attnCase
	}{
		{"FirstPosition", attnCase{batch{rows: rowsAt(0), kvHeads: 1, headDim: 8}, 2, 1, 1}},
		{"SecondPosition", attnCase{batch{rows: rowsAt(1), kvHeads: 1, headDim: 64}, 8, 1, 1}},
		{"SingleTile", attnCase{batch{rows: rowsAt(63), kvHeads: 1, headDim: 64}, 8, 1, 1}},
		{"PartialTile", attnCase{batch{rows: rowsAt(64), kvHeads: 1, headDim: 64}, 8, 1, 1}},
		{"ManyRows", attnCase{batch{rows: rowsAt(0, 1, 31, 32, 127, 128, 129, 300), kvHeads: 2, headDim: 16}, 4, 1, 1}},
		{"MostRows", attnCase{batch{rows: rowsAt(manyPositions(32)...), kvHeads: 2, headDim: 16}, 4, 1, 1}},
		{"MostRowsInSplits", attnCase{batch{rows: rowsAt(manyPositions(32)...), kvHeads: 2, headDim: 64}, 8, 8, 1}},
		{"NoGroups", attnCase{batch{rows: rowsAt(40), kvHeads: 3, headDim: 16}, 3, 1, 1}},
		{"GroupOfThree", attnCase{batch{rows: rowsAt(140), kvHeads: 2, headDim: 64}, 6, 1, 1}},
		{"GroupInTwoPasses", attnCase{batch{rows: rowsAt(50), kvHeads: 2, headDim: 64}, 32, 1, 1}},
		{"GroupInUnequalPasses", attnCase{batch{rows: rowsAt(50), kvHeads: 2, headDim: 64}, 22, 2, 1}},
		{"SmallestHead", attnCase{batch{rows: rowsAt(70), kvHeads: 2, headDim: 8}, 8, 1, 1}},
		{"HeadOf24", attnCase{batch{rows: rowsAt(70), kvHeads: 2, headDim: 24}, 4, 2, 1}},
		{"HeadOf80", attnCase{batch{rows: rowsAt(70), kvHeads: 2, headDim: 80}, 4, 1, 1}},
		{"LargestHead", attnCase{batch{rows: rowsAt(70), kvHeads: 2, headDim: 256}, 4, 2, 1}},
		{"PageBoundary", attnCase{batch{rows: rowsAt(127, 128, 255, 256), kvHeads: 1, headDim: 32}, 2, 1, 1}},
		{"Splits", attnCase{batch{rows: rowsAt(255, 300, 511), kvHeads: 2, headDim: 64}, 8, 8, 1}},
		{"EmptySplits", attnCase{batch{rows: rowsAt(0, 31, 32, 100), kvHeads: 2, headDim: 64}, 8, 8, 1}},
		{"ManySplits", attnCase{batch{rows: rowsAt(2500), kvHeads: 1, headDim: 16}, 2, 64, 1}},
		{"PositionBeyond4096", attnCase{batch{rows: rowsAt(5000), kvHeads: 1, headDim: 64}, 2, 8, 1}},
		{"LastPosition", attnCase{batch{rows: rowsAt(131071), kvHeads: 1, headDim: 8}, 1, 64, 1}},
		{"WindowNotReached", attnCase{batch{rows: rowsAt(0, 126, 127), window: 128, kvHeads: 1, headDim: 32}, 4, 1, 1}},
		{"WindowEdge", attnCase{batch{rows: rowsAt(127, 128, 129), window: 128, kvHeads: 1, headDim: 32}, 4, 1, 1}},
		{"WindowInsidePages", attnCase{batch{rows: rowsAt(300, 4200), window: 128, kvHeads: 1, headDim: 32}, 4, 1, 1}},
		{"WindowOfOne", attnCase{batch{rows: rowsAt(0, 200), window: 1, kvHeads: 1, headDim: 8}, 2, 1, 1}},
		{"WindowOfEight", attnCase{batch{rows: rowsAt(6, 7, 8, 130), window: 8, kvHeads: 1, headDim: 8}, 2, 1, 1}},
		{"LargeScores", attnCase{batch{rows: rowsAt(100), kvHeads: 1, headDim: 64}, 4, 1, 8}},
		{"LargeScoresInSplits", attnCase{batch{rows: rowsAt(100), kvHeads: 1, headDim: 64}, 4, 4, 8}},
		{"EqualScores", attnCase{batch{rows: rowsAt(100), kvHeads: 1, headDim: 64}, 4, 1, 0}},
		{"F16", attnCase{batch{rows: rowsAt(5, 128), kvHeads: 2, headDim: 64, f16: true}, 16, 1, 1}},
		{"F16Splits", attnCase{batch{rows: rowsAt(5, 400), kvHeads: 2, headDim: 40, f16: true}, 4, 8, 1}},
		{"F16Window", attnCase{batch{rows: rowsAt(5, 400), window: 128, kvHeads: 2, headDim: 64, f16: true}, 4, 1, 1}},
		{"Unused", attnCase{batch{rows: []decodeRow{{position: 9}, {position: 9, flags: StepUnused}, {position: 3}}, kvHeads: 1, headDim: 8}, 2, 1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(newRig(t)) })
	}
}

func TestAttnDecodeRandomShapes(t *testing.T) {
	randomShapes(t, func(rt *rapid.T) attnCase {
		c := attnCase{
			batch: batch{
				rows:    drawRows(rt, 600),
				window:  rapid.SampledFrom([]int{0, 0, 1, 31, 128, 200}).Draw(rt, "window"),
				kvHeads: rapid.IntRange(1, 3).Draw(rt, "kv heads"),
				headDim: 8 * rapid.IntRange(1, 32).Draw(rt, "head dim/8"),
				f16:     rapid.Bool().Draw(rt, "f16"),
			},
			splits: 1,
			scale:  1,
		}
		c.heads = c.kvHeads * rapid.IntRange(1, 12).Draw(rt, "group")
		if c.window == 0 {
			c.splits = rapid.IntRange(1, 20).Draw(rt, "splits")
		}
		return c
	}, func(r rig, c attnCase) { c.check(r) })
}

func (c attnCase) check(r rig) {
	r.t.Helper()
	const sinksAt = 16
	cfg := AttnConfig{
		Rows: len(c.rows), Heads: c.heads, KVHeads: c.kvHeads, HeadDim: c.headDim, Splits: c.splits,
		Sliding: c.window > 0, Window: max(c.window, 1), Sinks: sinksAt, Tables: c.tables(), KVF16: c.f16,
	}
	k, err := NewAttnDecode(r.dev, cfg)
	r.must(err)
	defer k.Release()
	reduce, err := NewAttnReduce(r.dev, cfg)
	r.must(err)
	defer reduce.Release()

	n := len(c.rows) * c.heads * c.headDim
	q := numbers(1).floats(n, c.scale)
	vectors := numbers(2).floats(sinksAt+c.heads, 3)
	// Only what is visible is in the cache: all else is NaN.
	keys, values := c.seen(3, c.scale), c.seen(4, 2)
	bits := cacheCase{f16: c.f16}.cacheBits
	a := AttnArgs{
		Step: c.step(r), Q: r.floats("q", q), Vectors: r.bf16("vectors", vectors),
		K: r.words("k", bits(keys)), V: r.words("v", bits(values)), Out: r.empty("result", cfg.ResultFloats()),
	}
	ra := AttnReduceArgs{Partials: a.Out, Vectors: a.Vectors, A: a.Out}
	if c.splits > 1 {
		ra.A = r.empty("a", n)
	}
	got := r.twice(func() { r.fill(a.Out); r.fill(ra.A) }, func(p *gpu.Program) error {
		if err := k.Record(p, a); err != nil || c.splits == 1 {
			return err
		}
		return reduce.Record(p, ra)
	}, func() []uint32 { return r.readWords(ra.A, n) })

	var want []near
	for row, dr := range c.rows {
		for h := range c.heads {
			if dr.flags&StepUnused != 0 {
				want = append(want, slices.Repeat([]near{untouched}, c.headDim)...)
				continue
			}
			want = append(want, c.attention(row, h, q[(row*c.heads+h)*c.headDim:][:c.headDim], keys, values, float64(vectors[sinksAt+h]))...)
		}
	}
	compare(r.t, "a", got, want)
}

// attention is one head's output.
func (c attnCase) attention(row, h int, q, keys, values []float32, sink float64) []near {
	position, first := c.rows[row].position, c.visible(row)
	kvHead := h * c.kvHeads / c.heads
	scale := 1 / math.Sqrt(float64(c.headDim))
	scores := make([]float64, position+1)
	low, high := sink, sink
	off := 0.0 // the largest error of a score: its products and sums round
	for j := first; j <= position; j++ {
		var s sizes
		key := keys[c.index(row, j, kvHead):]
		for e, f := range q {
			s.add(float64(f) * float64(key[e]) * scale)
		}
		scores[j] = s.sum
		low, high = min(low, s.sum), max(high, s.sum)
		off = max(off, s.size*eps32*float64(8+c.headDim/8+3))
	}
	sum := math.Exp(sink - high)
	out := make([]sizes, c.headDim)
	for j := first; j <= position; j++ {
		w := math.Exp(scores[j] - high)
		sum += w
		value := values[c.index(row, j, kvHead):]
		for e := range out {
			out[e].add(w * float64(value[e]))
		}
	}
	// WGSL allows exp(x) an error of 3+2|x| units. A weight meets one exp of its own, one for each tile of its stream that raises
	// the maximum, and three in joining streams, splits and sink; the exponents of those add up to at most the range of the scores.
	// Sums and products round twice for every position of a stream, of which there are at least 4, and then once for every stream
	// and split. The same holds for the divisor.
	perStream := float64(position-first+1)/float64(4*c.splits) + 32
	rel := off + 2*eps32*(3*(perStream/2+4)+4*(high-low)) + eps32*(2*perStream+32+float64(c.splits)+8)
	want := make([]near, c.headDim)
	for e, s := range out {
		want[e] = near{s.sum / sum, 2*rel*s.size/sum + 1e-37}
	}
	return want
}

// seen returns an arena with random elements where rows see them, rounded to the arena's precision, and NaN elsewhere.
func (b batch) seen(s numbers, scale float64) []float32 {
	fs := slices.Repeat([]float32{float32(math.NaN())}, b.arena())
	random := s.floats(len(fs), scale)
	for row, dr := range b.rows {
		for j := b.visible(row); j <= dr.position; j++ {
			at := b.index(row, j, 0)
			copy(fs[at:at+b.kvHeads*b.headDim], random[at:])
		}
	}
	if b.f16 {
		half := make([]byte, 2*len(fs))
		tensor.F32ToF16(half, fs)
		tensor.F16ToF32(fs, half)
	}
	return fs
}
