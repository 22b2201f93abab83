package kernel

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
)

// gemmCase is one product, cut into shards at the rows of W in cuts.
type gemmCase struct {
	GemmBF16Config
	rows, n int
	cuts    []int
}

// check compares the product, added to poisoned or, with Residual, random outputs, and returns its bits.
func (c gemmCase) check(r rig) []uint32 {
	r.t.Helper()
	k, err := NewGemmBF16(r.dev, c.GemmBF16Config)
	r.must(err)
	defer k.Release()
	x := numbers(1).floats(c.rows*c.K, 2)
	w := numbers(2).floats(c.Stride*c.K, 1)
	vectors := numbers(3).floats(max(c.Bias, 0)+c.Stride, 4)
	var before []float32
	out := r.empty("out", c.rows*c.Stride)
	if c.Residual {
		before = numbers(4).floats(c.rows*c.Stride, 10)
		out = r.floats("out", before)
	}
	a := GemmBF16Args{Chunk: r.chunk(c.n), X: r.floats("x", x), Vectors: r.bf16("vectors", vectors), Out: out}
	reset := func() { r.fill(out) }
	if c.Residual {
		reset = func() { r.set(out, before) }
	}
	got := r.twice(reset, func(p *gpu.Program) error {
		for _, s := range shardsOf(c.Stride, c.cuts) {
			a.W = r.bf16("w", w[s.First*c.K:(s.First+s.Count)*c.K])
			if err := k.Record(p, s, c.rows, a); err != nil {
				return err
			}
		}
		return nil
	}, func() []uint32 { return r.readWords(out, c.rows*c.Stride) })

	want := make([]near, len(got))
	for row := range c.rows {
		for col := range c.Stride {
			at := row*c.Stride + col
			if row >= c.n {
				want[at] = untouched
				if c.Residual {
					want[at] = near{float64(before[at]), 0}
				}
				continue
			}
			sum, size, rounded := 0.0, 0.0, 0.0
			add := func(f float64) {
				sum += f
				size += math.Abs(f)
			}
			for k := range c.K {
				a, b := float64(x[row*c.K+k]), float64(w[col*c.K+k])
				add(a * b)
				rounded += c.Tile.rounded(a, b, bf16Unit)
			}
			if c.Bias != NoBias {
				add(float64(vectors[c.Bias+col]))
			}
			if c.Residual {
				add(float64(before[at]))
			}
			// Each of the K+2 terms meets at most K+3 roundings, if a device does not fuse product and sum.
			// Subnormals may count as zero.
			want[at] = near{sum, size*eps32*float64(c.K+3) + rounded + 1e-37}
		}
	}
	c.Tile.holds(r.t, compare(r.t, "out", got, want))
	return got
}

// testTiles are those that TileFor picks, and others that use each bound.
var testTiles = []Tile{TileFor(16), TileFor(128), TileFor(512), TileFor(2048), {X: 8, Y: 8, Rows: 1, Quads: 1},
	{X: 8, Y: 32, Rows: 3, Quads: 2}, {X: 16, Y: 16, Rows: 4, Quads: 1}, {X: 8, Y: 16, Rows: 8, Quads: 1}}

func TestGemmBF16(t *testing.T) {
	small := Tile{X: 8, Y: 8, Rows: 2, Quads: 1} // 16 x 32
	for _, tt := range []struct {
		name string
		gemmCase
	}{
		{"OneElement", gemmCase{GemmBF16Config{K: 8, Stride: 1, Tile: small}, 1, 1, nil}},
		{"SingleTile", gemmCase{GemmBF16Config{K: 16, Stride: 32, Tile: small}, 16, 16, nil}},
		{"PartialTile", gemmCase{GemmBF16Config{K: 16, Stride: 45, Tile: small}, 21, 21, nil}},
		{"PartialDepth", gemmCase{GemmBF16Config{K: 40, Stride: 33, Tile: small}, 17, 17, nil}},
		{"RowsOutOfUse", gemmCase{GemmBF16Config{K: 24, Stride: 40, Bias: 8, Tile: small}, 48, 5, nil}},
		{"NoRows", gemmCase{GemmBF16Config{K: 24, Stride: 40, Bias: 8, Tile: small}, 48, 0, nil}},
		{"NoBias", gemmCase{GemmBF16Config{K: 64, Stride: 40, Bias: NoBias, Tile: small}, 16, 16, nil}},
		{"Residual", gemmCase{GemmBF16Config{K: 64, Stride: 50, Bias: 16, Residual: true, Tile: small}, 20, 18, nil}},
		{"Shards", gemmCase{GemmBF16Config{K: 64, Stride: 100, Bias: 8, Tile: small}, 20, 20, []int{32, 33, 90}}},
		{"DeepSum", gemmCase{GemmBF16Config{K: 2880, Stride: 33, Tile: small}, 3, 3, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.check(newRig(t))
		})
	}
	for _, tile := range testTiles {
		t.Run(fmt.Sprintf("Tile%dx%d", tile.Height(), tile.width()), func(t *testing.T) {
			c := gemmCase{GemmBF16Config{K: 72, Stride: tile.width() + 9, Bias: 8, Tile: tile}, tile.Height() + 3, tile.Height() + 2, nil}
			c.check(newRig(t))
		})
	}
}

func drawGemm(rt *rapid.T) gemmCase {
	c := gemmCase{rows: rapid.IntRange(1, 70).Draw(rt, "rows")}
	c.n = rapid.IntRange(0, c.rows).Draw(rt, "n")
	c.K = 8 * rapid.IntRange(1, 30).Draw(rt, "K/8")
	c.Stride = rapid.IntRange(1, 150).Draw(rt, "stride")
	c.Bias = rapid.SampledFrom([]int{NoBias, 0, 24}).Draw(rt, "bias")
	c.Residual = rapid.Bool().Draw(rt, "residual")
	c.Tile = rapid.SampledFrom(testTiles).Draw(rt, "tile")
	c.cuts = []int{rapid.IntRange(0, c.Stride).Draw(rt, "cut")}
	return c
}

func TestGemmBF16RandomShapes(t *testing.T) {
	randomShapes(t, drawGemm, func(r rig, c gemmCase) { c.check(r) })
}

// A sum does not depend on how the product was cut into tiles and shards, so that models are reproducible whatever the device
// allows to be bound.
func TestGemmBF16ShardsAndTilesAgree(t *testing.T) {
	r := newRig(t)
	c := gemmCase{GemmBF16Config{K: 128, Stride: 150, Bias: 8, Tile: TileFor(512)}, 40, 40, nil}
	whole := c.check(r)
	c.cuts = []int{7, 64, 149}
	cut := c.check(r)
	equalBits(t, "out of shards", whole, cut)
	c.Tile = TileFor(16)
	other := c.check(r)
	equalBits(t, "out of small tiles", whole, other)
}

// A quarter of the q, k and v projection of the published models.
func BenchmarkGemmBF16(b *testing.B) {
	const k, cols = 2880, 1280
	dev := newRig(b).dev
	weights := numbers(1).floats(k*cols, 1)
	for _, rows := range []int{16, 32, 128} {
		for _, t := range []Tile{TileFor(16), TileFor(128), {X: 16, Y: 16, Rows: 4, Quads: 1}, TileFor(512), TileFor(2048)} {
			if t.Height() > rows {
				continue
			}
			b.Run(fmt.Sprintf("rows=%d/tile=%dx%d", rows, t.Height(), t.width()), func(b *testing.B) {
				r := rig{b, dev}
				kernel, err := NewGemmBF16(r.dev, GemmBF16Config{K: k, Stride: cols, Tile: t})
				r.must(err)
				b.Cleanup(kernel.Release)
				a := GemmBF16Args{
					Chunk: r.chunk(rows), X: r.floats("x", numbers(2).floats(rows*k, 1)), W: r.bf16("w", weights),
					Vectors: r.bf16("vectors", numbers(3).floats(cols, 1)), Out: r.empty("out", rows*cols),
				}
				p := r.program(func(p *gpu.Program) error { return kernel.Record(p, Shard{0, cols}, rows, a) })
				r.bench(p, 2*float64(rows)*k*cols)
			})
		}
	}
}
