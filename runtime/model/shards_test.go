package model

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
)

// TestShardSpans: spans cover everything once, in order, fit the limits, begin at multiples of align, and are as few as can be.
func TestShardSpans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		align := rapid.SampledFrom([]int{1, 8, 64}).Draw(t, "align")
		total := align * rapid.IntRange(1, 3000).Draw(t, "total")
		unit := int64(rapid.IntRange(1, 6000).Draw(t, "unit"))
		l := limits{rapid.Int64Range(1, 1<<22).Draw(t, "binding"), rapid.Int64Range(1, 1<<22).Draw(t, "buffer")}
		spans, err := shardSpans("tensor", total, unit, align, l)
		if l.most() < unit*int64(align) && l.most() < unit*int64(total) {
			if err == nil || !strings.HasPrefix(err.Error(), "model: tensor: the device binds at most") {
				t.Fatalf("spans %v, error %v", spans, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		next := 0
		for _, s := range spans {
			if s.first != next || s.count < 1 || s.first%align != 0 || int64(s.count)*unit > l.most() {
				t.Fatalf("spans %v", spans)
			}
			next += s.count
		}
		perBuffer := l.most() / unit / int64(align) * int64(align)
		if next != total || len(spans) > 1 && int64(len(spans)) > (int64(total)+perBuffer-1)/perBuffer {
			t.Fatalf("spans %v of %d", spans, total)
		}
	})
}

// TestShardedModelComputesTheSame lowers the device's binding limit so far that every kind of tensor is split. Experts of several shards
// are added up in another order.
func TestShardedModelComputesTheSame(t *testing.T) {
	dir := write(t, func(c *gptoss.Config) {
		c.Layers, c.Sliding = 2, []bool{true, false}
		c.Heads, c.KVHeads, c.HeadDim, c.Experts = 34, 1, 8, 130
	})
	o := Options{KV: F32, Context: 256, Chunk: 14, Sequences: 2}
	whole := loadDir(t, gputest.Open(t, gpu.Options{}), dir, o)
	split := loadDir(t, gputest.Open(t, gpu.Options{MaxBindingBytes: 16 << 10}), dir, o)

	w := split.buffers
	dispatches, prefill := 2+len(w.embedding)+len(w.unembedding), len(w.embedding)
	kinds := map[string]int{"embedding": len(w.embedding), "unembedding": len(w.unembedding)}
	for _, l := range w.layers {
		kinds["qkv"], kinds["out"], kinds["router"], kinds["experts"] = len(l.qkv), len(l.out), len(l.router), len(l.experts)
		dense := len(l.qkv) + len(l.out) + len(l.router) + 2*len(l.experts)
		dispatches += 1 + dense
		prefill += 7 + dense
	}
	for kind, n := range kinds {
		if n < 2 {
			t.Errorf("the %s is in %d part, want it split", kind, n)
		}
	}
	cost, err := split.DecodeCost(100)
	if err != nil || cost.Dispatches != dispatches {
		t.Errorf("%d dispatches a token, want %d: one for each part; error %v", cost.Dispatches, dispatches, err)
	}

	a, b := newSequence(t, whole), newSequence(t, split)
	tokens := text(whole, 150, 1)
	at := []int{0, 13, 14, 149}
	before := split.dev.Stats()
	got := rows(t, b, tokens, at)
	if n, heads := split.dev.Stats().Dispatches-before.Dispatches, len(at)+1; n != int64(11*prefill+heads*len(w.unembedding)) {
		t.Errorf("%d dispatches for 11 chunks and %d rows, want %d each and one for each part of the unembedding", n, heads, prefill)
	}
	for i, want := range rows(t, a, tokens, at) {
		closeRows(t, "prefill", got[i], want, float32Limit)
	}
	ids, splitIDs := decode(t, a, 20, drawing{}), decode(t, b, 20, drawing{})
	if !slices.Equal(ids, splitIDs) {
		t.Errorf("whole %v, split %v", ids, splitIDs)
	}
	closeRows(t, "decode", logits(t, split, b), logits(t, whole, a), float32Limit)
}
