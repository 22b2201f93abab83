package model

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"gossamer/runtime/engine"
	"gossamer/runtime/gpu"
	"gossamer/runtime/kernel"
	"gossamer/runtime/kv"
)

// layerCache is one layer's part of the key/value cache: [pages][kv.PageTokens][KVDim] of f16 or f32 each.
type layerCache struct{ k, v *gpu.Buffer }

// pageBytes is the size of a page of keys, or of values, of one layer.
func (m *Model) pageBytes() int64 {
	return kv.PageTokens * int64(m.cfg.KVDim()) * m.kvType.bytes()
}

// setSizes decides how many rows, sequences and positions the buffers are made for.
func (m *Model) setSizes(o Options) error {
	c, limit := m.cfg, m.limits().most()
	orDefault := func(v, def int) int {
		if v == 0 {
			return def
		}
		return v
	}
	defChunk, defContext := defaultChunk, maxContext
	if m.dev.Caps().Adapter.CPU() {
		defChunk, defContext = defaultChunkCPU, leastContext
		m.oneClass = o.Chunk == 0
	}
	m.rows = orDefault(o.Rows, 1)
	m.sequences = orDefault(o.Sequences, max(m.rows, defaultSequences))
	m.seated, m.allowed = make([]*Sequence, max(m.rows, 0)), make([][]uint32, max(m.rows, 0))
	m.chunk = orDefault(o.Chunk, defChunk)
	if m.rows < 1 || m.rows > maxRows || m.rows&(m.rows-1) != 0 {
		return fmt.Errorf("model: %d rows, want 1, 2, 4 or 8", m.rows)
	}
	if m.sequences < m.rows || m.chunk < 1 || o.Context < 0 || o.Checkpoints < 0 {
		return fmt.Errorf("model: %d sequences, chunks of %d tokens, context %d, %d checkpoints: want at least %d sequences and positive numbers",
			m.sequences, m.chunk, o.Context, o.Checkpoints, m.rows)
	}
	// The widest buffer of a prefill chunk has a row for each expert of each token.
	widest := int64(max(c.TopK*max(c.Hidden, c.Intermediate), c.QDim()+2*c.KVDim(), c.Experts)) * 4
	m.chunk = int(min(int64(m.chunk), limit/widest))
	if m.chunk < 1 {
		return fmt.Errorf("model: the device binds at most %d bytes, the activations of one token take %d", limit, widest)
	}

	// A layer's keys and the rotary table are each bound whole.
	most := min(limit/m.pageBytes()*kv.PageTokens, limit/int64(c.HeadDim*4))
	if o.Context > 0 {
		if o.Context > c.MaxPositions {
			return fmt.Errorf("model: a context of %d positions: the model was made for %d", o.Context, c.MaxPositions)
		}
		if int64(o.Context) > most {
			return fmt.Errorf("model: a context of %d positions: the device's bindings of %d bytes hold %d", o.Context, limit, most)
		}
		m.context = o.Context
		return nil
	}
	m.context = int(min(int64(defContext), int64(c.MaxPositions), most))
	if m.context < min(leastContext, c.MaxPositions) {
		return fmt.Errorf("model: the device's bindings of %d bytes hold a context of %d positions, want at least %d: ask for a smaller context", limit, most, min(leastContext, c.MaxPositions))
	}
	for m.context&(m.context-1) != 0 && m.context < c.MaxPositions {
		m.context &= m.context - 1 // down to a power of two
	}
	return nil
}

// makeCache allocates the arenas. Where the context was left to us it is halved until the device has the memory.
func (m *Model) makeCache(o Options) error {
	checkpoints := o.Checkpoints
	if checkpoints == 0 {
		checkpoints = defaultCheckpoints
	}
	window := kv.WindowPages(m.cfg.Window)
	limit := m.limits().most() / m.pageBytes()
	running := window + (m.chunk+kv.PageTokens-1)/kv.PageTokens + 1
	slidingPages := int(min(int64(m.sequences*running+checkpoints*window), limit))
	if slidingPages < running {
		return fmt.Errorf("model: the device's bindings hold %d pages of a layer's keys, a prefill chunk needs %d: take a smaller chunk", limit, running)
	}
	for {
		// A few pages more than one sequence can fill, so that sequences which share a page can part.
		fullPages := int(min(int64((m.context+kv.PageTokens-1)/kv.PageTokens+m.sequences), limit))
		err := m.makeArenas(fullPages, slidingPages)
		if err == nil {
			m.pages = kv.New(m.cfg.Window, fullPages, slidingPages)
			return nil
		}
		if !errors.Is(err, gpu.ErrOutOfMemory) || o.Context > 0 || m.context/2 < leastContext {
			return err
		}
		m.context /= 2
	}
}

func (m *Model) makeArenas(fullPages, slidingPages int) error {
	made := len(m.buffers)
	m.bill.KV, m.bill.PerToken = 0, 0
	m.weights.cache = nil
	for n, sliding := range m.cfg.Sliding {
		pages := fullPages
		if sliding {
			pages = slidingPages
		} else {
			m.bill.PerToken += 2 * m.pageBytes() / kv.PageTokens
		}
		bytes := int64(pages) * m.pageBytes()
		m.bill.KV += 2 * bytes
		var l layerCache
		var err error
		if l.k, err = m.buffer(fmt.Sprintf("layer %d keys", n), bytes); err == nil {
			l.v, err = m.buffer(fmt.Sprintf("layer %d values", n), bytes)
		}
		if err != nil {
			for _, b := range m.buffers[made:] {
				b.Release()
			}
			m.buffers = m.buffers[:made]
			return err
		}
		m.weights.cache = append(m.weights.cache, l)
	}
	return nil
}

// copyPages executes the copies that the books ask for. They can't be cancelled: the page tables name the new pages already.
func (m *Model) copyPages(copies []kv.Copy) error {
	if len(copies) == 0 {
		return nil
	}
	p := m.dev.NewProgram("copy pages")
	defer p.Release()
	n := m.pageBytes()
	for _, c := range copies {
		for i, l := range m.weights.cache {
			if m.cfg.Sliding[i] != c.Sliding {
				continue
			}
			for _, b := range []*gpu.Buffer{l.k, l.v} {
				// WebGPU has no copy inside one buffer.
				if err := p.Copy(m.scratch.page, 0, b, int64(c.From)*n, n); err != nil {
					return err
				}
				if err := p.Copy(b, int64(c.To)*n, m.scratch.page, 0, n); err != nil {
					return err
				}
			}
		}
	}
	return m.dev.Submit(context.Background(), p)
}

// tableEntries is the number of pages that one table names.
func (m *Model) tableEntries() int { return (m.context + kv.PageTokens - 1) / kv.PageTokens }

// stepSize is the size of a step buffer: its rows, then a table for full and one for sliding layers per text.
func (m *Model) stepSize(rows, texts int) int64 {
	return int64(rows)*kernel.StepRowBytes + int64(texts)*2*int64(m.tableEntries())*4
}

// writeTables writes the page tables of s as those of the given text of a step buffer with that many rows.
func (m *Model) writeTables(step *gpu.Buffer, rows, text int, s *Sequence) error {
	full, sliding := s.kv.Tables()
	entries := m.tableEntries()
	at := m.stepSize(rows, text)
	for _, table := range [][]int32{full, sliding} {
		b := m.tableBytes[:0]
		for _, id := range table {
			// What an entry without a page leads to never counts: its positions are out of sight, or seen only where Truncate
			// rebuilds, by the first tokens of the pass. 0 keeps the addresses inside the arena.
			b = binary.LittleEndian.AppendUint32(b, uint32(max(id, 0)))
		}
		m.tableBytes = b
		if len(b) > 0 {
			if err := m.dev.Write(step, at, b); err != nil {
				return err
			}
		}
		at += int64(entries) * 4
	}
	return nil
}

// writeDecodeStep says where each sequence of a decode program stands.
func (m *Model) writeDecodeStep(seqs []*Sequence, d []engine.DeviceSampling) error {
	entries := uint32(m.tableEntries())
	rows := m.stepBytes[:0]
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
			if err := m.writeTables(m.scratch.decode.step, m.rows, r, seqs[r]); err != nil {
				return err
			}
		}
		rows = row.Append(rows)
	}
	m.stepBytes = rows
	return m.dev.Write(m.scratch.decode.step, 0, rows)
}

// writeGiven gives row 0 of a decode program the next token of s, instead of letting it choose one.
func (m *Model) writeGiven(s *Sequence, token int32) error {
	if err := m.writeTables(m.scratch.decode.step, m.rows, 0, s); err != nil {
		return err
	}
	row := kernel.StepRow{Token: uint32(token), Position: uint32(s.kv.Len()), SlidingTable: uint32(m.tableEntries()), Flags: kernel.StepGiven}
	m.stepBytes = row.Append(m.stepBytes[:0])
	return m.dev.Write(m.scratch.decode.step, 0, m.stepBytes)
}

// paddedRows is the number of rows of the decode program for n sequences.
func paddedRows(n int) int {
	rows := 1
	for rows < n {
		rows *= 2
	}
	return rows
}

// writeAllowed uploads the masks that have changed.
func (m *Model) writeAllowed(d []engine.DeviceSampling) error {
	words := (m.cfg.Vocab + 31) / 32
	for r := range d {
		mask := d[r].Allowed
		if mask == nil || slices.Equal(mask, m.allowed[r]) {
			continue
		}
		b := make([]byte, 0, words*4)
		for _, w := range mask {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		if err := m.dev.Write(m.scratch.decode.allowed, int64(r*words)*4, b); err != nil {
			return err
		}
		m.allowed[r] = append(m.allowed[r][:0], mask...)
	}
	return nil
}
