package kernel

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
)

type qkvCase struct {
	batch
	hidden, heads int
	scale         float64 // of x
	cuts          []int   // heads at which the weights are cut into shards
}

func TestQKVDecode(t *testing.T) {
	for _, tt := range []struct {
		name string
		qkvCase
	}{
		{"OneRow", qkvCase{batch{rows: rowsAt(5), kvHeads: 1, headDim: 8}, 32, 2, 1, nil}},
		{"FirstPosition", qkvCase{batch{rows: rowsAt(0), kvHeads: 2, headDim: 16}, 64, 4, 1, nil}},
		{"ManyRows", qkvCase{batch{rows: rowsAt(1, 2, 300, 7, 127, 128, 0, 255), kvHeads: 1, headDim: 64}, 96, 3, 1, nil}},
		{"TwoTilesOfRows", qkvCase{batch{rows: rowsAt(manyPositions(16)...), kvHeads: 1, headDim: 16}, 32, 2, 1, nil}},
		{"MostRows", qkvCase{batch{rows: rowsAt(manyPositions(32)...), kvHeads: 1, headDim: 16}, 32, 2, 1, []int{3}}},
		{"SingleRound", qkvCase{batch{rows: rowsAt(9), kvHeads: 1, headDim: 8}, 1024, 1, 1, nil}},
		{"PartialRound", qkvCase{batch{rows: rowsAt(9, 3), kvHeads: 1, headDim: 24}, 1056, 1, 1, nil}},
		{"RealWidth", qkvCase{batch{rows: rowsAt(4100), kvHeads: 1, headDim: 64}, 2880, 8, 1, nil}},
		{"PageBoundary", qkvCase{batch{rows: rowsAt(127, 128, 129, 256), kvHeads: 2, headDim: 8}, 32, 2, 1, nil}},
		{"LastPosition", qkvCase{batch{rows: rowsAt(131071), kvHeads: 1, headDim: 8}, 32, 1, 1, nil}},
		{"Shards", qkvCase{batch{rows: rowsAt(17, 200), kvHeads: 2, headDim: 16}, 64, 6, 1, []int{1, 5, 7}}},
		{"Sliding", qkvCase{batch{rows: rowsAt(17, 200), window: 128, kvHeads: 2, headDim: 16}, 64, 2, 1, nil}},
		{"F16", qkvCase{batch{rows: rowsAt(17, 200), kvHeads: 2, headDim: 16, f16: true}, 64, 2, 1, nil}},
		{"Large", qkvCase{batch{rows: rowsAt(17), kvHeads: 2, headDim: 16}, 64, 2, 6e4, nil}},
		{"Zeros", qkvCase{batch{rows: rowsAt(17), kvHeads: 2, headDim: 16}, 64, 2, 0, nil}},
		{"Unused", qkvCase{batch{rows: []decodeRow{{position: 3}, {position: 3, flags: StepUnused}}, kvHeads: 1, headDim: 8}, 32, 2, 1, nil}},
		{"KeepFull", qkvCase{batch{rows: []decodeRow{{position: 3}, {position: 5, flags: StepKeepFull}}, kvHeads: 1, headDim: 8}, 32, 2, 1, nil}},
		{"KeepFullInASlidingLayer", qkvCase{batch{rows: []decodeRow{{position: 3, flags: StepKeepFull}}, window: 4, kvHeads: 1, headDim: 8}, 32, 2, 1, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(newRig(t)) })
	}
}

func TestQKVDecodeRandomShapes(t *testing.T) {
	randomShapes(t, func(rt *rapid.T) qkvCase {
		c := qkvCase{
			batch: batch{
				rows:    drawRows(rt, 300),
				window:  rapid.IntRange(0, 1).Draw(rt, "sliding") * 128,
				kvHeads: rapid.IntRange(1, 3).Draw(rt, "kv heads"),
				headDim: 8 * rapid.IntRange(1, 9).Draw(rt, "head dim/8"),
				f16:     rapid.Bool().Draw(rt, "f16"),
			},
			hidden: 32 * rapid.IntRange(1, 12).Draw(rt, "hidden/32"),
			scale:  1,
		}
		c.heads = c.kvHeads * rapid.IntRange(1, 3).Draw(rt, "group")
		c.cuts = []int{rapid.IntRange(0, c.heads+2*c.kvHeads).Draw(rt, "cut")}
		return c
	}, func(r rig, c qkvCase) { c.check(r) })
}

const testEps = 1e-5 // of norms

// manyPositions are n positions in up to three pages.
func manyPositions(n int) []int {
	positions := make([]int, n)
	for i := range positions {
		positions[i] = i * 37 % 300
	}
	return positions
}

func (c qkvCase) check(r rig) {
	t := r.t
	t.Helper()
	rows, width := len(c.rows), (c.heads+2*c.kvHeads)*c.headDim
	const normAt, gap = 8, 8
	biasAt := normAt + c.hidden + gap
	cfg := QKVConfig{
		Rows: rows, Hidden: c.hidden, Heads: c.heads, KVHeads: c.kvHeads, HeadDim: c.headDim, Norm: normAt, Bias: biasAt,
		NormEps: testEps, Sliding: c.window > 0, Tables: c.tables(), KVF16: c.f16,
	}
	k, err := NewQKVDecode(r.dev, cfg)
	r.must(err)
	defer k.Release()

	x := numbers(1).floats(rows*c.hidden, c.scale)
	vectors := numbers(2).floats(biasAt+width, 2)
	w := numbers(3).floats(width*c.hidden, 1)
	half := c.headDim / 2
	last := slices.MaxFunc(c.rows, func(a, b decodeRow) int { return a.position - b.position }).position
	rope := numbers(4).floats((last+1)*half*2, 1.4)
	a := QKVArgs{
		Step: c.step(r), X: r.floats("x", x), Vectors: r.bf16("vectors", vectors), Rope: r.floats("rope", rope),
		Q: r.empty("q", rows*c.heads*c.headDim), K: r.empty("k", c.arenaWords()), V: r.empty("v", c.arenaWords()),
	}
	record := func(p *gpu.Program) error {
		for _, s := range shardsOf(c.heads+2*c.kvHeads, c.cuts) {
			s = Shard{s.First * c.headDim, s.Count * c.headDim}
			a.W = r.bf16("w", w[s.First*c.hidden:(s.First+s.Count)*c.hidden])
			if err := k.Record(p, s, a); err != nil {
				return err
			}
		}
		return nil
	}
	got := r.twice(func() { r.fill(a.Q); r.fill(a.K); r.fill(a.V) }, record, func() []uint32 {
		return slices.Concat(r.readWords(a.Q, rows*c.heads*c.headDim), c.readArena(r, a.K), c.readArena(r, a.V))
	})

	wantQ := slices.Repeat([]near{untouched}, rows*c.heads*c.headDim)
	wantK := slices.Repeat([]near{untouched}, c.arena())
	wantV := slices.Repeat([]near{untouched}, c.arena())
	for row, dr := range c.rows {
		if dr.flags&StepUnused != 0 {
			continue
		}
		xr := x[row*c.hidden : (row+1)*c.hidden]
		factor := norm(xr, testEps)
		y := make([]near, width)
		for o := range y {
			var s sizes
			for i, f := range xr {
				s.add(float64(f) * factor * float64(vectors[normAt+i]) * float64(w[o*c.hidden+i]))
			}
			s.add(float64(vectors[biasAt+o]))
			y[o] = s.near(denseRoundings(c.hidden) + normRoundings(c.hidden))
		}
		rotated := func(from, e int) near {
			i := e % half
			co, si := float64(rope[(dr.position*half+i)*2]), float64(rope[(dr.position*half+i)*2+1])
			low, high := y[from+i], y[from+i+half]
			if e >= half {
				low, high, si = high, low, -si
			}
			// two products and their sum
			terms := math.Abs(low.want*co) + math.Abs(high.want*si)
			return near{low.want*co - high.want*si, low.within*math.Abs(co) + high.within*math.Abs(si) + 3*eps32*terms + 1e-37}
		}
		for i := range c.heads * c.headDim {
			wantQ[row*c.heads*c.headDim+i] = rotated(i-i%c.headDim, i%c.headDim)
		}
		if dr.flags&StepKeepFull != 0 && c.window == 0 {
			continue
		}
		for h := range c.kvHeads {
			at := c.index(row, dr.position, h)
			for e := range c.headDim {
				wantK[at+e] = rotated((c.heads+h)*c.headDim, e)
				wantV[at+e] = y[(c.heads+c.kvHeads+h)*c.headDim+e]
			}
		}
	}
	compare(t, "q, k, v", got, slices.Concat(wantQ, c.stored(wantK), c.stored(wantV)))
}
