package model

import (
	"context"
	"fmt"

	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/weights"
)

// weightBuffers hold the checkpoint's bytes, placed but not changed.
type weightBuffers struct {
	embedding   []dense     // [Vocab][Hidden]
	unembedding []dense     // [Vocab][Hidden]
	finalNorm   *gpu.Buffer // [Hidden] bf16
	layers      []layerWeights
	cache       []layerCache // [Layers]; not weights, but per layer like them
	vectors     vectorLayout
}

type layerWeights struct {
	vectors *gpu.Buffer // bf16, see vectorLayout
	qkv     []dense     // [QDim + 2*KVDim][Hidden]: q, k and v side by side
	out     []dense     // [Hidden][QDim]
	router  []dense     // [Experts][Hidden]
	experts []experts
}

// dense is a shard of rows of a bf16 matrix.
type dense struct {
	span
	buf *gpu.Buffer // [count][columns] bf16
}

// experts is a shard of a layer's experts.
type experts struct {
	span
	gateUpBlocks *gpu.Buffer // [count][2*Intermediate][Hidden/32][16]
	gateUpScales *gpu.Buffer // [count][2*Intermediate][Hidden/32]
	gateUpBias   *gpu.Buffer // [count][2*Intermediate] bf16
	downBlocks   *gpu.Buffer // [count][Hidden][Intermediate/32][16]
	downScales   *gpu.Buffer // [count][Hidden][Intermediate/32]
	downBias     *gpu.Buffer // [count][Hidden] bf16
}

// bf16Bytes is the size of one bf16 element.
const bf16Bytes = 2

// expertBytes is the size of one expert's part of each tensor, in the order of the fields of experts.
func expertBytes(c *gptoss.Config) [6]int64 {
	h, i := int64(c.Hidden), int64(c.Intermediate)
	return [6]int64{2 * i * h / 2, 2 * i * h / 32, 2 * i * bf16Bytes, h * i / 2, h * i / 32, h * bf16Bytes}
}

func (m *Model) makeWeightBuffers() error {
	c := m.cfg
	w := &m.weights
	w.vectors = newVectorLayout(c)
	for _, t := range c.Tensors() {
		m.bill.Weights += t.Bytes()
	}
	var err error
	if w.embedding, err = m.makeDense("embedding", c.Vocab, c.Hidden, 1); err != nil {
		return err
	}
	if w.unembedding, err = m.makeDense("unembedding", c.Vocab, c.Hidden, 1); err != nil {
		return err
	}
	if w.finalNorm, err = m.buffer("final norm", int64(c.Hidden)*bf16Bytes); err != nil {
		return err
	}
	for n := range c.Layers {
		l, err := m.makeLayer(n)
		if err != nil {
			return err
		}
		w.layers = append(w.layers, l)
	}
	return nil
}

func (m *Model) makeLayer(n int) (l layerWeights, err error) {
	c := m.cfg
	name := func(what string) string { return fmt.Sprintf("layer %d %s", n, what) }
	if l.vectors, err = m.buffer(name("vectors"), int64(m.weights.vectors.total)*bf16Bytes); err != nil {
		return l, err
	}
	// RoPE pairs elements of one head, so a head's rows stay together.
	if l.qkv, err = m.makeDense(name("qkv"), c.QDim()+2*c.KVDim(), c.Hidden, c.HeadDim); err != nil {
		return l, err
	}
	if l.out, err = m.makeDense(name("attention output"), c.Hidden, c.QDim(), 1); err != nil {
		return l, err
	}
	if l.router, err = m.makeDense(name("router"), c.Experts, c.Hidden, 1); err != nil {
		return l, err
	}
	sizes := expertBytes(c)
	spans, err := shardSpans(name("experts"), c.Experts, max(sizes[0], sizes[3]), 1, m.limits())
	if err != nil {
		return l, err
	}
	for _, s := range spans {
		e := experts{span: s}
		for i, b := range []struct {
			what string
			buf  **gpu.Buffer
		}{
			{"gate_up blocks", &e.gateUpBlocks}, {"gate_up scales", &e.gateUpScales}, {"gate_up bias", &e.gateUpBias},
			{"down blocks", &e.downBlocks}, {"down scales", &e.downScales}, {"down bias", &e.downBias},
		} {
			if *b.buf, err = m.buffer(name(fmt.Sprintf("%s of experts %d..%d", b.what, s.first, s.first+s.count-1)), int64(s.count)*sizes[i]); err != nil {
				return l, err
			}
		}
		l.experts = append(l.experts, e)
	}
	return l, nil
}

func (m *Model) makeDense(what string, rows, columns, align int) ([]dense, error) {
	rowBytes := int64(columns) * bf16Bytes
	spans, err := shardSpans(what, rows, rowBytes, align, m.limits())
	if err != nil {
		return nil, err
	}
	var ds []dense
	for _, s := range spans {
		b, err := m.buffer(fmt.Sprintf("%s rows %d..%d", what, s.first, s.first+s.count-1), int64(s.count)*rowBytes)
		if err != nil {
			return nil, err
		}
		ds = append(ds, dense{s, b})
	}
	return ds, nil
}

func (m *Model) limits() limits {
	caps := m.dev.Caps()
	return limits{binding: caps.MaxBindingBytes, buffer: caps.MaxBufferBytes}
}

// sink knows the places of a checkpoint's bytes. It is a weights.Placer.
type sink struct{ m *Model }

// Put writes a piece of a tensor to the device.
func (s sink) Put(_ context.Context, t gptoss.TensorSpec, off int64, p []byte) error {
	places, err := s.Place(t, off, int64(len(p)))
	if err != nil {
		return err
	}
	for _, to := range places {
		if err := to.Memory.Write(to.Off, p[:to.Bytes]); err != nil {
			return err
		}
		p = p[to.Bytes:]
	}
	return nil
}

// Place finds the buffers that n bytes of t from off on belong to.
func (s sink) Place(t gptoss.TensorSpec, off, n int64) ([]weights.Place, error) {
	c, w := s.m.cfg, &s.m.weights
	hidden := int64(c.Hidden) * bf16Bytes
	switch t.Kind {
	case gptoss.Embedding:
		return placeRows(w.embedding, hidden, off, n), nil
	case gptoss.Unembedding:
		return placeRows(w.unembedding, hidden, off, n), nil
	case gptoss.FinalNorm:
		return []weights.Place{{Memory: w.finalNorm, Off: off, Bytes: n}}, nil
	}
	l, v := &w.layers[t.Layer], w.vectors
	vector := func(at int) ([]weights.Place, error) {
		return []weights.Place{{Memory: l.vectors, Off: int64(at)*bf16Bytes + off, Bytes: n}}, nil
	}
	switch t.Kind {
	case gptoss.QWeight:
		return placeRows(l.qkv, hidden, off, n), nil
	case gptoss.KWeight:
		return placeRows(l.qkv, hidden, int64(c.QDim())*hidden+off, n), nil
	case gptoss.VWeight:
		return placeRows(l.qkv, hidden, int64(c.QDim()+c.KVDim())*hidden+off, n), nil
	case gptoss.OWeight:
		return placeRows(l.out, int64(c.QDim())*bf16Bytes, off, n), nil
	case gptoss.RouterWeight:
		return placeRows(l.router, hidden, off, n), nil
	case gptoss.AttnNorm:
		return vector(v.attnNorm)
	case gptoss.QBias:
		return vector(v.qkvBias)
	case gptoss.KBias:
		return vector(v.qkvBias + c.QDim())
	case gptoss.VBias:
		return vector(v.qkvBias + c.QDim() + c.KVDim())
	case gptoss.Sinks:
		return vector(v.sinks)
	case gptoss.OBias:
		return vector(v.oBias)
	case gptoss.MLPNorm:
		return vector(v.mlpNorm)
	case gptoss.RouterBias:
		return vector(v.routerBias)
	}
	for i, buf := range []struct {
		kind gptoss.Kind
		of   func(experts) *gpu.Buffer
	}{
		{gptoss.GateUpBlocks, func(e experts) *gpu.Buffer { return e.gateUpBlocks }},
		{gptoss.GateUpScales, func(e experts) *gpu.Buffer { return e.gateUpScales }},
		{gptoss.GateUpBias, func(e experts) *gpu.Buffer { return e.gateUpBias }},
		{gptoss.DownBlocks, func(e experts) *gpu.Buffer { return e.downBlocks }},
		{gptoss.DownScales, func(e experts) *gpu.Buffer { return e.downScales }},
		{gptoss.DownBias, func(e experts) *gpu.Buffer { return e.downBias }},
	} {
		if buf.kind == t.Kind {
			var places []weights.Place
			for _, e := range l.experts {
				places = appendPlace(places, buf.of(e), e.span, expertBytes(c)[i], off, n)
			}
			return places, nil
		}
	}
	return nil, fmt.Errorf("model: no place for tensor %q", t.Name)
}

func placeRows(shards []dense, rowBytes, off, n int64) (places []weights.Place) {
	for _, d := range shards {
		places = appendPlace(places, d.buf, d.span, rowBytes, off, n)
	}
	return places
}

// appendPlace appends what of the n bytes at off of a tensor falls into the shard s.
func appendPlace(places []weights.Place, b *gpu.Buffer, s span, unitBytes, off, n int64) []weights.Place {
	begin, end := int64(s.first)*unitBytes, int64(s.first+s.count)*unitBytes
	from, to := max(off, begin), min(off+n, end)
	if from >= to {
		return places
	}
	return append(places, weights.Place{Memory: b, Off: from - begin, Bytes: to - from})
}
