package sample

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestValidateNamesTheField(t *testing.T) {
	for _, tt := range []struct {
		field  string
		params Params
	}{
		{"Temperature", Params{Temperature: -0.1}},
		{"Temperature", Params{Temperature: nan}},
		{"Temperature", Params{Temperature: inf}},
		{"TopP", Params{TopP: 1.1}},
		{"MinP", Params{MinP: -1}},
		{"TopK", Params{TopK: -1}},
		{"RepetitionPenalty", Params{RepetitionPenalty: -1}},
		{"PresencePenalty", Params{PresencePenalty: 2.5}},
		{"FrequencyPenalty", Params{FrequencyPenalty: -2.5}},
		{"PenaltyVocab", Params{PenaltyVocab: -1}},
		{"LogitBias", Params{LogitBias: map[int32]float32{100: 1}}},
		{"LogitBias", Params{LogitBias: map[int32]float32{-1: 1}}},
		{"LogitBias", Params{LogitBias: tooManyBiases()}},
		{"LogitBias[7]", Params{LogitBias: map[int32]float32{7: 101}}},
	} {
		if err := tt.params.Validate(100); err == nil || !strings.HasPrefix(err.Error(), "sample: "+tt.field+" ") {
			t.Errorf("Validate(%+v) = %v, want an error that names %s", tt.params, err, tt.field)
		}
	}
	for _, p := range []Params{{}, Recommended(), {Temperature: 2, TopP: 1, MinP: 1, TopK: 1, RepetitionPenalty: 1.1, PresencePenalty: -2}} {
		if err := p.Validate(100); err != nil {
			t.Errorf("Validate(%+v) = %v", p, err)
		}
	}
}

func tooManyBiases() map[int32]float32 {
	m := map[int32]float32{}
	for id := range int32(MaxBiases + 1) {
		m[id] = 1
	}
	return m
}

func TestCounts(t *testing.T) {
	type count struct {
		repeated bool
		inReply  int
	}
	for _, tt := range []struct {
		params Params
		want   map[int32]count
	}{
		{Params{Temperature: 1}, map[int32]count{}},
		{Params{RepetitionPenalty: 2}, map[int32]count{1: {true, 0}, 2: {true, 0}, 3: {true, 0}}},
		{Params{PresencePenalty: 1, PenaltyVocab: 3}, map[int32]count{2: {false, 2}}},
		{Params{RepetitionPenalty: 2, FrequencyPenalty: 1}, map[int32]count{1: {true, 0}, 2: {true, 2}, 3: {true, 1}}},
	} {
		s, err := New(tt.params, 5, []int32{1, 1, 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []int32{2, 3, 2} {
			s.Accept(id)
		}
		got := map[int32]count{}
		s.Counts(func(id int32, repeated bool, inReply int) { got[id] = count{repeated, inReply} })
		if !maps.Equal(got, tt.want) {
			t.Errorf("%+v: %v, want %v", tt.params, got, tt.want)
		}
	}
}

func TestTemperatureOnly(t *testing.T) {
	for _, tt := range []struct {
		name   string
		params Params
		want   bool
	}{
		{"Greedy", Params{}, true},
		{"Recommended", Recommended(), true},
		{"FiltersOff", Params{Temperature: 1, TopP: 1, RepetitionPenalty: 1}, true},
		{"GreedyIgnoresFilters", Params{TopP: 0.5, TopK: 3, MinP: 0.1}, true},
		{"TopP", Params{Temperature: 1, TopP: 0.9}, false},
		{"TopK", Params{Temperature: 1, TopK: 50}, false},
		{"MinP", Params{Temperature: 1, MinP: 0.1}, false},
		{"GreedyWithPenalty", Params{FrequencyPenalty: 1}, false},
		{"GreedyWithBias", Params{LogitBias: map[int32]float32{1: 1}}, false},
	} {
		if got := tt.params.TemperatureOnly(); got != tt.want {
			t.Errorf("%s: TemperatureOnly = %v, want %v", tt.name, got, tt.want)
		}
	}
}

// frequencies counts n draws from one row at positions 0 to n-1.
func frequencies(t *testing.T, p Params, logits []float32, n int) []int {
	t.Helper()
	s, err := New(p, len(logits), nil)
	if err != nil {
		t.Fatal(err)
	}
	counts := make([]int, len(logits))
	row := make([]float32, len(logits))
	for position := range n {
		copy(row, logits)
		id, err := s.Choose(row, position, nil)
		if err != nil {
			t.Fatal(err)
		}
		counts[id]++
	}
	return counts
}

func TestDistribution(t *testing.T) {
	const n = 100_000
	logits := []float32{0, 1, -1, 2, 0.5, -3, nan, -inf}
	for _, tt := range []struct {
		name   string
		params Params
		keep   []int // ids that can be drawn
	}{
		{"Temperature1", Params{Temperature: 1, Seed: 1}, []int{0, 1, 2, 3, 4, 5}},
		{"Temperature2", Params{Temperature: 2, Seed: 2}, []int{0, 1, 2, 3, 4, 5}},
		{"TopK2", Params{Temperature: 1, TopK: 2, Seed: 3}, []int{1, 3}},
		{"TopP0.8", Params{Temperature: 1, TopP: 0.8, Seed: 4}, []int{1, 3, 4}}, // 0.55 + 0.20 + 0.12
		{"MinP0.3", Params{Temperature: 1, MinP: 0.3, Seed: 5}, []int{1, 3}},    // exp(-1) = 0.37, exp(-1.5) = 0.22
		{"Greedy", Params{Temperature: 0, TopP: 0.1}, []int{3}},
	} {
		probs := make([]float64, len(logits))
		sum := 0.0
		for _, id := range tt.keep {
			probs[id] = math.Exp(float64(logits[id]) / max(float64(tt.params.Temperature), 1e-3))
			sum += probs[id]
		}
		for id, got := range frequencies(t, tt.params, logits, n) {
			p := probs[id] / sum
			// Five standard deviations of a binomial count; the seeds are fixed, so this never changes.
			if limit := 5 * math.Sqrt(n*p*(1-p)); math.Abs(float64(got)-n*p) > limit {
				t.Errorf("%s: token %d drawn %d times, want %.0f ± %.0f", tt.name, id, got, n*p, limit)
			}
		}
	}
}

// The tail must be drawn as often as it should: 2^15 tokens of probability 2^-24 each beside one of nearly 1.
func TestRareTokens(t *testing.T) {
	const tail, n = 1 << 15, 1 << 11
	logits := slices.Repeat([]float32{-24 * math.Ln2}, tail+1)
	logits[tail] = 0
	got := n - frequencies(t, Params{Temperature: 1, Seed: 9}, logits, n)[tail]
	// A Poisson variable of mean 4 lies outside these limits once in 50; the seed is fixed.
	if got < 1 || got > 9 {
		t.Errorf("the tail was drawn %d times of %d, want about 4", got, n)
	}
}

func TestPenaltyCounts(t *testing.T) {
	prompt := []int32{0, 0, 9} // 9 is a marker
	for _, tt := range []struct {
		name   string
		params Params
		want   []float32 // logits after the reply 1, 1, 9, all having started at 1
	}{
		{"Repetition", Params{RepetitionPenalty: 2, PenaltyVocab: 9}, []float32{0.5, 0.5, 1, 1}},
		{"Presence", Params{PresencePenalty: 0.5, PenaltyVocab: 9}, []float32{1, 0.5, 1, 1}},
		{"Frequency", Params{FrequencyPenalty: 0.5, PenaltyVocab: 9}, []float32{1, 0, 1, 1}},
		{"MarkersToo", Params{FrequencyPenalty: 0.5}, []float32{1, 0, 1, 0.5}},
	} {
		s, err := New(tt.params, 10, prompt)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []int32{1, 1, 9} {
			s.Accept(id)
		}
		row := slices.Repeat([]float32{1}, 10)
		if _, err := s.Choose(row, 6, nil); err != nil {
			t.Fatal(err)
		}
		if got := []float32{row[0], row[1], row[2], row[9]}; !slices.Equal(got, tt.want) {
			t.Errorf("%s: logits %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestChooseRespectsTheMask(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logits := rows(t)
		p := Params{
			Temperature:     rapid.SampledFrom([]float32{0, 0.3, 1, 2}).Draw(t, "temperature"),
			TopK:            rapid.IntRange(0, 4).Draw(t, "topK"),
			TopP:            rapid.Float32Range(0, 1).Draw(t, "topP"),
			MinP:            rapid.Float32Range(0, 1).Draw(t, "minP"),
			PresencePenalty: rapid.Float32Range(-2, 2).Draw(t, "presence"),
			Seed:            rapid.Uint64().Draw(t, "seed"),
		}
		words := (len(logits) + 31) / 32
		allowed := rapid.SliceOfN(rapid.Uint32(), words, words).Draw(t, "allowed")
		s, err := New(p, len(logits), nil)
		if err != nil {
			t.Fatal(err)
		}
		possible := false
		for id, x := range logits {
			possible = possible || finite(x) && allowed[id/32]>>(id%32)&1 == 1
		}
		id, err := s.Choose(slices.Clone(logits), 3, allowed)
		if !possible {
			if !errors.Is(err, ErrNoToken) {
				t.Fatalf("Choose = %d, %v, want ErrNoToken", id, err)
			}
			return
		}
		if err != nil || !finite(logits[id]) || allowed[id/32]>>(id%32)&1 == 0 {
			t.Fatalf("Choose = %d, %v: forbidden or not finite", id, err)
		}
	})
}

func TestChooseAllocatesNothing(t *testing.T) {
	row := benchRow()
	s, err := New(Params{Temperature: 1, TopP: 0.9, TopK: 100}, len(row), nil)
	if err != nil {
		t.Fatal(err)
	}
	work := make([]float32, len(row))
	if n := testing.AllocsPerRun(3, func() {
		copy(work, row)
		if _, err := s.Choose(work, 1, nil); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a token, want none", n)
	}
}

func TestChooseRefusesAnotherVocabulary(t *testing.T) {
	s, err := New(Params{}, 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Choose(make([]float32, 11), 0, nil); err == nil {
		t.Error("a row of 11 logits was accepted for a vocabulary of 10")
	}
}

func BenchmarkChoose(b *testing.B) {
	for _, bb := range []struct {
		name   string
		params Params
	}{
		{"Greedy", Params{}},
		{"Temperature", Params{Temperature: 1}},
		{"TopP", Params{Temperature: 1, TopP: 0.95}},
		{"TopKTopPMinP", Params{Temperature: 1, TopK: 50, TopP: 0.95, MinP: 0.01}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			row := benchRow()
			work := make([]float32, len(row))
			s, err := New(bb.params, len(row), nil)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			position := 0
			for b.Loop() {
				copy(work, row)
				if _, err := s.Choose(work, position, nil); err != nil {
					b.Fatal(err)
				}
				position++
			}
		})
	}
}
