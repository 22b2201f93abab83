package model

import (
	"encoding/binary"

	"gossamer/runtime/gpu"
	"gossamer/runtime/kernel"
)

// keptMasks is how many masks the device keeps, 6.4 MB of a whole vocabulary, unless it binds less: then fewer, but one for each row.
const keptMasks = 256

var _ [kernel.MaxMasks - keptMasks]struct{}

// masks are those that the device keeps, [most][(Vocab+31)/32]. A mask is known by the address of its bits, which nobody changes:
// one that comes again costs nothing but its number.
type masks struct {
	dev     *gpu.Device
	most    int
	numbers map[*uint32]int
	kept    []keptMask
	steps   int64
}

type keptMask struct {
	bits []uint32 // keeps the address from being used for another one
	step int64    // that it was last used in
}

func newMasks(dev *gpu.Device, most int) *masks {
	return &masks{dev: dev, most: most, numbers: map[*uint32]int{}}
}

// write tells the device the masks of a step's rows, and the rows their numbers. There are no more rows than masks.
func (m *masks) write(to *gpu.Buffer, rows []decodeRow) error {
	m.steps++
	for i := range rows {
		row := &rows[i]
		if row.Allowed == nil {
			continue
		}
		n, ok := m.numbers[&row.Allowed[0]]
		if !ok {
			n = m.free()
			if err := m.upload(to, n, row.Allowed); err != nil {
				return err
			}
			m.numbers[&row.Allowed[0]], m.kept[n].bits = n, row.Allowed
		}
		m.kept[n].step, row.mask = m.steps, n
	}
	return nil
}

// free returns the number of a mask that is not kept, after dropping the one that was not used for longest.
func (m *masks) free() int {
	if len(m.kept) < m.most {
		m.kept = append(m.kept, keptMask{})
		return len(m.kept) - 1
	}
	oldest := 0
	for n := range m.kept {
		if m.kept[n].step < m.kept[oldest].step {
			oldest = n
		}
	}
	if bits := m.kept[oldest].bits; bits != nil { // else its upload failed
		delete(m.numbers, &bits[0])
		m.kept[oldest].bits = nil
	}
	return oldest
}

func (m *masks) upload(to *gpu.Buffer, n int, bits []uint32) error {
	raw := make([]byte, 0, 4*len(bits))
	for _, w := range bits {
		raw = binary.LittleEndian.AppendUint32(raw, w)
	}
	return m.dev.Write(to, int64(n*len(raw)), raw)
}
