package ref

import (
	"fmt"
	"testing"
)

// BenchmarkMatMul measures one core on a matrix of the published models' width, for one token and for a prefill chunk.
func BenchmarkMatMul(b *testing.B) {
	const rows, cols = 256, 2880
	bf16 := &linear{Rows: rows, Cols: cols, BF16: make([]uint16, rows*cols)}
	mxfp4 := &linear{Rows: rows, Cols: cols, Blocks: make([]byte, rows*cols/2), Scales: make([]byte, rows*cols/32)}
	for i := range bf16.BF16 {
		bf16.BF16[i] = 0x3f40 // 0.75
	}
	for i := range mxfp4.Blocks {
		mxfp4.Blocks[i] = byte(i)
	}
	for i := range mxfp4.Scales {
		mxfp4.Scales[i] = 127
	}
	for _, n := range []int{1, 64} {
		x := make([]float64, n*cols)
		for i := range x {
			x[i] = float64(i%7) - 3
		}
		y := make([]float64, n*rows)
		for _, w := range []struct {
			name string
			l    *linear
		}{{"bf16", bf16}, {"mxfp4", mxfp4}} {
			b.Run(fmt.Sprintf("%s/tokens=%d", w.name, n), func(b *testing.B) {
				for b.Loop() {
					w.l.matMul(y, x, n, 0, rows)
				}
				b.ReportMetric(float64(n)*rows*cols*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
			})
		}
	}
}

// BenchmarkAttention measures one head of the published models' size.
func BenchmarkAttention(b *testing.B) {
	const dim, keys = 64, 1024
	q, out := make([]float64, dim), make([]float64, dim)
	k, v := make([]float32, keys*dim), make([]float32, keys*dim)
	for i := range k {
		k[i], v[i] = float32(i%13)-6, float32(i%11)-5
	}
	for i := range q {
		q[i] = float64(i%3) - 1
	}
	for b.Loop() {
		attention(out, q, k, v, dim, keys, 0.5)
	}
	b.ReportMetric(2*dim*keys*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
}
