package model

import (
	"context"
	"fmt"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
)

// sink knows the places of a checkpoint's bytes. It is a checkpoint.Placer.
type sink struct {
	*sizes
	buf *buffers
}

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
func (s sink) Place(t gptoss.TensorSpec, off, n int64) ([]checkpoint.Place, error) {
	c, w := s.cfg, s.buf
	hidden := int64(c.Hidden) * bf16Bytes
	switch t.Kind {
	case gptoss.Embedding:
		return placeRows(w.embedding, hidden, off, n), nil
	case gptoss.Unembedding:
		return placeRows(w.unembedding, hidden, off, n), nil
	case gptoss.FinalNorm:
		return []checkpoint.Place{{Memory: w.finalNorm, Off: off, Bytes: n}}, nil
	}
	l, v := &w.layers[t.Layer], s.vectors
	vector := func(at int) ([]checkpoint.Place, error) {
		return []checkpoint.Place{{Memory: l.vectors, Off: int64(at)*bf16Bytes + off, Bytes: n}}, nil
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
			var places []checkpoint.Place
			for _, e := range l.experts {
				places = appendPlace(places, buf.of(e), e.span, expertBytes(c)[i], off, n)
			}
			return places, nil
		}
	}
	return nil, fmt.Errorf("model: no place for tensor %q", t.Name)
}

func placeRows(shards []dense, rowBytes, off, n int64) (places []checkpoint.Place) {
	for _, d := range shards {
		places = appendPlace(places, d.buf, d.span, rowBytes, off, n)
	}
	return places
}

// appendPlace appends what of the n bytes at off of a tensor falls into the shard s.
func appendPlace(places []checkpoint.Place, b *gpu.Buffer, s span, unitBytes, off, n int64) []checkpoint.Place {
	begin, end := int64(s.first)*unitBytes, int64(s.first+s.count)*unitBytes
	from, to := max(off, begin), min(off+n, end)
	if from >= to {
		return places
	}
	return append(places, checkpoint.Place{Memory: b, Off: from - begin, Bytes: to - from})
}
