package kernel

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
	"gossamer/runtime/sample"
)

type sampleCase struct {
	rows    []decodeRow
	vocab   int
	ring    int
	scale   float64           // of the logits
	logits  map[int]float32   // set to these instead
	allowed func(id int) bool // of rows with the flag stepMasked
	want    map[int]uint32    // tokens of rows; checked beside the law
}

func TestSample(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	negativeZero := float32(math.Copysign(0, -1))
	hot := func(temperature float32, seed uint64) []decodeRow {
		return []decodeRow{{position: 7, seed: seed, temperature: temperature}}
	}
	for _, tt := range []struct {
		name string
		sampleCase
	}{
		{"OneID", sampleCase{rows: rowsAt(0), vocab: 1, ring: 1, scale: 1, want: map[int]uint32{0: 0}}},
		{"SingleTile", sampleCase{rows: rowsAt(4), vocab: sampleTile, ring: 8, scale: 5}},
		{"PartialTile", sampleCase{rows: rowsAt(4), vocab: sampleTile + 1, ring: 8, scale: 5, logits: map[int]float32{sampleTile: 9}, want: map[int]uint32{0: sampleTile}}},
		{"ManyRows", sampleCase{rows: rowsAt(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), vocab: 3001, ring: 4, scale: 5}},
		{"MostRows", sampleCase{rows: rowsAt(manyPositions(32)...), vocab: 3001, ring: 4, scale: 5}},
		{"RealVocabulary", sampleCase{rows: append(hot(1, 5), rowsAt(3)...), vocab: 201088, ring: 64, scale: 5}},
		{"MoreTilesThanLanes", sampleCase{rows: rowsAt(1), vocab: 150 * sampleTile, ring: 2, scale: 5, logits: map[int]float32{140*sampleTile + 3: 6}, want: map[int]uint32{0: 140*sampleTile + 3}}},
		{"RingWraps", sampleCase{rows: []decodeRow{{flags: 7 << stepDrawShift}, {flags: 8 << stepDrawShift}, {flags: 21 << stepDrawShift}}, vocab: 40, ring: 8, scale: 5}},
		{"ExactTies", sampleCase{rows: rowsAt(0), vocab: 5000, ring: 1, scale: 1, logits: map[int]float32{4999: 3, 1700: 3, 1699: 3, 2100: 3}, want: map[int]uint32{0: 1699}}},
		{"AllEqual", sampleCase{rows: rowsAt(0), vocab: 3000, ring: 1, scale: 0, logits: map[int]float32{}}},
		{"ZerosAreEqual", sampleCase{rows: rowsAt(0), vocab: 3, ring: 1, logits: map[int]float32{0: -1, 1: negativeZero, 2: 0}, want: map[int]uint32{0: 1}}},
		{"Negative", sampleCase{rows: rowsAt(0), vocab: 3, ring: 1, logits: map[int]float32{0: -1e30, 1: -2e-30, 2: -3}, want: map[int]uint32{0: 1}}},
		{"NaNIsNeverChosen", sampleCase{rows: rowsAt(0), vocab: 4, ring: 1, logits: map[int]float32{0: nan, 1: -5, 2: -4, 3: nan}, want: map[int]uint32{0: 2}}},
		{"InfinityIsNeverChosen", sampleCase{rows: rowsAt(0), vocab: 4, ring: 1, logits: map[int]float32{0: -inf, 1: -5, 2: -4, 3: inf}, want: map[int]uint32{0: 2}}},
		{"NothingFinite", sampleCase{rows: rowsAt(0), vocab: 4, ring: 1, logits: map[int]float32{0: -inf, 1: nan, 2: inf, 3: nan}, want: map[int]uint32{0: NoToken}}},
		{"Mask", sampleCase{rows: []decodeRow{{flags: stepMasked}, {}}, vocab: 100, ring: 1, scale: 1, logits: map[int]float32{40: 9, 97: 8}, allowed: func(id int) bool { return id > 64 }, want: map[int]uint32{0: 97, 1: 40}}},
		{"MaskOfOne", sampleCase{rows: []decodeRow{{flags: stepMasked, temperature: 1}}, vocab: 2001, ring: 1, scale: 1, allowed: func(id int) bool { return id == 2000 }, want: map[int]uint32{0: 2000}}},
		{"MaskOfNone", sampleCase{rows: []decodeRow{{flags: stepMasked}}, vocab: 70, ring: 1, scale: 1, allowed: func(int) bool { return false }, want: map[int]uint32{0: NoToken}}},
		{"Temperature", sampleCase{rows: hot(0.7, 1<<63+12345), vocab: 5000, ring: 16, scale: 3}},
		{"TemperatureOfEqualLogits", sampleCase{rows: hot(1, 3), vocab: 5000, ring: 16}},
		{"TinyTemperature", sampleCase{rows: hot(1e-30, 3), vocab: 5000, ring: 16, scale: 3}},
		{"LargeTemperature", sampleCase{rows: hot(100, 3), vocab: 5000, ring: 16, scale: 3}},
		{"Given", sampleCase{rows: []decodeRow{{position: 3, token: 8, flags: StepGiven}, {position: 3}, {flags: StepGiven | stepMasked | 3<<stepDrawShift}}, vocab: 30, ring: 8, scale: 1, allowed: func(int) bool { return true }}},
		{"Unused", sampleCase{rows: []decodeRow{{position: 3, token: 8, flags: StepUnused}, {position: 3}}, vocab: 30, ring: 8, scale: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(newRig(t)) })
	}
}

func TestSampleRandomShapes(t *testing.T) {
	randomShapes(t, func(rt *rapid.T) sampleCase {
		c := sampleCase{rows: drawRows(rt, 100), vocab: rapid.IntRange(1, 10000).Draw(rt, "vocab"), ring: rapid.IntRange(1, 64).Draw(rt, "ring"), scale: 4}
		for i := range c.rows {
			c.rows[i].seed = rapid.Uint64().Draw(rt, "seed")
			c.rows[i].temperature = float32(rapid.SampledFrom([]float64{0, 0.5, 1, 1.3}).Draw(rt, "temperature"))
		}
		return c
	}, func(r rig, c sampleCase) { c.check(r) })
}

func (c sampleCase) check(r rig) {
	r.t.Helper()
	rows := len(c.rows)
	cfg := SampleConfig{Rows: rows, Vocab: c.vocab, Ring: c.ring}
	k, err := NewSample(r.dev, cfg)
	r.must(err)
	defer k.Release()
	logits := numbers(1).floats(rows*c.vocab, c.scale)
	for row := range rows {
		for id, f := range c.logits {
			logits[row*c.vocab+id] = f
		}
	}
	allowed := func(row, id int) bool { return c.rows[row].flags&stepMasked == 0 || c.allowed(id) }
	maskWords := (c.vocab + 31) / 32
	mask := make([]uint32, rows*maskWords)
	for row := range c.rows {
		if c.rows[row].flags&stepMasked == 0 {
			continue
		}
		number := rows - 1 - row
		c.rows[row].flags |= StepMask(number)
		for id := range c.vocab {
			if c.allowed(id) {
				mask[number*maskWords+id/32] |= 1 << (id % 32)
			}
		}
	}
	before := batch{rows: c.rows}.words()
	a := SampleArgs{
		Step: r.words("step", before), Logits: r.floats("logits", logits), Masks: r.words("masks", mask),
		Candidates: r.empty("candidates", cfg.CandidateWords()), Tokens: r.empty("tokens", rows*c.ring),
	}
	reset := func() {
		r.fill(a.Candidates)
		r.fill(a.Tokens)
		r.setWords(a.Step, before)
	}
	got := r.twice(reset, func(p *gpu.Program) error { return k.Record(p, a) },
		func() []uint32 {
			return slices.Concat(r.readWords(a.Tokens, rows*c.ring), r.readWords(a.Step, len(before)))
		})

	step, tokens := slices.Clone(before), slices.Repeat([]uint32{poison}, rows*c.ring)
	for row, dr := range c.rows {
		if dr.flags&StepUnused != 0 {
			continue
		}
		step[8*row+4] += 1 << stepDrawShift
		if dr.flags&StepGiven != 0 {
			step[8*row+4] &^= StepGiven
			continue
		}
		position := dr.position + 1
		at := int(dr.flags>>stepDrawShift)%c.ring*rows + row
		token := got[at]
		if want, ok := c.want[row]; ok && token != want {
			r.t.Errorf("row %d: token %d, want %d", row, token, want)
		}
		c.checkToken(r, row, position, token, logits[row*c.vocab:][:c.vocab], func(id int) bool { return allowed(row, id) })
		step[8*row], step[8*row+1] = token, uint32(position)
		tokens[at] = token
	}
	equalBits(r.t, "tokens, step", slices.Concat(tokens, step), got)
}

// checkToken checks a token against the law of package sample.
func (c sampleCase) checkToken(r rig, row, position int, token uint32, logits []float32, allowed func(id int) bool) {
	r.t.Helper()
	dr := c.rows[row]
	value := func(id int) float64 {
		v := float64(logits[id])
		if dr.temperature > 0 {
			v += float64(dr.temperature) * float64(sample.Noise(dr.seed, position, int32(id)))
		}
		return v
	}
	best := -1
	for id, f := range logits {
		if !math.IsNaN(float64(f)) && !math.IsInf(float64(f), 0) && allowed(id) && (best < 0 || value(id) > value(best)) {
			best = id
		}
	}
	if best < 0 || token == NoToken {
		if best >= 0 || token != NoToken {
			r.t.Errorf("row %d: token %d, want %d", row, int32(token), best)
		}
		return
	}
	if int(token) >= len(logits) || !allowed(int(token)) {
		r.t.Fatalf("row %d: token %d is not allowed", row, token)
	}
	// Greedy choice is exact. Otherwise logits and noise round, and the noise is two logarithms: near 1 WGSL allows an error of
	// 2^-21, which for the inner one (at least 1/16) is 2^-17 of the noise.
	within := 0.0
	if dr.temperature > 0 {
		within = float64(dr.temperature)*(1.0/(1<<17)+23*8*eps32) + 2*eps32*math.Abs(value(best))
	}
	if got, want := value(int(token)), value(best); got < want-within || within == 0 && int(token) != best {
		r.t.Errorf("row %d: token %d of value %v, want %d of %v within %v", row, token, got, best, want, within)
	}
}

// The tokens of many seeds follow the softmax: chi-square over 4 ids and 4000 draws, with 3 degrees of freedom, is below 22.5 with
// probability 0.99995. The draws are reproducible, so the test doesn't fail by chance.
func TestSampleDistribution(t *testing.T) {
	r := newRig(t)
	const rows, rounds, temperature = 1000, 4, 0.8
	logits := []float32{0.5, -1, 1.2, 0.1}
	k, err := NewSample(r.dev, SampleConfig{Rows: rows, Vocab: len(logits), Ring: 8})
	r.must(err)
	defer k.Release()
	batchRows := make([]decodeRow, rows)
	for i := range batchRows {
		batchRows[i] = decodeRow{position: 10, seed: uint64(i), temperature: temperature}
	}
	cfg := SampleConfig{Rows: rows, Vocab: len(logits), Ring: 8}
	a := SampleArgs{
		Step: batch{rows: batchRows}.step(r), Logits: r.floats("logits", slices.Repeat(logits, rows)), Masks: r.words("masks", make([]uint32, rows)),
		Candidates: r.empty("candidates", cfg.CandidateWords()), Tokens: r.empty("tokens", rows*8),
	}
	p := r.program(func(p *gpu.Program) error { return k.Record(p, a) })
	r.must(r.dev.Submit(t.Context(), p, p, p, p)) // each moves the position on
	counts := make([]float64, len(logits))
	for _, token := range r.readWords(a.Tokens, rows*8) {
		if token != poison {
			counts[token]++
		}
	}
	sum := 0.0
	for _, f := range logits {
		sum += math.Exp(float64(f) / temperature)
	}
	chi := 0.0
	for i, f := range logits {
		want := rows * rounds * math.Exp(float64(f)/temperature) / sum
		chi += (counts[i] - want) * (counts[i] - want) / want
	}
	if chi > 22.5 {
		t.Errorf("chi-square is %.1f: counts %v", chi, counts)
	}
}
