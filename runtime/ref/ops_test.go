package ref

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/goldentest"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/tensor"
)

// near reports whether two float64 evaluations that differ only in the order of their operations agree.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-12*max(1, math.Abs(a), math.Abs(b)) }

func readGolden(t *testing.T, name string, v any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(goldentest.Dir(t), name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func drawFloats(t *rapid.T, label string, n int) []float64 {
	return rapid.SliceOfN(rapid.Float64Range(-4, 4), n, n).Draw(t, label)
}

func toFloat32(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

func TestRMSNorm(t *testing.T) {
	for _, c := range []struct {
		name           string
		x, want        []float64
		scale          []float32
		eps, tolerance float64
	}{
		{"Plain", []float64{3, -4}, []float64{3 / math.Sqrt(12.5), -8 / math.Sqrt(12.5)}, []float32{1, 2}, 0, 1e-15},
		{"ZerosNeedEps", []float64{0, 0, 0}, []float64{0, 0, 0}, []float32{1, 1, 1}, 1e-5, 0},
		{"EpsIsInsideTheRoot", []float64{2}, []float64{2 / math.Sqrt(4+5)}, []float32{1}, 5, 1e-15},
		{"MeanIsNotSubtracted", []float64{5, 5}, []float64{1, 1}, []float32{1, 1}, 0, 1e-15},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := slices.Clone(c.x)
			rmsNorm(got, got, c.scale, c.eps)
			for i := range got {
				if math.Abs(got[i]-c.want[i]) > c.tolerance {
					t.Errorf("element %d is %v, want %v", i, got[i], c.want[i])
				}
			}
		})
	}
}

func TestLinearRowDecodesMXFP4(t *testing.T) {
	var golden struct {
		Cases []struct {
			Scale  int
			Blocks []int
			Values []float64
		}
	}
	readGolden(t, "mxfp4_vectors.json", &golden)
	if len(golden.Cases) == 0 {
		t.Fatal("no cases")
	}
	for i, c := range golden.Cases {
		// The block under test is the second one of the second row.
		l := &linear{Rows: 2, Cols: 64, Blocks: make([]byte, 64), Scales: []byte{1, 2, 3, byte(c.Scale)}}
		for j, b := range c.Blocks {
			l.Blocks[48+j] = byte(b)
		}
		got := make([]float64, 32)
		l.row(got, 1, 32)
		if !slices.Equal(got, c.Values) {
			t.Errorf("case %d: got %v, want %v", i, got, c.Values)
		}
	}
}

// TestLinearRowAgreesWithTensor: the decoder here is a faster one of its own.
func TestLinearRowAgreesWithTensor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		blocks := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "blocks")
		scales := rapid.SliceOfN(rapid.ByteRange(0, 252), 2, 2).Draw(t, "scales") // above, float32 may overflow
		want := make([]float32, 64)
		tensor.MXFP4ToF32(want, blocks, scales)
		got := make([]float64, 64)
		(&linear{Rows: 1, Cols: 64, Blocks: blocks, Scales: scales}).row(got, 0, 0)
		for i := range got {
			if got[i] != float64(want[i]) {
				t.Fatalf("value %d is %v, want %v", i, got[i], want[i])
			}
		}
	})
}

// TestScaledBF16IsExact tries every finite bfloat16, subnormal ones as well.
func TestScaledBF16IsExact(t *testing.T) {
	for b := range 1 << 16 {
		want := float64(tensor.FromBF16(uint16(b)))
		if math.IsInf(want, 0) || math.IsNaN(want) {
			continue
		}
		if got := scaledBF16(uint16(b)) * bf16Scale; math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("%#04x is %v, want %v", b, got, want)
		}
	}
}

// TestMatMul compares with the definition, over shapes below, at and above the tiles and for parts of the rows.
func TestMatMul(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &linear{
			Rows: rapid.IntRange(1, 3*tileRows).Draw(t, "rows"),
			Cols: 32 * rapid.SampledFrom([]int{1, 3, tileCols / 32, tileCols/32 + 1}).Draw(t, "cols/32"),
		}
		n := rapid.SampledFrom([]int{1, 2, tileTokens - 1, tileTokens, tileTokens + 1}).Draw(t, "tokens")
		random := rapid.Uint64().Draw(t, "seed")
		next := func() uint64 { // xorshift64: rapid would draw for seconds
			random |= 1 << 60
			random ^= random << 13
			random ^= random >> 7
			random ^= random << 17
			return random
		}
		if rapid.Bool().Draw(t, "mxfp4") {
			l.Blocks, l.Scales = make([]byte, l.Rows*l.Cols/2), make([]byte, l.Rows*l.Cols/32)
			for i := range l.Blocks {
				l.Blocks[i] = byte(next())
			}
			for i := range l.Scales {
				l.Scales[i] = byte(125 + next()%4)
			}
		} else {
			l.BF16 = make([]uint16, l.Rows*l.Cols)
			for i := range l.BF16 {
				l.BF16[i] = tensor.ToBF16(float32(next()%1024)/256 - 2)
			}
		}
		if rapid.Bool().Draw(t, "bias") {
			l.Bias = make([]float32, l.Rows)
			for i := range l.Bias {
				l.Bias[i] = float32(next()%64) - 32
			}
		}
		x := make([]float64, n*l.Cols)
		for i := range x {
			x[i] = float64(next()%4096)/1024 - 2
		}
		lo := rapid.IntRange(0, l.Rows-1).Draw(t, "lo")
		hi := rapid.IntRange(lo+1, l.Rows).Draw(t, "hi")

		untouched := math.Inf(1)
		y := slices.Repeat([]float64{untouched}, n*l.Rows)
		l.matMul(y, x, n, lo, hi)

		row := make([]float64, l.Cols)
		for r := range l.Rows {
			l.row(row, r, 0)
			for i := range n {
				got, want := y[i*l.Rows+r], untouched
				if lo <= r && r < hi {
					want = 0
					for c, w := range row {
						want += w * x[i*l.Cols+c]
					}
					if l.Bias != nil {
						want += float64(l.Bias[r])
					}
				}
				if got != want && !near(got, want) {
					t.Fatalf("token %d, row %d is %v, want %v", i, r, got, want)
				}
			}
		}

		// One token alone gives the same bits as in company.
		i := rapid.IntRange(0, n-1).Draw(t, "token")
		alone := slices.Repeat([]float64{untouched}, l.Rows)
		l.matMul(alone, x[i*l.Cols:][:l.Cols], 1, lo, hi)
		if !slices.Equal(alone, y[i*l.Rows:][:l.Rows]) {
			t.Fatalf("token %d alone: %v, in company: %v", i, alone, y[i*l.Rows:][:l.Rows])
		}
	})
}

// TestRope rotates unit vectors, which come out as columns of the rotation: pair i is elements i and i + 32, in every head.
func TestRope(t *testing.T) {
	var golden struct {
		Positions []int
		Cos       [][]float64 `json:"cos_f64"`
		Sin       [][]float64 `json:"sin_f64"`
	}
	readGolden(t, "rope_vectors.json", &golden)
	c := &gptoss.Config{HeadDim: 64, Rope: gptoss.Rope{Theta: 150000, Factor: 32, BetaFast: 32, BetaSlow: 1, OriginalContext: 4096}}
	for p, position := range golden.Positions {
		table := c.RopeTable(position, 1)
		for i := range 32 {
			cos, sin := golden.Cos[p][i], golden.Sin[p][i]
			want := make([]float64, 3*64)
			want[64+i], want[64+i+32] = cos, sin
			want[128+i], want[128+i+32] = -2*sin, 2*cos

			x := make([]float64, 3*64) // three heads: zeros, the first of the pair, twice the second
			x[64+i], x[128+i+32] = 1, 2
			rope(x, table)
			for j := range x {
				if math.Abs(x[j]-want[j]) > 3e-7 { // the table is float32
					t.Fatalf("position %d, pair %d: element %d is %v, want %v", position, i, j, x[j], want[j])
				}
			}
		}
	}
}

// TestAttention compares with the definition: a softmax over the scores and the sink, whose weight is dropped.
func TestAttention(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dim := 4 * rapid.IntRange(1, 4).Draw(t, "headDim/4")
		stride := dim * rapid.IntRange(1, 3).Draw(t, "kvHeads")
		n := rapid.IntRange(1, 12).Draw(t, "keys")
		sharp := rapid.SampledFrom([]float64{0, 1, 1e3}).Draw(t, "sharpness") // 1e3: exp would overflow
		sink := rapid.Float64Range(-40, 40).Draw(t, "sink")
		q := drawFloats(t, "q", dim)
		for i := range q {
			q[i] *= sharp
		}
		k, v := toFloat32(drawFloats(t, "k", n*stride)), toFloat32(drawFloats(t, "v", n*stride))

		logits := make([]float64, n)
		largest := sink
		for j := range logits {
			for i := range q {
				logits[j] += q[i] * float64(k[j*stride+i]) / math.Sqrt(float64(dim))
			}
			largest = max(largest, logits[j])
		}
		total := math.Exp(sink - largest)
		for _, s := range logits {
			total += math.Exp(s - largest)
		}
		want := make([]float64, dim)
		for j, s := range logits {
			for i := range want {
				want[i] += math.Exp(s-largest) / total * float64(v[j*stride+i])
			}
		}

		got := make([]float64, dim)
		attention(got, q, k, v, stride, n, sink)
		for i := range got {
			if math.Abs(got[i]-want[i]) > 1e-9 { // scores of some 1e4 have errors of 1e-12
				t.Fatalf("element %d is %v, want %v", i, got[i], want[i])
			}
		}
	})
}

func TestTopK(t *testing.T) {
	for _, c := range []struct {
		name   string
		logits []float64
		index  []int32
		weight []float64
	}{
		{"LargestFirst", []float64{0, math.Log(2), math.Log(6)}, []int32{2, 1}, []float64{0.75, 0.25}},
		{"TiesToTheLowerID", []float64{1, 5, 5, 5}, []int32{1, 2}, []float64{0.5, 0.5}},
		{"AllNegative", []float64{-99, -8, -8 - math.Log(3)}, []int32{1, 2}, []float64{0.75, 0.25}},
		{"Large", []float64{1000, 0, 1000}, []int32{0, 2}, []float64{0.5, 0.5}},
		{"One", []float64{-3, 4}, []int32{1}, []float64{1}},
		{"All", []float64{0, 0, 0}, []int32{0, 1, 2}, []float64{1. / 3, 1. / 3, 1. / 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			index, weight := make([]int32, len(c.index)), make([]float64, len(c.index))
			topK(index, weight, c.logits)
			if !slices.Equal(index, c.index) {
				t.Errorf("index %v, want %v", index, c.index)
			}
			for i := range weight {
				if !near(weight[i], c.weight[i]) {
					t.Errorf("weight %v, want %v", weight, c.weight)
				}
			}
		})
	}
}

func TestSwiGLU(t *testing.T) {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	for _, c := range []struct {
		name           string
		gate, up, want float64
	}{
		{"Zero", 0, 5, 0},
		{"UpHasOneAdded", 1, 0, sigmoid(1.702)},
		{"GateAboveTheLimit", 8, 0, 7 * sigmoid(1.702*7)},
		{"GateIsNotClampedBelow", -20, 1, -40 * sigmoid(-1.702*20)},
		{"UpAboveTheLimit", 1, 9, 8 * sigmoid(1.702)},
		{"UpBelowTheLimit", 1, -9, -6 * sigmoid(1.702)},
		{"FarBelow", -1e6, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := make([]float64, 2)
			swiGLU(h, []float64{0, 0, c.gate, c.up}, 7, 1.702)
			if !near(h[1], c.want) || h[0] != 0 {
				t.Errorf("got %v, want [0 %v]", h, c.want)
			}
		})
	}
}

func TestParallelCoversEachItemOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers, n := rapid.IntRange(1, 9).Draw(t, "workers"), rapid.IntRange(0, 200).Draw(t, "n")
		counts := make([]atomic.Int32, n)
		parallel(workers, n, rapid.SampledFrom([]int{1, parallelWork}).Draw(t, "work"), func(lo, hi int) {
			for i := lo; i < hi; i++ {
				counts[i].Add(1)
			}
		})
		for i := range counts {
			if c := counts[i].Load(); c != 1 {
				t.Fatalf("item %d was done %d times", i, c)
			}
		}
	})
}
