package kernel

import (
	"fmt"
	"maps"

	"gossamer/shaders"
)

// The prefill kernels work on a chunk: up to a number of rows, each one token, of one sequence. Their programs are recorded for that
// many rows and replayed for every chunk: a uniform of one u32, the Chunk binding of their arguments, holds the number n of rows in
// use, and rows from n on are neither read nor written.

// Tile is the part of a matrix product that a workgroup computes: X*Y invocations with Rows x 4*Quads sums each. X and Y are
// multiples of 8.
type Tile struct {
	X, Y, Rows, Quads int

	// Matrix is the shape of the matrices that subgroups multiply; the zero Matrix: invocations multiply numbers.
	Matrix shaders.Matrix
	// OneTerm rounds the rows of products by matrices to f16, in place of two terms of f16 each: the sums' error is then 2e-4 of their
	// standard deviation, not 1e-7.
	OneTerm bool
}

// Height is the number of rows of a tile.
func (t Tile) Height() int { return t.Y * t.Rows }

// width is the number of columns of a tile.
func (t Tile) width() int { return t.X * 4 * t.Quads }

// TileFor picks the tile for products of at most rows rows with one matrix. Large tiles read their factors less often; small ones
// waste less on padding rows and keep more of the device busy.
func TileFor(rows int) Tile {
	switch {
	case rows <= 16:
		return Tile{X: 16, Y: 8, Rows: 2, Quads: 2} // 16 x 128
	case rows <= 128:
		return Tile{X: 16, Y: 8, Rows: 4, Quads: 2} // 32 x 128
	case rows <= 512:
		return Tile{X: 16, Y: 16, Rows: 4, Quads: 2} // 64 x 128
	}
	return Tile{X: 16, Y: 16, Rows: 8, Quads: 2} // 128 x 128
}

// ExpertTileFor picks the tile for products over experts: it follows the number of rows that an expert gets on average, because a
// tile has rows of one expert only.
func ExpertTileFor(rows, topK, experts int) Tile {
	switch share := rows * topK / experts; {
	case share <= 24:
		return TileFor(16)
	case share <= 96:
		return TileFor(128)
	}
	return TileFor(512)
}

// tileBK is the depth of a tile: elements of both factors that are in workgroup memory at once (lib/tile.wgsl).
const tileBK = 16

// depth is the depth of the tile.
func (t Tile) depth() int {
	if t.Matrix != (shaders.Matrix{}) {
		return matrixDepth
	}
	return tileBK
}

func (t Tile) checks() []check {
	all := []check{
		{t.X > 0 && t.X%8 == 0 && t.Y > 0 && t.Y%8 == 0 && t.X*t.Y <= 256, "a Tile of X and Y multiples of 8, at most 256 invocations"},
		{t.Rows >= 1 && t.Rows <= 8 && t.Quads >= 1 && t.Quads <= 2, "a Tile of 1 to 8 Rows and 1 or 2 Quads"},
	}
	if t.Matrix == (shaders.Matrix{}) {
		return append(all, check{(t.Height()+t.width())*tileBK*4 <= 16384, "a Tile whose height and width are at most 256 together"})
	}
	_, ok := t.arrange()
	return append(all, check{ok, "a Tile whose quads its subgroups can divide into matrices"})
}

// build builds a kernel of products, whose weights are multiplied by 2^unit if they become f16. consts are its own constants.
func (t Tile) build(name string, v shaders.Variant, unit int, consts map[string]int) (shaders.Shader, error) {
	invocations := t.X * t.Y
	maps.Copy(consts, map[string]int{
		"WG": invocations, "TX": t.X, "TY": t.Y, "TM": t.Rows, "QUADS": t.Quads,
		"A_LOADS": ceilDiv(t.Height()*t.depth()/4, invocations),
		"B_LOADS": ceilDiv(t.width()*t.depth()/8, invocations),
	})
	if t.Matrix != (shaders.Matrix{}) {
		if t.Matrix != v.Matrix {
			return shaders.Shader{}, fmt.Errorf("%s: a tile of matrices %+v, the device has %+v", name, t.Matrix, v.Matrix)
		}
		maps.Copy(consts, t.matrixConsts(unit))
	}
	v.Matrix = t.Matrix
	return shaders.Build(name, v, consts)
}

// prefillShapes lists the prefill kernels in representative shapes, for All.
func prefillShapes() []config {
	const h, heads, kvHeads, dim, experts, topK = 2880, 64, 8, 64, 32, 4
	const qkv = (heads + 2*kvHeads) * dim
	shapes := []config{
		RMSNormConfig{Width: h, Eps: 1e-5},
		RMSNormConfig{Width: 8, Scale: 8, Eps: 1e-5},
		GemmBF16Config{K: 8, Stride: 1, Bias: NoBias, Tile: Tile{X: 8, Y: 8, Rows: 1, Quads: 1}},
		AttnPrefillConfig{Heads: 1, KVHeads: 1, HeadDim: 8, Rows: 1, Window: 1},
		AttnPrefillConfig{Heads: 4, KVHeads: 1, HeadDim: 256, Rows: 512, Sinks: 8, Tables: 8},
		RouteConfig{Experts: experts, TopK: topK},
		RouteConfig{Experts: 1, TopK: 1},
		CombineConfig{Hidden: h, TopK: topK},
	}
	for _, f16 := range []bool{false, true} {
		shapes = append(shapes,
			RopeKVConfig{Heads: heads, KVHeads: kvHeads, HeadDim: dim, Sliding: f16, KVF16: f16},
			AttnPrefillConfig{Heads: heads, KVHeads: kvHeads, HeadDim: dim, KVF16: f16, Rows: 512},
		)
	}
	for _, rows := range []int{16, 128, 512, 2048} {
		shapes = append(shapes,
			GemmBF16Config{K: h, Stride: qkv, Tile: TileFor(rows)},
			GemmBF16Config{K: heads * dim, Stride: h, Residual: true, Tile: TileFor(rows)},
		)
		t := ExpertTileFor(rows, topK, experts)
		l := ExpertLists{Rows: rows, TopK: topK, Experts: experts, Height: t.Height()}
		shapes = append(shapes,
			l,
			MoEGateUpConfig{Hidden: h, Intermediate: h, Limit: 7, Alpha: 1.702, Lists: l, Tile: t},
			MoEDownConfig{Hidden: h, Intermediate: h, Lists: l, Tile: t},
		)
	}
	return shapes
}
