// Package random makes random weights, for tests and to try a model's size before its weights are there. They follow from
// configuration and seed alone, bit for bit on every machine, and each element can be computed by itself.
package random

import (
	"encoding/binary"
	"hash/fnv"
	"math"

	"gossamer/runtime/gptoss"
	"gossamer/runtime/tensor"
)

// Fill writes the bytes of t from off to off+len(p). off must be a multiple of 8.
//
// Weights are about normally distributed (the sum of four uniform numbers), with deviations that keep activations near 1 and
// let some gates reach the SwiGLU limit; MXFP4 codes are uniform, so that all of them occur.
func Fill(p []byte, c *gptoss.Config, t gptoss.TensorSpec, seed uint64, off int64) {
	h := fnv.New64a()
	h.Write([]byte(t.Name))
	key := mix(seed ^ h.Sum64())
	word := func(i int64) uint64 { return mix(key + uint64(i)*0x9e3779b97f4a7c15) }

	switch t.Kind {
	case gptoss.GateUpBlocks, gptoss.DownBlocks:
		for i := 0; i < len(p); i += 8 {
			binary.LittleEndian.PutUint64(p[i:], word((off+int64(i))/8))
		}
	case gptoss.GateUpScales:
		fillScales(p, 2/math.Sqrt(float64(c.Hidden)), off, word)
	case gptoss.DownScales:
		fillScales(p, 0.5/math.Sqrt(float64(c.Intermediate)), off, word)
	default:
		mean, deviation := distribution(c, t.Kind)
		unit := deviation / (math.Sqrt(4.0/12) * 65536) // of the sum below
		for i := 0; i < len(p); i += 2 {
			w := word((off + int64(i)) / 2)
			sum := int64(w&0xffff+w>>16&0xffff+w>>32&0xffff+w>>48) - 2*65535
			noise := float64(float64(sum) * unit) // the conversion keeps compilers from fusing it with the addition
			binary.LittleEndian.PutUint16(p[i:], tensor.ToBF16(float32(mean+noise)))
		}
	}
}

// distribution is mean and standard deviation of a bf16 tensor.
func distribution(c *gptoss.Config, k gptoss.Kind) (mean, deviation float64) {
	switch k {
	case gptoss.AttnNorm, gptoss.MLPNorm, gptoss.FinalNorm:
		return 1, 0.1
	case gptoss.Embedding, gptoss.Sinks:
		return 0, 1
	case gptoss.QWeight, gptoss.KWeight, gptoss.VWeight:
		return 0, 1 / math.Sqrt(float64(c.Hidden))
	case gptoss.OWeight:
		return 0, 1 / math.Sqrt(float64(c.QDim()))
	case gptoss.RouterWeight:
		return 0, 2 / math.Sqrt(float64(c.Hidden))
	case gptoss.Unembedding:
		return 0, 3 / math.Sqrt(float64(c.Hidden))
	}
	return 0, 0.1 // biases
}

// fillScales writes scales around the one that gives the codes, uniform with a root mean square of 2.93, the wanted deviation.
func fillScales(p []byte, deviation float64, off int64, word func(int64) uint64) {
	_, exp := math.Frexp(deviation / 2.93)
	for i := range p {
		jitter := [4]int{-1, 0, 0, 1}[word(off+int64(i))>>62]
		p[i] = byte(127 + exp - 1 + jitter)
	}
}

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood 2014): every input bit changes every output bit with probability 1/2.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
