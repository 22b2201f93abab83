package checkpoint

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gptoss"
)

var (
	bf16Spec   = gptoss.TensorSpec{Kind: gptoss.QWeight, DType: gptoss.BF16}
	scalesSpec = gptoss.TensorSpec{Kind: gptoss.DownScales, DType: gptoss.U8}
	blocksSpec = gptoss.TensorSpec{Kind: gptoss.DownBlocks, DType: gptoss.U8}
)

// TestFirstNaN compares with a plain loop, on data where bad elements are rare enough that every position is met.
func TestFirstNaN(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := make([]byte, 2*rapid.IntRange(0, 100).Draw(t, "elements"))
		seed := rapid.Uint64().Draw(t, "seed")
		rng := rand.New(rand.NewPCG(seed, 0))
		for i := range p {
			p[i] = byte(rng.Uint32())
			if rng.IntN(20) > 0 {
				p[i] &= 0xbf // an ordinary exponent and scale
			}
		}
		wantBF16, wantScales := -1, -1
		for i := len(p) - 2; i >= 0; i -= 2 {
			if binary.LittleEndian.Uint16(p[i:])>>7&0xff == 0xff {
				wantBF16 = i
			}
		}
		for i := len(p) - 1; i >= 0; i-- {
			if p[i] == 255 {
				wantScales = i
			}
		}
		if got := firstNaN(bf16Spec, p); got != wantBF16 {
			t.Fatalf("bf16: got %d, want %d", got, wantBF16)
		}
		if got := firstNaN(scalesSpec, p); got != wantScales {
			t.Fatalf("scales: got %d, want %d", got, wantScales)
		}
		if got := firstNaN(blocksSpec, p); got != -1 {
			t.Fatalf("blocks: got %d, want -1", got)
		}
	})
}

// TestFirstNaNEveryValue puts each possible element among ordinary ones.
func TestFirstNaNEveryValue(t *testing.T) {
	p := make([]byte, 64)
	for v := range 1 << 16 {
		binary.LittleEndian.PutUint16(p[34:], uint16(v))
		want := -1
		if v&0x7f80 == 0x7f80 {
			want = 34
		}
		if got := firstNaN(bf16Spec, p); got != want {
			t.Errorf("bf16 %#x: got %d, want %d", v, got, want)
		}
	}
	clear(p)
	for v := range 1 << 8 {
		p[35] = byte(v)
		want := -1
		if v == 255 {
			want = 35
		}
		if got := firstNaN(scalesSpec, p); got != want {
			t.Errorf("scale %d: got %d, want %d", v, got, want)
		}
	}
}

func BenchmarkFirstNaN(b *testing.B) {
	p := make([]byte, 1<<20)
	for name, spec := range map[string]gptoss.TensorSpec{"BF16": bf16Spec, "Scales": scalesSpec} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				if firstNaN(spec, p) != -1 {
					b.Fatal("found one")
				}
			}
		})
	}
}
