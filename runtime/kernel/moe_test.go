package kernel

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
	"gossamer/runtime/tensor"
)

// experts is an MXFP4 tensor [count][rows][k] with biases [count][rows].
type experts struct {
	count, rows, k int
	blocks, scales []byte
	weights        []float32
	bias           []float32
}

// newExperts makes random weights. Every code occurs; scales lie around 2^-3, some far from it.
func newExperts(s numbers, count, rows, k int) experts {
	e := experts{count: count, rows: rows, k: k}
	n := count * rows * k / 32
	e.blocks, e.scales, e.weights = make([]byte, n*16), make([]byte, n), make([]float32, n*32)
	for i := range e.blocks {
		e.blocks[i] = byte(s.below(i, 256))
	}
	for i := range e.scales {
		e.scales[i] = byte(122 + (s+1).below(i, 5))
		if i%11 == 3 {
			e.scales[i] = byte(60 + (s+2).below(i, 60))
		}
	}
	tensor.MXFP4ToF32(e.weights, e.blocks, e.scales)
	e.bias = (s + 3).floats(count*rows, 3)
	return e
}

// shard returns the buffers of some of the experts. It rounds their biases.
func (e experts) shard(r rig, s Shard) (blocks, scales, bias *gpu.Buffer) {
	r.t.Helper()
	of := func(n int) (int, int) { return s.First * n, (s.First + s.Count) * n }
	cut := func(b []byte, n int) []byte {
		from, to := of(n)
		return b[from:to]
	}
	from, to := of(e.rows)
	return r.bytes("blocks", cut(e.blocks, e.rows*e.k/2)), r.bytes("scales", cut(e.scales, e.rows*e.k/32)), r.bf16("bias", e.bias[from:to])
}

// dot is row of an expert times x, with the bias: the sum and the sum of magnitudes.
func (e experts) dot(expert, row int, x []float32) (sum, size float64) {
	at := expert*e.rows + row
	sum = float64(e.bias[at])
	size = math.Abs(sum)
	for i, f := range x {
		p := float64(f) * float64(e.weights[at*e.k+i])
		sum += p
		size += math.Abs(p)
	}
	return sum, size
}

// dot is that of experts. Where a tile's matrices round the factors, size is larger, so that eps32*(len(x)+2) times it is still the error.
func (c moeCase) dot(e experts, expert, row int, x []float32) (sum, size float64) {
	sum, size = e.dot(expert, row, x)
	rounded := 0.0
	for i, f := range x {
		rounded += c.tile.rounded(float64(f), float64(e.weights[(expert*e.rows+row)*e.k+i]), mxfp4Unit)
	}
	return sum, size + rounded/(eps32*float64(len(x)+2))
}

// moeCase is a chunk's products with its experts.
type moeCase struct {
	rows, n, topK, experts int
	hidden, inner          int
	tile                   Tile
	sel                    [][]int // nil: random
	cuts                   []int   // experts where a new shard begins
	size                   float64 // of the activations
}

func (c moeCase) lists() ExpertLists { return ExpertLists{c.rows, c.topK, c.experts, c.tile.Height()} }

func (c moeCase) selected() [][]int {
	if c.sel != nil {
		return c.sel
	}
	return c.lists().selections(7, c.n)
}

var moeTile = Tile{X: 8, Y: 8, Rows: 1, Quads: 1} // 8 x 32

func moeCases() map[string]moeCase {
	same := func(n int, experts ...int) [][]int {
		sel := make([][]int, n)
		for i := range sel {
			sel[i] = experts
		}
		return sel
	}
	return map[string]moeCase{
		"OneRow":             {1, 1, 1, 1, 32, 32, moeTile, nil, nil, 1},
		"SingleTile":         {8, 8, 1, 1, 32, 32, moeTile, nil, nil, 1},
		"PartialTile":        {5, 5, 2, 4, 64, 64, moeTile, nil, nil, 1},
		"ManyTiles":          {50, 50, 4, 5, 64, 96, moeTile, nil, nil, 1},
		"NoRows":             {4, 0, 2, 4, 32, 32, moeTile, nil, nil, 1},
		"RowsOutOfUse":       {30, 7, 2, 4, 32, 64, moeTile, nil, nil, 1},
		"OneExpertTakesAll":  {20, 20, 1, 4, 32, 64, moeTile, same(20, 2), nil, 1},
		"ExpertWithNoTokens": {20, 20, 2, 4, 32, 64, moeTile, same(20, 3, 0), nil, 1},
		"Shards":             {20, 20, 3, 7, 64, 64, moeTile, nil, []int{1, 3, 6}, 1},
		"ShardWithNoTokens":  {9, 9, 1, 4, 32, 32, moeTile, same(9, 3), []int{2}, 1},
		"OddScaleRows":       {4, 4, 2, 3, 96, 160, moeTile, nil, []int{1}, 1}, // 3 and 5 scales a row
		"Clamped":            {16, 16, 2, 2, 32, 32, moeTile, nil, nil, 1000},
		"Deep":               {3, 3, 2, 2, 2880, 32, moeTile, nil, nil, 1},
		"LargeTile":          {70, 70, 2, 3, 32, 96, TileFor(512), nil, nil, 1},
	}
}

func drawMoE(rt *rapid.T) moeCase {
	c := moeCase{
		rows:    rapid.IntRange(1, 50).Draw(rt, "rows"),
		experts: rapid.IntRange(1, 9).Draw(rt, "experts"),
		hidden:  32 * rapid.IntRange(1, 6).Draw(rt, "hidden/32"),
		inner:   32 * rapid.IntRange(1, 6).Draw(rt, "inner/32"),
		tile:    rapid.SampledFrom(testTiles).Draw(rt, "tile"),
		size:    2,
	}
	c.n = rapid.IntRange(0, c.rows).Draw(rt, "n")
	c.topK = rapid.IntRange(1, min(c.experts, 4)).Draw(rt, "top k")
	c.cuts = []int{rapid.IntRange(0, c.experts).Draw(rt, "cut")}
	return c
}

func TestMoEGateUp(t *testing.T) {
	for name, c := range moeCases() {
		t.Run(name, func(t *testing.T) { c.checkGateUp(newRig(t)) })
	}
}

func TestMoEGateUpRandomShapes(t *testing.T) {
	randomShapes(t, drawMoE, func(r rig, c moeCase) { c.checkGateUp(r) })
}

func (c moeCase) checkGateUp(r rig) {
	r.t.Helper()
	const limit, alpha = 7, 1.702
	weights := newExperts(1, c.experts, 2*c.inner, c.hidden)
	x := numbers(9).floats(c.rows*c.hidden, c.size)
	of := c.lists().listsOf(c.selected())
	k, err := NewMoEGateUp(r.dev, MoEGateUpConfig{
		Hidden: c.hidden, Intermediate: c.inner, Limit: limit, Alpha: alpha, Lists: c.lists(), Tile: c.tile,
	})
	r.must(err)
	defer k.Release()
	a := MoEGateUpArgs{
		Lists: r.words("lists", c.lists().words(of)), T: r.floats("t", x), H: r.empty("h", c.rows*c.topK*c.inner),
	}
	got := r.twice(func() { r.fill(a.H) }, func(p *gpu.Program) error {
		for _, s := range shardsOf(c.experts, c.cuts) {
			a.Blocks, a.Scales, a.Bias = weights.shard(r, s)
			if err := k.Record(p, s, a); err != nil {
				return err
			}
		}
		return nil
	}, func() []uint32 { return r.readWords(a.H, c.rows*c.topK*c.inner) })

	want := make([]near, len(got))
	for i := range want {
		want[i] = untouched
	}
	for row, chosen := range c.selected() {
		for k, e := range chosen {
			for i := range c.inner {
				of := x[row*c.hidden:][:c.hidden]
				gate, gateSize := c.dot(weights, e, 2*i, of)
				up, upSize := c.dot(weights, e, 2*i+1, of)
				want[(row*c.topK+k)*c.inner+i] = swigluNear(gate, gateSize, up, upSize, c.hidden, limit, alpha)
			}
		}
	}
	c.tile.holds(r.t, compare(r.t, "h", got, want))
}

// swigluNear is the activation of sums over k products, whose terms' magnitudes add up to gateSize and upSize.
func swigluNear(gate, gateSize, up, upSize float64, k int, limit, alpha float64) near {
	// The k products and the bias meet at most k+2 roundings each.
	gateOff, upOff := gateSize*eps32*float64(k+2), upSize*eps32*float64(k+2)
	g := min(gate, limit)
	u := max(min(up, limit), -limit)
	s := 1 / (1 + math.Exp(-alpha*g))
	want := g * s * (u + 1)
	// |d/dg g*sigmoid(alpha*g)| is at most 1.1; |g*s| at most |g|. exp may be off by 3+2|alpha*g| units, divisions by 2.5.
	rel := 2 * eps32 * (3 + 2*math.Abs(alpha*g) + 2.5 + 4)
	return near{want, 1.1*gateOff*math.Abs(u+1) + math.Abs(g*s)*upOff + math.Abs(want)*rel + 1e-36}
}

func TestMoEDown(t *testing.T) {
	for name, c := range moeCases() {
		t.Run(name, func(t *testing.T) { c.checkDown(newRig(t)) })
	}
}

func TestMoEDownRandomShapes(t *testing.T) {
	randomShapes(t, drawMoE, func(r rig, c moeCase) { c.checkDown(r) })
}

func (c moeCase) checkDown(r rig) {
	r.t.Helper()
	weights := newExperts(1, c.experts, c.hidden, c.inner)
	h := numbers(9).floats(c.rows*c.topK*c.inner, c.size)
	of := c.lists().listsOf(c.selected())
	k, err := NewMoEDown(r.dev, MoEDownConfig{Hidden: c.hidden, Intermediate: c.inner, Lists: c.lists(), Tile: c.tile})
	r.must(err)
	defer k.Release()
	a := MoEDownArgs{
		Lists: r.words("lists", c.lists().words(of)), H: r.floats("h", h), Y: r.empty("y", c.rows*c.topK*c.hidden),
	}
	got := r.twice(func() { r.fill(a.Y) }, func(p *gpu.Program) error {
		for _, s := range shardsOf(c.experts, c.cuts) {
			a.Blocks, a.Scales, a.Bias = weights.shard(r, s)
			if err := k.Record(p, s, a); err != nil {
				return err
			}
		}
		return nil
	}, func() []uint32 { return r.readWords(a.Y, c.rows*c.topK*c.hidden) })

	want := make([]near, len(got))
	for i := range want {
		want[i] = untouched
	}
	for row, chosen := range c.selected() {
		for k, e := range chosen {
			at := row*c.topK + k
			for i := range c.hidden {
				sum, size := c.dot(weights, e, i, h[at*c.inner:][:c.inner])
				// as in swigluNear
				want[at*c.hidden+i] = near{sum, size*eps32*float64(c.inner+2) + 1e-37}
			}
		}
	}
	c.tile.holds(r.t, compare(r.t, "y", got, want))
}

// Every code under every scale that can be exact is decoded exactly: products with single ones are the weights themselves.
func TestMoEDownDecodesExactly(t *testing.T) { checkDecodesExactly(newRig(t), moeTile) }

func checkDecodesExactly(r rig, tile Tile) {
	r.t.Helper()
	// Weight row i has the codes 0 to 15, twice, under scale i+2: subnormal results, of smaller scales, may count as zero.
	const rows = 239
	e := experts{count: 1, rows: rows, k: 32, bias: make([]float32, rows)}
	for i := range rows {
		e.scales = append(e.scales, byte(i+2))
		for range 2 {
			for code := byte(0); code < 16; code += 2 {
				e.blocks = append(e.blocks, code|(code+1)<<4)
			}
		}
	}
	e.weights = make([]float32, rows*32)
	tensor.MXFP4ToF32(e.weights, e.blocks, e.scales)
	l := ExpertLists{Rows: 32, TopK: 1, Experts: 1, Height: tile.Height()}
	k, err := NewMoEDown(r.dev, MoEDownConfig{Hidden: 240, Intermediate: 32, Lists: l, Tile: tile})
	r.must(err)
	r.t.Cleanup(k.Release)
	h := make([]float32, 32*32)
	for i := range 32 {
		h[i*32+i] = 1
	}
	sel := make([][]int, 32)
	for i := range sel {
		sel[i] = []int{0}
	}
	pad := func(b []byte, n int) []byte { return append(b, make([]byte, n)...) }
	a := MoEDownArgs{
		Lists: r.words("lists", l.words(l.listsOf(sel))), H: r.floats("h", h), Blocks: r.bytes("blocks", pad(e.blocks, 16)),
		Scales: r.bytes("scales", pad(e.scales, 1)), Bias: r.floats("bias", make([]float32, 120)), Y: r.empty("y", 32*240),
	}
	r.run(func(p *gpu.Program) error { return k.Record(p, Shard{0, 1}, a) })
	want := make([]near, 32*240)
	for i := range want {
		if row := i % 240; row < rows {
			want[i] = near{float64(e.weights[row*32+i/240]), 0}
		}
	}
	compare(r.t, "y", r.readWords(a.Y, len(want)), want)
}

func TestCombine(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		rows, n, topK, hidden int
	}{
		{"OneRow", 1, 1, 1, 4},
		{"PartialWorkgroup", 3, 3, 4, 300},
		{"RowsOutOfUse", 9, 4, 4, 64},
		{"NoRows", 2, 0, 2, 32},
		{"ManyExperts", 2, 2, 64, 32},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			k, err := NewCombine(r.dev, CombineConfig{Hidden: tt.hidden, TopK: tt.topK})
			r.must(err)
			t.Cleanup(k.Release)
			weights := numbers(1).floats(tt.rows*tt.topK, 1)
			y := numbers(2).floats(tt.rows*tt.topK*tt.hidden, 5)
			x := numbers(3).floats(tt.rows*tt.hidden, 5)
			var sel []uint32
			for _, w := range weights {
				sel = append(sel, poison, math.Float32bits(w))
			}
			a := CombineArgs{Chunk: r.chunk(tt.n), Sel: r.words("sel", sel), Y: r.floats("y", y), X: r.floats("x", x)}
			r.run(func(p *gpu.Program) error { return k.Record(p, tt.rows, a) })
			want := make([]near, len(x))
			for i := range want {
				sum, size := float64(x[i]), math.Abs(float64(x[i]))
				for k := range tt.topK {
					at := i/tt.hidden*tt.topK + k
					p := float64(weights[at]) * float64(y[at*tt.hidden+i%tt.hidden])
					sum += p
					size += math.Abs(p)
				}
				want[i] = near{sum, size*eps32*float64(tt.topK+2) + 1e-37} // the products and sums round
				if i/tt.hidden >= tt.n {
					want[i] = near{float64(x[i]), 0}
				}
			}
			compare(t, "x", r.readWords(a.X, len(x)), want)
		})
	}
}

// The experts of a published model, fewer of them, with as many rows each as in a chunk of 128 or 512 rows.
func BenchmarkMoEGateUp(b *testing.B) {
	const hidden, inner, topK, count = 2880, 720, 4, 8
	r := newRig(b)
	weights := newExperts(1, count, 2*inner, hidden)
	for _, rows := range []int{32, 128} {
		for _, t := range []Tile{TileFor(16), TileFor(128), {X: 16, Y: 16, Rows: 4, Quads: 1}, TileFor(512)} {
			b.Run(fmt.Sprintf("rows=%d/tile=%dx%d", rows, t.Height(), t.width()), func(b *testing.B) {
				r := rig{b, r.dev}
				l := ExpertLists{Rows: rows, TopK: topK, Experts: count, Height: t.Height()}
				k, err := NewMoEGateUp(r.dev, MoEGateUpConfig{Hidden: hidden, Intermediate: inner, Limit: 7, Alpha: 1.702, Lists: l, Tile: t})
				r.must(err)
				b.Cleanup(k.Release)
				a := MoEGateUpArgs{
					Lists: r.words("lists", l.words(l.listsOf(l.selections(1, rows)))), T: r.floats("t", numbers(1).floats(rows*hidden, 1)),
					H: r.empty("h", rows*topK*inner),
				}
				a.Blocks, a.Scales, a.Bias = weights.shard(r, Shard{0, count})
				p := r.program(func(p *gpu.Program) error { return k.Record(p, Shard{0, count}, a) })
				r.bench(p, 2*float64(rows)*topK*2*inner*hidden)
			})
		}
	}
}
