package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// matrixDepth is the depth of tiles of matrices (lib/tile_matrix.wgsl).
const matrixDepth = 32

// Powers of two that weights are multiplied by to become f16, as exponents.
const (
	bf16Unit  = 4  // of bf16: those of published models lie far below 4,096, and are exact down to 2^-21
	mxfp4Unit = 14 // the decoder of MXFP4 leaves this factor out
)

// arrangement is how the subgroups of a workgroup divide a matrix of sums.
type arrangement struct {
	across     int // subgroups beside each other
	rows, cols int // matrices of a subgroup, one above the other and beside each other
}

// WithMatrix returns a tile for a device that multiplies matrices of this shape: t, or a part of it that its subgroups can divide into such
// and that fits into a workgroup's memory. Where there is none, and with the zero Matrix, it returns t.
func (t Tile) WithMatrix(m shaders.Matrix, oneTerm bool, workgroupBytes int) Tile {
	for rows := t.Rows; rows > 0 && m != (shaders.Matrix{}); rows /= 2 {
		for quads := t.Quads; quads > 0; quads-- {
			part := Tile{X: t.X, Y: t.Y, Rows: rows, Quads: quads, Matrix: m, OneTerm: oneTerm}
			if _, ok := part.arrange(); ok && part.matrixBytes() <= workgroupBytes {
				return part
			}
		}
	}
	return t
}

// matrixBytes is the memory of a workgroup.
func (t Tile) matrixBytes() int {
	const pitch = matrixDepth + 8
	terms := 2
	if t.OneTerm {
		terms = 1
	}
	return 2*pitch*(terms*t.Height()+t.width()) + 4*t.width() + 4*t.Height()*4*t.X
}

// arrange divides a quad of columns among the subgroups.
func (t Tile) arrange() (arrangement, bool) { return divide(t.Height(), 4*t.X, t.X*t.Y, t.Matrix) }

// divide divides sums of some rows and columns among the subgroups of a workgroup, so that they load as few matrices of factors as possible.
func divide(rows, cols, invocations int, m shaders.Matrix) (best arrangement, ok bool) {
	if m.Lanes <= 0 || m.M <= 0 || m.N <= 0 || m.K <= 0 || invocations%m.Lanes != 0 || matrixDepth%m.K != 0 {
		return best, false
	}
	subgroups := invocations / m.Lanes
	for across := 1; across <= subgroups; across++ {
		down := subgroups / across
		if down*across != subgroups || rows%(down*m.M) != 0 || cols%(across*m.N) != 0 {
			continue
		}
		a := arrangement{across, rows / (down * m.M), cols / (across * m.N)}
		if !ok || a.rows+a.cols < best.rows+best.cols {
			best, ok = a, true
		}
	}
	return best, ok
}

// matrixConsts are the constants that lib/tile_matrix.wgsl has beside those of lib/tile.wgsl.
func (t Tile) matrixConsts(unit int) map[string]int {
	a, _ := t.arrange()
	return map[string]int{
		"UNIT": unit, "LOW": boolConst(!t.OneTerm), "LANES": t.Matrix.Lanes, "ACROSS": a.across,
		"MATRIX_M": t.Matrix.M, "MATRIX_N": t.Matrix.N, "MATRIX_K": t.Matrix.K, "MATRIX_ROWS": a.rows, "MATRIX_COLS": a.cols,
	}
}

// TryMatrices multiplies two small matrices by subgroups and returns an error if that fails or its result is off: drivers have such products
// as an experiment.
func TryMatrices(ctx context.Context, dev *gpu.Device, oneTerm bool) (err error) {
	const rows, k, cols = 16, 64, 128
	caps := dev.Caps()
	tile := TileFor(rows).WithMatrix(caps.Variant.Matrix, oneTerm, caps.MaxWorkgroupBytes)
	kernel, err := NewGemmBF16(dev, GemmBF16Config{K: k, Stride: cols, Bias: NoBias, Tile: tile})
	if err != nil {
		return err
	}
	defer kernel.Release()
	var x, w []byte
	for i := range rows * k {
		x = binary.LittleEndian.AppendUint32(x, math.Float32bits(trialActivation(i)))
	}
	for i := range cols * k {
		w = binary.LittleEndian.AppendUint16(w, uint16(math.Float32bits(trialWeight(i))>>16))
	}
	var a GemmBF16Args
	for _, b := range []struct {
		dst   **gpu.Buffer
		usage gpu.Usage
		data  []byte
	}{
		{&a.Chunk, gpu.Uniform, binary.LittleEndian.AppendUint32(make([]byte, 0, 16), rows)[:16]}, {&a.X, gpu.Storage, x}, {&a.W, gpu.Storage, w},
		{&a.Vectors, gpu.Storage, make([]byte, 16)}, {&a.Out, gpu.Storage, make([]byte, 4*rows*cols)},
	} {
		if *b.dst, err = dev.NewBuffer("trial of matrices", int64(len(b.data)), b.usage); err != nil {
			return err
		}
		defer (*b.dst).Release()
		if err := dev.Write(*b.dst, 0, b.data); err != nil {
			return err
		}
	}
	p := dev.NewProgram("trial of matrices")
	defer p.Release()
	if err := errors.Join(kernel.Record(p, Shard{0, cols}, rows, a), dev.Submit(ctx, p)); err != nil {
		return err
	}
	out := make([]byte, 4*rows*cols)
	if err := dev.Read(ctx, a.Out, 0, out); err != nil {
		return err
	}
	var off, size float64
	for i := range rows * cols {
		want := 0.0
		for j := range k {
			want += float64(trialActivation(i/cols*k+j)) * float64(trialWeight(i%cols*k+j))
		}
		got := float64(math.Float32frombits(binary.LittleEndian.Uint32(out[4*i:])))
		off, size = off+(got-want)*(got-want), size+want*want
	}
	limit := 2e-5
	if oneTerm {
		limit = 1e-3
	}
	if d := math.Sqrt(off / size); !(d <= limit) { // also if it is not a number
		return fmt.Errorf("kernel: matrices of subgroups come out wrong: they are off by %.1e, want %.0e at most", d, limit)
	}
	return nil
}

// trialActivation and trialWeight are numbers between -1 and 1: of all bits, and of those that bf16 has.
func trialActivation(i int) float32 {
	z := uint32(i+1) * 0x9e3779b9
	z = (z ^ z>>16) * 0x85ebca6b
	z = (z ^ z>>13) * 0xc2b2ae35
	return float32(int32(z^z>>16)) / (1 << 31)
}

func trialWeight(i int) float32 {
	return math.Float32frombits(math.Float32bits(trialActivation(i+1<<16)) &^ 0xffff)
}

// matrixShapes lists the kernels by matrices in representative shapes, for All.
func matrixShapes(m shaders.Matrix) (shapes []config) {
	const workgroupBytes = 32 << 10
	for _, c := range prefillShapes() {
		switch c := c.(type) {
		case GemmBF16Config:
			c.Tile = c.Tile.WithMatrix(m, false, workgroupBytes)
			shapes = append(shapes, c)
		case MoEGateUpConfig:
			c.Tile = c.Tile.WithMatrix(m, false, workgroupBytes)
			c.Lists.Height = c.Tile.Height()
			shapes = append(shapes, c)
		case MoEDownConfig:
			c.Tile = c.Tile.WithMatrix(m, false, workgroupBytes)
			c.Lists.Height = c.Tile.Height()
			shapes = append(shapes, c)
		case AttnPrefillConfig:
			shapes = append(shapes, c.WithMatrix(m, false, workgroupBytes))
		}
	}
	return shapes
}
