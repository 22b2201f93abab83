package random

import (
	"math"
	"strings"
	"testing"

	"gossamer/runtime/gptoss"
	"gossamer/runtime/tensor"
)

// config has the published widths, in few layers and experts.
func config() *gptoss.Config {
	return &gptoss.Config{
		Layers: 2, Hidden: 2880, Intermediate: 2880, Heads: 64, KVHeads: 8, HeadDim: 64, Experts: 1, TopK: 1, Vocab: 300,
		MaxPositions: 131072, Window: 128, Sliding: []bool{true, false}, NormEps: 1e-5, SwiGLULimit: 7, SwiGLUAlpha: 1.702,
		Rope: gptoss.Rope{Theta: 150000, Factor: 32, BetaFast: 32, BetaSlow: 1, OriginalContext: 4096}, Pad: -1,
	}
}

// TestDistribution estimates mean and deviation of tensors that are large enough: n values give the mean to deviation/sqrt(n)
// and the deviation to 1/sqrt(2n) of itself; the limits are five times that.
func TestDistribution(t *testing.T) {
	c := config()
	const n = 1 << 16
	for _, spec := range c.Tensors()[:20] {
		var values []float32
		var mean, deviation float64
		switch spec.Kind {
		case gptoss.GateUpBlocks, gptoss.DownBlocks:
			blocks, scales := make([]byte, n/2), make([]byte, n/32)
			Fill(blocks, c, spec, 1, 0)
			scale := spec
			scale.Kind++
			scale.Name = strings.Replace(spec.Name, "blocks", "scales", 1)
			Fill(scales, c, scale, 1, 0)
			values = make([]float32, n)
			tensor.MXFP4ToF32(values, blocks, scales)
			s := stats(values)
			want := 2 / math.Sqrt(2880)
			if spec.Kind == gptoss.DownBlocks {
				want = 0.5 / math.Sqrt(2880)
			}
			// A scale is a power of two, rounded down, and half of them are halved or doubled.
			if s[1] < 0.5*want || s[1] > 2*want {
				t.Errorf("%s: deviation %.4g, want about %.4g", spec.Name, s[1], want)
			}
			continue
		case gptoss.GateUpScales, gptoss.DownScales:
			continue
		}
		if spec.Elements() < n {
			continue
		}
		mean, deviation = distribution(c, spec.Kind)
		p := make([]byte, 2*n)
		values = make([]float32, n)
		Fill(p, c, spec, 1, 0)
		tensor.BF16ToF32(values, p)
		s := stats(values)
		if math.Abs(s[0]-mean) > 5*deviation/math.Sqrt(n) || math.Abs(s[1]/deviation-1) > 5/math.Sqrt(2*n) {
			t.Errorf("%s: mean %.4g and deviation %.4g, want %.4g and %.4g", spec.Name, s[0], s[1], mean, deviation)
		}
	}
}

// stats returns mean and standard deviation.
func stats(values []float32) [2]float64 {
	var sum, squares float64
	for _, v := range values {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	mean := sum / float64(len(values))
	return [2]float64{mean, math.Sqrt(squares/float64(len(values)) - mean*mean)}
}

// TestTensorsDiffer: neighbours, layers and seeds have their own numbers.
func TestTensorsDiffer(t *testing.T) {
	c := config()
	seen := map[string]string{}
	for _, seed := range []uint64{1, 2} {
		for _, spec := range c.Tensors() {
			p := make([]byte, min(32, spec.Bytes()))
			Fill(p, c, spec, seed, 0)
			if len(p) < 16 || spec.DType == gptoss.U8 && !strings.HasSuffix(spec.Name, "blocks") {
				continue // too few bits to be sure
			}
			if other, ok := seen[string(p)]; ok {
				t.Errorf("%s with seed %d equals %s", spec.Name, seed, other)
			}
			seen[string(p)] = spec.Name
		}
	}
}
