package kernel

import "gossamer/shaders"

// matrixDepth is the depth of tiles of matrices (lib/tile_matrix.wgsl).
const matrixDepth = 32

// Powers of two that weights are multiplied by to become f16, as exponents.
const (
	bf16Unit  = 4  // of bf16: those of published models lie far below 4,096, and are exact down to 2^-21
	mxfp4Unit = 14 // the decoder of MXFP4 leaves this factor out
)

// arrangement is how the subgroups of a workgroup divide the sums of a quad of columns.
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

// arrange divides a quad so that the subgroups load as few matrices of factors as possible.
func (t Tile) arrange() (best arrangement, ok bool) {
	m := t.Matrix
	if m.Lanes <= 0 || m.M <= 0 || m.N <= 0 || m.K <= 0 || t.X*t.Y%m.Lanes != 0 || matrixDepth%m.K != 0 {
		return best, false
	}
	subgroups := t.X * t.Y / m.Lanes
	for across := 1; across <= subgroups; across++ {
		down := subgroups / across
		if down*across != subgroups || t.Height()%(down*m.M) != 0 || 4*t.X%(across*m.N) != 0 {
			continue
		}
		a := arrangement{across, t.Height() / (down * m.M), 4 * t.X / (across * m.N)}
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
