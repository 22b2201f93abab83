package model

import (
	"context"
	"fmt"
	"slices"

	"gossamer/runtime/gpu"
)

// programKey names a recorded program.
type programKey struct {
	prefill bool
	head    bool // only the unembedding
	rows    int  // of the chunk, or of the batch
	splits  int  // of the attention of full layers in decode; 0 in prefill
}

func (k programKey) String() string {
	switch {
	case k.prefill:
		return fmt.Sprintf("prefill of %d rows", k.rows)
	case k.head:
		return fmt.Sprintf("unembedding of %d rows", k.rows)
	}
	return fmt.Sprintf("decode of %d rows, %d splits", k.rows, k.splits)
}

// kernels are the compiled kernels.
type kernels struct {
	prefill prefillKernels
	rows    map[int]*rowKernels      // by number of rows
	all     []interface{ Release() } // every one of them, and those of row classes
}

func (k *kernels) release() {
	for _, x := range k.all {
		x.Release()
	}
	k.all = nil
}

// build compiles a kernel and notes it for release.
func build[K interface{ Release() }, C any](m *Model, dst *K, compile func(*gpu.Device, C) (K, error), c C) error {
	k, err := compile(m.dev, c)
	if err != nil {
		return err
	}
	*dst = k
	m.kernels.all = append(m.kernels.all, k)
	return nil
}

// program returns the recorded program for key; record is called the first time.
func (m *Model) program(key programKey, record func(*gpu.Program) error) (*gpu.Program, error) {
	if p, ok := m.programs[key]; ok {
		return p, nil
	}
	p := m.dev.NewProgram(key.String())
	if err := record(p); err != nil {
		p.Release()
		return nil, fmt.Errorf("model: %s: %w", key, err)
	}
	m.programs[key] = p
	return p, nil
}

// bufferPlan is one buffer to make.
type bufferPlan struct {
	dst   **gpu.Buffer
	label string
	bytes int64
}

func (m *Model) makeBuffers(plans []bufferPlan) (err error) {
	for _, p := range plans {
		m.bill.Scratch += p.bytes
		if *p.dst, err = m.buffer(p.label, p.bytes); err != nil {
			return err
		}
	}
	return nil
}

// scratchBuffers hold what lives during a program only, and the tables that programs read.
type scratchBuffers struct {
	rope    *gpu.Buffer // f32 [context][HeadDim/2][2]: cos and sin
	page    *gpu.Buffer // a page on its way from one place to another
	prefill prefillScratch
	decode  decodeScratch
}

func (m *Model) makeScratch() error {
	s := &m.scratch
	ropeBytes := int64(m.context) * int64(m.cfg.HeadDim) * 4
	if err := m.makeBuffers([]bufferPlan{
		{&s.rope, "rope table", ropeBytes},
		{&s.page, "page copy", m.pageBytes()},
	}); err != nil {
		return err
	}
	if err := m.writeRope(); err != nil {
		return err
	}
	if err := m.makePrefillScratch(); err != nil {
		return err
	}
	return m.makeDecodeScratch()
}

// writeRope uploads the rotary table in pieces.
func (m *Model) writeRope() error {
	const positions = 4096
	for first := 0; first < m.context; first += positions {
		table := m.cfg.RopeTable(first, min(positions, m.context-first))
		if err := m.dev.Write(m.scratch.rope, int64(first)*int64(m.cfg.HeadDim)*4, floatBytes(table)); err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) makeKernels() error {
	if err := m.makePrefillKernels(); err != nil {
		return err
	}
	_, err := m.rowKernels(1)
	return err
}

// head copies a row of the prefill's residual stream to row 0 of the decode buffers and computes its logits.
func (m *Model) head(ctx context.Context, row int) error {
	if err := m.unseat(ctx); err != nil {
		return err
	}
	n := int64(m.cfg.Hidden) * 4
	p := m.dev.NewProgram("last row")
	defer p.Release()
	if err := p.Copy(m.scratch.decode.x, 0, m.scratch.prefill.x, int64(row)*n, n); err != nil {
		return err
	}
	unembed, err := m.headProgram(1)
	if err != nil {
		return err
	}
	return m.dev.Submit(ctx, p, unembed)
}

// seat0 says that row 0 of the decode buffers holds the state after the last token of s.
func (m *Model) seat0(s *Sequence) {
	clear(m.seated)
	m.seated[0] = s
	s.ready = true
}

// seat brings the states of seqs into rows 0.. of the decode buffers, with their logits.
func (m *Model) seat(ctx context.Context, seqs []*Sequence) error {
	rows := make([]*Sequence, paddedRows(len(seqs))) // padding rows are overwritten, so nobody may sit there
	copy(rows, seqs)
	if slices.Equal(m.seated[:len(rows)], rows) {
		return nil
	}
	if err := m.unseat(ctx); err != nil {
		return err
	}
	n := int64(m.cfg.Hidden) * 4
	p := m.dev.NewProgram("seat")
	defer p.Release()
	for r, s := range seqs {
		if err := p.Copy(m.scratch.decode.x, int64(r)*n, s.hidden, 0, n); err != nil {
			return err
		}
	}
	unembed, err := m.headProgram(len(rows))
	if err != nil {
		return err
	}
	if err := m.dev.Submit(ctx, p, unembed); err != nil {
		return err
	}
	copy(m.seated, seqs)
	return nil
}

// unseat saves the states in the decode buffers with their sequences.
func (m *Model) unseat(ctx context.Context) error {
	n := int64(m.cfg.Hidden) * 4
	p := m.dev.NewProgram("unseat")
	defer p.Release()
	copies := 0
	for r, s := range m.seated {
		if s == nil {
			continue
		}
		if err := p.Copy(s.hidden, 0, m.scratch.decode.x, int64(r)*n, n); err != nil {
			return err
		}
		copies++
	}
	if copies > 0 {
		if err := m.dev.Submit(ctx, p); err != nil {
			return err
		}
	}
	clear(m.seated)
	return nil
}
