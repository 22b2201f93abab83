package model

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"

	"gossamer/runtime/engine"
	"gossamer/runtime/gpu"
	"gossamer/runtime/kernel"
)

// batch owns the rows in flight. Each row of the decode buffers is bound to a sequence, whose hidden state and logits it holds, or to
// none; what a row held is saved with its sequence before another one takes it.
type batch struct {
	*sizes
	dev      *gpu.Device
	buf      *buffers
	programs *programs
	pages    *pages
	steps    *steps
	bound    []*state   // [rows] nil where a row is free
	allowed  [][]uint32 // [rows] the mask last uploaded
}

// maxRun is the number of tokens that are chosen between two readbacks: few enough that a stop or a cancellation wastes little.
const maxRun = 8

// decode samples up to n tokens of each sequence, all in one program a token. It returns once every sequence has n more, or after emit has
// returned false for a row; the other rows may then have up to a run of tokens more. Each sequence holds exactly the tokens that were
// emitted for it. The caller doesn't hold mu: emit may use the model, but not these sequences.
func (b *batch) decode(ctx context.Context, mu sync.Locker, seqs []*state, n int, d []engine.DeviceSampling, emit func(row int, token int32) bool) error {
	if err := b.check(seqs, d); err != nil {
		return err
	}
	for run := 1; n > 0; run = min(2*run, maxRun) {
		mu.Lock()
		chosen, err := b.run(ctx, seqs, min(run, n), d)
		mu.Unlock()
		if err != nil {
			return err
		}
		// The lock is not held while the caller looks at the tokens: it may take its time, or use the model itself.
		took := make([]int, len(seqs))
		stopped := false
		for r := range seqs {
			for _, t := range chosen[r] {
				took[r]++
				if !emit(r, t) {
					stopped = true
					break
				}
			}
		}
		mu.Lock()
		for r, seq := range seqs {
			b.take(seq, chosen[r][:took[r]], len(chosen[r]))
		}
		mu.Unlock()
		if stopped {
			return nil
		}
		n -= len(chosen[0])
	}
	return nil
}

// check refuses what decode can't do, before anything is changed.
func (b *batch) check(seqs []*state, d []engine.DeviceSampling) error {
	if len(seqs) == 0 || len(seqs) > b.rows || len(seqs) != len(d) {
		return fmt.Errorf("model: decode of %d sequences with %d settings, want 1 to %d of both", len(seqs), len(d), b.rows)
	}
	for r, seq := range seqs {
		switch {
		case slices.Contains(seqs[:r], seq):
			return fmt.Errorf("model: the sequence of row %d has a row already", r)
		case !(d[r].Temperature >= 0) || math.IsInf(float64(d[r].Temperature), 0):
			return fmt.Errorf("model: a temperature of %v, want a number from 0 on", d[r].Temperature)
		case d[r].Allowed != nil && len(d[r].Allowed) != b.maskWords():
			return fmt.Errorf("model: a mask of %d words for %d ids, want %d", len(d[r].Allowed), b.cfg.Vocab, b.maskWords())
		}
	}
	return nil
}

// take appends the tokens of a run that were wanted; of the device's state after ran tokens nothing else remains.
func (b *batch) take(seq *state, tokens []int32, ran int) {
	if seq.closed {
		return
	}
	seq.append(tokens...)
	if len(tokens) < ran {
		b.forget(seq)
	}
}

// run samples up to k tokens a row and reads them back: [rows][tokens]. The sequences don't hold them yet.
func (b *batch) run(ctx context.Context, seqs []*state, k int, d []engine.DeviceSampling) (chosen [][]int32, err error) {
	longest := 0
	for _, seq := range seqs {
		if err := seq.usable(); err != nil {
			return nil, err
		}
		if !seq.ready {
			return nil, errNoLogits
		}
		room := b.context - seq.kv.Len()
		if room == 0 {
			return nil, fmt.Errorf("model: %w: all its %d positions are taken", engine.ErrContextFull, b.context)
		}
		k = min(k, room)
		longest = max(longest, seq.kv.Len())
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if k, err = b.pages.reserveRun(seqs, k); err != nil {
		return nil, err
	}
	p, err := b.programs.decodeProgram(len(seqs), longest+k)
	if err != nil {
		return nil, err
	}
	if err := b.bind(ctx, seqs); err != nil {
		return nil, err
	}
	if err := b.writeAllowed(d); err != nil {
		return nil, err
	}
	if err := b.steps.sampled(&b.buf.decode, seqs, d); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil { // how far the device came is not known
			for _, seq := range seqs {
				b.forget(seq)
			}
		}
	}()
	for range k {
		if err := b.dev.Submit(ctx, p); err != nil {
			return nil, err
		}
	}
	for r, seq := range seqs {
		tokens, err := b.readRing(ctx, r, seq.kv.Len(), k)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(tokens, func(id int32) bool { return uint32(id) == kernel.NoToken }); i >= 0 {
			what, why := "logit", "the weights or the device are faulty"
			if d[r].Allowed != nil {
				what, why = "allowed logit", "the mask allows nothing, or the weights or the device are faulty"
			}
			return nil, fmt.Errorf("model: no %s after position %d is a finite number: %s", what, seq.kv.Len()+i-1, why)
		}
		chosen = append(chosen, tokens)
	}
	return chosen, nil
}

// given appends one token to seq with the decode program, and binds seq to row 0.
func (b *batch) given(ctx context.Context, seq *state, token int32) error {
	if err := b.pages.reserve(seq, 1, true); err != nil {
		return err
	}
	p, err := b.programs.decodeProgram(1, seq.kv.Len()+1)
	if err != nil {
		return err
	}
	if err := b.release(ctx); err != nil {
		return err
	}
	if err := b.steps.given(&b.buf.decode, seq, token); err != nil {
		return err
	}
	if err := b.dev.Submit(ctx, p); err != nil {
		return err
	}
	seq.append(token)
	b.hold(seq)
	return nil
}

// head copies a row of the prefill's residual stream to row 0 and computes its logits. The row is bound to no sequence then; see hold.
func (b *batch) head(ctx context.Context, row int) error {
	if err := b.release(ctx); err != nil {
		return err
	}
	n := b.stateBytes()
	p := b.dev.NewProgram("last row")
	defer p.Release()
	if err := p.Copy(b.buf.decode.x, 0, b.buf.prefill.x, int64(row)*n, n); err != nil {
		return err
	}
	unembed, err := b.programs.headProgram(1)
	if err != nil {
		return err
	}
	return b.dev.Submit(ctx, p, unembed)
}

// hold binds row 0 to seq: it holds the state after the last token of seq.
func (b *batch) hold(seq *state) {
	clear(b.bound)
	b.bound[0] = seq
	seq.ready = true
}

// bind brings the states of seqs into rows 0.. of the decode buffers, with their logits.
func (b *batch) bind(ctx context.Context, seqs []*state) error {
	rows := make([]*state, paddedRows(len(seqs))) // padding rows are overwritten, so nobody may be bound to them
	copy(rows, seqs)
	if slices.Equal(b.bound[:len(rows)], rows) {
		return nil
	}
	if err := b.release(ctx); err != nil {
		return err
	}
	n := b.stateBytes()
	p := b.dev.NewProgram("bind")
	defer p.Release()
	for r, seq := range seqs {
		if err := p.Copy(b.buf.decode.x, int64(r)*n, b.buf.hidden, int64(seq.slot)*n, n); err != nil {
			return err
		}
	}
	unembed, err := b.programs.headProgram(len(rows))
	if err != nil {
		return err
	}
	if err := b.dev.Submit(ctx, p, unembed); err != nil {
		return err
	}
	copy(b.bound, seqs)
	return nil
}

// release saves the states in the decode buffers with their sequences, so that every row is free.
func (b *batch) release(ctx context.Context) error {
	n := b.stateBytes()
	p := b.dev.NewProgram("release")
	defer p.Release()
	copies := 0
	for r, seq := range b.bound {
		if seq == nil {
			continue
		}
		if err := p.Copy(b.buf.hidden, int64(seq.slot)*n, b.buf.decode.x, int64(r)*n, n); err != nil {
			return err
		}
		copies++
	}
	if copies > 0 {
		if err := b.dev.Submit(ctx, p); err != nil {
			return err
		}
	}
	clear(b.bound)
	return nil
}

// forget drops the state and the logits of seq.
func (b *batch) forget(seq *state) {
	seq.ready = false
	for r, bound := range b.bound {
		if bound == seq {
			b.bound[r] = nil
		}
	}
}

// stateBytes is the size of a row's hidden state.
func (b *batch) stateBytes() int64 { return int64(b.cfg.Hidden) * 4 }

// writeAllowed uploads the masks that have changed.
func (b *batch) writeAllowed(d []engine.DeviceSampling) error {
	words := b.maskWords()
	for r := range d {
		mask := d[r].Allowed
		if mask == nil || slices.Equal(mask, b.allowed[r]) {
			continue
		}
		raw := make([]byte, 0, words*4)
		for _, w := range mask {
			raw = binary.LittleEndian.AppendUint32(raw, w)
		}
		if err := b.dev.Write(b.buf.decode.allowed, int64(r*words)*4, raw); err != nil {
			return err
		}
		b.allowed[r] = append(b.allowed[r][:0], mask...)
	}
	return nil
}

// readRing reads the ids that row r chose for positions first..first+k-1.
func (b *batch) readRing(ctx context.Context, r, first, k int) ([]int32, error) {
	tokens := make([]int32, 0, k)
	for len(tokens) < k {
		at := (first + len(tokens)) % ringTokens
		n := min(k-len(tokens), ringTokens-at)
		raw := make([]byte, n*4)
		if err := b.dev.Read(ctx, b.buf.decode.ring, int64(r*ringTokens+at)*4, raw); err != nil {
			return nil, err
		}
		for i := range n {
			tokens = append(tokens, int32(binary.LittleEndian.Uint32(raw[i*4:])))
		}
	}
	return tokens, nil
}

// readLogits reads the logits of row 0: [Vocab].
func (b *batch) readLogits(ctx context.Context, dst []float32) error {
	raw := make([]byte, len(dst)*4)
	if err := b.dev.Read(ctx, b.buf.decode.logits, 0, raw); err != nil {
		return err
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[i*4:]))
	}
	return nil
}
