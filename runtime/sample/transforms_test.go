package sample

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	nan = float32(math.NaN())
	inf = float32(math.Inf(1))
)

func TestArgmax(t *testing.T) {
	for _, tt := range []struct {
		name   string
		logits []float32
		want   int32
		err    error
	}{
		{"Single", []float32{-3}, 0, nil},
		{"LowestIDOnTies", []float32{1, 2, 2, 0}, 1, nil},
		{"NaNFirst", []float32{nan, -5, -4}, 2, nil},
		{"InfinityIsNotAToken", []float32{inf, 1, -inf}, 1, nil},
		{"NegativeZeroTies", []float32{float32(math.Copysign(0, -1)), 0}, 0, nil},
		{"NothingFinite", []float32{nan, inf, -inf}, 0, ErrNoToken},
		{"Empty", nil, 0, ErrNoToken},
	} {
		got, err := argmax(tt.logits)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: Argmax(%v) = %d, %v, want %d, %v", tt.name, tt.logits, got, err, tt.want, tt.err)
		}
	}
}

// softmax writes exp(logits) divided by their sum to dst, both [vocab]; dst may be logits. The largest finite logit is subtracted
// first, so nothing overflows; logits that are not finite get 0.
func softmax(dst, logits []float32) error {
	best, err := argmax(logits)
	if err != nil {
		return err
	}
	top := logits[best]
	sum := 0.0
	for id, x := range logits {
		p := float32(0)
		if finite(x) {
			p = exp(x - top)
		}
		dst[id] = p
		sum += float64(p)
	}
	for id := range dst {
		dst[id] = float32(float64(dst[id]) / sum)
	}
	return nil
}

func TestSoftmax(t *testing.T) {
	for _, tt := range []struct {
		name         string
		logits, want []float32
	}{
		{"Even", []float32{5, 5}, []float32{0.5, 0.5}},
		{"HugeDoesNotOverflow", []float32{3e38, 3e38, -3e38}, []float32{0.5, 0.5, 0}},
		{"NotFiniteIsZero", []float32{nan, 1, -inf, inf}, []float32{0, 1, 0, 0}},
		{"Thirds", []float32{0, float32(math.Log(2))}, []float32{1.0 / 3, 2.0 / 3}},
	} {
		got := make([]float32, len(tt.logits))
		if err := softmax(got, tt.logits); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		for i := range got {
			if math.Abs(float64(got[i]-tt.want[i])) > 1e-7 { // one rounding of values below 1
				t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
			}
		}
	}
}

func TestPenalties(t *testing.T) {
	logits := []float32{2, -2, 0, 1}
	penalizeRepetition(logits, map[int32]int{0: 1, 1: 5, 2: 1}, 2)
	if d := gocmp.Diff([]float32{1, -4, 0, 1}, logits); d != "" {
		t.Errorf("penalizeRepetition: %s", d)
	}
	penalizePresence(logits, map[int32]int{0: 1, 3: 3}, 0.5, 0.25)
	if d := gocmp.Diff([]float32{0.25, -4, 0, -0.25}, logits); d != "" {
		t.Errorf("PenalizePresence: %s", d)
	}
	addBias(logits, map[int32]float32{2: -100})
	if logits[2] != -100 {
		t.Errorf("Bias: got %v, want -100", logits[2])
	}
}

func TestAllow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logits := make([]float32, rapid.IntRange(1, 100).Draw(t, "vocab"))
		word := rapid.OneOf(rapid.Uint32(), rapid.Just(uint32(0)), rapid.Just(uint32(math.MaxUint32)))
		allowed := rapid.SliceOfN(word, (len(logits)+31)/32, (len(logits)+31)/32).Draw(t, "allowed")
		allowOnly(logits, allowed)
		for id, x := range logits {
			if want := allowed[id/32]>>(id%32)&1 == 1; (x == 0) != want {
				t.Fatalf("token %d: logit %v, allowed %v", id, x, want)
			}
		}
	})
}

// rows draws logits with ties and with values that are not finite, and at least one that is.
func rows(t *rapid.T) []float32 {
	value := rapid.OneOf(
		rapid.Float32Range(-30, 30),
		rapid.Map(rapid.IntRange(-3, 3), func(n int) float32 { return float32(n) }),
		rapid.SampledFrom([]float32{nan, inf, -inf}),
	)
	return append(rapid.SliceOfN(value, 0, 60).Draw(t, "logits"), rapid.Float32Range(-3, 3).Draw(t, "last"))
}

// sorted returns the candidates in their order, by the library's sort.
func sorted(c []candidate) []candidate {
	return slices.SortedFunc(slices.Values(c), func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.Logit, a.Logit), cmp.Compare(a.ID, b.ID))
	})
}

func TestFiltersAgreeWithSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		temperature := rapid.Float32Range(0.01, 3).Draw(t, "temperature")
		all, err := candidates(nil, rows(t), temperature)
		if err != nil {
			t.Fatal(err)
		}
		want := sorted(all)

		k := rapid.IntRange(1, 70).Draw(t, "k")
		if got := sorted(keepTopK(slices.Clone(all), k)); !slices.Equal(got, want[:min(k, len(want))]) {
			t.Fatalf("TopK(%d) of %v: %v", k, want, got)
		}

		p := rapid.Float32Range(0.001, 1).Draw(t, "p")
		kept := sorted(keepTopP(slices.Clone(all), p))
		sum, have := 0.0, 0.0
		for n, c := range want {
			w := float64(exp(c.Logit))
			sum += w
			if n < len(kept) {
				have += w
				if kept[n].ID != c.ID {
					t.Fatalf("TopP(%v) of %v keeps others than the best: %v", p, want, kept)
				}
			}
		}
		// Sums of the same weights in another order differ by rounding.
		const rounding = 1e-12
		if have < float64(p)*sum-rounding && len(kept) < len(all) {
			t.Fatalf("TopP(%v) keeps %v of %v", p, have, sum)
		}
		if without := have - float64(exp(kept[len(kept)-1].Logit)); len(kept) > 1 && without > float64(p)*sum+rounding {
			t.Fatalf("TopP(%v) keeps more than it needs: %v without the last one", p, without/sum)
		}

		kept = keepMinP(slices.Clone(all), p)
		for _, c := range all {
			// exp and log round; a candidate may lie on the edge.
			if w := exp(c.Logit); math.Abs(float64(w-p)) > 1e-6 && slices.Contains(kept, c) != (w > p) {
				t.Fatalf("MinP(%v) of %v: %v", p, all, kept)
			}
		}
	})
}

// The bound and the reach only save work: the same token wins if all noise is computed.
func TestDrawIsGumbelMax(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logits := rows(t)
		temperature := rapid.Float32Range(0.01, 3).Draw(t, "temperature")
		seed, position := rapid.Uint64().Draw(t, "seed"), rapid.IntRange(0, 1<<17).Draw(t, "position")
		c, err := candidates(nil, logits, temperature)
		if err != nil {
			t.Fatal(err)
		}
		got := draw(rapid.Permutation(c).Draw(t, "order"), seed, position)

		top, _ := argmax(logits)
		best, bestScore := int32(-1), -inf
		for id, x := range logits {
			if !finite(x) {
				continue
			}
			if score := (x-logits[top])/temperature + Noise(seed, position, int32(id)); score > bestScore {
				best, bestScore = int32(id), score
			}
		}
		if got != best {
			t.Fatalf("Draw = %d, want %d", got, best)
		}
	})
}

// Logits that a difference of 40 doesn't change are as probable as equal ones: within their rounding, certain.
func TestLogProbsOfHugeLogits(t *testing.T) {
	own, list, err := LogProbs(nil, []float32{3e38, -3e38, 3e38}, 2, 3)
	if want := []LogProb{{0, 0}, {2, 0}, {1, -inf}}; err != nil || own != want[1] || !slices.Equal(list, want) {
		t.Errorf("%v, %v, %v, want %v", own, list, err, want)
	}
}

func TestLogProbs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logits := rows(t)
		id := int32(rapid.IntRange(0, len(logits)-1).Draw(t, "id"))
		top := rapid.IntRange(0, 20).Draw(t, "top")
		own, list, err := LogProbs(nil, logits, id, top)
		if err != nil {
			t.Fatal(err)
		}
		p := make([]float32, len(logits))
		if err := softmax(p, logits); err != nil {
			t.Fatal(err)
		}
		// Both round to float32; log probabilities here are above -70 and have a spacing of 8e-6 there.
		check := func(l LogProb) {
			if want := math.Log(float64(p[l.ID])); p[l.ID] > 1e-30 && math.Abs(float64(l.LogProb)-want) > 2e-5 {
				t.Fatalf("token %d: log probability %v, want %v", l.ID, l.LogProb, want)
			}
		}
		check(own)
		if !finite(logits[id]) && own.LogProb != -inf {
			t.Fatalf("token %d has logit %v and log probability %v", id, logits[id], own.LogProb)
		}
		var want []int32
		for i, x := range logits {
			if finite(x) {
				want = append(want, int32(i))
			}
		}
		slices.SortStableFunc(want, func(a, b int32) int { return cmp.Compare(logits[b], logits[a]) })
		var got []int32
		for _, l := range list {
			check(l)
			got = append(got, l.ID)
		}
		if d := gocmp.Diff(want[:min(top, len(want))], got); top > 0 && d != "" {
			t.Fatalf("top %d: %s", top, d)
		}
	})
}

// benchRow looks like a model's row: a broad normal distribution with a few tokens far above it.
func benchRow() []float32 {
	logits := make([]float32, 201088)
	for id := range logits {
		u := float64(hash(1, 0, int32(id))>>9)/(1<<23) + 1e-9
		v := float64(hash(2, 0, int32(id))) / (1 << 32)
		logits[id] = float32(2.5 * math.Sqrt(-2*math.Log(u)) * math.Cos(2*math.Pi*v))
	}
	for n := range 20 {
		logits[n*9973] = 18 - float32(n)
	}
	return logits
}

func BenchmarkArgmax(b *testing.B) {
	row := benchRow()
	for b.Loop() {
		argmax(row)
	}
}

func BenchmarkPenalties(b *testing.B) {
	row := benchRow()
	counts := make(map[int32]int)
	for n := range int32(2000) {
		counts[n*100] = 1
	}
	for b.Loop() {
		penalizeRepetition(row, counts, 1.0001)
		penalizePresence(row, counts, 0.001, 0)
	}
}

func BenchmarkAllow(b *testing.B) {
	row := benchRow()
	allowed := make([]uint32, len(row)/32)
	for w := range allowed {
		allowed[w] = math.MaxUint32 - 1
	}
	for b.Loop() {
		allowOnly(row, allowed)
	}
}

func BenchmarkTopK(b *testing.B) {
	all, _ := candidates(nil, benchRow(), 1)
	c := make([]candidate, len(all))
	for b.Loop() {
		copy(c, all)
		keepTopK(c, 50)
	}
}

func BenchmarkTopP(b *testing.B) {
	all, _ := candidates(nil, benchRow(), 1)
	c := make([]candidate, len(all))
	for b.Loop() {
		copy(c, all)
		keepTopP(c, 0.95)
	}
}

func BenchmarkMinP(b *testing.B) {
	all, _ := candidates(nil, benchRow(), 1)
	c := make([]candidate, len(all))
	for b.Loop() {
		copy(c, all)
		keepMinP(c, 0.05)
	}
}

func BenchmarkDraw(b *testing.B) {
	all, _ := candidates(nil, benchRow(), 1)
	position := 0
	for b.Loop() {
		draw(all, 1, position)
		position++
	}
}

func BenchmarkLogProbs(b *testing.B) {
	row := benchRow()
	dst := make([]LogProb, 0, 20)
	for b.Loop() {
		LogProbs(dst, row, 1, 20)
	}
}
