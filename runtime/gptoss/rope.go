package gptoss

import "math"

// ropeFrequencies returns the angle per position of each rotated pair, [HeadDim/2], and the concentration that multiplies
// cos and sin. Pair i of a head is elements i and i + HeadDim/2 ("NeoX" halves). The correction range is not rounded: gpt-oss
// sets truncate to false (gpt-oss/torch/model.py RotaryEmbedding._compute_concentration_and_inv_freq).
func (c *Config) ropeFrequencies() (freq []float64, concentration float64) {
	r := c.Rope
	half := c.HeadDim / 2
	freq = make([]float64, half)
	for i := range freq {
		freq[i] = 1 / math.Pow(r.Theta, float64(i)/float64(half))
	}
	if r.Factor <= 1 {
		return freq, 1
	}
	low, high := c.ropeRamp()
	for i := range freq {
		ramp := math.Min(math.Max((float64(i)-low)/(high-low), 0), 1)
		freq[i] = (1-ramp)*freq[i] + ramp*freq[i]/r.Factor
	}
	return freq, 0.1*math.Log(r.Factor) + 1
}

// ropeRamp is the range of pairs, as real numbers, over which YaRN goes from leaving frequencies alone to dividing them by Factor.
func (c *Config) ropeRamp() (low, high float64) {
	r := c.Rope
	dimension := func(rotations float64) float64 {
		return float64(c.HeadDim/2) * math.Log(float64(r.OriginalContext)/(rotations*2*math.Pi)) / math.Log(r.Theta)
	}
	return dimension(r.BetaFast), dimension(r.BetaSlow)
}

// RopeTable returns cos and sin, times the concentration, for positions first to first+n-1: [n][HeadDim/2][2]. Angles are
// computed in float64: float32 angles are off by 2.5e-3 at position 131,071.
func (c *Config) RopeTable(first, n int) []float32 {
	freq, m := c.ropeFrequencies()
	t := make([]float32, 0, n*len(freq)*2)
	for p := first; p < first+n; p++ {
		for _, f := range freq {
			s, co := math.Sincos(float64(p) * f)
			t = append(t, float32(m*co), float32(m*s))
		}
	}
	return t
}
