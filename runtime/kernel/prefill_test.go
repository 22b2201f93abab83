package kernel

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/runtime/tensor"
	"gossamer/shaders"
)

// poison fills outputs before a kernel runs: a NaN that no kernel computes, so that what was not written is seen.
const poison = 0x7fc0dead

// rig is a device with the buffers of one test.
type rig struct {
	t   testing.TB
	dev *gpu.Device
}

func newRig(t testing.TB) rig { return rig{t, gputest.Open(t, gpu.Options{})} }

func (r rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// bytes returns a storage buffer of b.
func (r rig) bytes(label string, b []byte) *gpu.Buffer {
	r.t.Helper()
	buf, err := r.dev.NewBuffer(label, int64(max(len(b), 16)), gpu.Storage)
	r.must(err)
	r.t.Cleanup(buf.Release)
	r.must(r.dev.Write(buf, 0, b))
	return buf
}

func (r rig) words(label string, ws []uint32) *gpu.Buffer {
	r.t.Helper()
	b := make([]byte, 0, 4*len(ws))
	for _, w := range ws {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return r.bytes(label, b)
}

func (r rig) floats(label string, fs []float32) *gpu.Buffer {
	r.t.Helper()
	ws := make([]uint32, len(fs))
	for i, f := range fs {
		ws[i] = math.Float32bits(f)
	}
	return r.words(label, ws)
}

// bf16 rounds fs in place and returns them in a buffer of bf16, whose end is padded to 16 bytes.
func (r rig) bf16(label string, fs []float32) *gpu.Buffer {
	r.t.Helper()
	b := make([]byte, (2*len(fs)+15)/16*16)
	tensor.F32ToBF16(b[:2*len(fs)], fs)
	tensor.BF16ToF32(fs, b[:2*len(fs)])
	return r.bytes(label, b)
}

// empty returns a buffer of n poisoned words.
func (r rig) empty(label string, n int) *gpu.Buffer {
	r.t.Helper()
	b := r.bytes(label, make([]byte, 4*n))
	r.fill(b)
	return b
}

// fill poisons a buffer again.
func (r rig) fill(b *gpu.Buffer) {
	r.t.Helper()
	gputest.Poison(r.t, b, poison)
}

// chunk returns the uniform of a chunk of n rows.
func (r rig) chunk(n int) *gpu.Buffer {
	r.t.Helper()
	buf, err := r.dev.NewBuffer("chunk", 16, gpu.Uniform)
	r.must(err)
	r.t.Cleanup(buf.Release)
	r.setChunk(buf, n)
	return buf
}

func (r rig) setChunk(b *gpu.Buffer, n int) {
	r.t.Helper()
	r.must(r.dev.Write(b, 0, binary.LittleEndian.AppendUint32(nil, uint32(n))))
}

// program records a program that lives as long as the test.
func (r rig) program(record func(p *gpu.Program) error) *gpu.Program {
	r.t.Helper()
	p := r.dev.NewProgram(r.t.Name())
	r.t.Cleanup(p.Release)
	r.must(record(p))
	return p
}

// run records a program and submits it.
func (r rig) run(record func(p *gpu.Program) error) {
	r.t.Helper()
	r.must(r.dev.Submit(r.t.Context(), r.program(record)))
}

func (r rig) readWords(b *gpu.Buffer, n int) []uint32 {
	r.t.Helper()
	raw := make([]byte, 4*n)
	r.must(r.dev.Read(r.t.Context(), b, 0, raw))
	ws := make([]uint32, n)
	for i := range ws {
		ws[i] = binary.LittleEndian.Uint32(raw[4*i:])
	}
	return ws
}

func TestPrefillRefusesShapes(t *testing.T) {
	tile := TileFor(16)
	l := ExpertLists{Rows: 16, TopK: 2, Experts: 4, Height: tile.Height()}
	for _, tt := range []struct {
		config
		want string
	}{
		{RMSNormConfig{Width: 12, Eps: 1e-5}, "rmsnorm: unsupported shape: want Width a multiple of 8"},
		{RMSNormConfig{Width: 8}, "Eps above 0"},
		{GemmBF16Config{K: 8, Stride: 1}, "Tile of X and Y multiples of 8"},
		{GemmBF16Config{K: 8, Stride: 1, Tile: Tile{X: 16, Y: 16, Rows: 8, Quads: 3}}, "1 or 2 Quads"},
		{GemmBF16Config{K: 8, Stride: 1, Tile: Tile{X: 8, Y: 32, Rows: 8, Quads: 1}}, "at most 256 together"},
		{GemmBF16Config{K: 12, Stride: 1, Tile: tile}, "K a multiple of 8"},
		{GemmBF16Config{K: 8, Stride: 1, Bias: 4, Tile: tile}, "Bias a multiple of 8, or -1: there is none"},
		{RopeKVConfig{Heads: 3, KVHeads: 2, HeadDim: 8}, "Heads a multiple of KVHeads"},
		{RopeKVConfig{Heads: 2, KVHeads: 2, HeadDim: 12}, "HeadDim a multiple of 8"},
		{AttnPrefillConfig{Heads: 2, KVHeads: 2, HeadDim: 264, Rows: 1}, "at most 256"},
		{AttnPrefillConfig{Heads: 2, KVHeads: 2, HeadDim: 8}, "Rows above 0"},
		{RouteConfig{Experts: 3, TopK: 4}, "TopK from 1 to 64 and Experts"},
		{ExpertLists{Rows: 1, TopK: 1, Experts: 1}, "Height above 0"},
		{ExpertLists{Rows: 1 << 16, TopK: 1, Experts: 1, Height: 1}, "at most 65535 tiles"},
		{ExpertLists{Rows: 1, TopK: 1, Experts: 4096, Height: 8}, "at most 2048 Experts"},
		{MoEGateUpConfig{Hidden: 16, Intermediate: 32, Lists: l, Tile: tile}, "Hidden a multiple of 32"},
		{MoEDownConfig{Hidden: 32, Intermediate: 16, Lists: l, Tile: tile}, "Intermediate a multiple of 32"},
		{MoEDownConfig{Hidden: 32, Intermediate: 32, Lists: l, Tile: TileFor(512)}, "Lists and Tile of one height"},
		{CombineConfig{Hidden: 6, TopK: 1}, "Hidden a multiple of 4"},
	} {
		if _, err := tt.shader(shaders.Variant{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%T%+v: error %v, want one with %q", tt.config, tt.config, err, tt.want)
		}
	}
}

// numbers are reproducible random inputs: element i of a stream depends on the stream and i alone.
type numbers uint64

// at is uniform in [0, 1).
func (s numbers) at(i int) float64 {
	z := uint64(s)*0x9e3779b97f4a7c15 + uint64(i)*0xd1b54a32d192ed03 // splitmix64
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64((z^z>>31)>>11) / (1 << 53)
}

// below is a whole number in [0, n).
func (s numbers) below(i, n int) int { return int(s.at(i) * float64(n)) }

// floats are n numbers in [-scale, scale), with a zero of either sign and a subnormal here and there.
func (s numbers) floats(n int, scale float64) []float32 {
	fs := make([]float32, n)
	for i := range fs {
		f := float32((2*s.at(i) - 1) * scale)
		switch (s + 1).below(i, 64) {
		case 0:
			f = 0
		case 1:
			f = float32(math.Copysign(0, -1))
		case 2:
			f = 1e-40
		}
		fs[i] = f
	}
	return fs
}

// near is an exact result and how far from it the kernel may be.
type near struct{ want, within float64 }

// untouched stands for an element that the kernel must leave poisoned.
var untouched = near{math.NaN(), 0}

// compare checks the words of an output. It returns the root mean square of the errors over the standard deviation of what was wanted.
func compare(t testing.TB, what string, got []uint32, want []near) (deviation float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d elements, want %d", what, len(got), len(want))
	}
	bad := 0
	var n, sum, squares, errors float64
	for i, w := range want {
		f := float64(math.Float32frombits(got[i]))
		if math.IsNaN(w.want) {
			if got[i] == poison {
				continue
			}
		} else {
			n, sum, squares, errors = n+1, sum+w.want, squares+w.want*w.want, errors+(f-w.want)*(f-w.want)
			if math.Abs(f-w.want) <= w.within {
				continue
			}
		}
		if bad++; bad <= 5 {
			t.Errorf("%s[%d] = %v (%#x), want %v within %.3g", what, i, f, got[i], w.want, w.within)
		}
	}
	if bad > 5 {
		t.Errorf("%s: %d of %d elements are wrong", what, bad, len(want))
	}
	if variance := squares/n - sum/n*sum/n; variance > 0 {
		return math.Sqrt(errors / n / variance)
	}
	return 0
}

// equalBits checks that a kernel gives the same bits for the same work.
func equalBits(t testing.TB, what string, a, b []uint32) {
	t.Helper()
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("%s[%d]: %#x, then %#x", what, i, a[i], b[i])
		}
	}
}

const eps32 = 1.0 / (1 << 24) // relative error of one rounding to float32

// cacheCase is a chunk and the cache it works on.
type cacheCase struct {
	heads, kvHeads, headDim int
	window                  int // 0: a full layer
	f16                     bool
	rows, n                 int // of the chunk: recorded, in use
	start                   int // position of the chunk's first row
	flags                   uint32
}

const testPage = 128 // positions of a page

// pages is the number of pages of the case's arena. Some of them are in no table.
func (c cacheCase) pages() int { return (c.start+c.n)/testPage + 4 }

// page is where a position is: the last page of the arena holds the first positions.
func (c cacheCase) page(position int) int { return c.pages() - 1 - position/testPage }

// cacheIndex is the element of an arena where a position's key or value begins.
func (c cacheCase) cacheIndex(position, kvHead int) int {
	return ((c.page(position)*testPage+position%testPage)*c.kvHeads + kvHead) * c.headDim
}

func (c cacheCase) cacheLen() int { return c.pages() * testPage * c.kvHeads * c.headDim }

// tables is the word of step where the page tables begin.
func (c cacheCase) tables() int { return TablesWord(c.rows) }

// step returns the step buffer. The table of the other kind of layer and the entries before the window lead nowhere.
func (c cacheCase) step(r rig) *gpu.Buffer {
	r.t.Helper()
	entries := (c.start+c.n)/testPage + 1
	const nowhere = 1 << 20
	ws := make([]uint32, c.tables()+2*entries)
	full, sliding := uint32(entries), uint32(0)
	for row := range c.rows {
		words := StepRow{
			Token: poison, Position: uint32(c.start + row), FullTable: full, SlidingTable: sliding, Flags: c.flags,
			Seed: poison<<32 | poison, Temperature: math.Float32frombits(poison),
		}.words()
		copy(ws[row*len(words):], words[:])
	}
	for i := range ws[c.tables():] {
		ws[c.tables()+i] = nowhere
	}
	own := full
	if c.window > 0 {
		own = sliding
	}
	for e := range entries {
		if c.window > 0 && (e+1)*testPage <= c.start-c.window+1 {
			continue
		}
		ws[c.tables()+int(own)+e] = uint32(c.page(e * testPage))
	}
	return r.words("step", ws)
}

// cacheBits returns the words of an arena with elements fs, where poisoned elements are NaN.
func (c cacheCase) cacheBits(fs []float32) []uint32 {
	if !c.f16 {
		ws := make([]uint32, len(fs))
		for i, f := range fs {
			ws[i] = math.Float32bits(f)
		}
		return ws
	}
	ws := make([]uint32, len(fs)/2)
	for i := range ws {
		ws[i] = uint32(tensor.ToF16(fs[2*i])) | uint32(tensor.ToF16(fs[2*i+1]))<<16
	}
	return ws
}

// bench times a program of flop floating-point operations. r is of a *testing.B.
func (r rig) bench(p *gpu.Program, flop float64) {
	b := r.t.(*testing.B)
	ctx := b.Context()
	r.must(r.dev.Submit(ctx, p)) // the first run compiles
	r.must(r.dev.Wait(ctx))
	for b.Loop() {
		r.must(r.dev.Submit(ctx, p))
		r.must(r.dev.Wait(ctx))
	}
	b.ReportMetric(flop*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}
