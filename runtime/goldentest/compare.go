package goldentest

import (
	"fmt"
	"math"
	"testing"
)

// Tolerance bounds a difference of logits.
type Tolerance struct {
	RMSOverStd float64 // root mean square of the difference over the standard deviation of the expected logits
	Max        float64 // largest difference
}

// Limits for implementations in float32, from testdata/golden/README.md: OpenAI's code in float32 differs by at most 2.4e-6 and
// 7e-5 on prompts, and by 3e-5 and 1e-3 on the long text, where float32 angles dominate. The smallest mistakes are far above.
var (
	Float32     = Tolerance{RMSOverStd: 2e-5, Max: 1e-3}
	Float32Long = Tolerance{RMSOverStd: 2e-4, Max: 1e-2}
)

// Rows is the expected logits of some positions: whole rows or, for a large vocabulary, a summary of each.
type Rows struct {
	logits Array // [rows][vocab]

	topIndex, topValue Array   // [rows][50] the largest logits in order
	probeIndex         []int32 // [10] ids
	probeValue         Array   // [rows][10]
	sum                Array   // [rows] over the vocabulary
	sumOfSquares       Array   // [rows]
	logSumExp          Array   // [rows]
}

// Len is the number of rows.
func (r *Rows) Len() int {
	if r.logits.Shape != nil {
		return r.logits.Shape[0]
	}
	return r.sum.Shape[0]
}

// Argmax is the id of the largest expected logit of row i.
func (r *Rows) Argmax(i int) int32 {
	if r.logits.Shape == nil {
		return int32(r.topIndex.Values[i*r.topIndex.Shape[1]])
	}
	best := 0
	row := r.row(i)
	for id, v := range row {
		if v > row[best] {
			best = id
		}
	}
	return int32(best)
}

func (r *Rows) row(i int) []float32 {
	vocab := r.logits.Shape[1]
	return r.logits.Values[i*vocab:][:vocab]
}

// Difference is what one or more rows differ by from the expected ones.
//
// Of a summary, each part bounds the difference d of the whole row from below: |mean of d| and |√mean(got²) - √mean(want²)| are
// at most the root mean square of d, and the change of logsumexp at most its largest element.
type Difference struct {
	Max   float64 // largest difference of a logit
	Where string  // of that
	rows  int
	sum   float64 // over rows: mean square of the difference
	std   float64 // over rows: variance of the expected logits about their mean
}

// RMSOverStd is the root mean square of the difference over the standard deviation of the expected logits.
func (d *Difference) RMSOverStd() float64 { return math.Sqrt(d.sum / d.std) }

// Rows is the number of rows compared.
func (d *Difference) Rows() int { return d.rows }

// Add compares one row, [vocab], with row i of want.
func (d *Difference) Add(want *Rows, i int, got []float32) {
	d.rows++
	if want.logits.Shape != nil {
		d.addWhole(want.row(i), i, got)
	} else {
		d.addSummary(want, i, got)
	}
}

func (d *Difference) addWhole(want []float32, i int, got []float32) {
	var square, mean, meanSquare float64
	for id, w := range want {
		square += d.element(i, int32(id), float64(got[id]), float64(w))
		mean += float64(w)
		meanSquare += float64(w) * float64(w)
	}
	n := float64(len(want))
	d.sum += square / n
	d.std += meanSquare/n - mean/n*mean/n
}

// element notes one difference and returns its square.
func (d *Difference) element(i int, id int32, got, want float64) float64 {
	diff := math.Abs(got - want)
	d.note(diff, "row %d, id %d: got %v, want %v", i, id, got, want)
	return diff * diff
}

// note keeps a difference if it is the largest one; NaN counts as infinite.
func (d *Difference) note(diff float64, format string, args ...any) {
	if math.IsNaN(diff) {
		diff = math.Inf(1)
	}
	if diff > d.Max {
		d.Max, d.Where = diff, fmt.Sprintf(format, args...)
	}
}

func (d *Difference) addSummary(want *Rows, i int, got []float32) {
	var square float64
	tops, probes := want.topIndex.Shape[1], len(want.probeIndex)
	for j := i * tops; j < (i+1)*tops; j++ {
		id := int32(want.topIndex.Values[j])
		square += d.element(i, id, float64(got[id]), float64(want.topValue.Values[j]))
	}
	for j, id := range want.probeIndex {
		square += d.element(i, id, float64(got[id]), float64(want.probeValue.Values[i*probes+j]))
	}
	square /= float64(tops + probes)

	n := float64(len(got))
	largest := math.Inf(-1)
	var sum, squares float64
	for _, v := range got {
		largest = max(largest, float64(v))
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	var exps float64
	for _, v := range got {
		exps += math.Exp(float64(v) - largest)
	}
	wantMean, wantSquares := float64(want.sum.Values[i])/n, float64(want.sumOfSquares.Values[i])/n
	meanDiff := sum/n - wantMean
	normDiff := math.Sqrt(squares/n) - math.Sqrt(wantSquares)
	d.sum += max(square, meanDiff*meanDiff, normDiff*normDiff)
	d.std += wantSquares - wantMean*wantMean

	gotLSE, wantLSE := largest+math.Log(exps), float64(want.logSumExp.Values[i])
	d.note(math.Abs(gotLSE-wantLSE), "row %d, logsumexp: got %v, want %v", i, gotLSE, wantLSE)
}

// Check fails the test if the rows differ by more than the tolerance, or if there were none.
func (d *Difference) Check(t testing.TB, limit Tolerance) {
	t.Helper()
	if d.rows == 0 {
		t.Error("no rows were compared")
		return
	}
	if rms := d.RMSOverStd(); !(rms <= limit.RMSOverStd) || !(d.Max <= limit.Max) {
		t.Errorf("%d rows: rms over std %.3g, limit %.3g; largest difference %.3g, limit %.3g (%s)",
			d.rows, rms, limit.RMSOverStd, d.Max, limit.Max, d.Where)
	}
}
