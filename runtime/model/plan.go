package model

import (
	"fmt"

	"gossamer/runtime/gptoss"
)

// A large tensor lives in shards: buffers that each hold a range of its rows or experts and fit the device's binding limit.

// span is a range of rows or experts.
type span struct{ first, count int }

// limits are what a device allows of one buffer.
type limits struct {
	binding int64 // bytes bound at once
	buffer  int64 // bytes of a buffer
}

// most is the size of the largest buffer that can be bound whole.
func (l limits) most() int64 { return min(l.binding, l.buffer) }

// shardSpans divides total units of unitBytes among as few spans as the limits allow. Boundaries are multiples of align units.
func shardSpans(what string, total int, unitBytes int64, align int, l limits) ([]span, error) {
	limit := l.most()
	per := int(min(limit/unitBytes, int64(total)))
	if per < total {
		per -= per % align
	}
	if per == 0 {
		return nil, fmt.Errorf("model: %s: the device binds at most %d bytes, the smallest part of this tensor takes %d: use another adapter or raise the limit",
			what, limit, unitBytes*int64(align))
	}
	n := (total + per - 1) / per
	// Even spans: the last shard's dispatch should not be a stub.
	per = (total + n - 1) / n
	if per < total {
		per = (per + align - 1) / align * align
	}
	var spans []span
	for first := 0; first < total; first += per {
		spans = append(spans, span{first, min(per, total-first)})
	}
	return spans, nil
}

// vectorAlign is the number of bf16 elements to which each small vector of a layer is aligned.
const vectorAlign = 8

// vectorLayout places a layer's small vectors side by side in one buffer, in elements.
type vectorLayout struct {
	attnNorm   int // [Hidden]
	qkvBias    int // [QDim + 2*KVDim]
	sinks      int // [Heads]
	oBias      int // [Hidden]
	mlpNorm    int // [Hidden]
	routerBias int // [Experts]
	total      int
}

func newVectorLayout(c *gptoss.Config) vectorLayout {
	var l vectorLayout
	place := func(at *int, n int) {
		*at = l.total
		l.total += (n + vectorAlign - 1) / vectorAlign * vectorAlign
	}
	place(&l.attnNorm, c.Hidden)
	place(&l.qkvBias, c.QDim()+2*c.KVDim())
	place(&l.sinks, c.Heads)
	place(&l.oBias, c.Hidden)
	place(&l.mlpNorm, c.Hidden)
	place(&l.routerBias, c.Experts)
	return l
}

// Bill is what a model takes of the device's memory, in bytes.
type Bill struct {
	Weights  int64 // as in the checkpoint
	KV       int64 // both arenas
	Scratch  int64 // activations, tables, logits
	PerToken int64 // key/value bytes of one further position
}

// Total is the sum of what is allocated.
func (b Bill) Total() int64 { return b.Weights + b.KV + b.Scratch }

func (b Bill) String() string {
	return fmt.Sprintf("weights %s, key/value cache %s (%d KiB a token), scratch %s", mib(b.Weights), mib(b.KV), b.PerToken>>10, mib(b.Scratch))
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
