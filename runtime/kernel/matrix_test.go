package kernel

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
	"gossamer/runtime/testenv"
	"gossamer/shaders"
)

// rounded is by how much the product of an activation and a weight times 2^unit may be off because a tile's matrices have factors of f16.
func (t Tile) rounded(activation, weight float64, unit int) float64 {
	if t.Matrix == (shaders.Matrix{}) {
		return 0
	}
	activation, weight = math.Abs(activation), math.Abs(weight)
	const normal = 1.0 / (1 << 14) // smaller numbers of f16 may count as zero
	relative, small := 1.0/(1<<21), 1.0/(1<<11)
	if t.OneTerm {
		relative, small = 1.0/(1<<10), 1
	}
	off := activation*weight*relative + weight*normal/(1<<11)
	if activation < normal {
		off += activation * weight * small
	}
	if unit == bf16Unit && weight*(1<<bf16Unit) < normal {
		off += activation * weight
	}
	return off
}

// Limits of the root mean square of the errors, over the standard deviation of the results.
const (
	twoTermLimit = 2e-5
	oneTermLimit = 1e-3
)

// holds checks the deviation of a product by matrices.
func (t Tile) holds(tb testing.TB, deviation float64) {
	tb.Helper()
	limit := twoTermLimit
	switch {
	case t.Matrix == (shaders.Matrix{}):
		return
	case t.OneTerm:
		limit = oneTermLimit
	}
	if tb.Logf("rms/std %.2e", deviation); deviation > limit {
		tb.Errorf("rms/std is %.2e, want %.0e at most", deviation, limit)
	}
}

// newMatrixRig is a rig whose device multiplies matrices. Which one does is said by GOSSAMER_TEST_MATRICES=1: there t fails without.
func newMatrixRig(t *testing.T) rig {
	t.Helper()
	r := newRig(t)
	if r.dev.Caps().Variant.Matrix == (shaders.Matrix{}) {
		const reason = "this device does not multiply matrices: run make test-matrices"
		if os.Getenv("GOSSAMER_TEST_MATRICES") == "1" {
			testenv.Missing(t, reason)
		}
		t.Skip(reason)
	}
	return r
}

// matrixTiles are tiles by matrices: those that TileFor picks, and another one.
func (r rig) matrixTiles(oneTerm bool) (tiles []Tile) {
	caps := r.dev.Caps()
	for _, t := range []Tile{TileFor(16), TileFor(128), TileFor(512), {X: 8, Y: 16, Rows: 8, Quads: 1}} {
		if m := t.WithMatrix(caps.Variant.Matrix, oneTerm, caps.MaxWorkgroupBytes); m.Matrix != (shaders.Matrix{}) && !slices.Contains(tiles, m) {
			tiles = append(tiles, m)
		}
	}
	return tiles
}

func TestGemmBF16Matrices(t *testing.T) {
	r := newMatrixRig(t)
	for _, oneTerm := range []bool{false, true} {
		for i, tile := range r.matrixTiles(oneTerm) {
			if oneTerm && i > 0 { // its products are a part of those of two terms
				break
			}
			t.Run(fmt.Sprintf("%dx%d/OneTerm=%v", tile.Height(), tile.width(), oneTerm), func(t *testing.T) {
				r := rig{t, r.dev}
				gemmCase{GemmBF16Config{K: 72, Stride: tile.width() + 9, Bias: 8, Tile: tile}, tile.Height() + 3, tile.Height() + 2, nil}.check(r)
			})
		}
	}
	tile := r.matrixTiles(false)[0]
	for _, c := range []gemmCase{
		{GemmBF16Config{K: 8, Stride: 1, Tile: tile}, 1, 1, nil},
		{GemmBF16Config{K: 64, Stride: 200, Bias: 16, Residual: true, Tile: tile}, 20, 18, []int{32, 33, 190}},
		{GemmBF16Config{K: 2880, Stride: 33, Bias: NoBias, Tile: tile}, 3, 3, nil},
	} {
		t.Run(fmt.Sprintf("K%dStride%dRows%d", c.K, c.Stride, c.n), func(t *testing.T) { c.check(rig{t, r.dev}) })
	}
}

func TestGemmBF16MatricesRandomShapes(t *testing.T) {
	r := newMatrixRig(t)
	randomShapes(t, func(rt *rapid.T) gemmCase {
		c := drawGemm(rt)
		c.Tile = rapid.SampledFrom(r.matrixTiles(rapid.Bool().Draw(rt, "one term"))).Draw(rt, "matrix tile")
		return c
	}, func(r rig, c gemmCase) { c.check(r) })
}

// Activations of every magnitude that a half has, and beyond, against weights of one and its neighbours.
func TestMatricesKeepMagnitudes(t *testing.T) {
	r := newMatrixRig(t)
	const k, cols = 32, 8
	for _, tile := range r.matrixTiles(false) {
		rows := 48
		c := GemmBF16Config{K: k, Stride: cols, Bias: NoBias, Tile: tile}
		kernel, err := NewGemmBF16(r.dev, c)
		r.must(err)
		x, w := make([]float32, rows*k), make([]float32, cols*k)
		want := make([]near, rows*cols)
		for row := range rows {
			x[row*k+row%k] = float32(math.Ldexp(1+numbers(1).at(row), row-32))
			if row == rows-1 {
				x[row*k+row%k] = 65504
			}
		}
		for i := range w {
			w[i] = []float32{1, 1.5, -0.0078125, 100, 1.0 / (1 << 20), 3, -7, 1}[i/k]
		}
		for row := range rows {
			for col := range cols {
				a, b := float64(x[row*k+row%k]), float64(w[col*k+row%k])
				want[row*cols+col] = near{a * b, tile.rounded(a, b, bf16Unit)}
			}
		}
		a := GemmBF16Args{Chunk: r.chunk(rows), X: r.floats("x", x), W: r.bf16("w", w), Vectors: r.empty("vectors", 8), Out: r.empty("out", rows*cols)}
		r.run(func(p *gpu.Program) error { return kernel.Record(p, Shard{0, cols}, rows, a) })
		compare(t, fmt.Sprintf("out of %dx%d", tile.Height(), tile.width()), r.readWords(a.Out, rows*cols), want)
		kernel.Release()
	}
}

func TestMoEMatrices(t *testing.T) {
	r := newMatrixRig(t)
	for name, c := range moeCases() {
		for i, tile := range r.matrixTiles(false) {
			if i > 0 && name != "ManyTiles" || !slices.Contains([]string{"OneRow", "NoRows", "ManyTiles", "Shards", "OddScaleRows", "Clamped"}, name) {
				continue // a driver that compiles for processors takes seconds a shape
			}
			c.tile = tile
			t.Run(fmt.Sprintf("%s/%dx%d", name, tile.Height(), tile.width()), func(t *testing.T) {
				c.checkGateUp(rig{t, r.dev})
				c.checkDown(rig{t, r.dev})
			})
		}
	}
}

func TestMoEMatricesRandomShapes(t *testing.T) {
	r := newMatrixRig(t)
	randomShapes(t, func(rt *rapid.T) moeCase {
		c := drawMoE(rt)
		c.tile = rapid.SampledFrom(r.matrixTiles(rapid.Bool().Draw(rt, "one term"))).Draw(rt, "matrix tile")
		return c
	}, func(r rig, c moeCase) {
		c.checkGateUp(r)
		c.checkDown(r)
	})
}

func TestMoEMatricesDecodeExactly(t *testing.T) {
	r := newMatrixRig(t)
	checkDecodesExactly(r, r.matrixTiles(false)[0])
}

func TestAttnPrefillMatrices(t *testing.T) {
	r := newMatrixRig(t)
	caps := r.dev.Caps()
	for _, tt := range []struct {
		name string
		cacheCase
		size float64
	}{
		{"TilesSplitRows", cacheCase{heads: 6, kvHeads: 2, headDim: 64, f16: true, rows: 40, n: 37, start: 3}, 1},
		{"ChunkAfterContext", cacheCase{heads: 8, kvHeads: 1, headDim: 64, f16: true, rows: 10, n: 10, start: 250}, 1},
		{"WindowInsidePages", cacheCase{heads: 4, kvHeads: 1, headDim: 64, f16: true, window: 128, rows: 20, n: 20, start: 370}, 1},
		{"WindowOfOne", cacheCase{heads: 2, kvHeads: 1, headDim: 64, f16: true, window: 1, rows: 40, n: 40, start: 60}, 1},
		{"LargeScores", cacheCase{heads: 4, kvHeads: 1, headDim: 64, f16: true, rows: 8, n: 8, start: 100}, 8},
		{"F32", cacheCase{heads: 8, kvHeads: 2, headDim: 64, rows: 20, n: 17, start: 115}, 1},
		{"F32LargeScores", cacheCase{heads: 4, kvHeads: 1, headDim: 64, rows: 8, n: 8, start: 100}, 8},
		{"SmallestHead", cacheCase{heads: 4, kvHeads: 2, headDim: 8, f16: true, rows: 9, n: 9, start: 70}, 1},
		{"HeadOf16", cacheCase{heads: 4, kvHeads: 2, headDim: 16, window: 8, rows: 40, n: 40, start: 70}, 1},
		{"HeadOf72InOneTerm", cacheCase{heads: 4, kvHeads: 2, headDim: 72, f16: true, rows: 5, n: 5, start: 70}, 1},
	} {
		for _, oneTerm := range []bool{false, true} {
			config := tt.attnPrefill().WithMatrix(caps.Variant.Matrix, oneTerm, caps.MaxWorkgroupBytes)
			if oneTerm != strings.Contains(tt.name, "OneTerm") && !(oneTerm && slices.Contains([]string{"ChunkAfterContext", "F32"}, tt.name)) {
				continue
			}
			t.Run(fmt.Sprintf("%s/OneTerm=%v", tt.name, oneTerm), func(t *testing.T) {
				if config.Matrix != caps.Variant.Matrix {
					t.Fatal("matrices are not used")
				}
				tt.checkAttnPrefill(rig{t, r.dev}, tt.size, config)
			})
		}
	}
}

func TestAttnPrefillMatricesRandomShapes(t *testing.T) {
	r := newMatrixRig(t)
	caps := r.dev.Caps()
	randomShapes(t, drawCache, func(r rig, c cacheCase) {
		c.checkAttnPrefill(r, 1, c.attnPrefill().WithMatrix(caps.Variant.Matrix, false, caps.MaxWorkgroupBytes))
	})
}

// Tiles for the shapes of matrices that devices are known to have: those that TileFor picks can be made of them, and keep their height where
// experts' lists depend on it.
func TestWithMatrix(t *testing.T) {
	for _, m := range []shaders.Matrix{
		{M: 16, N: 16, K: 16, Lanes: 32}, {M: 8, N: 8, K: 8, Lanes: 8}, {M: 8, N: 8, K: 8, Lanes: 32}, {M: 8, N: 16, K: 16, Lanes: 16},
		{M: 16, N: 8, K: 16, Lanes: 32}, {M: 16, N: 16, K: 16, Lanes: 64},
	} {
		for _, rows := range []int{16, 128, 512, 2048} {
			for _, bytes := range []int{32 << 10, 48 << 10} {
				tile := TileFor(rows).WithMatrix(m, false, bytes)
				if tile.Matrix != m || tile.matrixBytes() > bytes {
					t.Errorf("%+v, %d rows, %d bytes: got %+v of %d bytes", m, rows, bytes, tile, tile.matrixBytes())
					continue
				}
				if rows <= 512 && tile.Height() != TileFor(rows).Height() {
					t.Errorf("%+v, %d rows, %d bytes: the height is %d", m, rows, bytes, tile.Height())
				}
				v := shaders.Variant{Dialect: shaders.Tint, F16: true, Subgroups: true, Matrix: m}
				if _, err := (GemmBF16Config{K: 64, Stride: 64, Bias: NoBias, Tile: tile}).shader(v); err != nil {
					t.Error(err)
				}
			}
		}
	}
	all, err := All(shaders.Variant{Dialect: shaders.Tint, F16: true, Subgroups: true, Matrix: shaders.Matrix{M: 16, N: 16, K: 16, Lanes: 32}})
	all = slices.DeleteFunc(all, func(s shaders.Shader) bool { return !strings.Contains(s.Source, "subgroup_matrix_left") })
	if err != nil || len(all) < 15 {
		t.Errorf("%d kernels by matrices, %v", len(all), err)
	}
	if tile := TileFor(16).WithMatrix(shaders.Matrix{}, false, 1<<20); tile != TileFor(16) {
		t.Errorf("without matrices: %+v", tile)
	}
	if tile := TileFor(16).WithMatrix(shaders.Matrix{M: 8, N: 8, K: 8, Lanes: 32}, false, 1000); tile != TileFor(16) {
		t.Errorf("without memory: %+v", tile)
	}
	tile := TileFor(16).WithMatrix(shaders.Matrix{M: 8, N: 8, K: 8, Lanes: 32}, false, 1<<20)
	_, err = GemmBF16Config{K: 8, Stride: 1, Bias: NoBias, Tile: tile}.shader(shaders.Variant{})
	if err == nil || !strings.Contains(err.Error(), "a tile of matrices") {
		t.Errorf("on a device without: %v", err)
	}
}

// Heads that a workgroup's memory holds are computed by matrices, larger ones by numbers, as on devices without matrices.
func TestAttnPrefillWithMatrix(t *testing.T) {
	m := shaders.Matrix{M: 16, N: 16, K: 16, Lanes: 32}
	for _, tt := range []struct {
		headDim      int
		f16, oneTerm bool
		bytes        int
		want         bool
	}{
		{64, true, false, 32 << 10, true},
		{64, false, false, 32 << 10, true},
		{64, true, false, 16 << 10, false},
		{8, true, false, 32 << 10, true},
		{40, false, false, 32 << 10, true},
		{72, true, false, 32 << 10, false},
		{72, true, true, 32 << 10, true},
		{72, false, false, 48 << 10, true},
		{128, true, false, 48 << 10, true},
		{128, false, false, 48 << 10, false},
		{128, false, true, 48 << 10, true},
		{256, true, true, 48 << 10, false},
	} {
		c := AttnPrefillConfig{Heads: 4, KVHeads: 2, HeadDim: tt.headDim, KVF16: tt.f16, Rows: 64}
		with := c.WithMatrix(m, tt.oneTerm, tt.bytes)
		if got := with.Matrix == m; got != tt.want || !got && with != c {
			t.Errorf("%+v: %+v", tt, with)
		}
		if _, err := with.shader(shaders.Variant{Dialect: shaders.Tint, F16: true, Subgroups: true, Matrix: m}); err != nil {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	c := AttnPrefillConfig{Heads: 4, KVHeads: 2, HeadDim: 64, KVF16: true, Rows: 64}
	if with := c.WithMatrix(shaders.Matrix{M: 16, N: 16, K: 16, Lanes: 256}, false, 48<<10); with != c {
		t.Errorf("of subgroups larger than its workgroup: %+v", with)
	}
	_, err := c.WithMatrix(m, false, 48<<10).shader(shaders.Variant{})
	if err == nil || !strings.Contains(err.Error(), "a Matrix that the device has") {
		t.Errorf("on a device without: %v", err)
	}
}
