package kernel

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"gossamer/runtime/gpu"
	"gossamer/runtime/sample"
)

// fullRig has the kernels and buffers of one shape. Sample's are for comparison.
type fullRig struct {
	r       rig
	c       SampleConfig
	full    *SampleFull
	simple  *Sample
	a       SampleFullArgs
	plain   SampleArgs
	program *gpu.Program // SampleFull
	sample  *gpu.Program // Sample
}

func newFullRig(r rig, c SampleConfig) *fullRig {
	r.t.Helper()
	full, err := NewSampleFull(r.dev, c)
	r.must(err)
	r.t.Cleanup(full.Release)
	plain, err := NewSample(r.dev, c)
	r.must(err)
	r.t.Cleanup(plain.Release)
	step := TablesWord(c.Rows)
	f := &fullRig{r: r, c: c, full: full, simple: plain, a: SampleFullArgs{
		Step: r.empty("step", step), Params: r.empty("params", c.Rows*SampleParamsBytes/4), Logits: r.empty("logits", c.Rows*c.Vocab),
		Masks: r.empty("masks", c.Rows*ceilDiv(c.Vocab, 32)), Counts: r.empty("counts", c.CountWords()), Bias: r.empty("bias", c.BiasWords()),
		Keys: r.empty("keys", c.KeyWords()), List: r.empty("list", c.ListWords()), Edges: r.empty("edges", c.EdgeWords()),
		Candidates: r.empty("candidates", c.CandidateWords()), Tokens: r.empty("tokens", c.Rows*c.Ring),
	}}
	f.plain = SampleArgs{Step: r.empty("plain step", step), Logits: f.a.Logits, Masks: f.a.Masks,
		Candidates: r.empty("plain candidates", c.CandidateWords()), Tokens: r.empty("plain tokens", c.Rows*c.Ring)}
	f.program = r.program(func(p *gpu.Program) error { return full.Record(p, f.a) })
	f.sample = r.program(func(p *gpu.Program) error { return plain.Record(p, f.plain) })
	return f
}

// write fills the inputs, poisons the rest, and returns the logits and the words of the step buffer.
func (f *fullRig) write(c fullCase) (logits []float32, step []uint32) {
	f.r.t.Helper()
	rows, vocab := f.c.Rows, f.c.Vocab
	logits = c.stream.floats(rows*vocab, c.scale)
	if c.grid > 0 {
		for i, v := range logits {
			logits[i] = float32(math.Round(float64(v)/c.grid) * c.grid)
		}
	}
	mask := make([]uint32, rows*ceilDiv(vocab, 32))
	bias := make([]uint32, f.c.BiasWords())
	var counts, params []uint32
	var decodeRows []decodeRow
	for i, row := range c.rows {
		copy(logits[i*vocab:][:vocab], row.whole)
		for id, v := range row.logits {
			logits[i*vocab+id] = v
		}
		number := rows - 1 - i
		copy(mask[number*ceilDiv(vocab, 32):], row.mask(vocab))
		var ids []int32
		for id := range row.params.LogitBias {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		for j, id := range ids {
			bias[2*(i*MaxBiases+j)], bias[2*(i*MaxBiases+j)+1] = uint32(id), math.Float32bits(row.params.LogitBias[id])
		}
		counts = append(counts, row.counts(vocab)...)
		words := row.kernelParams().words()
		params = append(params, words[:]...)
		dr := row.decodeRow
		if dr.flags&stepMasked != 0 {
			dr.flags |= StepMask(number)
		}
		if dr.seed = row.params.Seed; !row.params.Greedy() {
			dr.temperature = row.params.Temperature
		}
		decodeRows = append(decodeRows, dr)
	}
	step = make([]uint32, TablesWord(rows))
	copy(step, batch{rows: decodeRows}.words())
	for _, b := range []*gpu.Buffer{f.a.Keys, f.a.List, f.a.Edges, f.a.Candidates, f.a.Tokens, f.plain.Candidates, f.plain.Tokens} {
		f.r.fill(b)
	}
	f.r.set(f.a.Logits, logits)
	f.r.setWords(f.a.Masks, mask)
	f.r.setWords(f.a.Bias, bias)
	f.r.setWords(f.a.Counts, packCounts(counts))
	f.r.setWords(f.a.Params, params)
	f.r.setWords(f.a.Step, step)
	f.r.setWords(f.plain.Step, step)
	return logits, step
}

// mask is the bit set of the allowed ids, nil where the row has none.
func (f fullRow) mask(vocab int) []uint32 {
	if f.flags&stepMasked == 0 {
		return nil
	}
	mask := make([]uint32, ceilDiv(vocab, 32))
	for id := range vocab {
		if f.allowed(id) {
			mask[id/32] |= 1 << (id % 32)
		}
	}
	return mask
}

// counts are those of a row, an even number.
func (f fullRow) counts(vocab int) []uint32 {
	counts := make([]uint32, ceilDiv(vocab, 2)*2)
	for _, id := range f.prompt {
		counts[id] |= CountPrompt
	}
	for _, id := range f.reply {
		counts[id]++
	}
	return counts
}

// drawn is what SampleFull has left in its buffers.
type drawn struct{ step, tokens, counts, edges, candidates, keys []uint32 }

func (f *fullRig) read() drawn {
	f.r.t.Helper()
	return drawn{
		f.r.readWords(f.a.Step, TablesWord(f.c.Rows)), f.r.readWords(f.a.Tokens, f.c.Rows*f.c.Ring), f.r.readWords(f.a.Counts, f.c.CountWords()),
		f.r.readWords(f.a.Edges, f.c.EdgeWords()), f.r.readWords(f.a.Candidates, f.c.CandidateWords()), f.r.readWords(f.a.Keys, f.c.KeyWords()),
	}
}

func (d drawn) all() []uint32 {
	return slices.Concat(d.step, d.tokens, d.counts, d.edges, d.candidates, d.keys)
}

// check draws c's rows twice and compares with the law, and rows that ask for nothing with Sample.
func (f *fullRig) check(c fullCase) {
	f.r.t.Helper()
	f.write(c)
	f.r.must(f.r.dev.Submit(f.r.t.Context(), f.program))
	first := f.read()
	logits, step := f.write(c)
	f.r.must(f.r.dev.Submit(f.r.t.Context(), f.program))
	got := f.read()
	equalBits(f.r.t, "second run", first.all(), got.all())
	f.compare(c, logits, step, got)

	f.r.must(f.r.dev.Submit(f.r.t.Context(), f.sample))
	plainCandidates, plainTokens := f.r.readWords(f.plain.Candidates, f.c.CandidateWords()), f.r.readWords(f.plain.Tokens, len(got.tokens))
	per := f.c.CandidateWords() / f.c.Rows
	for i, row := range c.rows {
		if row.params.TemperatureOnly() && row.flags&(StepGiven|StepUnused) == 0 {
			equalBits(f.r.t, "candidates of the full and of the plain program", got.candidates[i*per:][:per], plainCandidates[i*per:][:per])
			equalBits(f.r.t, "tokens of the full and of the plain program", got.tokens[i:][:1], plainTokens[i:][:1])
		}
	}
}

// compare compares the first draw with the law. step are the words of the step buffer before.
func (f *fullRig) compare(c fullCase, logits []float32, step []uint32, got drawn) (all apart) {
	f.r.t.Helper()
	vocab := f.c.Vocab
	tokens := slices.Repeat([]uint32{poison}, len(got.tokens))
	var counts []uint32
	for i, row := range c.rows {
		rowCounts := row.counts(vocab)
		if row.flags&StepUnused == 0 {
			step[8*i+4] = step[8*i+4]&^StepGiven + 1<<stepDrawShift
		}
		if row.flags&(StepGiven|StepUnused) != 0 {
			counts = append(counts, rowCounts...)
			continue
		}
		position := row.position + 1
		token := got.tokens[i]
		tokens[i] = token
		step[8*i], step[8*i+1] = token, uint32(position)
		if row.kernelParams().Counted() && int(token) < vocab && (row.params.PenaltyVocab == 0 || token < uint32(row.params.PenaltyVocab)) {
			rowCounts[token]++
		}
		counts = append(counts, rowCounts...)
		if want, ok := c.want[i]; ok && token != want {
			f.r.t.Errorf("row %d: token %d, want %d", i, int32(token), int32(want))
		}
		all.add(f.checkRow(i, row, position, token, logits[i*vocab:][:vocab], got.keys[i*vocab:][:vocab], [2]uint32{got.edges[2*i], got.edges[2*i+1]}))
	}
	equalBits(f.r.t, "tokens", tokens, got.tokens)
	equalBits(f.r.t, "step", step, got.step)
	equalBits(f.r.t, "counts", packCounts(counts), got.counts)
	return all
}

// apart counts tokens that were compared with package sample's, and why some are others; and how far they are from what would not be one of the
// reasons any more, of which 1 is all.
type apart struct {
	Compared int     `json:"tokens"`
	ByNoise  int     `json:"other_by_noise"` // their scores are as good as equal
	ByEdge   int     `json:"other_by_edge"`  // one of the two is as good as at the edge of a filter
	Noise    float64 `json:"largest_part_of_noise_margin"`
	Edge     float64 `json:"largest_part_of_edge_margin"`
}

func (a *apart) add(b apart) {
	a.Compared, a.ByNoise, a.ByEdge = a.Compared+b.Compared, a.ByNoise+b.ByNoise, a.ByEdge+b.ByEdge
	a.Noise, a.Edge = max(a.Noise, b.Noise), max(a.Edge, b.Edge)
}

// checkRow checks the keys of the adjusted logits, the edge of the filters, and the token, each against the law on what the one before has
// left; then the token against package sample's.
func (f *fullRig) checkRow(i int, row fullRow, position int, token uint32, logits []float32, keys []uint32, edge [2]uint32) apart {
	t := f.r.t
	t.Helper()
	p := row.params
	s, err := sample.New(p, len(logits), row.prompt)
	f.r.must(err)
	for _, id := range row.reply {
		s.Accept(id)
	}
	adjusted := slices.Clone(logits)
	want, err := s.Choose(adjusted, position, row.mask(len(logits)))
	if errors.Is(err, sample.ErrNoToken) {
		if token != NoToken {
			t.Errorf("row %d: token %d, want none", i, token)
		}
		return apart{Compared: 1}
	}
	f.r.must(err)
	f.checkKeys(i, row, adjusted, keys)
	if p.Greedy() {
		p.Temperature = 0
	}

	values := make([]float64, len(keys)) // NaN: no candidate
	for id, k := range keys {
		values[id] = math.NaN()
		if k > 0 {
			values[id] = keyValue(k)
		}
	}
	within := func(id int) bool { return keys[id] > edge[0] || keys[id] == edge[0] && uint32(id) <= edge[1] }
	left := filtered(values, p)
	for id, k := range keys {
		if l := left.of[id]; k > 0 && (l == inside && !within(id) || l == outside && within(id)) {
			t.Fatalf("row %d: id %d of %v within the edge %#x: %v", i, id, values[id], edge, within(id))
		}
	}

	// Of what the device has left the token is the best: see sampleCase.checkToken.
	score := func(id int) float64 {
		if p.Temperature == 0 {
			return values[id]
		}
		return values[id] + float64(p.Temperature)*float64(sample.Noise(p.Seed, position, int32(id)))
	}
	if int(token) >= len(keys) || keys[token] == 0 || !within(int(token)) {
		t.Fatalf("row %d: token %d is not a candidate", i, int32(token))
	}
	best, most := int(token), score(int(token))
	for id := range keys {
		// No noise is larger than 23.
		if within(id) && values[id]+23*float64(p.Temperature) >= most && (score(id) > most || score(id) == most && id < best) {
			best, most = id, score(id)
		}
	}
	margin := 0.0
	if p.Temperature > 0 {
		margin = float64(p.Temperature)*(1.0/(1<<17)+23*8*eps32) + 2*eps32*math.Abs(most)
	}
	if score(int(token)) < most-margin || margin == 0 && int(token) != best {
		t.Errorf("row %d: token %d of score %v, want %d of %v", i, token, score(int(token)), best, most)
	}

	if uint32(want) == token {
		return apart{Compared: 1}
	}
	// Package sample divides before it adds the noise, which rounds at most some units of 64, and its adjusted logits may be others by 3
	// units: 1e-6 of the raw ones; or subnormals, of which the device may have made 0.
	margin += float64(p.Temperature)*64*4*eps32 + 1e-6*(math.Abs(values[want])+math.Abs(values[token])) + 0x1p-126
	if d := math.Abs(score(int(want)) - score(int(token))); d <= margin {
		return apart{Compared: 1, ByNoise: 1, Noise: d / margin}
	}
	d := min(left.distance(values, p, int(want)), left.distance(values, p, int(token)))
	if !(d <= 1) {
		t.Errorf("row %d: token %d, package sample draws %d: scores %v and %v, %.3g margins from the edge", i, token, want, score(int(token)), score(int(want)), d)
	}
	return apart{Compared: 1, ByEdge: 1, Edge: d}
}

// checkKeys compares the keys of a row with its adjusted logits. The device has the CPU's bits, but where it has divided: 2.5 units, and half a
// one of the CPU. A difference may be smaller than the quotient that it was made of. Subnormals may count as zero.
func (f *fullRig) checkKeys(i int, row fullRow, adjusted []float32, keys []uint32) {
	f.r.t.Helper()
	p := row.params
	divided := map[int]bool{}
	if p.RepetitionPenalty != 0 && p.RepetitionPenalty != 1 {
		for _, id := range slices.Concat(row.prompt, row.reply) {
			divided[int(id)] = true
		}
	}
	for id, v := range adjusted {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			if keys[id] != 0 {
				f.r.t.Fatalf("row %d: id %d has the key %#x, but it is no candidate", i, id, keys[id])
			}
			continue
		}
		within := 0.0
		if divided[id] {
			penalties := math.Abs(float64(p.PresencePenalty)) + math.Abs(float64(p.FrequencyPenalty))*float64(len(row.reply))
			within = 3 * 2 * eps32 * (math.Abs(float64(v)) + penalties)
		}
		if math.Abs(float64(v)) < 0x1p-126 {
			within = 0x1p-126
		}
		if within == 0 && keys[id] != orderKey(v) || !(math.Abs(keyValue(keys[id])-float64(v)) <= within) {
			f.r.t.Fatalf("row %d: id %d has the key %#x (%v), want %#x (%v)", i, id, keys[id], keyValue(keys[id]), orderKey(v), v)
		}
	}
}

// orderKey is that of lib/order.wgsl, of a finite float; keyValue is its inverse.
func orderKey(v float32) uint32 {
	bits := math.Float32bits(v)
	switch {
	case v == 0:
		return 1 << 31
	case v > 0:
		return bits | 1<<31
	}
	return ^bits
}

func keyValue(key uint32) float64 {
	if key >= 1<<31 {
		return float64(math.Float32frombits(key &^ (1 << 31)))
	}
	return float64(math.Float32frombits(^key))
}

// What the filters do to an id.
const (
	outside = iota
	inside
	doubtful // within edgeMargin of an edge
	hopeless // never drawn, whether it is left or not
)

// edgeMargin is how near to the edge of top_p, relative to the mass there, or of min_p, in temperatures, an id may be on either side. The device
// adds f32 in another order than package sample does float64: a weight meets at most 100 roundings of 2^-24, 6e-6 of a sum. Each weight is an exp
// that WGSL allows 3 + 2x units of 2^-23, where x is the distance from the best, of a quotient that may be off by 2.5 units: 2e-6 and 1e-6 at
// x = 6. Both sums of a comparison, that before the id and that of all, have these errors, most of which they have in common. min_p compares
// the quotient alone.
const edgeMargin = 1e-5

// filters says what top_k, top_p and min_p do to the ids of a row.
type filters struct {
	of  []int
	gap map[int]float64 // of doubtful ids that are likely enough to be drawn: how far from the edge, in margins
}

// filtered applies top_k, top_p and min_p in float64. values are those of candidates, NaN for other ids.
func filtered(values []float64, p sample.Params) filters {
	left := filters{make([]int, len(values)), map[int]float64{}}
	var ids []int
	top := math.Inf(-1)
	for _, v := range values {
		if v > top {
			top = v
		}
	}
	for id, v := range values {
		switch {
		case math.IsNaN(v):
		case p.Temperature < 1e-4:
			left.of[id] = inside
		case (top-v)/float64(p.Temperature) > 39.9:
			left.of[id] = hopeless // beyond 40
		default:
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b int) int { return cmp.Or(cmp.Compare(values[b], values[a]), cmp.Compare(a, b)) })
	if p.TopK > 0 && p.TopK < len(ids) {
		ids = ids[:p.TopK]
	}
	weights, sum := make([]float64, len(ids)), 0.0
	for n, id := range ids {
		weights[n] = math.Exp((values[id] - top) / float64(p.Temperature))
		sum += weights[n]
	}
	target, before := math.Inf(1), 0.0
	if p.TopP > 0 && p.TopP < 1 {
		target = float64(p.TopP) * sum
	}
	reach := math.Inf(1)
	if p.MinP > 0 {
		reach = -math.Log(float64(p.MinP))
	}
	for n, id := range ids {
		beyond := max((before-target)/target, -1) / edgeMargin // positive: outside
		if math.IsInf(target, 1) {
			beyond = math.Inf(-1)
		}
		beyond = max(beyond, ((top-values[id])/float64(p.Temperature)-reach)/edgeMargin)
		switch {
		case n == 0 || beyond <= -1:
			left.of[id] = inside
		case beyond > 1:
			left.of[id] = outside
		default:
			left.of[id], left.gap[id] = doubtful, math.Abs(beyond)
		}
		before += weights[n]
	}
	return left
}

// distance is how far an id is from an edge, in margins. Package sample may see it elsewhere if it is one or less: it orders by the quotients,
// whose rounding makes some of the close ones equal.
func (f filters) distance(values []float64, p sample.Params, id int) float64 {
	d := math.Inf(1)
	if gap, ok := f.gap[id]; ok {
		d = gap
	}
	lowest := math.Inf(1) // that is left
	for id, l := range f.of {
		if l == inside || l == doubtful {
			lowest = min(lowest, values[id])
		}
	}
	return min(d, math.Abs(values[id]-lowest)/(edgeMargin*float64(p.Temperature)+2e-6*math.Abs(lowest)+0x1p-126))
}
