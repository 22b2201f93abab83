package model

import (
	"context"
	"encoding/binary"
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
	pages    *pages
	steps    *steps
	seats    []*state   // [rows]
	allowed  [][]uint32 // [rows] the mask last uploaded
}

// maxRun is the number of tokens that are chosen between two readbacks: few enough that a stop or a cancellation wastes little.
const maxRun = 8

// decodeRow is a row of a step.
type decodeRow struct {
	*engine.Row
	seq   *state
	given int32          // the first token; engine.Draw: the device draws it
	own   []engine.Token // those that were drawn here, which is at most the given one
	err   error          // why the row takes no part
}

// run is a step whose draws are queued.
type run struct {
	rows  []decodeRow
	width int           // rows of its program
	draws int           // times that it runs
	read  *gpu.Readback // of the drawn tokens, [draws][width]; nil if there are none
}

// start queues the draws of a step's rows. If memory is short nothing is changed.
func (b *batch) start(ctx context.Context, rows []decodeRow, draws int) (*run, error) {
	r := &run{rows: rows, draws: draws}
	if err := b.drawHere(ctx, r); err != nil {
		return nil, err
	}
	var seqs []*state // that take part
	longest := 0
	for i := range rows {
		if row := &rows[i]; row.err == nil {
			n := row.seq.kv.Len()
			if n+r.draws > b.context {
				return nil, fmt.Errorf("model: %w: %d tokens held and %d more exceed its %d positions", engine.ErrContextFull, n, r.draws, b.context)
			}
			seqs, longest = append(seqs, row.seq), max(longest, n)
		}
	}
	if len(seqs) == 0 {
		return r, nil
	}
	var err error
	if r.draws, err = b.pages.reserveRun(seqs, r.draws); err != nil {
		return nil, err
	}
	r.width = paddedRows(len(seqs))
	p, err := b.programs.decodeProgram(r.width, longest+r.draws)
	if err != nil {
		return nil, err
	}
	if err := b.seat(ctx, seqs, r.width); err != nil {
		return nil, err
	}
	if err := b.queue(ctx, r, p); err != nil { // how far the device comes is not known
		b.forgetAll(r)
		return nil, err
	}
	return r, nil
}

// drawHere samples the first token of the rows that ask for more than the device can do, with package sample; a step that has such a
// row draws one token.
func (b *batch) drawHere(ctx context.Context, r *run) error {
	for i := range r.rows {
		row := &r.rows[i]
		if p := row.Sampler.Params(); p.TemperatureOnly() && row.Logprobs < 0 {
			continue
		}
		r.draws = 1
		if row.given != engine.Draw {
			continue
		}
		logits := make([]float32, b.cfg.Vocab)
		if err := b.readLogits(ctx, row.seq.seat, logits); err != nil {
			return err
		}
		t, err := engine.Choose(logits, row.seq.kv.Len(), row.Row)
		if err != nil {
			row.err = err
			continue
		}
		row.given, row.own = t.ID, []engine.Token{t}
	}
	return nil
}

// queue submits the program for all draws, and the readback of what they draw.
func (b *batch) queue(ctx context.Context, r *run, p *gpu.Program) error {
	if err := b.writeAllowed(r.rows); err != nil {
		return err
	}
	if err := b.steps.rowsOf(&b.buf.decode, r); err != nil {
		return err
	}
	for range r.draws {
		if err := b.dev.Submit(ctx, p); err != nil {
			return err
		}
	}
	reads := func(row decodeRow) bool { return row.err == nil && (row.given == engine.Draw || r.draws > 1) }
	if !slices.ContainsFunc(r.rows, reads) {
		return nil
	}
	var err error
	r.read, err = b.dev.StartRead(ctx, b.buf.decode.ring, 0, int64(r.draws*r.width)*4)
	return err
}

// wait waits for the draws: [draws][width].
func (r *run) wait(ctx context.Context) ([]int32, error) {
	if r.read == nil {
		return nil, nil
	}
	raw := make([]byte, r.draws*r.width*4)
	if err := r.read.Finish(ctx, raw); err != nil {
		return nil, err
	}
	ids := make([]int32, r.draws*r.width)
	for i := range ids {
		ids[i] = int32(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return ids, nil
}

// take appends to each sequence what its row has got, and returns what was drawn.
func (b *batch) take(r *run, ids []int32) []engine.Drawn {
	out := make([]engine.Drawn, len(r.rows))
	for i := range r.rows {
		row, d := &r.rows[i], &out[i]
		if d.Err = row.err; d.Err != nil {
			continue
		}
		if d.Err = row.seq.usable(); d.Err != nil {
			continue
		}
		d.Tokens = row.own
		first := 0
		if row.given != engine.Draw {
			row.seq.append(row.given)
			first = 1
		}
		for _, t := range row.own {
			row.Sampler.Accept(t.ID)
		}
		seat := row.seq.seat
		for at := first; at < r.draws; at++ {
			id := ids[at*r.width+seat]
			if uint32(id) == kernel.NoToken {
				d.Err = noToken(row)
				b.forget(row.seq)
				break
			}
			row.seq.append(id)
			row.Sampler.Accept(id)
			d.Tokens = append(d.Tokens, engine.Token{ID: id})
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
	r, err := b.start(ctx, []decodeRow{{Row: &engine.Row{Sampler: sampler, Logprobs: -1}, seq: seq, given: token}}, 1)
	if err != nil {
		return err
	}
	return b.take(r, nil)[0].Err
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
		b.seats[seq.seat], seq.seat = nil, noSeat
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

// writeAllowed uploads the masks that have changed.
func (b *batch) writeAllowed(rows []decodeRow) error {
	words := b.maskWords()
	for i := range rows {
		row := &rows[i]
		if row.err != nil || row.Allowed == nil || slices.Equal(row.Allowed, b.allowed[row.seq.seat]) {
			continue
		}
		raw := make([]byte, 0, words*4)
		for _, w := range row.Allowed {
			raw = binary.LittleEndian.AppendUint32(raw, w)
		}
		seat := row.seq.seat
		if err := b.dev.Write(b.buf.decode.allowed, int64(seat*words)*4, raw); err != nil {
			return err
		}
		b.allowed[seat] = append(b.allowed[seat][:0], row.Allowed...)
	}
	return nil
}

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
