package kernel

import (
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
		dr.temperature, dr.seed = row.params.Temperature, row.params.Seed
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

// check draws c's rows twice and compares with the law. It returns how many tokens were compared with package sample's, and how many
// were others.
func (f *fullRig) check(c fullCase) (compared, apart int) {
	f.r.t.Helper()
	rows, vocab := f.c.Rows, f.c.Vocab
	stepWords, tokenWords, edgeWords := TablesWord(rows), rows*f.c.Ring, f.c.EdgeWords()
	var logits []float32
	var step, first, got []uint32
	for range 2 {
		logits, step = f.write(c)
		f.r.must(f.r.dev.Submit(f.r.t.Context(), f.program))
		first, got = got, slices.Concat(
			f.r.readWords(f.a.Step, stepWords), f.r.readWords(f.a.Tokens, tokenWords),
			f.r.readWords(f.a.Counts, f.c.CountWords()), f.r.readWords(f.a.Edges, edgeWords),
			f.r.readWords(f.a.Candidates, f.c.CandidateWords()), f.r.readWords(f.a.Keys, f.c.KeyWords()),
		)
	}
	equalBits(f.r.t, "second run", first, got)
	cut := func(n int) []uint32 {
		part := got[:n]
		got = got[n:]
		return part
	}
	gotStep, gotTokens, gotCounts := cut(stepWords), cut(tokenWords), cut(f.c.CountWords())
	edges, candidates, keys := cut(edgeWords), cut(f.c.CandidateWords()), got
	f.r.must(f.r.dev.Submit(f.r.t.Context(), f.sample))
	plainCandidates, plainTokens := f.r.readWords(f.plain.Candidates, f.c.CandidateWords()), f.r.readWords(f.plain.Tokens, tokenWords)

	tokens := slices.Repeat([]uint32{poison}, tokenWords)
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
		at := i // of the first draw
		token := gotTokens[at]
		tokens[at] = token
		step[8*i], step[8*i+1] = token, uint32(position)
		if row.kernelParams().Counted() && int(token) < vocab && (row.params.PenaltyVocab == 0 || token < uint32(row.params.PenaltyVocab)) {
			rowCounts[token]++
		}
		counts = append(counts, rowCounts...)
		if want, ok := c.want[i]; ok && token != want {
			f.r.t.Errorf("row %d: token %d, want %d", i, int32(token), int32(want))
		}
		if row.params.TemperatureOnly() { // and so draws the very bits of Sample
			per := f.c.CandidateWords() / rows
			equalBits(f.r.t, "candidates of the full and of the plain program", candidates[i*per:][:per], plainCandidates[i*per:][:per])
			equalBits(f.r.t, "tokens of the full and of the plain program", []uint32{token}, plainTokens[at:][:1])
		}
		compared++
		if f.checkRow(i, row, position, token, logits[i*vocab:][:vocab], keys[i*vocab:][:vocab], [2]uint32{edges[2*i], edges[2*i+1]}) {
			apart++
		}
	}
	equalBits(f.r.t, "tokens", tokens, gotTokens)
	equalBits(f.r.t, "step", step, gotStep)
	equalBits(f.r.t, "counts", packCounts(counts), gotCounts)
	return compared, apart
}

// checkRow checks the keys of the adjusted logits, the edge of the filters, and the token, each against the law on what the one before has
// left; then the token against package sample's. It says whether that is another one.
func (f *fullRig) checkRow(i int, row fullRow, position int, token uint32, logits []float32, keys []uint32, edge [2]uint32) (apart bool) {
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
		return false
	}
	f.r.must(err)

	// The device has the CPU's bits, but where it has divided: 2.5 units, and half a one of the CPU. A difference may be smaller than the
	// quotient that it was made of. Subnormals may count as zero.
	for id, v := range adjusted {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			if keys[id] != 0 {
				t.Fatalf("row %d: id %d has the key %#x, but it is no candidate", i, id, keys[id])
			}
			continue
		}
		within := 0.0
		if slices.Contains(row.prompt, int32(id)) || slices.Contains(row.reply, int32(id)) {
			if p.RepetitionPenalty != 0 && p.RepetitionPenalty != 1 {
				penalties := math.Abs(float64(p.PresencePenalty)) + math.Abs(float64(p.FrequencyPenalty))*float64(len(row.reply))
				within = 3 * 2 * eps32 * (math.Abs(float64(v)) + penalties)
			}
		}
		if math.Abs(float64(v)) < 0x1p-126 {
			within = 0x1p-126
		}
		if within == 0 && keys[id] != orderKey(v) || !(math.Abs(keyValue(keys[id])-float64(v)) <= within) {
			t.Fatalf("row %d: id %d has the key %#x (%v), want %#x (%v)", i, id, keys[id], keyValue(keys[id]), orderKey(v), v)
		}
	}

	values := make([]float64, len(keys)) // NaN: no candidate
	for id, k := range keys {
		values[id] = math.NaN()
		if k > 0 {
			values[id] = keyValue(k)
		}
	}
	left := filtered(values, p)
	for id, k := range keys {
		if k == 0 {
			continue
		}
		in := k > edge[0] || k == edge[0] && uint32(id) <= edge[1]
		if l := left[id]; l == inside && !in || l == outside && in {
			t.Fatalf("row %d: id %d of %v within the edge %#x: %v", i, id, values[id], edge, in)
		}
	}

	// Of what the device has left the token is the best: see sampleCase.checkToken.
	score := func(id int) float64 {
		if p.Temperature == 0 {
			return values[id]
		}
		return values[id] + float64(p.Temperature)*float64(sample.Noise(p.Seed, position, int32(id)))
	}
	if int(token) >= len(keys) || keys[token] == 0 || keys[token] < edge[0] || keys[token] == edge[0] && token > edge[1] {
		t.Fatalf("row %d: token %d is not a candidate", i, int32(token))
	}
	best := int(token)
	for id, k := range keys {
		if (k > edge[0] || k == edge[0] && uint32(id) <= edge[1]) && (score(id) > score(best) || score(id) == score(best) && id < best) {
			best = id
		}
	}
	within := 0.0
	if p.Temperature > 0 {
		within = float64(p.Temperature)*(1.0/(1<<17)+23*8*eps32) + 2*eps32*math.Abs(score(best))
	}
	if score(int(token)) < score(best)-within || within == 0 && int(token) != best {
		t.Errorf("row %d: token %d of score %v, want %d of %v", i, token, score(int(token)), best, score(best))
	}

	if uint32(want) == token {
		return false
	}
	// Package sample divides before it adds the noise, which rounds at most some units of 64, and its adjusted logits may be others by 3
	// units: 1e-6 of the raw ones.
	within += float64(p.Temperature)*64*4*eps32 + 1e-6*(math.Abs(values[want])+math.Abs(values[token]))
	if math.Abs(score(int(want))-score(int(token))) > within && !nearEdge(values, left, p, int(want), int(token)) {
		t.Errorf("row %d: token %d, package sample draws %d: scores %v and %v", i, token, want, score(int(token)), score(int(want)))
	}
	return true
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
	doubtful // within 1e-5 of an edge
)

// filtered applies top_k, top_p and min_p in float64. values are those of candidates, NaN for other ids.
func filtered(values []float64, p sample.Params) []int {
	const margin = 1e-5
	left := make([]int, len(values))
	var ids []int
	for id, v := range values {
		if !math.IsNaN(v) {
			ids = append(ids, id)
		}
	}
	if p.Temperature < 1e-4 || len(ids) == 0 {
		for _, id := range ids {
			left[id] = inside
		}
		return left
	}
	slices.SortFunc(ids, func(a, b int) int {
		switch {
		case values[a] > values[b] || values[a] == values[b] && a < b:
			return -1
		case a == b:
			return 0
		}
		return 1
	})
	depth := func(id int) float64 { return (values[ids[0]] - values[id]) / float64(p.Temperature) }
	// Nothing beyond 40 is ever drawn, whether it is left or not.
	for n, id := range ids {
		if depth(id) > 39.9 {
			for _, id := range ids[n:] {
				left[id] = doubtful
			}
			ids = ids[:n]
			break
		}
	}
	if p.TopK > 0 && p.TopK < len(ids) {
		ids = ids[:p.TopK]
	}
	sum := 0.0
	for _, id := range ids {
		sum += math.Exp(-depth(id))
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
		d := depth(id)
		switch {
		case before >= target*(1+margin) && n > 0, d > reach+margin:
			left[id] = outside
		case before <= target*(1-margin) && d <= reach-margin, n == 0:
			left[id] = inside
		default:
			left[id] = doubtful
		}
		before += math.Exp(-d)
	}
	return left
}

// nearEdge says whether one of two ids is so near to an edge that package sample may see it elsewhere: it orders by the quotients, whose rounding
// makes some of the close ones equal.
func nearEdge(values []float64, left []int, p sample.Params, ids ...int) bool {
	lowest := math.Inf(1) // that is left
	for id, l := range left {
		if l != outside {
			lowest = min(lowest, values[id])
		}
	}
	for _, id := range ids {
		if left[id] == doubtful || math.Abs(values[id]-lowest) < 1e-5*float64(p.Temperature)+2e-6*math.Abs(lowest) {
			return true
		}
	}
	return false
}
