package model

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"gossamer/runtime/engine"
	"gossamer/runtime/gpu"
	"gossamer/runtime/kernel"
	"gossamer/runtime/sample"
)

// batch owns the rows in flight. Each row of the decode buffers is free, or the seat of a sequence, whose logits it holds. A program
// writes to all its rows, so that those who have a seat there and take no part lose it: they get another by giving their last token
// again.
type batch struct {
	*sizes
	dev      *gpu.Device
	buf      *buffers
	programs *programs
	preparer *preparer
	pages    *pages
	steps    *steps
	seats    []*state          // [rows]
	samplers []*sample.Sampler // [rows] whose biases and counts the device has
	masks    *masks
}

// maxRun is the number of tokens that are chosen between two readbacks: few enough that a stop or a cancellation wastes little.
const maxRun = 8

// decodeRow is a row of a step.
type decodeRow struct {
	*engine.Row
	seq  *state
	seat int // that it has while the step is queued; it may lose it before the step is waited for
	mask int // number of its mask on the device, if it has one
}

// run is a step whose draws are queued.
type run struct {
	rows     []decodeRow
	width    int           // rows of its program
	draws    int           // times that it runs
	sampling sampling      // the most that a row asks for
	read     *gpu.Readback // of what was drawn, [draws][width]; nil if nothing is
}

// start queues the draws of a step's rows. If memory is short nothing is changed.
func (b *batch) start(ctx context.Context, rows []decodeRow, draws int) (*run, error) {
	r := &run{rows: rows, draws: draws}
	seqs, longest := make([]*state, len(rows)), 0
	for i := range rows {
		row := &rows[i]
		n := row.seq.kv.Len()
		if n+draws > b.context {
			return nil, fmt.Errorf("model: %w: %d tokens held and %d more exceed its %d positions", engine.ErrContextFull, n, draws, b.context)
		}
		seqs[i], longest = row.seq, max(longest, n)
		r.sampling = max(r.sampling, samplingOf(row))
	}
	var err error
	if r.draws, err = b.pages.reserveRun(seqs, draws); err != nil {
		return nil, err
	}
	r.width = b.preparer.decodeWidth(len(seqs), b.splitsFor(longest+r.draws), r.sampling)
	p, err := b.programs.decodePrograms(r.width, longest+r.draws, r.sampling)
	if err != nil {
		return nil, err
	}
	if err := b.seat(ctx, seqs, r.width); err != nil { // their logits may not be there
		b.forgetAll(r)
		return nil, err
	}
	for i := range rows {
		rows[i].seat = rows[i].seq.seat
	}
	if err := b.queue(ctx, r, p); err != nil { // how far the device comes is not known
		b.forgetAll(r)
		return nil, err
	}
	return r, nil
}

func samplingOf(row *decodeRow) sampling {
	p := row.Sampler.Params()
	switch {
	case row.Logprobs >= 0:
		return fullWithLogprobs
	case !p.TemperatureOnly():
		return fullSampling
	}
	return plainSampling
}

// queue submits the programs for all draws, and the readback of what they draw: before the last forward pass, while which the caller may
// find out what comes next.
func (b *batch) queue(ctx context.Context, r *run, p decodePrograms) error {
	if err := b.masks.write(b.buf.decode.masks, r.rows); err != nil {
		return err
	}
	if err := b.steps.rowsOf(&b.buf.decode, r); err != nil {
		return err
	}
	if r.sampling != plainSampling {
		if err := b.writeSampling(r); err != nil {
			return err
		}
	}
	for range r.draws - 2 {
		if err := b.dev.Submit(ctx, p.draw, p.forward); err != nil {
			return err
		}
	}
	if r.draws == 1 && !slices.ContainsFunc(r.rows, func(row decodeRow) bool { return row.Given == engine.Draw }) {
		return b.dev.Submit(ctx, p.draw, p.forward)
	}
	last := []*gpu.Program{p.draw}
	if r.draws > 1 { // with the token before, so that there are no more submits than tokens
		last = []*gpu.Program{p.draw, p.forward, p.draw}
	}
	from, bytes := r.readback(&b.buf.decode)
	var err error
	if r.read, err = b.dev.StartRead(ctx, from, 0, bytes, last...); err != nil {
		return err
	}
	if err := b.dev.Submit(ctx, p.forward); err != nil {
		_, waitErr := r.wait(ctx) // until which nobody else reads
		return errors.Join(err, waitErr)
	}
	return nil
}

// readback is what a run reads: tokens, or pairs of them and their log probabilities.
func (r *run) readback(s *decodeScratch) (from *gpu.Buffer, bytes int64) {
	n := int64(r.draws * r.width)
	if r.sampling == fullWithLogprobs {
		return s.logprobs, n * kernel.LogprobsBytes
	}
	return s.ring, n * 4
}

// drawn are the results of a run, [draws][width]: tokens, perhaps with their log probabilities.
type drawn struct {
	raw   []byte
	bytes int // of each
	width int
}

// wait waits for the draws.
func (r *run) wait(ctx context.Context) (d drawn, err error) {
	if r.read == nil {
		return d, nil
	}
	d = drawn{bytes: 4, width: r.width}
	if r.sampling == fullWithLogprobs {
		d.bytes = kernel.LogprobsBytes
	}
	d.raw = make([]byte, r.draws*r.width*d.bytes)
	return d, r.read.Finish(ctx, d.raw)
}

// token is what a seat drew; with top log probabilities, or with none if top is negative.
func (d drawn) token(draw, seat, top int) engine.Token {
	raw := d.raw[(draw*d.width+seat)*d.bytes:][:d.bytes]
	pair := func(i int) sample.LogProb {
		return sample.LogProb{ID: int32(binary.LittleEndian.Uint32(raw[8*i:])), LogProb: math.Float32frombits(binary.LittleEndian.Uint32(raw[8*i+4:]))}
	}
	if d.bytes == 4 || top < 0 {
		return engine.Token{ID: int32(binary.LittleEndian.Uint32(raw))}
	}
	own := pair(0)
	t := engine.Token{ID: own.ID, LogProb: own.LogProb}
	for i := range top {
		if p := pair(1 + i); uint32(p.ID) != kernel.NoToken {
			t.Top = append(t.Top, p)
		}
	}
	return t
}

// take appends to each sequence what its row has got, and returns what was drawn.
func (b *batch) take(r *run, d drawn) []engine.Drawn {
	out := make([]engine.Drawn, len(r.rows))
	for i := range r.rows {
		row, to := &r.rows[i], &out[i]
		if to.Err = row.seq.usable(); to.Err != nil {
			continue
		}
		first := 0
		if row.Given != engine.Draw {
			row.seq.append(row.Given)
			first = 1
		}
		for at := first; at < r.draws; at++ {
			t := d.token(at, row.seat, row.Logprobs)
			if uint32(t.ID) == kernel.NoToken {
				to.Err = noToken(row)
				b.forget(row.seq)
				break
			}
			row.seq.append(t.ID)
			row.Sampler.Accept(t.ID)
			to.Tokens = append(to.Tokens, t)
		}
	}
	return out
}

func noToken(row *decodeRow) error {
	why := "the weights or the device are faulty"
	if row.Allowed != nil {
		why = "the mask allows nothing, or the weights or the device are faulty"
	}
	return fmt.Errorf("model: after position %d: %w: %s", row.seq.kv.Len()-1, sample.ErrNoToken, why)
}

// given appends one token to seq with the decode program, in seat 0.
func (b *batch) given(ctx context.Context, seq *state, token int32) error {
	sampler, err := sample.New(sample.Params{}, b.cfg.Vocab, nil)
	if err != nil {
		return err
	}
	r, err := b.start(ctx, []decodeRow{{Row: &engine.Row{Given: token, Sampler: sampler, Logprobs: -1}, seq: seq}}, 1)
	if err != nil {
		return err
	}
	return b.take(r, drawn{})[0].Err
}

// head computes the logits of a row of the prefill's residual stream, in seat 0, which nobody has then.
func (b *batch) head(ctx context.Context, row int) error {
	if seq := b.seats[0]; seq != nil {
		b.forget(seq)
	}
	n := int64(b.cfg.Hidden) * 4
	p := b.dev.NewProgram("last row")
	defer p.Release()
	if err := p.Copy(b.buf.decode.x, 0, b.buf.prefill.x, int64(row)*n, n); err != nil {
		return err
	}
	unembed, err := b.programs.headProgram()
	if err != nil {
		return err
	}
	return b.dev.Submit(ctx, p, unembed)
}

// sit gives seq a free seat.
func (b *batch) sit(seq *state, seat int) {
	b.seats[seat], seq.seat = seq, seat
}

// forget takes the seat, and so the logits, from seq.
func (b *batch) forget(seq *state) {
	if seq.ready() {
		b.seats[seq.seat], b.samplers[seq.seat], seq.seat = nil, nil, noSeat
	}
}

func (b *batch) forgetAll(r *run) {
	for i := range r.rows {
		b.forget(r.rows[i].seq)
	}
}

// seat gives each of seqs one of the first width rows. Who has one keeps it; the logits of who has one beyond are moved.
func (b *batch) seat(ctx context.Context, seqs []*state, width int) error {
	for _, seq := range b.seats[:width] {
		if seq != nil && !slices.Contains(seqs, seq) {
			b.forget(seq)
		}
	}
	p := b.dev.NewProgram("move logits")
	defer p.Release()
	n, moved := int64(b.cfg.Vocab)*4, false
	for _, seq := range seqs {
		from := seq.seat
		if seq.ready() && from < width {
			continue
		}
		b.forget(seq)
		b.sit(seq, slices.Index(b.seats[:width], nil))
		if from == noSeat {
			continue
		}
		// WebGPU has no copy inside one buffer.
		if err := p.Copy(b.buf.decode.spare, 0, b.buf.decode.logits, int64(from)*n, n); err != nil {
			return err
		}
		if err := p.Copy(b.buf.decode.logits, int64(seq.seat)*n, b.buf.decode.spare, 0, n); err != nil {
			return err
		}
		moved = true
	}
	if !moved {
		return nil
	}
	return b.dev.Submit(ctx, p)
}

// writeSampling tells the device what the rows ask of their sampling, and the biases and counts of those that are new to their seats.
func (b *batch) writeSampling(r *run) error {
	params := make([]kernel.SampleParams, r.width)
	for i := range r.rows {
		row := &r.rows[i]
		p, seat := row.Sampler.Params(), row.seat
		to := kernel.SampleParams{
			TopK: uint32(min(p.TopK, b.cfg.Vocab)), TopP: p.TopP, MinP: p.MinP, RepetitionPenalty: p.RepetitionPenalty,
			PresencePenalty: p.PresencePenalty, FrequencyPenalty: p.FrequencyPenalty, PenaltyVocab: uint32(p.PenaltyVocab),
			Biases: uint32(len(p.LogitBias)), Logprobs: r.sampling == fullWithLogprobs, // tokens are read from there
		}
		params[seat] = to
		if b.samplers[seat] == row.Sampler {
			continue
		}
		if err := b.seatSampler(row.Sampler, seat, to.Counted()); err != nil {
			return err
		}
		b.samplers[seat] = row.Sampler
	}
	var raw []byte
	for _, p := range params {
		raw = p.Append(raw)
	}
	return b.dev.Write(b.buf.decode.params, 0, raw)
}

// seatSampler uploads the biases of a sampler, and its counts if it has penalties.
func (b *batch) seatSampler(s *sample.Sampler, seat int, counted bool) error {
	var raw []byte
	for id, bias := range s.Params().LogitBias {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(id))
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(bias))
	}
	if err := b.dev.Write(b.buf.decode.biases, int64(seat*kernel.MaxBiases)*8, raw); err != nil || !counted {
		return err
	}
	one := b.sampling(1).CountWords()
	counts := make([]byte, 4*one)
	s.Counts(func(id int32, repeated bool, inReply int) {
		n := uint16(min(inReply, kernel.CountPrompt-1))
		if repeated {
			n |= kernel.CountPrompt
		}
		binary.LittleEndian.PutUint16(counts[2*id:], n)
	})
	return b.dev.Write(b.buf.decode.counts, int64(seat*len(counts)), counts)
}

// The host and the device have room for as many.
var (
	_ [sample.MaxBiases - kernel.MaxBiases]struct{}
	_ [kernel.MaxBiases - sample.MaxBiases]struct{}
)

// readLogits reads the logits of a seat: [Vocab].
func (b *batch) readLogits(ctx context.Context, seat int, dst []float32) error {
	raw := make([]byte, len(dst)*4)
	if err := b.dev.Read(ctx, b.buf.decode.logits, int64(seat)*int64(len(raw)), raw); err != nil {
		return err
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[i*4:]))
	}
	return nil
}
