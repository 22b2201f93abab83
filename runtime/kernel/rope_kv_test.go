package kernel

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
	"gossamer/runtime/tensor"
)

func TestRopeKV(t *testing.T) {
	for _, tt := range []struct {
		name string
		cacheCase
	}{
		{"OneRow", cacheCase{heads: 2, kvHeads: 1, headDim: 8, rows: 1, n: 1}},
		{"NoGroups", cacheCase{heads: 3, kvHeads: 3, headDim: 16, rows: 4, n: 4, start: 5}},
		{"PartialWorkgroup", cacheCase{heads: 5, kvHeads: 1, headDim: 24, rows: 3, n: 3}},
		{"RowsOutOfUse", cacheCase{heads: 8, kvHeads: 2, headDim: 64, rows: 9, n: 4, start: 100}},
		{"NoRows", cacheCase{heads: 8, kvHeads: 2, headDim: 64, rows: 4, n: 0, start: 100}},
		{"PageBoundary", cacheCase{heads: 8, kvHeads: 2, headDim: 64, rows: 10, n: 10, start: 250}},
		{"Sliding", cacheCase{heads: 8, kvHeads: 2, headDim: 64, window: 100, rows: 10, n: 10, start: 380}},
		{"KeepFull", cacheCase{heads: 2, kvHeads: 2, headDim: 8, rows: 3, n: 3, flags: StepKeepFull}},
		{"KeepFullInASlidingLayer", cacheCase{heads: 2, kvHeads: 2, headDim: 8, window: 7, rows: 3, n: 3, flags: StepKeepFull}},
		{"Unused", cacheCase{heads: 2, kvHeads: 2, headDim: 8, window: 7, rows: 3, n: 3, flags: StepUnused}},
		{"LargeHead", cacheCase{heads: 2, kvHeads: 1, headDim: 256, rows: 2, n: 2, start: 127}},
		{"F16", cacheCase{heads: 8, kvHeads: 2, headDim: 64, f16: true, rows: 10, n: 7, start: 125}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.checkRopeKV(newRig(t)) })
	}
}

func TestRopeKVRandomShapes(t *testing.T) {
	randomShapes(t, drawCache, func(r rig, c cacheCase) { c.checkRopeKV(r) })
}

// drawCache draws a chunk and the cache it works on.
func drawCache(rt *rapid.T) cacheCase {
	c := cacheCase{
		kvHeads: rapid.IntRange(1, 4).Draw(rt, "kv heads"),
		headDim: 8 * rapid.IntRange(1, 16).Draw(rt, "head dim/8"),
		window:  rapid.SampledFrom([]int{0, 0, 1, 20, 128, 200}).Draw(rt, "window"),
		f16:     rapid.Bool().Draw(rt, "f16"),
		rows:    rapid.IntRange(1, 60).Draw(rt, "rows"),
		start:   rapid.IntRange(0, 400).Draw(rt, "start"),
	}
	c.heads = c.kvHeads * rapid.IntRange(1, 9).Draw(rt, "group")
	c.n = rapid.IntRange(0, c.rows).Draw(rt, "n")
	return c
}

func (c cacheCase) checkRopeKV(r rig) {
	r.t.Helper()
	k, err := NewRopeKV(r.dev, RopeKVConfig{
		Heads: c.heads, KVHeads: c.kvHeads, HeadDim: c.headDim, Sliding: c.window > 0, Tables: c.tables(), KVF16: c.f16,
	})
	r.must(err)
	defer k.Release()
	width := (c.heads + 2*c.kvHeads) * c.headDim
	half := c.headDim / 2
	qkv := numbers(1).floats(c.rows*width, 4)
	rope := numbers(2).floats((c.start+c.rows)*half*2, 1.3)
	words := c.cacheLen()
	if c.f16 {
		words /= 2
	}
	a := RopeKVArgs{
		Chunk: r.chunk(c.n), Step: c.step(r), QKV: r.floats("qkv", qkv), Rope: r.floats("rope", rope),
		Q: r.empty("q", c.rows*c.heads*c.headDim), KCache: r.empty("k", words), VCache: r.empty("v", words),
	}
	r.run(func(p *gpu.Program) error { return k.Record(p, c.rows, a) })

	// rotated is element e of a head at offset from of a row's qkv.
	rotated := func(row, from, e int) near {
		f := func(e int) float64 { return float64(qkv[row*width+from+e]) }
		i := e % half
		cs := rope[((c.start+row)*half+i)*2:]
		co, si := float64(cs[0]), float64(cs[1])
		a, b := f(i)*co, -f(i+half)*si
		if e >= half {
			a, b = f(i+half)*co, f(i)*si
		}
		// two products and their sum round; subnormals may count as zero
		return near{a + b, (math.Abs(a)+math.Abs(b))*2*eps32 + 1e-37}
	}
	wantQ := make([]near, c.rows*c.heads*c.headDim)
	wantK := make([]near, c.cacheLen())
	wantV := make([]near, c.cacheLen())
	for _, want := range [][]near{wantQ, wantK, wantV} {
		for i := range want {
			want[i] = untouched
		}
	}
	for row := range c.n {
		for i := range c.heads * c.headDim {
			wantQ[row*c.heads*c.headDim+i] = rotated(row, i-i%c.headDim, i%c.headDim)
		}
		if c.flags&StepUnused != 0 || c.flags&StepKeepFull != 0 && c.window == 0 {
			continue
		}
		for h := range c.kvHeads {
			at := c.cacheIndex(c.start+row, h)
			for e := range c.headDim {
				wantK[at+e] = rotated(row, (c.heads+h)*c.headDim, e)
				wantV[at+e] = near{float64(qkv[row*width+(c.heads+c.kvHeads+h)*c.headDim+e]), 1e-37}
			}
		}
	}
	compare(r.t, "q", r.readWords(a.Q, len(wantQ)), wantQ)
	compare(r.t, "k", c.readCache(r, a.KCache), c.stored(wantK))
	compare(r.t, "v", c.readCache(r, a.VCache), c.stored(wantV))
}

// readCache reads an arena as words of f32.
func (c cacheCase) readCache(r rig, b *gpu.Buffer) []uint32 {
	r.t.Helper()
	if !c.f16 {
		return r.readWords(b, c.cacheLen())
	}
	var fs []uint32
	for _, w := range r.readWords(b, c.cacheLen()/2) {
		if w == poison {
			fs = append(fs, poison, poison)
			continue
		}
		fs = append(fs, math.Float32bits(tensor.FromF16(uint16(w))), math.Float32bits(tensor.FromF16(uint16(w>>16))))
	}
	return fs
}

// stored allows for the rounding to f16, which may be in either direction (WGSL pack2x16float), and for f16 subnormals counted as
// zero.
func (c cacheCase) stored(want []near) []near {
	if c.f16 {
		for i := range want {
			want[i].within += math.Abs(want[i].want)/(1<<10) + 1.0/(1<<14)
		}
	}
	return want
}
