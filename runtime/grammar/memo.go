package grammar

import "gossamer/runtime/sample"

// memoKey is what a mask depends on.
type memoKey struct {
	config, bound int32
}

type memoEntry struct {
	mask sample.Mask
	far  int32 // after a token of the mask so many are enough for the end: its bytes at most
	used bool
	part bool // tokens of more than one byte may be missing
}

// maxMasks are kept by an engine: 25 KB each with 200,000 ids.
const maxMasks = 256

// maskMemo keeps masks. Those in use outlive those that are not.
type maskMemo struct {
	masks map[memoKey]*memoEntry
	bytes int64
	ring  []memoKey
	hand  int
}

func (m *maskMemo) get(k memoKey) *memoEntry {
	entry := m.masks[k]
	if entry != nil {
		entry.used = true
	}
	return entry
}

func (m *maskMemo) put(k memoKey, entry *memoEntry) {
	if m.masks == nil {
		m.masks = map[memoKey]*memoEntry{}
	}
	m.masks[k] = entry
	m.bytes += int64(4 * len(entry.mask.Bits))
	if len(m.ring) < maxMasks {
		m.ring = append(m.ring, k)
		return
	}
	for m.masks[m.ring[m.hand]].used {
		m.masks[m.ring[m.hand]].used = false
		m.hand = (m.hand + 1) % maxMasks
	}
	m.bytes -= int64(4 * len(m.masks[m.ring[m.hand]].mask.Bits))
	delete(m.masks, m.ring[m.hand])
	m.ring[m.hand] = k
	m.hand = (m.hand + 1) % maxMasks
}
