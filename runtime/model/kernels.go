package model

import (
	"context"
	"time"

	"gossamer/runtime/engine"
	"gossamer/runtime/gpu"
	"gossamer/runtime/sample"
)

// KernelTime is what one kernel takes, in all layers together.
type KernelTime struct {
	Name       string
	Dispatches int
	Bytes      int64 // of decode: weights, keys and values that are read; 0 where that depends on what is chosen
	FLOPs      int64 // of prefill: multiplications and additions of products with weights
	Time       time.Duration
}

// StepTimes are those of a step of decode.
type StepTimes struct {
	Kernels []KernelTime
	Whole   time.Duration // of the device, for a step of one draw that follows another
}

// KernelTimes measures the kernels of a step for seqs, each by itself and for so long: its dispatches of all layers one after the other, again
// and again, so that the weights of a layer have left the caches when its turn comes again. What the step would compute is lost, and so
// are the logits of all sequences.
func (m *Model) KernelTimes(ctx context.Context, seqs []engine.Sequence, each time.Duration) (st StepTimes, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.batch
	rows, err := m.rowsToMeasure(seqs)
	if err != nil {
		return st, err
	}
	states, longest := make([]*state, len(rows)), 0
	for i := range rows {
		states[i], longest = rows[i].seq, max(longest, rows[i].seq.kv.Len())
	}
	width := m.paddedRows(len(rows))
	if err := b.seat(ctx, states, width); err != nil {
		return st, err
	}
	r := &run{rows: rows, width: width, draws: 1}
	defer b.forgetAll(r)
	for i := range rows {
		rows[i].seat = rows[i].seq.seat
	}
	if err := m.steps.rowsOf(&m.buffers.decode, r); err != nil {
		return st, err
	}
	forward, err := m.programs.forwardProgram(width, m.splitsFor(longest))
	if err != nil {
		return st, err
	}
	if st.Whole, err = m.dev.Time(ctx, forward, each); err != nil {
		return st, err
	}
	for _, part := range m.parts(len(rows), longest) {
		t, err := m.measure(ctx, part, width, longest, each)
		if err != nil {
			return st, err
		}
		st.Kernels = append(st.Kernels, t)
	}
	st.Whole += st.Kernels[len(st.Kernels)-1].Time // sampling, without which the rows stay where they are
	return st, nil
}

// rowsToMeasure are rows of a step that draw; for a measurement it does not matter from what.
func (m *Model) rowsToMeasure(seqs []engine.Sequence) ([]decodeRow, error) {
	if m.closed {
		return nil, errClosed
	}
	step := &engine.Step{Draws: 1}
	for _, s := range seqs {
		sampler, err := sample.New(sample.Params{}, m.cfg.Vocab, nil)
		if err != nil {
			return nil, err
		}
		step.Rows = append(step.Rows, engine.Row{Seq: s, Given: engine.Draw, Sampler: sampler, Logprobs: -1})
	}
	return m.rowsOf(step)
}

// measured is a kernel of a decode step.
type measured struct {
	name   string
	record func(r *decodeRecorder)
	in     func(l *layer) bool // layers that have it; nil: it runs once
	bytes  int64
}

// parts are the kernels of a step of so many rows. Sampling comes last: it changes where the rows are.
func (m *Model) parts(rows, positions int) []measured {
	c, all := m.cfg, func(*layer) bool { return true }
	of := func(kind int) func(*layer) bool { return func(l *layer) bool { return l.kind == kind } }
	bf16 := func(elements int) int64 { return int64(c.Layers) * int64(elements) * bf16Bytes }
	var keys [kinds]int64 // of all layers of a kind
	for _, sliding := range c.Sliding {
		kind, visible := fullLayer, positions
		if sliding {
			kind, visible = slidingLayer, min(positions, c.Window)
		}
		keys[kind] += int64(rows) * int64(visible) * 2 * int64(c.KVDim()) * m.kvType.bytes()
	}
	var gateUp, down int64
	if rows == 1 {
		e := expertBytes(c)
		n := int64(c.Layers * c.TopK)
		gateUp, down = n*(e[0]+e[1]+e[2]), n*(e[3]+e[4]+e[5])
	}
	parts := []measured{
		{"embed", (*decodeRecorder).embed, nil, int64(rows) * int64(c.Hidden) * bf16Bytes},
		{"qkv", (*decodeRecorder).qkv, all, bf16((c.QDim() + 2*c.KVDim()) * c.Hidden)},
		{"attention, full", (*decodeRecorder).attend, of(fullLayer), keys[fullLayer]},
		{"attention, sliding", (*decodeRecorder).attend, of(slidingLayer), keys[slidingLayer]},
		{"out", (*decodeRecorder).out, all, bf16(c.QDim() * c.Hidden)},
		{"router", (*decodeRecorder).router, all, bf16(c.Experts * c.Hidden)},
	}
	if m.groups(m.paddedRows(rows)) {
		parts = append(parts, measured{"experts", (*decodeRecorder).groupedExperts, all, 0})
	} else {
		parts = append(parts, measured{"gate_up", (*decodeRecorder).gateUp, all, gateUp}, measured{"down", (*decodeRecorder).down, all, down})
	}
	return append(parts,
		measured{"unembed", (*decodeRecorder).unembed, nil, int64(c.Vocab) * int64(c.Hidden) * bf16Bytes},
		measured{"sample", (*decodeRecorder).sample, nil, int64(rows) * int64(c.Vocab) * 4},
	)
}

// measure measures a part.
func (m *Model) measure(ctx context.Context, k measured, rows, positions int, each time.Duration) (KernelTime, error) {
	p := m.dev.NewProgram("measure " + k.name)
	defer p.Release()
	if err := m.programs.recordPart(p, k, rows, positions); err != nil {
		return KernelTime{}, err
	}
	return m.timed(ctx, p, KernelTime{Name: k.name, Bytes: k.bytes}, each)
}

// timed measures a program that has the dispatches of a kernel.
func (m *Model) timed(ctx context.Context, p *gpu.Program, t KernelTime, each time.Duration) (KernelTime, error) {
	if t.Dispatches = p.Dispatches(); t.Dispatches == 0 {
		return t, nil // no layer has it
	}
	var err error
	t.Time, err = m.dev.Time(ctx, p, each)
	return t, err
}

// recordPart records a part's dispatches of all layers.
func (p *programs) recordPart(prog *gpu.Program, k measured, rows, positions int) error {
	kernels, err := p.decodeKernels(rows)
	if err != nil {
		return err
	}
	r := p.decodeRecorder(prog, rows, kernels)
	if err := p.fullAttention(r, rows, p.splitsFor(positions)); err != nil {
		return err
	}
	if k.in == nil {
		k.record(r)
		return r.err
	}
	for n := range p.buf.layers {
		if r.l = &p.buf.layers[n]; k.in(r.l) {
			k.record(r)
		}
	}
	return r.err
}
