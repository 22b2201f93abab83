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

// sampled tells a decode program where each sequence stands, and how to choose its next token.
func (w *steps) sampled(s *decodeScratch, seqs []*state, d []engine.DeviceSampling) error {
	entries := uint32(w.tableEntries())
	rows := w.rows[:0]
	for r := range paddedRows(len(seqs)) {
		row := kernel.StepRow{Flags: kernel.StepUnused}
		if r < len(seqs) {
			n := seqs[r].kv.Len()
			row = kernel.StepRow{
				Token:        uint32(seqs[r].tokens[n-1]),
				Position:     uint32(n - 1),
				FullTable:    uint32(2*r) * entries,
				SlidingTable: uint32(2*r+1) * entries,
				Seed:         d[r].Seed,
				Temperature:  d[r].Temperature,
			}
			if d[r].Allowed != nil {
				row.Flags |= kernel.StepMasked
			}
			if err := w.tables(s.step, w.sizes.rows, r, seqs[r]); err != nil {
				return err
			}
		}
		rows = row.Append(rows)
	}
	w.rows = rows
	return w.dev.Write(s.step, 0, rows)
}

// given gives row 0 of a decode program the next token of seq, instead of letting it choose one.
func (w *steps) given(s *decodeScratch, seq *state, token int32) error {
	if err := w.tables(s.step, w.sizes.rows, 0, seq); err != nil {
		return err
	}
	row := kernel.StepRow{Token: uint32(token), Position: uint32(seq.kv.Len()), SlidingTable: uint32(w.tableEntries()), Flags: kernel.StepGiven}
	w.rows = row.Append(w.rows[:0])
	return w.dev.Write(s.step, 0, w.rows)
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
