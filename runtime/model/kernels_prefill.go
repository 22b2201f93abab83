package model

import (
	"context"
	"fmt"
	"time"

	"gossamer/runtime/engine"
)

// prefillPart is a kernel of prefill.
type prefillPart struct {
	name   string
	record func(r *prefillRecorder)
	in     func(l *layer) bool // layers that have it; nil: it runs once
	flops  int64               // of all layers
}

// PrefillTimes measures the kernels of a chunk of n tokens behind those of seq, at most ChunkTokens, as KernelTimes does. seq stays as it is.
func (m *Model) PrefillTimes(ctx context.Context, of engine.Sequence, n int, each time.Duration) (times []KernelTime, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seq := of.(*sequence)
	tokens := make([]int32, n)
	for i := range tokens {
		tokens[i] = int32(i * 7919 % m.cfg.Vocab)
	}
	if err := seq.admit(tokens); err != nil {
		return nil, err
	}
	if n < 1 || n > m.chunk {
		return nil, fmt.Errorf("model: a chunk of %d tokens, want 1 to %d", n, m.chunk)
	}
	if err := m.settle(ctx, seq.state, nil, true); err != nil {
		return nil, err
	}
	if err := m.placeChunk(seq.state, tokens); err != nil {
		return nil, err
	}
	class := m.prefillClass(n)
	program, err := m.programs.prefillProgram(class)
	if err != nil {
		return nil, err
	}
	// The whole chunk once, so that each kernel finds what the one before makes of it.
	if err := m.dev.Submit(ctx, program); err != nil {
		return nil, err
	}
	k, err := m.programs.classKernels(class)
	if err != nil {
		return nil, err
	}
	for _, part := range m.prefillParts(n) {
		t, err := m.measurePrefill(ctx, part, class, k, each)
		if err != nil {
			return nil, err
		}
		times = append(times, t)
	}
	return times, nil
}

// ChunkTokens is the number of tokens that a prefill program takes at once.
func (m *Model) ChunkTokens() int { return m.chunk }

// measurePrefill measures a part, in all layers that have it.
func (m *Model) measurePrefill(ctx context.Context, part prefillPart, class int, k *classKernels, each time.Duration) (KernelTime, error) {
	p := m.dev.NewProgram("measure " + part.name)
	defer p.Release()
	r := m.programs.prefillRecorder(p, class, k)
	if part.in == nil {
		part.record(r)
	}
	for i := range m.buffers.layers {
		if r.n, r.l = i, &m.buffers.layers[i]; part.in != nil && part.in(r.l) {
			part.record(r)
		}
	}
	if r.err != nil {
		return KernelTime{}, r.err
	}
	return m.timed(ctx, p, KernelTime{Name: part.name, FLOPs: part.flops}, each)
}

// prefillParts are the kernels of a chunk of n tokens, in their order.
func (m *Model) prefillParts(n int) []prefillPart {
	c, all := m.cfg, func(*layer) bool { return true }
	of := func(kind int) func(*layer) bool { return func(l *layer) bool { return l.kind == kind } }
	products := func(weights int) int64 { return 2 * int64(n) * int64(c.Layers) * int64(weights) }
	return []prefillPart{
		{"embed", (*prefillRecorder).embed, nil, 0},
		{"norm", func(r *prefillRecorder) { r.norm("attn_norm", r.all.attnNorm, r.s.x, r.s.t) }, all, 0},
		{"qkv", func(r *prefillRecorder) { r.linear("qkv", r.k.qkv, r.l.qkv, r.s.t, r.s.qkv) }, all, products((c.QDim() + 2*c.KVDim()) * c.Hidden)},
		{"rope", (*prefillRecorder).rope, all, 0},
		{"attention, full", (*prefillRecorder).attend, of(fullLayer), 0},
		{"attention, sliding", (*prefillRecorder).attend, of(slidingLayer), 0},
		{"out", func(r *prefillRecorder) { r.linear("after_attn", r.k.out, r.l.out, r.s.a, r.s.x) }, all, products(c.QDim() * c.Hidden)},
		{"norm before experts", func(r *prefillRecorder) { r.norm("mlp_norm", r.all.mlpNorm, r.s.x, r.s.t) }, all, 0},
		{"router", func(r *prefillRecorder) { r.linear("router_logits", r.k.router, r.l.router, r.s.t, r.s.router) }, all, products(c.Experts * c.Hidden)},
		{"choice", (*prefillRecorder).choose, all, 0},
		{"sort", (*prefillRecorder).sort, all, 0},
		{"gate_up", (*prefillRecorder).gateUp, all, products(c.TopK * 2 * c.Intermediate * c.Hidden)},
		{"down", (*prefillRecorder).down, all, products(c.TopK * c.Intermediate * c.Hidden)},
		{"combine", (*prefillRecorder).combine, all, 0},
	}
}
