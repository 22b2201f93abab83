package model

import (
	"errors"
	"slices"
	"testing"
	"time"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/engine"
	"gossamer/runtime/gpu"
	"gossamer/runtime/kernel"
)

// TestCostPerDecodedToken counts what the device is asked for.
func TestCostPerDecodedToken(t *testing.T) {
	m := loadSmall(t, Options{Context: 1024, Chunk: 64})
	const layers, full = 3, 1
	for _, k := range []struct{ position, want int }{
		{0, 2 + 1 + 6*layers + 1},          // two of sampling, embedding, six a layer, unembedding
		{255, 2 + 1 + 6*layers + 1},        // the last without splits
		{256, 2 + 1 + 6*layers + full + 1}, // full layers add up their splits
	} {
		c, err := m.DecodeCost(k.position)
		if err != nil || c.Dispatches != k.want {
			t.Errorf("position %d: %d dispatches, want %d; error %v", k.position, c.Dispatches, k.want, err)
		}
		kvBytes := int64(2*m.cfg.KVDim()*4) * int64(full*(k.position+1)+(layers-full)*min(k.position+1, m.cfg.Window))
		if c.KVBytes != kvBytes {
			t.Errorf("position %d: %d bytes of keys and values, want %d", k.position, c.KVBytes, kvBytes)
		}
	}

	s := newSequence(t, m)
	extend(t, s, text(m, 10, 1))
	decode(t, s, 1, drawing{}) // the readback buffer is made once
	before := m.dev.Stats()
	const n = 100
	decode(t, s, n, drawing{})
	used := m.dev.Stats()
	if got := used.Submits - before.Submits; got != n {
		t.Errorf("%d submits for %d tokens, want one each", got, n)
	}
	for range 10 { // as a reply draws whose mask changes with each token
		decode(t, s, 1, drawing{})
	}
	if got := m.dev.Stats().Submits - used.Submits; got != 2*10 {
		t.Errorf("%d submits for 10 tokens that are read one by one, want the draw and the forward pass of each", got)
	}
	if got := used.Dispatches - before.Dispatches; got != n*(2+1+6*layers+1) {
		t.Errorf("%d dispatches for %d tokens", got, n)
	}
	if got := used.BytesRead - before.BytesRead; got != 4*n {
		t.Errorf("%d bytes read for %d tokens, want 4 each", got, n)
	}
	if got := used.BuffersCreated - before.BuffersCreated; got != 0 {
		t.Errorf("%d buffers made by decoding", got)
	}
}

// turns is a constraint of a few masks that take turns.
type turns struct {
	masks [][]uint32
	at    int
}

func (c *turns) Mask(int) ([]uint32, bool)        { return c.masks[c.at%len(c.masks)], false }
func (c *turns) Accept(int32) error               { c.at++; return nil }
func (c *turns) Forced(to []int32, _ int) []int32 { return to }
func (c *turns) End() (stop int32, whole bool)    { return 0, false }

// maskOf allows every other id.
func maskOf(m *Model, odd uint32) (ids []uint32) {
	for range m.maskWords() {
		ids = append(ids, 0x55555555<<odd)
	}
	return ids
}

// TestCostPerConstrainedToken counts what the device is asked for where each token has a mask of its own: of the masks no more than a number,
// once it has them.
func TestCostPerConstrainedToken(t *testing.T) {
	m := loadSmall(t, Options{Context: 1024, Chunk: 64})
	e, err := engine.New(m, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	const n = 100
	prompt := text(m, 10, 1)
	cost := func(c engine.Constraint) (used gpu.Stats) {
		before := m.dev.Stats()
		result, err := e.Generate(t.Context(), engine.Request{Tokens: prompt, MaxTokens: n, Constraint: c}, func(engine.Token) bool { return true })
		if err != nil || result.Stats.GeneratedTokens != n {
			t.Fatal(result, err)
		}
		after := m.dev.Stats()
		return gpu.Stats{
			Submits: after.Submits - before.Submits, BytesWritten: after.BytesWritten - before.BytesWritten, BytesRead: after.BytesRead - before.BytesRead,
			BuffersCreated: after.BuffersCreated - before.BuffersCreated,
		}
	}
	c := &turns{masks: [][]uint32{maskOf(m, 0), maskOf(m, 1), maskOf(m, 0)}}
	cost(c) // uploads them, makes the readback buffer
	plain, constrained := cost(nil), cost(c)
	t.Logf("plain %+v, constrained %+v", plain, constrained)
	const begin = 4 // the prompt, and runs of one, two and four tokens
	if plain.Submits > n+begin || constrained.Submits > 2*n+begin {
		t.Errorf("%d submits for %d tokens, %d where they are constrained: want one and two each", plain.Submits, n, constrained.Submits)
	}
	if read := int64(4 * (n + 1)); plain.BytesRead > read || constrained.BytesRead > read || // with the last token of the prompt
		plain.BuffersCreated+constrained.BuffersCreated != 0 {
		t.Errorf("read are %d and %d bytes, want 4 a token; %d buffers were made",
			plain.BytesRead, constrained.BytesRead, plain.BuffersCreated+constrained.BuffersCreated)
	}
	// A row and its two page tables, which here name one page each.
	if step := int64(kernel.StepRowBytes + 2*4); constrained.BytesWritten > (n+1)*step+plain.BytesWritten {
		t.Errorf("%d bytes are written for %d tokens, want %d each", constrained.BytesWritten, n, step)
	}
	other := &turns{masks: [][]uint32{maskOf(m, 1)}}
	if once := cost(other); once.BytesWritten != constrained.BytesWritten+int64(4*m.maskWords()) {
		t.Errorf("a mask that is new to the device, drawn from %d times, makes %d bytes more", n, once.BytesWritten-constrained.BytesWritten)
	}
}

// TestExtendByOneTokenRunsTheDecodeProgram: whoever samples on the CPU pays a decode program a token, and the row of logits.
func TestExtendByOneTokenRunsTheDecodeProgram(t *testing.T) {
	m := loadSmall(t, Options{Context: 512, Chunk: 64})
	s := newSequence(t, m)
	extend(t, s, text(m, 10, 1))
	row := logits(t, m, s)
	before := m.dev.Stats()
	for range 10 {
		id, _ := argmax(row)
		extend(t, s, []int32{id})
		row = logits(t, m, s)
	}
	after := m.dev.Stats()
	if submits, dispatches := after.Submits-before.Submits, after.Dispatches-before.Dispatches; submits != 10 || dispatches != 10*(2+1+6*3+1) {
		t.Errorf("%d submits and %d dispatches for 10 tokens", submits, dispatches)
	}
	if read := after.BytesRead - before.BytesRead; read != int64(10*4*m.cfg.Vocab) {
		t.Errorf("%d bytes read for 10 rows", read)
	}
	// The tokens are those that the device chooses.
	alone := newSequence(t, m)
	extend(t, alone, text(m, 10, 1))
	decode(t, alone, 10, drawing{})
	if !slices.Equal(s.tokens, alone.tokens) {
		t.Errorf("token by token %v, decoded %v", s.tokens, alone.tokens)
	}
}

// TestPrefillIsRecordedOnce: twelve dispatches a layer, and an equal second prefill makes nothing.
func TestPrefillIsRecordedOnce(t *testing.T) {
	m := loadSmall(t, Options{Context: 512, Chunk: 64})
	s := newSequence(t, m)
	tokens := text(m, 150, 1) // chunks of 64, 64, 22
	extend(t, s, tokens)
	if _, err := s.Truncate(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	before, programs, kernels := m.dev.Stats(), len(m.programs.recorded), len(m.programs.kernels)
	extend(t, s, tokens)
	after := m.dev.Stats()
	if want := int64(3*(1+12*3) + 2 + 1 + 6*3 + 1); after.Dispatches-before.Dispatches != want {
		t.Errorf("%d dispatches for three chunks and the last token, want %d", after.Dispatches-before.Dispatches, want)
	}
	if got := after.Submits - before.Submits; got != 4 {
		t.Errorf("%d submits, want one a chunk and one for the last token", got)
	}
	if after.BuffersCreated != before.BuffersCreated || len(m.programs.recorded) != programs || len(m.programs.kernels) != kernels {
		t.Error("the second of two equal prefills made something new")
	}
}

// TestKernelTimes: the kernels that are measured are those of a step, whole, and the texts stay as they are.
func TestKernelTimes(t *testing.T) {
	m := loadSmall(t, Options{Context: 1024, Chunk: 64, Rows: 4, groupFrom: 4})
	for _, rows := range []int{1, 4} {
		var seqs []engine.Sequence
		for range rows {
			s := newSequence(t, m)
			extend(t, s, text(m, 300, 1))
			seqs = append(seqs, s)
		}
		for _, s := range seqs { // each is given its last token, together with the others
			if _, err := s.Truncate(t.Context(), 299); err != nil {
				t.Fatal(err)
			}
		}
		if err := engine.Give(t.Context(), m, seqs, 7); err != nil {
			t.Fatal(err)
		}
		times, err := m.KernelTimes(t.Context(), seqs, time.Millisecond)
		if err != nil || times.Whole <= 0 {
			t.Fatal(times, err)
		}
		dispatches := 0
		for _, k := range times.Kernels {
			dispatches += k.Dispatches
			if k.Time <= 0 || k.Dispatches == 0 {
				t.Errorf("%d rows: %+v", rows, k)
			}
		}
		p, err := m.programs.decodePrograms(rows, 301, plainSampling)
		if err != nil || dispatches != p.dispatches() {
			t.Errorf("%d rows: %d dispatches were measured, a step has %d; error %v", rows, dispatches, p.dispatches(), err)
		}
		for _, s := range seqs {
			if s.Ready() || s.Len() != 300 {
				t.Errorf("afterwards a text has %d tokens, ready %v", s.Len(), s.Ready())
			}
			s.Close()
		}
	}
}

// TestPrefillTimes: the kernels that are measured are those of a chunk, and the text stays as it is.
func TestPrefillTimes(t *testing.T) {
	m := loadSmall(t, Options{Context: 512, Chunk: 64})
	s := newSequence(t, m)
	tokens := text(m, 150, 1)
	extend(t, s, tokens[:100])
	before := logits(t, m, s)
	for _, n := range []int{64, 20} {
		times, err := m.PrefillTimes(t.Context(), s, n, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		dispatches, flops := 0, int64(0)
		for _, k := range times {
			dispatches, flops = dispatches+k.Dispatches, flops+k.FLOPs
			if k.Time <= 0 || k.Dispatches == 0 {
				t.Errorf("%d tokens: %+v", n, k)
			}
		}
		p, err := m.programs.prefillProgram(m.prefillClass(n))
		if err != nil || dispatches != p.Dispatches() || flops == 0 {
			t.Errorf("%d dispatches were measured, a chunk has %d; %d FLOPs, error %v", dispatches, p.Dispatches(), flops, err)
		}
	}
	if _, err := m.PrefillTimes(t.Context(), s, 1000, time.Millisecond); !errors.Is(err, engine.ErrContextFull) {
		t.Errorf("more than the context holds: %v", err)
	}
	if s.Len() != 100 || !slices.Equal(logits(t, m, s), before) {
		t.Errorf("afterwards the text has %d tokens, or other logits", s.Len())
	}
	extend(t, s, tokens[100:])
	closeRows(t, "afterwards", logits(t, m, s), fresh(t, m, tokens), float32Limit)
}

// TestWeightBytesRead: 20b and 120b, by the dimensions of the published configurations.
func TestWeightBytesRead(t *testing.T) {
	for name, layers := range map[string]int64{"20b": 24, "120b": 36} {
		c, err := checkpointtest.Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		const h = 2880
		expert := int64(3*h*h/2 + 3*h*h/32 + 3*h*2)
		experts := int64(c.Experts)
		dense := int64(2*(5120*h+5120+64+4096*h+h+2*h)) + experts*2*(h+1)
		want := layers*(dense+4*expert) + 2*h + 2*h + 201088*h*2
		if got := weightBytesRead(c); got != want {
			t.Errorf("%s: %d bytes a token, want %d", name, got, want)
		}
	}
}
