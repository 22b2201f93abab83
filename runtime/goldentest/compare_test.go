package goldentest

import (
	"math"
	"math/rand/v2"
	"testing"
)

// random is 3 rows of 1,000 logits with a standard deviation of 3.
func random() [][]float32 {
	rng := rand.New(rand.NewPCG(1, 2))
	rows := make([][]float32, 3)
	for i := range rows {
		for range 1000 {
			rows[i] = append(rows[i], float32(3*rng.NormFloat64()))
		}
	}
	return rows
}

func whole(rows [][]float32) *Rows {
	a := Array{Shape: []int{len(rows), len(rows[0])}}
	for _, r := range rows {
		a.Values = append(a.Values, r...)
	}
	return &Rows{logits: a}
}

// summary is what the golden data keeps of a large vocabulary, here with one top value and one probe.
func summary(rows [][]float32) *Rows {
	one := func() Array { return Array{Shape: []int{len(rows), 1}} }
	r := &Rows{topIndex: one(), topValue: one(), probeIndex: []int32{7}, probeValue: one(), sum: one(), sumOfSquares: one(), logSumExp: one()}
	for i, row := range rows {
		best := whole(rows).Argmax(i)
		var sum, squares, exps float64
		for _, v := range row {
			sum += float64(v)
			squares += float64(v) * float64(v)
			exps += math.Exp(float64(v))
		}
		r.topIndex.Values = append(r.topIndex.Values, float32(best))
		r.topValue.Values = append(r.topValue.Values, row[best])
		r.probeValue.Values = append(r.probeValue.Values, row[7])
		r.sum.Values = append(r.sum.Values, float32(sum))
		r.sumOfSquares.Values = append(r.sumOfSquares.Values, float32(squares))
		r.logSumExp.Values = append(r.logSumExp.Values, float32(math.Log(exps)))
	}
	return r
}

func TestDifference(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(row []float32)
		rms     float64 // over std, of whole rows; within 5 percent
		largest float64
		hidden  bool // the summary does not see it
	}{
		{"Equal", func([]float32) {}, 0, 0, false},
		{"AllShifted", func(r []float32) {
			for i := range r {
				r[i] += 0.3
			}
		}, 0.1, 0.3, false},
		{"AllNegated", func(r []float32) {
			for i := range r {
				r[i] = -r[i]
			}
		}, 2, 27.83, false},
		{"OneProbe", func(r []float32) { r[7] += 9 }, 3 / math.Sqrt(1000), 9, false},
		{"OneOfNoNote", func(r []float32) { r[8] += 0.9 }, 0.3 / math.Sqrt(1000), 0.9, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows := random()
			wholeRows, summaryRows := whole(rows), summary(rows)
			var w, s Difference
			for i, row := range rows {
				c.change(row)
				w.Add(wholeRows, i, row)
				s.Add(summaryRows, i, row)
			}
			if math.Abs(w.RMSOverStd()-c.rms) > 0.05*c.rms || math.Abs(w.Max-c.largest) > 0.01 {
				t.Errorf("rms over std %v, max %v; want %v and %v", w.RMSOverStd(), w.Max, c.rms, c.largest)
			}
			const rounding = 1e-6 // of the sums to float32
			if s.Max > w.Max+rounding {
				t.Errorf("the summary's max is %v, above the truth of %v", s.Max, w.Max)
			}
			if seen := s.RMSOverStd() >= w.RMSOverStd()/2-rounding; seen == c.hidden {
				t.Errorf("the summary's rms over std is %v of %v", s.RMSOverStd(), w.RMSOverStd())
			}
		})
	}
}

func TestNaNIsNoMatch(t *testing.T) {
	rows := random()
	for _, want := range []*Rows{whole(rows), summary(rows)} {
		got := random()
		got[1][500] = float32(math.NaN())
		var d Difference
		for i, row := range got {
			d.Add(want, i, row)
		}
		if !math.IsInf(d.Max, 1) || d.RMSOverStd() <= 1 {
			t.Errorf("max is %v, rms over std %v", d.Max, d.RMSOverStd())
		}
	}
}

// TestLoad reads all cases and checks that the parts belong together.
func TestLoad(t *testing.T) {
	for _, name := range Models {
		c := Load(t, name)
		for i := range c.Prompts {
			p := &c.Prompts[i]
			if n := len(p.Tokens); n == 0 || p.Want.Len() != n || p.RouterGap.Shape[1] != n {
				t.Errorf("%s: prompt %d has %d tokens, %d rows, gaps %v", name, i, n, p.Want.Len(), p.RouterGap.Shape)
			}
			if last := i == len(c.Prompts)-1; (len(p.Trace) > 0) != last {
				t.Errorf("%s: prompt %d has %d traces", name, i, len(p.Trace))
			}
		}
		if c.Greedy.Want.Len() != len(c.Greedy.Tokens) {
			t.Errorf("%s: %d greedy tokens, %d rows", name, len(c.Greedy.Tokens), c.Greedy.Want.Len())
		}
		for i, token := range c.Greedy.Tokens {
			if got := c.Greedy.Want.Argmax(i); got != token {
				t.Errorf("%s: greedy token %d is %d, the largest logit is %d", name, i, token, got)
			}
		}
		if l := c.Long; l != nil && (len(l.Tokens) < 4097 || l.Want.Len() != len(l.Positions)) {
			t.Errorf("%s: long has %d tokens, %d rows for %d positions", name, len(l.Tokens), l.Want.Len(), len(l.Positions))
		}
	}
}
