package sample

import (
	"math"
	"math/bits"
)

// Random choice is Gumbel-max: the token drawn is the one with the largest logit/temperature + Noise(seed, position, id), which
// has exactly the softmax distribution. The noise is a function of its arguments alone, so a GPU kernel, this package and a later
// run all draw the same token from the same logits, in any order and with any part of the vocabulary left out.
//
// The law, in 32-bit operations that WGSL has too (shaders/lib/noise.wgsl mirrors it):
//
//	key  = mix(mix(mix(seedHi ^ 0x9e3779b9) ^ seedLo) ^ position)
//	h    = mix(key ^ id)
//	v    = (f32(h) + 0.5) * 2^-32        if h < 2^23
//	       (f32(h >> 9) + 0.5) * 2^-23   otherwise; both exact in float32, 0 < v < 1
//	e    = v + v^2/2 + v^3/3 + v^4/4 + v^5/5   if v < 1/16
//	       -log(1 - v)                         otherwise
//	noise = -log(e)
//
// The direct form -log(-log(u)) is not used: WGSL allows log an absolute error of 2^-21 near 1, which is larger than -log(u) for
// the u closest to 1, and those are the very ones that win. With v from all 32 bits, tokens down to a probability of about 2^-32
// can still be drawn.

// mix is a bijection of 32 bits in which every input bit reaches every output bit
// (https://github.com/skeeto/hash-prospector, lowbias32).
func mix(x uint32) uint32 {
	x ^= x >> 16
	x *= 0x7feb352d
	x ^= x >> 15
	x *= 0x846ca68b
	x ^= x >> 16
	return x
}

// noiseKey is what the noise of all ids at one position of one seed has in common.
func noiseKey(seed uint64, position int) uint32 {
	return mix(mix(mix(uint32(seed>>32)^0x9e3779b9)^uint32(seed)) ^ uint32(position))
}

// hash returns the 32 random bits behind Noise.
func hash(seed uint64, position int, id int32) uint32 {
	return mix(noiseKey(seed, position) ^ uint32(id))
}

// Noise returns the standard Gumbel variable of a token: the one that stands at position (counted from 0, the first token of the
// prompt) if id is drawn. It lies between -2.9 and 22.9.
func Noise(seed uint64, position int, id int32) float32 {
	return gumbel(hash(seed, position, id))
}

func gumbel(h uint32) float32 {
	var v float32
	if h < 1<<23 {
		v = (float32(h) + 0.5) * (1.0 / (1 << 32))
	} else {
		v = (float32(h>>9) + 0.5) * (1.0 / (1 << 23))
	}
	var e float32
	if v < 1.0/16 {
		e = v * (1 + v*(1.0/2+v*(1.0/3+v*(1.0/4+v*(1.0/5)))))
	} else {
		e = float32(-math.Log(float64(1 - v)))
	}
	return float32(-math.Log(float64(e)))
}

// gumbelBound is at least gumbel(h) and costs no logarithm: e >= v >= 2^-(z+1) where h has z leading zeros. The margin covers the
// rounding of gumbel.
func gumbelBound(h uint32) float32 {
	return float32(bits.LeadingZeros32(h)+1)*math.Ln2 + 1e-5
}
