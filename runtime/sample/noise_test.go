package sample

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// The table fixes the law for other implementations (WGSL).
func TestHashVectors(t *testing.T) {
	for _, tt := range []struct {
		seed     uint64
		position int
		id       int32
		want     uint32
	}{
		{0, 0, 0, 0x41f39e5e},
		{0, 0, 1, 0x2b4b55bb},
		{1, 0, 0, 0x13f967eb},
		{0, 1, 0, 0xb0ef959b},
		{0xfedcba9876543210, 131071, 201087, 0x72ac5005},
	} {
		if got := hash(tt.seed, tt.position, tt.id); got != tt.want {
			t.Errorf("Hash(%#x, %d, %d) = %#08x, want %#08x; noise %v", tt.seed, tt.position, tt.id, got, tt.want, gumbel(got))
		}
	}
}

// gumbel64 is the same law in float64 and without the series.
func gumbel64(h uint32) float64 {
	v := (float64(h>>9) + 0.5) / (1 << 23)
	if h < 1<<23 {
		v = (float64(h) + 0.5) / (1 << 32)
	}
	return -math.Log(-math.Log1p(-v))
}

func TestGumbelAgreesWithFloat64(t *testing.T) {
	check := func(h uint32) {
		got, want := float64(gumbel(h)), gumbel64(h)
		// Two roundings to float32 of values below 23 (1e-6 each) and the series cut after v^5 (2e-7 relative).
		if math.Abs(got-want) > 4e-6 {
			t.Fatalf("gumbel(%#08x) = %v, want %v", h, got, want)
		}
		if b := gumbelBound(h); gumbel(h) > b {
			t.Fatalf("gumbel(%#08x) = %v above its bound %v", h, got, b)
		}
	}
	for _, h := range []uint32{0, 1, 1<<23 - 1, 1 << 23, 1<<28 - 1, 1 << 28, 1<<31 - 1, 1 << 31, math.MaxUint32} {
		check(h)
	}
	for k := range uint32(32) {
		check(1 << k)
		check(1<<k - 1)
	}
	rapid.Check(t, func(t *rapid.T) { check(rapid.Uint32().Draw(t, "h")) })
}

// The mean of a Gumbel variable is Euler's constant, its variance pi^2/6; over 2^18 ids (a vocabulary) the standard errors are
// 0.0025 and 0.007, the limits about five of them.
func TestNoiseMoments(t *testing.T) {
	const n = 1 << 18
	for _, seed := range []uint64{0, 1, 1 << 32, math.MaxUint64} {
		for _, position := range []int{0, 1, 131071} {
			var sum, squares float64
			for id := range int32(n) {
				g := float64(Noise(seed, position, id))
				sum += g
				squares += g * g
			}
			mean := sum / n
			variance := squares/n - mean*mean
			if math.Abs(mean-0.57722) > 0.0125 || math.Abs(variance-math.Pi*math.Pi/6) > 0.035 {
				t.Errorf("seed %d, position %d: mean %.4f, variance %.4f", seed, position, mean, variance)
			}
		}
	}
}

func BenchmarkNoise(b *testing.B) {
	id := int32(0)
	for b.Loop() {
		Noise(1, 2, id)
		id++
	}
}
