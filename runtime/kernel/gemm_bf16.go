package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// NoBias is the Bias of a product without one.
const NoBias = -1

// GemmBF16Config is the shape of a product with a bf16 matrix.
type GemmBF16Config struct {
	K        int  // columns of the matrix, multiple of 8
	Stride   int  // elements of a row of Out: rows of the whole matrix
	Bias     int  // element of Vectors where the bias of the whole matrix begins, multiple of 8, or -1: there is none
	Residual bool // add to what Out holds
	Tile     Tile
}

// GemmBF16 multiplies rows with a bf16 matrix, one shard of its rows at a time.
type GemmBF16 struct {
	*pipeline
	c GemmBF16Config
}

// GemmBF16Args are the buffers of GemmBF16.
type GemmBF16Args struct {
	Chunk   *gpu.Buffer // uniform: rows in use
	X       *gpu.Buffer // f32 [rows][K]
	W       *gpu.Buffer // bf16 [shard.Count][K]
	Vectors *gpu.Buffer // bf16, Stride biases from element Bias; without a bias any buffer that is not Out
	Out     *gpu.Buffer // out, or in and out: f32 [rows][Stride]
}

func (c GemmBF16Config) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("gemm_bf16", append(c.Tile.checks(),
		check{c.K > 0 && c.K%8 == 0, "K a multiple of 8"},
		check{c.Stride > 0, "Stride above 0"},
		check{c.Bias == NoBias || c.Bias >= 0 && c.Bias%8 == 0, "Bias a multiple of 8, or -1: there is none"},
	)...); err != nil {
		return shaders.Shader{}, err
	}
	return c.Tile.build("gemm_bf16", v, bf16Unit, map[string]int{
		"K": c.K, "STRIDE": c.Stride, "HAS_BIAS": boolConst(c.Bias != NoBias), "BIAS": max(c.Bias, 0), "RESIDUAL": boolConst(c.Residual),
	})
}

// NewGemmBF16 compiles the kernel.
func NewGemmBF16(dev *gpu.Device, c GemmBF16Config) (*GemmBF16, error) {
	p, err := newPipeline(dev, c)
	return &GemmBF16{p, c}, err
}

// Record appends the product of at most rows rows with one shard of the matrix: columns s.First on of Out.
func (k *GemmBF16) Record(p *gpu.Program, s Shard, rows int, a GemmBF16Args) error {
	grid := [3]int{ceilDiv(s.Count, k.c.Tile.width()), ceilDiv(rows, k.c.Tile.Height()), 1}
	return k.record(p, grid, []uint32{uint32(s.First), uint32(s.Count)}, a.Chunk, a.X, a.W, a.Vectors, a.Out)
}
