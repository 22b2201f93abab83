package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"gossamer/runtime/gpu"
	"gossamer/runtime/sample"
)

// fullRow is a row of a batch, drawn with params. The temperature and the seed of its decodeRow are those of params.
type fullRow struct {
	decodeRow
	params        sample.Params
	prompt, reply []int32         // for the penalties
	allowed       func(int) bool  // with the flag stepMasked
	logits        map[int]float32 // set to these instead of the case's
	whole         []float32       // all of them, instead of the case's
	logprobs      bool
}

type fullCase struct {
	rows   []fullRow
	vocab  int
	ring   int
	stream numbers // of the logits
	scale  float64 // of the logits
	grid   float64 // the logits are multiples of it; 0: they are not rounded
	want   map[int]uint32
}

// one is a row at position 7.
func one(p sample.Params) fullRow { return fullRow{decodeRow: decodeRow{position: 7}, params: p} }

func (f fullRow) with(logits map[int]float32) fullRow {
	f.logits = logits
	return f
}

func (f fullRow) after(prompt, reply []int32) fullRow {
	f.prompt, f.reply = prompt, reply
	return f
}

func (f fullRow) masked(allowed func(int) bool) fullRow {
	f.flags |= stepMasked
	f.allowed = allowed
	return f
}

func (f fullRow) flagged(flags uint32) fullRow {
	f.flags |= flags
	f.token = 8
	return f
}

func (f fullRow) kernelParams() SampleParams {
	p := f.params
	return SampleParams{
		TopK: uint32(p.TopK), TopP: p.TopP, MinP: p.MinP,
		RepetitionPenalty: p.RepetitionPenalty, PresencePenalty: p.PresencePenalty, FrequencyPenalty: p.FrequencyPenalty,
		PenaltyVocab: uint32(p.PenaltyVocab), Biases: uint32(len(p.LogitBias)), Logprobs: f.logprobs,
	}
}

func TestSampleFull(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	negativeZero := float32(math.Copysign(0, -1))
	type params = sample.Params
	only := func(ids ...int) func(int) bool { return func(id int) bool { return slices.Contains(ids, id) } }
	warm := func(p params) params {
		p.Temperature, p.Seed = 1, 11
		return p
	}
	repeated := func(id int32, n int) []int32 { return slices.Repeat([]int32{id}, n) }
	odd := map[int]float32{0: nan, 1: -5, 2: -4, 3: nan, 4: inf, 5: -inf}
	manyBiases := map[int32]float32{}
	for i := range int32(MaxBiases) {
		manyBiases[i*7] = float32(i%200) - 100
	}
	for _, tt := range []struct {
		name string
		fullCase
	}{
		{"OneID", fullCase{rows: []fullRow{one(warm(params{TopK: 1, TopP: 0.5, MinP: 0.5}))}, vocab: 1, ring: 1, scale: 1,
			want: map[int]uint32{0: 0}}},
		{"PartialTile", fullCase{rows: []fullRow{one(warm(params{TopP: 0.9}))}, vocab: sampleTile + 1, ring: 8, scale: 5}},
		{"OneTile", fullCase{rows: []fullRow{one(warm(params{TopP: 0.9}))}, vocab: sampleTile, ring: 8, scale: 5}},
		{"RealVocabulary", fullCase{rows: []fullRow{
			one(warm(params{TopP: 0.9})),
			one(warm(params{MinP: 0.02})),
			one(warm(params{TopK: 1000, TopP: 0.95, MinP: 0.02, RepetitionPenalty: 1.1, PresencePenalty: 0.3, LogitBias: map[int32]float32{201087: 4}})).
				after([]int32{5, 201087}, []int32{201087, 77}),
		}, vocab: 201088, ring: 64, scale: 5}},
		{"RealVocabularyOfEqualLogits", fullCase{rows: []fullRow{
			one(warm(params{TopK: 100001})), one(warm(params{TopP: 0.3})), one(warm(params{TopK: 150000, TopP: 0.7})),
		}, vocab: 201088, ring: 8, grid: 1}},
		{"TopKOfEqualLogits", fullCase{rows: []fullRow{one(warm(params{TopK: 1})), one(warm(params{TopK: 700}))}, vocab: 3001, ring: 8, grid: 1,
			want: map[int]uint32{0: 0}}},
		{"TopKOfAll", fullCase{rows: []fullRow{one(warm(params{TopK: 3001})), one(warm(params{TopK: 1 << 30}))}, vocab: 3001, ring: 8, scale: 3}},
		{"TiesAtTheKthPlace", fullCase{rows: []fullRow{
			one(warm(params{TopK: 3})).with(map[int]float32{900: 20, 2000: 19, 300: 19, 1999: 19, 5: 19}),
			one(warm(params{TopK: 2})).with(map[int]float32{900: 20, 901: 20, 902: 20, 903: 20}),
		}, vocab: 3001, ring: 8, scale: 1}},
		{"TiesOfManyIDs", fullCase{rows: []fullRow{one(warm(params{TopK: 2000})), one(warm(params{TopP: 0.5})), one(warm(params{TopK: 1500, TopP: 0.7}))},
			vocab: 9000, ring: 8, scale: 3, grid: 2}},
		{"TopPOfEqualLogits", fullCase{rows: []fullRow{one(warm(params{TopP: 0.5}))}, vocab: 4000, ring: 8, grid: 1}},
		{"TopPOfOne", fullCase{rows: []fullRow{one(warm(params{TopP: 0.0001})).with(map[int]float32{1234: 8})}, vocab: 3001, ring: 8, scale: 5,
			want: map[int]uint32{0: 1234}}},
		{"TopPOfAlmostAll", fullCase{rows: []fullRow{one(warm(params{TopP: math.Nextafter32(1, 0)}))}, vocab: 3001, ring: 8, scale: 5}},
		{"TinyTopP", fullCase{rows: []fullRow{one(warm(params{TopP: math.SmallestNonzeroFloat32}))}, vocab: 3001, ring: 8, scale: 5}},
		{"MinPOfOne", fullCase{rows: []fullRow{one(warm(params{MinP: 1})).with(map[int]float32{17: 8, 1500: 8})}, vocab: 3001, ring: 8, scale: 5}},
		{"MinPOfAll", fullCase{rows: []fullRow{one(warm(params{MinP: 1e-30}))}, vocab: 3001, ring: 8, scale: 5}},
		{"MinPAfterTopK", fullCase{rows: []fullRow{one(warm(params{TopK: 5, MinP: 0.01})), one(warm(params{TopK: 500, MinP: 0.5}))},
			vocab: 3001, ring: 8, scale: 5}},
		{"BeyondReach", fullCase{rows: []fullRow{one(warm(params{TopK: 100})).with(map[int]float32{3: 100, 2000: 99})}, vocab: 3001, ring: 8, scale: 5}},
		{"NothingAllowed", fullCase{rows: []fullRow{
			one(warm(params{TopK: 5})).masked(only()), one(warm(params{TopP: 0.5})).masked(only()), one(warm(params{MinP: 0.5})).masked(only()),
			one(params{PresencePenalty: 1}).masked(only()),
		}, vocab: 70, ring: 1, scale: 1, want: map[int]uint32{0: NoToken, 1: NoToken, 2: NoToken, 3: NoToken}}},
		{"MaskBeforeFilters", fullCase{rows: []fullRow{
			one(warm(params{TopK: 1})).with(map[int]float32{40: 9, 97: 8}).masked(func(id int) bool { return id > 64 }),
			one(warm(params{TopK: 1})).with(map[int]float32{40: 9, 97: 8}),
		}, vocab: 100, ring: 8, scale: 1, want: map[int]uint32{0: 97, 1: 40}}},
		{"MaskOfABias", fullCase{rows: []fullRow{one(params{LogitBias: map[int32]float32{3: 100, 4: 50}}).masked(func(id int) bool { return id != 3 })},
			vocab: 100, ring: 8, scale: 1, want: map[int]uint32{0: 4}}},
		{"NaNAndInfinity", fullCase{rows: []fullRow{
			one(warm(params{TopK: 2})).with(odd),
			one(warm(params{TopP: 0.5})).with(odd),
			one(params{LogitBias: map[int32]float32{0: 1, 4: -100, 5: 100}}).with(odd),
			one(params{RepetitionPenalty: 2}).with(odd).after([]int32{0, 4, 5}, []int32{0, 2, 4, 5}),
			one(warm(params{TopK: 2, TopP: 0.5, MinP: 0.1})).with(map[int]float32{0: nan, 1: inf, 2: -inf, 3: nan, 4: inf, 5: -inf}),
		}, vocab: 6, ring: 8, want: map[int]uint32{2: 2, 3: 1, 4: NoToken}}},
		{"OverflowIsNeverChosen", fullCase{rows: []fullRow{
			one(params{RepetitionPenalty: 0.25}).with(map[int]float32{0: 3e38, 1: 1, 2: -3e38}).after([]int32{0}, nil),
		}, vocab: 3, ring: 1, want: map[int]uint32{0: 1}}},
		{"HugeLogits", fullCase{rows: []fullRow{
			one(warm(params{TopK: 2, TopP: 0.5, MinP: 0.1})).with(map[int]float32{0: 3e38, 1: -3e38, 2: 3e38}),
		}, vocab: 3, ring: 1}},
		{"ZerosAreEqual", fullCase{rows: []fullRow{
			one(warm(params{TopK: 1})).with(map[int]float32{0: -1, 1: negativeZero, 2: 0}),
			one(warm(params{TopK: 1})).with(map[int]float32{0: -1, 1: 0, 2: negativeZero}),
			one(warm(params{MinP: 1})).with(map[int]float32{0: -1, 1: 0, 2: negativeZero}),
		}, vocab: 3, ring: 1, want: map[int]uint32{0: 1, 1: 1}}},
		{"Negative", fullCase{rows: []fullRow{one(warm(params{TopK: 2})).with(map[int]float32{0: -1e30, 1: -2e-30, 2: -3})}, vocab: 3, ring: 1}},
		{"BiasLiftsATokenOverTheRest", fullCase{rows: []fullRow{
			one(params{LogitBias: map[int32]float32{2500: 100}}),
			one(warm(params{TopK: 1, LogitBias: map[int32]float32{2999: 50, 0: 49}})),
			one(params{}),
		}, vocab: 3000, ring: 8, scale: 4, want: map[int]uint32{0: 2500, 1: 2999}}},
		{"ManyBiases", fullCase{rows: []fullRow{one(warm(params{LogitBias: manyBiases})), one(params{LogitBias: manyBiases})},
			vocab: 8000, ring: 8, scale: 4}},
		{"PenaltiesOnPrompt", fullCase{rows: []fullRow{
			one(params{RepetitionPenalty: 2, PresencePenalty: 2, FrequencyPenalty: 2}).with(map[int]float32{10: 9, 11: 5}).after(repeated(10, 3), nil),
		}, vocab: 41, ring: 8, scale: 1, want: map[int]uint32{0: 11}}},
		{"PenaltiesOnReply", fullCase{rows: []fullRow{
			one(params{FrequencyPenalty: 2}).with(map[int]float32{10: 9, 11: 5}).after(nil, repeated(10, 3)),
			one(params{PresencePenalty: 2}).with(map[int]float32{10: 6, 11: 5}).after(nil, repeated(10, 3)),
			one(params{RepetitionPenalty: 2}).with(map[int]float32{10: 9, 11: 5}).after(nil, repeated(10, 3)),
			one(params{FrequencyPenalty: -2}).with(map[int]float32{10: 1, 11: 5}).after(nil, repeated(10, 3)),
		}, vocab: 41, ring: 8, scale: 1, want: map[int]uint32{0: 11, 1: 11, 2: 11, 3: 10}}},
		{"PenaltiesOnBoth", fullCase{rows: []fullRow{
			one(warm(params{RepetitionPenalty: 1.3, PresencePenalty: 0.7, FrequencyPenalty: 0.4})).after([]int32{1, 2, 3, 40}, []int32{3, 3, 4, 5, 40}),
		}, vocab: 41, ring: 8, scale: 6}},
		{"PenaltiesExemptMarkers", fullCase{rows: []fullRow{
			one(params{RepetitionPenalty: 2, PresencePenalty: 2, PenaltyVocab: 10}).with(map[int]float32{10: 5, 9: 6}).after([]int32{9, 10}, []int32{9, 10}),
		}, vocab: 41, ring: 8, scale: 1, want: map[int]uint32{0: 10}}},
		{"PlainAndFull", fullCase{rows: []fullRow{
			one(warm(params{})), one(warm(params{TopK: 3})), one(params{}), one(warm(params{})).masked(func(id int) bool { return id%3 == 0 }),
			one(warm(params{PresencePenalty: 1})).after(nil, []int32{4}), one(params{TopK: 3}),
		}, vocab: 3001, ring: 8, scale: 3}},
		{"GivenAndUnused", fullCase{rows: []fullRow{
			one(warm(params{TopK: 3, FrequencyPenalty: 1})).after(nil, []int32{8}).flagged(StepGiven), one(warm(params{TopP: 0.9})),
			one(warm(params{TopK: 3, FrequencyPenalty: 1})).after(nil, []int32{8}).flagged(StepUnused),
		}, vocab: 300, ring: 8, scale: 3}},
		{"LowAndHighTemperature", fullCase{rows: []fullRow{
			one(params{Temperature: 1e-4, TopP: 0.9}), one(params{Temperature: 100, TopP: 0.9}), one(params{Temperature: 100, TopK: 40}),
			one(params{Temperature: 0.01, MinP: 0.1}),
		}, vocab: 3001, ring: 8, scale: 5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFullRig(newRig(t), SampleConfig{Rows: len(tt.rows), Vocab: tt.vocab, Ring: tt.ring})
			f.check(tt.fullCase)
		})
	}
}

// The count of a drawn id grows with each draw and stops at 32767; other ids, and the bit of the prompt, stay.
func TestSampleFullCounts(t *testing.T) {
	const vocab = 7
	f := newFullRig(newRig(t), SampleConfig{Rows: 3, Vocab: vocab, Ring: 8})
	row := func(id int, p sample.Params) fullRow {
		p.PresencePenalty = -2 // so that the id is drawn again
		return one(p).with(map[int]float32{id: 50})
	}
	c := fullCase{rows: []fullRow{row(2, sample.Params{}), row(5, sample.Params{}), row(5, sample.Params{PenaltyVocab: 5})},
		vocab: vocab, ring: 8, scale: 1}
	const prompt = CountPrompt
	counts := [][]uint32{{9, 8, 32765 | prompt, 7, 6, 5, 4, 0}, {0, prompt, 0, prompt, 0x7fff, 0, 0x7fff, 0}, {0, 0, 0, 0, 0, 3, 0, 0}}
	f.write(c)
	f.r.setWords(f.a.Counts, packCounts(slices.Concat(counts...)))
	for n := range 4 {
		f.r.must(f.r.dev.Submit(t.Context(), f.program))
		counts[0][2] = min(32766+uint32(n), 32767) | prompt
		counts[1][5]++
		equalBits(t, "counts", packCounts(slices.Concat(counts...)), f.r.readWords(f.a.Counts, f.c.CountWords()))
	}
}

// packCounts packs an even number of u16.
func packCounts(counts []uint32) []uint32 {
	packed := make([]uint32, len(counts)/2)
	for i := range packed {
		packed[i] = counts[2*i] | counts[2*i+1]<<16
	}
	return packed
}

// BenchmarkSample reports the time of a draw, of which there is one a token, with the real vocabulary and logits that are distributed
// like a model's: about normally, their deviation is 3.
func BenchmarkSample(b *testing.B) {
	const vocab = 201088
	for _, rows := range []int{1, 8} {
		for _, bb := range []struct {
			name string
			p    sample.Params
		}{
			{"plain", sample.Params{}},
			{"penalties", sample.Params{FrequencyPenalty: 0.5}},
			{"top_p", sample.Params{TopP: 0.9}},
			{"top_k,top_p,min_p", sample.Params{TopK: 100, TopP: 0.9, MinP: 0.02}},
			{"logprobs", sample.Params{}},
		} {
			b.Run(fmt.Sprintf("%s/rows=%d", bb.name, rows), func(b *testing.B) {
				f := newLogprobsRig(newRig(b), SampleConfig{Rows: rows, Vocab: vocab, Ring: 64})
				bb.p.Temperature = 1
				row := one(bb.p)
				row.logprobs = bb.name == "logprobs"
				f.write(fullCase{rows: slices.Repeat([]fullRow{row}, rows), vocab: vocab, ring: 64})
				logits := make([]float32, rows*vocab)
				for stream := range numbers(12) {
					for i := range logits {
						logits[i] += float32(3 * (stream.at(i) - 0.5))
					}
				}
				f.r.set(f.a.Logits, logits)
				f.r.measure(b, 4*rows*vocab, []func(p *gpu.Program) error{func(p *gpu.Program) error {
					switch bb.name {
					case "plain":
						return f.simple.Record(p, f.plain)
					case "logprobs":
						return f.recordLogprobs(p)
					}
					return f.full.Record(p, f.a)
				}})
			})
		}
	}
}
