package ref

import (
	"math"
	"slices"

	"gossamer/runtime/tensor"
)

// This file holds the operations of the forward pass. Each works on plain slices, row-major, and allocates nothing.
//
// Activations are float64: in scalar code that costs the same as float32, and the rounding of this package is negligible
// when a kernel is compared with it. Parameters are float32, exact for every stored format. avx2_amd64.s has the innermost loops again.

// rmsNorm divides x by its root mean square and multiplies by scale. y, x and scale are [width]; y may be x.
// (gpt-oss/torch/model.py rmsNorm)
func rmsNorm(y, x []float64, scale []float32, eps float64) {
	var sum float64
	for _, v := range x {
		sum += v * v
	}
	r := 1 / math.Sqrt(sum/float64(len(x))+eps)
	for i, v := range x {
		y[i] = v * r * float64(scale[i])
	}
}

// linear is y = x Wᵀ + b, with W in the form in which the checkpoint stores it.
type linear struct {
	Rows, Cols int
	BF16       []uint16  // [Rows][Cols], or nil where W is MXFP4:
	Blocks     []byte    // [Rows][Cols/32][16], low nibble first
	Scales     []byte    // [Rows][Cols/32]
	Bias       []float32 // [Rows], or nil
}

// row decodes W[row][col : col+len(dst)]. For MXFP4, col and len(dst) are multiples of 32.
func (l *linear) row(dst []float64, row, col int) {
	i := row*l.Cols + col
	if l.BF16 != nil {
		for j, b := range l.BF16[i : i+len(dst)] {
			dst[j] = float64(tensor.FromBF16(b))
		}
		return
	}
	for b := range len(dst) / tensor.BlockValues {
		block := i/tensor.BlockValues + b
		decodeBlock((*[tensor.BlockValues]float64)(dst[b*tensor.BlockValues:]),
			(*[tensor.BlockBytes]byte)(l.Blocks[block*tensor.BlockBytes:]), l.Scales[block])
	}
}

// decodeBlock is tensor.MXFP4ToF32 of one block, straight to float64 and by whole bytes: with one token, decoding the weights
// takes as long as multiplying them.
func decodeBlock(dst *[tensor.BlockValues]float64, codes *[tensor.BlockBytes]byte, scale byte) {
	s := float64(tensor.FromE8M0(scale))
	if hasAVX2 {
		decodeBlockAVX2(dst, codes, s/2)
		return
	}
	for j, c := range codes {
		pair := &e2m1Pairs[c]
		dst[2*j] = pair[0] * s
		dst[2*j+1] = pair[1] * s
	}
}

// e2m1Pairs is the two values of each byte of codes, the low nibble's first.
var e2m1Pairs = func() (t [256][2]float64) {
	e2m1 := [16]float64{0, 0.5, 1, 1.5, 2, 3, 4, 6, math.Copysign(0, -1), -0.5, -1, -1.5, -2, -3, -4, -6}
	for c := range t {
		t[c] = [2]float64{e2m1[c&15], e2m1[c>>4]}
	}
	return t
}()

// Tiles of matMul: what it works on at a time stays in the first-level cache, and a weight is decoded once for tileTokens tokens.
const (
	tileRows   = 4
	tileCols   = 256
	tileTokens = 64
)

// lanes are the sums that make an output: sum i is of the columns whose number is i modulo lanes, in ascending order. Processors with
// registers of four float64 add to all of them at once. Cols is a multiple of it.
const lanes = 4

// total adds the lanes, and the bias of row r.
func (l *linear) total(sum *[lanes]float64, r int) float64 {
	s := (sum[0] + sum[1]) + (sum[2] + sum[3])
	if l.Bias != nil {
		s += float64(l.Bias[r])
	}
	return s
}

// matMul computes the outputs lo to hi-1 of n tokens: y [n][Rows], x [n][Cols]. Each output is the same to the bit, whatever n, lo and hi
// are: a token's result does not depend on the other tokens.
func (l *linear) matMul(y, x []float64, n, lo, hi int) {
	if n == 1 && l.BF16 != nil {
		l.matVec(y, x, lo, hi)
		return
	}
	var w [tileRows][tileCols]float64
	var sums [tileTokens][tileRows][lanes]float64
	for first := 0; first < n; first += tileTokens {
		tokens := min(tileTokens, n-first)
		for r := lo; r < hi; r += tileRows {
			rows := min(tileRows, hi-r) // the rest of the tile is computed and not used
			clear(sums[:tokens])
			for c := 0; c < l.Cols; c += tileCols {
				cols := min(tileCols, l.Cols-c)
				for i := range rows {
					l.row(w[i][:cols], r+i, c)
				}
				for t := range tokens {
					accumulate(&sums[t], &w, x[(first+t)*l.Cols+c:][:cols])
				}
			}
			for t := range tokens {
				for i := range rows {
					y[(first+t)*l.Rows+r+i] = l.total(&sums[t][i], r+i)
				}
			}
		}
	}
}

// accumulate adds the products of x with tileRows rows of w. By far the most time is spent here.
func accumulate(sums *[tileRows][lanes]float64, w *[tileRows][tileCols]float64, x []float64) {
	if hasAVX2 {
		accumulateAVX2(sums, w, &x[0], len(x))
		return
	}
	w0, w1, w2, w3 := w[0][:len(x)], w[1][:len(x)], w[2][:len(x)], w[3][:len(x)]
	for lane := range lanes { // four rows, since so many independent sums hide the latency of an addition
		s0, s1, s2, s3 := sums[0][lane], sums[1][lane], sums[2][lane], sums[3][lane]
		for i := lane; i < len(x); i += lanes {
			v := x[i]
			s0 += w0[i] * v
			s1 += w1[i] * v
			s2 += w2[i] * v
			s3 += w3[i] * v
		}
		sums[0][lane], sums[1][lane], sums[2][lane], sums[3][lane] = s0, s1, s2, s3
	}
}

// bf16Scale brings scaledBF16 back to the value.
const bf16Scale = 0x1p896

// scaledBF16 is a finite bfloat16 divided by bf16Scale, exactly: its bits where a float64 has them, whose exponent counts from another zero.
// For numbers that are used once this is twice as fast as converting them.
func scaledBF16(b uint16) float64 {
	return math.Float64frombits(uint64(int64(int16(b))<<45) & 0x8fff_ffff_ffff_ffff)
}

// matVec is matMul of one token and a bfloat16 matrix, with the same results: x is multiplied by what the weights are divided by,
// which is exact while x is below 2^128, beyond which float32 ends.
func (l *linear) matVec(y, x []float64, lo, hi int) {
	const most = 16 * tileRows // rows that share a part of x
	var scaled [tileCols]float64
	for first := lo; first < hi; first += most {
		rows := min(most, hi-first)
		var sums [most][lanes]float64
		for c := 0; c < l.Cols; c += tileCols {
			cols := min(tileCols, l.Cols-c)
			for i, v := range x[c : c+cols] {
				scaled[i] = v * bf16Scale
			}
			for r := 0; r < rows; r += tileRows {
				var w [tileRows][]uint16 // the rest of the tile is computed and not used
				for i := range w {
					w[i] = l.BF16[(first+min(r+i, rows-1))*l.Cols+c:][:cols]
				}
				accumulateBF16((*[tileRows][lanes]float64)(sums[r:]), &w, scaled[:cols])
			}
		}
		for r := range rows {
			y[first+r] = l.total(&sums[r], first+r)
		}
	}
}

// accumulateBF16 is accumulate with scaled weights and x.
func accumulateBF16(sums *[tileRows][lanes]float64, w *[tileRows][]uint16, x []float64) {
	if hasAVX2 {
		accumulateBF16AVX2(sums, &w[0][0], &w[1][0], &w[2][0], &w[3][0], &x[0], len(x))
		return
	}
	w0, w1, w2, w3 := w[0][:len(x)], w[1][:len(x)], w[2][:len(x)], w[3][:len(x)]
	for lane := range lanes {
		s0, s1, s2, s3 := sums[0][lane], sums[1][lane], sums[2][lane], sums[3][lane]
		for i := lane; i < len(x); i += lanes {
			v := x[i]
			s0 += scaledBF16(w0[i]) * v
			s1 += scaledBF16(w1[i]) * v
			s2 += scaledBF16(w2[i]) * v
			s3 += scaledBF16(w3[i]) * v
		}
		sums[0][lane], sums[1][lane], sums[2][lane], sums[3][lane] = s0, s1, s2, s3
	}
}

// rope rotates every head of x, [heads][headDim], by the angles of one position: cosSin [headDim/2][2] from
// gptoss.Config.RopeTable. Pair i is elements i and i + headDim/2.
func rope(x []float64, cosSin []float32) {
	half := len(cosSin) / 2
	for len(x) > 0 {
		first, second := x[:half], x[half:2*half]
		for i := range half {
			c, s := float64(cosSin[2*i]), float64(cosSin[2*i+1])
			a, b := first[i], second[i]
			first[i], second[i] = a*c-b*s, b*c+a*s
		}
		x = x[2*half:]
	}
}

// attention is the attention of one query head to n keys. out and q are [headDim], headDim a multiple of 4; key j is
// k[j*stride:][:headDim], value j likewise. The sink is a logit of its own, neither scaled nor rotated, without a value:
//
//	s_j = q·k_j / √headDim
//	out = Σ exp(s_j) v_j / (exp(sink) + Σ exp(s_j))
//
// One pass: everything is relative to the largest logit so far, the sink being the first.
func attention(out, q []float64, k, v []float32, stride, n int, sink float64) {
	scale := 1 / math.Sqrt(float64(len(q)))
	largest, total := sink, 1.0
	clear(out)
	for j := range n {
		s := scale * dot(q, k[j*stride:][:len(q)])
		if s > largest {
			shrink := math.Exp(largest - s)
			total *= shrink
			for i := range out {
				out[i] *= shrink
			}
			largest = s
		}
		w := math.Exp(s - largest)
		total += w
		for i, v := range v[j*stride:][:len(out)] {
			out[i] += w * float64(v)
		}
	}
	for i := range out {
		out[i] /= total
	}
}

// dot is a·b; their length is a multiple of 4.
func dot(a []float64, b []float32) float64 {
	var s0, s1, s2, s3 float64
	for len(a) >= 4 && len(b) >= 4 {
		s0 += a[0] * float64(b[0])
		s1 += a[1] * float64(b[1])
		s2 += a[2] * float64(b[2])
		s3 += a[3] * float64(b[3])
		a, b = a[4:], b[4:]
	}
	return (s0 + s1) + (s2 + s3)
}

// topK chooses the len(index) largest logits, largest first and the lower id first on ties, and the softmax over the chosen:
// logits [experts], index and weight [topK].
func topK(index []int32, weight, logits []float64) {
	for k := range index {
		best := -1
		for e, z := range logits {
			if !slices.Contains(index[:k], int32(e)) && (best < 0 || z > logits[best]) {
				best = e
			}
		}
		index[k] = int32(best)
	}
	var total float64
	for k, e := range index {
		weight[k] = math.Exp(logits[e] - logits[index[0]])
		total += weight[k]
	}
	for k := range weight {
		weight[k] /= total
	}
}

// swiGLU is the gated activation inside an expert: h [intermediate], gateUp [intermediate][2] with gate and up in turns. The
// gate is clamped from above only, and up gets 1 added. (gpt-oss/torch/model.py swiglu)
func swiGLU(h, gateUp []float64, limit, alpha float64) {
	for i := range h {
		gate := min(gateUp[2*i], limit)
		up := max(-limit, min(gateUp[2*i+1], limit))
		h[i] = gate / (1 + math.Exp(-alpha*gate)) * (up + 1)
	}
}
