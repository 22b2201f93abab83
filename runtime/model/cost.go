package model

import "gossamer/runtime/gptoss"

// Cost is what decoding one token of one sequence takes from the device. What the model allocates is its Bill.
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
	p, err := m.decodeProgram(1, position+1)
	if err != nil {
		return Cost{}, err
	}
	c := Cost{WeightBytes: weightBytesRead(m.cfg), Dispatches: p.Dispatches()}
	for _, sliding := range m.cfg.Sliding {
		visible := position + 1
		if sliding {
			visible = min(visible, m.cfg.Window)
		}
		c.KVBytes += int64(visible) * 2 * int64(m.cfg.KVDim()) * m.kvType.bytes()
	}
	return c, nil
}

// weightBytesRead is what one token reads of the weights.
func weightBytesRead(c *gptoss.Config) int64 {
	n := int64(0)
	for _, t := range c.Tensors() {
		switch t.Kind {
		case gptoss.Embedding:
			n += t.Bytes() / int64(c.Vocab)
		case gptoss.GateUpBlocks, gptoss.GateUpScales, gptoss.GateUpBias, gptoss.DownBlocks, gptoss.DownScales, gptoss.DownBias:
			n += t.Bytes() / int64(c.Experts) * int64(c.TopK)
		default:
			n += t.Bytes()
		}
	}
	return n
}
