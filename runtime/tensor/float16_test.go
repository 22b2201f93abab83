package tensor

import (
	"encoding/binary"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// nearest16 rounds f to the nearest of all finite 16-bit values and infinity, ties to even, by bisection over the non-negative
// codes, which are in order. limit is the code of infinity, where the next power of two would be.
func nearest16(f float32, value func(uint16) float64, limit uint16) uint16 {
	a := math.Abs(float64(f))
	lo, hi := uint16(0), limit // value(lo) <= a < value(hi), or a is beyond
	for lo+1 < hi {
		if mid := lo + (hi-lo)/2; value(mid) <= a {
			lo = mid
		} else {
			hi = mid
		}
	}
	code := lo
	if down, up := a-value(lo), value(hi)-a; up < down || up == down && hi%2 == 0 {
		code = hi
	}
	if math.Signbit(float64(f)) {
		code |= 0x8000
	}
	return code
}

func bf16Value(b uint16) float64 {
	if b == 0x7f80 {
		return 0x1p128
	}
	return float64(FromBF16(b))
}

func f16Value(h uint16) float64 {
	if h == 0x7c00 {
		return 0x1p16
	}
	return float64(FromF16(h))
}

// interesting are bit patterns around every boundary of the formats.
func interesting() []uint32 {
	var bits []uint32
	for _, base := range []uint32{0, 0x00800000, 0x33000000, 0x33800000, 0x38800000, 0x3f800000, 0x477fe000, 0x477ff000, 0x47800000, 0x7f7f0000, 0x7f7f8000, 0x7f800000} {
		for _, d := range []uint32{0, 1, 0xfff, 0x1000, 0x1001, 0x1fff, 0x2000, 0x3000, 0x7fff, 0x8000, 0x8001, 0x18000} {
			bits = append(bits, base+d, base-d, (base+d)|0x80000000)
		}
	}
	return bits
}

func checkRounding(t interface{ Errorf(string, ...any) }, u uint32) {
	f := math.Float32frombits(u)
	b, h := ToBF16(f), ToF16(f)
	if f != f {
		if g := FromBF16(b); g == g || math.Signbit(float64(g)) != math.Signbit(float64(f)) {
			t.Errorf("ToBF16(NaN %#x) = %#x", u, b)
		}
		if g := FromF16(h); g == g || math.Signbit(float64(g)) != math.Signbit(float64(f)) {
			t.Errorf("ToF16(NaN %#x) = %#x", u, h)
		}
		return
	}
	if want := nearest16(f, bf16Value, 0x7f80); b != want && !math.IsInf(float64(f), 0) {
		t.Errorf("ToBF16(%v, %#x) = %#x, want %#x", f, u, b, want)
	}
	if want := nearest16(f, f16Value, 0x7c00); h != want && !math.IsInf(float64(f), 0) {
		t.Errorf("ToF16(%v, %#x) = %#x, want %#x", f, u, h, want)
	}
	if math.IsInf(float64(f), 0) && (FromBF16(b) != f || FromF16(h) != f) {
		t.Errorf("%v became %v and %v", f, FromBF16(b), FromF16(h))
	}
}

func TestRounding(t *testing.T) {
	for _, u := range interesting() {
		checkRounding(t, u)
	}
	rapid.Check(t, func(t *rapid.T) { checkRounding(t, rapid.Uint32().Draw(t, "bits")) })
}

// TestEvery16BitValue: all codes survive the way to float32 and back; NaNs stay NaNs.
func TestEvery16BitValue(t *testing.T) {
	src, back, f := make([]byte, 1<<17), make([]byte, 1<<17), make([]float32, 1<<16)
	for i := range f {
		binary.LittleEndian.PutUint16(src[2*i:], uint16(i))
	}
	for _, format := range []struct {
		name   string
		decode func([]float32, []byte)
		encode func([]byte, []float32)
	}{
		{"BF16", BF16ToF32, F32ToBF16},
		{"F16", F16ToF32, F32ToF16},
	} {
		format.decode(f, src)
		format.encode(back, f)
		for i := range f {
			got := binary.LittleEndian.Uint16(back[2*i:])
			if f[i] == f[i] && got != uint16(i) {
				t.Errorf("%s: %#x became %v, then %#x", format.name, i, f[i], got)
			}
		}
	}
	// Values from the definition of the formats, so that encoder and decoder cannot be wrong together.
	for _, c := range []struct{ got, want float32 }{
		{FromF16(0x3c00), 1}, {FromF16(0xc000), -2}, {FromF16(0x7bff), 65504}, {FromF16(0x0400), 0x1p-14}, {FromF16(0x0001), 0x1p-24},
		{FromF16(0x3555), 0.333251953125}, {FromF16(0x7c00), float32(math.Inf(1))},
		{FromBF16(0x3f80), 1}, {FromBF16(0xc000), -2}, {FromBF16(0x4049), 3.140625}, {FromBF16(0xff80), float32(math.Inf(-1))},
	} {
		if c.got != c.want {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
}

func TestLengthMismatchPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"BF16ToF32":     func() { BF16ToF32(make([]float32, 2), make([]byte, 3)) },
		"F32ToF16":      func() { F32ToF16(make([]byte, 2), make([]float32, 2)) },
		"MXFP4ToF32":    func() { MXFP4ToF32(make([]float32, 33), make([]byte, 16), make([]byte, 1)) },
		"f32ToMXFP4":    func() { f32ToMXFP4(make([]byte, 16), make([]byte, 2), make([]float32, 32)) },
		"MXFP4FromGGML": func() { MXFP4FromGGML(make([]byte, 16), make([]byte, 1), make([]byte, 16)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

func BenchmarkBF16ToF32(b *testing.B) {
	dst, src := make([]float32, 1<<16), make([]byte, 1<<17)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		BF16ToF32(dst, src)
	}
}

func BenchmarkMXFP4ToF32(b *testing.B) {
	blocks, scales := make([]byte, 1<<16), make([]byte, 1<<12)
	dst := make([]float32, 1<<17)
	b.SetBytes(int64(len(blocks) + len(scales)))
	for b.Loop() {
		MXFP4ToF32(dst, blocks, scales)
	}
}
