package model

import (
	"encoding/binary"

	"gossamer/runtime/engine"
	"gossamer/runtime/gpu"
	"gossamer/runtime/kernel"
)

// steps writes step buffers: what each row of a program computes, and the page tables of their sequences.
type steps struct {
	*sizes
	dev   *gpu.Device
	rows  []byte // reused
	table []byte // reused
}

// chunk tells a prefill program of the tokens that follow seq. flags are those of every row.
func (w *steps) chunk(s *prefillScratch, seq *state, tokens []int32, flags uint32) error {
	start, rows := seq.kv.Len(), w.rows[:0]
	for i, id := range tokens {
		rows = kernel.StepRow{Token: uint32(id), Position: uint32(start + i), SlidingTable: uint32(w.tableEntries()), Flags: flags}.Append(rows)
	}
	w.rows = rows
	if err := w.dev.Write(s.step, 0, rows); err != nil {
		return err
	}
	if err := w.tables(s.step, w.sizes.chunk, 0, seq); err != nil {
		return err
	}
	return w.dev.Write(s.chunk, 0, binary.LittleEndian.AppendUint32(nil, uint32(len(tokens))))
}

// rowsOf tells a decode program where each sequence stands, its first token where that is given, and how to choose the others.
func (w *steps) rowsOf(s *decodeScratch, r *run) error {
	entries := uint32(w.tableEntries())
	all := make([]kernel.StepRow, r.width)
	for i := range all {
		all[i].Flags = kernel.StepUnused
	}
	for i := range r.rows {
		row := &r.rows[i]
		p, seat, n := row.Sampler.Params(), row.seat, row.seq.kv.Len()
		to := kernel.StepRow{FullTable: uint32(2*seat) * entries, SlidingTable: uint32(2*seat+1) * entries, Seed: p.Seed}
		if !p.Greedy() {
			to.Temperature = p.Temperature
		}
		if row.Given != engine.Draw {
			to.Token, to.Position, to.Flags = uint32(row.Given), uint32(n), kernel.StepGiven
		} else {
			to.Token, to.Position = uint32(row.seq.tokens[n-1]), uint32(n-1)
		}
		if row.Allowed != nil {
			to.Flags |= kernel.StepMask(row.mask)
		}
		if err := w.tables(s.step, w.sizes.rows, seat, row.seq); err != nil {
			return err
		}
		all[seat] = to
	}
	rows := w.rows[:0]
	for _, row := range all {
		rows = row.Append(rows)
	}
	w.rows = rows
	return w.dev.Write(s.step, 0, rows)
}

// tables writes the page tables of seq as those of the sequence with that index in a step buffer with that many rows.
func (w *steps) tables(step *gpu.Buffer, rows, index int, seq *state) error {
	full, sliding := seq.kv.Tables()
	at := w.stepBytes(rows, index)
	for _, table := range [][]int32{full, sliding} {
		b := w.table[:0]
		for _, id := range table {
			// What an entry without a page leads to never counts: its positions are out of sight, or seen only where Truncate
			// rebuilds, by the first tokens of the pass. 0 keeps the addresses inside the arena.
			b = binary.LittleEndian.AppendUint32(b, uint32(max(id, 0)))
		}
		w.table = b
		if len(b) > 0 {
			if err := w.dev.Write(step, at, b); err != nil {
				return err
			}
		}
		at += int64(w.tableEntries()) * 4
	}
	return nil
}
