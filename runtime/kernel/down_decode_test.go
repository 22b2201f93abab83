package kernel

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
	"gossamer/runtime/tensor"
)

type downCase struct {
	rows                         []decodeRow
	hidden, inner, experts, topK int
	scale                        float64 // of h
	cuts                         []int   // experts at which the weights are cut into shards
}

func TestDownDecode(t *testing.T) {
	one, two := rowsAt(0), rowsAt(0, 0)
	for _, tt := range []struct {
		name string
		downCase
	}{
		{"OneExpert", downCase{one, 32, 32, 1, 1, 1, nil}},
		{"ManyRows", downCase{rowsAt(make([]int, 8)...), 32, 32, 8, 2, 1, nil}},
		{"PartialTile", downCase{two, 38, 64, 4, 2, 1, nil}},
		{"RealWidth", downCase{one, 32, 2880, 5, 4, 1, nil}},
		{"PartialRound", downCase{one, 32, 32 * 130, 3, 2, 1, nil}},
		{"OddScaleRows", downCase{two, 34, 96, 5, 3, 1, []int{1}}},
		{"ManyPlaces", downCase{one, 32, 32, 70, 64, 1, nil}},
		{"Shards", downCase{two, 32, 64, 16, 4, 1, []int{1, 5, 15}}},
		{"Large", downCase{one, 32, 32, 4, 2, 6e4, nil}},
		{"Zeros", downCase{one, 32, 32, 4, 2, 0, nil}},
		{"Unused", downCase{[]decodeRow{{}, {flags: StepUnused}, {}}, 32, 32, 8, 2, 1, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(newRig(t)) })
	}
}

func TestDownDecodeRandomShapes(t *testing.T) {
	randomShapes(t, func(rt *rapid.T) downCase {
		c := downCase{
			rows:    drawRows(rt, 1),
			hidden:  2 * rapid.IntRange(1, 100).Draw(rt, "hidden/2"),
			inner:   32 * rapid.IntRange(1, 40).Draw(rt, "inner/32"),
			experts: rapid.IntRange(1, 20).Draw(rt, "experts"),
			scale:   1,
		}
		c.topK = rapid.IntRange(1, min(c.experts, 8)).Draw(rt, "top k")
		c.cuts = []int{rapid.IntRange(0, c.experts).Draw(rt, "cut")}
		return c
	}, func(r rig, c downCase) { c.check(r) })
}

func (c downCase) check(r rig) {
	r.t.Helper()
	rows := len(c.rows)
	k, err := NewDownDecode(r.dev, DownConfig{Rows: rows, Hidden: c.hidden, Intermediate: c.inner, TopK: c.topK})
	r.must(err)
	defer k.Release()
	weights := newExperts(1, c.experts, c.hidden, c.inner)
	h := numbers(9).floats(rows*c.topK*c.inner, c.scale)
	before := numbers(10).floats(rows*c.hidden, 10)
	factors := numbers(11).floats(rows*c.topK, 1)
	sel := make([]uint32, 0, 2*rows*c.topK)
	for row := range rows {
		for place := range c.topK { // different experts, in any order
			sel = append(sel, uint32((row*5+place*3)%c.experts), math.Float32bits(factors[row*c.topK+place]))
		}
	}
	a := DownArgs{Step: batch{rows: c.rows}.step(r), Sel: r.words("sel", sel), H: r.floats("h", byBlocks(h, c.inner)), X: r.floats("x", before)}
	got := r.twice(func() { r.set(a.X, before) }, func(p *gpu.Program) error {
		for _, s := range shardsOf(c.experts, c.cuts) {
			a.Blocks, a.Scales, a.Bias = weights.shard(r, s)
			if err := k.Record(p, s, a); err != nil {
				return err
			}
		}
		return nil
	}, func() []uint32 { return r.readWords(a.X, len(before)) })

	want := make([]near, len(before))
	for row, dr := range c.rows {
		for o := range c.hidden {
			at := row*c.hidden + o
			if dr.flags&StepUnused != 0 {
				want[at] = near{float64(before[at]), 0}
				continue
			}
			s := sizes{float64(before[at]), math.Abs(float64(before[at]))}
			for place := range c.topK {
				i := row*c.topK + place
				sum, size := weights.dot(int(sel[2*i]), o, h[i*c.inner:][:c.inner])
				s.sum += sum * float64(factors[i])
				s.size += size * math.Abs(float64(factors[i]))
			}
			// A lane takes blocks of several places, then follow the biases; each shard adds to x.
			want[at] = s.near(expertRoundings(c.topK*c.inner) + 1 + c.topK + len(c.cuts) + 2)
		}
	}
	compare(r.t, "x", got, want)
}

// Every code under every scale that the kernel takes is decoded exactly: the product with a single one is the weight itself.
func TestDownDecodeDecodesExactly(t *testing.T) {
	r := newRig(t)
	// Output i has the codes 0 to 15, twice, under scale i+2; results of smaller scales are subnormal and may count as zero.
	const hidden = 239
	var blocks, scales []byte
	for i := range hidden {
		scales = append(scales, byte(i+2))
		for range 2 {
			for code := byte(0); code < 16; code += 2 {
				blocks = append(blocks, code|(code+1)<<4)
			}
		}
	}
	weights := make([]float32, hidden*32)
	tensor.MXFP4ToF32(weights, blocks, scales)
	k, err := NewDownDecode(r.dev, DownConfig{Rows: 16, Hidden: hidden, Intermediate: 32, TopK: 1})
	r.must(err)
	defer k.Release()
	h := make([]float32, 16*32)
	var sel []uint32
	for i := range 16 {
		h[i*32+i] = 1
		sel = append(sel, 0, math.Float32bits(1))
	}
	a := DownArgs{
		Step: batch{rows: make([]decodeRow, 16)}.step(r), Sel: r.words("sel", sel), H: r.floats("h", byBlocks(h, 32)), Blocks: r.bytes("blocks", blocks),
		Scales: r.bytes("scales", scales), Bias: r.bytes("bias", make([]byte, 2*hidden+2)), X: r.floats("x", make([]float32, 16*hidden)),
	}
	r.run(func(p *gpu.Program) error { return k.Record(p, Shard{0, 1}, a) })
	want := make([]near, 16*hidden)
	for i := range want {
		want[i] = near{float64(weights[i%hidden*32+i/hidden]), 0}
	}
	compare(t, "x", r.readWords(a.X, len(want)), want)
}
