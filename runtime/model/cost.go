package model

// Cost is what decoding one token of one sequence takes from the device. What the model allocates is its Footprint.
type Cost struct {
	WeightBytes int64 // read: a row of the embedding, TopK experts a layer, everything else whole
	KVBytes     int64 // keys and values read
	Dispatches  int
}

// DecodeCost is the cost of the token at the given position.
func (m *Model) DecodeCost(position int) (Cost, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return Cost{}, errClosed
	}
	p, err := m.programs.decodePrograms(1, position+1, plainSampling)
	if err != nil {
		return Cost{}, err
	}
	c := Cost{WeightBytes: weightBytesRead(m.cfg), Dispatches: p.dispatches()}
	for _, sliding := range m.cfg.Sliding {
		visible := position + 1
		if sliding {
			visible = min(visible, m.cfg.Window)
		}
		c.KVBytes += int64(visible) * 2 * int64(m.cfg.KVDim()) * m.kvType.bytes()
	}
	return c, nil
}
