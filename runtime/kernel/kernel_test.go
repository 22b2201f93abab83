package kernel

import (
	"strings"
	"testing"

	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/shaders"
)

func TestFold(t *testing.T) {
	for _, tt := range []struct {
		n    int
		want [3]int
	}{
		{0, [3]int{1, 1, 1}},
		{1, [3]int{1, 1, 1}},
		{maxGrid, [3]int{maxGrid, 1, 1}},
		{maxGrid + 1, [3]int{32768, 2, 1}},
		{3 * maxGrid, [3]int{maxGrid, 3, 1}},
	} {
		if got := fold(tt.n); got != tt.want {
			t.Errorf("fold(%d) = %v, want %v", tt.n, got, tt.want)
		}
	}
}

func TestLanes(t *testing.T) {
	for _, tt := range []struct{ items, least, most, want int }{
		{90, 32, 128, 96},   // the blocks of 2880: one round
		{360, 64, 256, 192}, // its chunks of 8: two rounds of 192 waste as little as three of 128
		{512, 64, 128, 128},
		{1, 32, 128, 32},
		{4, 64, 128, 64},
		{1000, 32, 128, 128},
	} {
		if got := lanes(tt.items, tt.least, tt.most); got != tt.want {
			t.Errorf("lanes(%d, %d, %d) = %d, want %d", tt.items, tt.least, tt.most, got, tt.want)
		}
	}
}

// A group never hides a chosen expert: there are at least as many groups as choices.
func TestExpertGroup(t *testing.T) {
	for experts := 1; experts <= maxExperts; experts = experts*3/2 + 1 {
		for topK := 1; topK <= min(experts, maxTopK); topK++ {
			g := expertGroup(experts, topK)
			if g < 1 || ceilDiv(experts, g) < topK || g > 1 && g*topK > 1024 {
				t.Errorf("%d of %d experts: groups of %d", topK, experts, g)
			}
		}
	}
}

func TestUnsupportedShapes(t *testing.T) {
	for _, tt := range []struct {
		c    config
		want string
	}{
		{EmbedConfig{Hidden: 12}, "embed: unsupported shape: want Hidden a multiple of 8"},
		{QKVConfig{Rows: 9, Hidden: 32, Heads: 1, KVHeads: 1, HeadDim: 8}, "want Rows from 1 to 8"},
		{OutConfig{Rows: 40, Hidden: 32, Inputs: 8}, "want Rows from 1 to 8, or a multiple of 8 up to 32"},
		{RouterConfig{Rows: 12, Hidden: 32, Experts: 1}, "want Rows from 1 to 8, or a multiple of 8 up to 32"},
		{QKVConfig{Rows: 1, Hidden: 32, Heads: 1, KVHeads: 1, HeadDim: 12}, "want HeadDim a multiple of 8"},
		{QKVConfig{Rows: 1, Hidden: 32, Heads: 1, KVHeads: 1, HeadDim: 8, Bias: 4}, "want vectors at multiples of 8"},
		{OutConfig{Rows: 1, Hidden: 32, Inputs: 12}, "want Inputs a multiple of 8"},
		{RouterConfig{Rows: 1, Hidden: 32}, "want Experts"},
		{UnembedConfig{Rows: 0, Hidden: 32, Vocab: 4}, "want Rows from 1 to 8"},
		{GateUpConfig{Rows: 1, Hidden: 40, Intermediate: 32, Experts: 4, TopK: 2}, "want Hidden a multiple of 32"},
		{GateUpConfig{Rows: 1, Hidden: 32, Intermediate: 32, Experts: 4, TopK: 5}, "want TopK from 1 to 64 and Experts"},
		{DownConfig{Rows: 1, Hidden: 32, Intermediate: 40, TopK: 1}, "want Intermediate a multiple of 32"},
		{routeRowsConfig{Rows: 33, Experts: 4, TopK: 1, Height: 8}, "route_rows: unsupported shape: want Rows from 1 to 32"},
		{routeRowsConfig{Rows: 2, Experts: 4, TopK: 5, Height: 2}, "want TopK from 1 to 64 and Experts"},
		{routeRowsConfig{Rows: 2, Experts: 4097, TopK: 5, Height: 2}, "want at most 4096 Experts"},
		{GateUpRowsConfig{Hidden: 40, Intermediate: 32, Lists: ExpertLists{2, 2, 4, 2}}, "gate_up_rows: unsupported shape: want Hidden a multiple of 32"},
		{GateUpRowsConfig{Hidden: 32, Intermediate: 40, Lists: ExpertLists{2, 2, 4, 2}}, "want Intermediate a multiple of 32"},
		{GateUpRowsConfig{Hidden: 32, Intermediate: 32}, "want Rows from 1 to 32"},
		{DownRowsConfig{Hidden: 32, Intermediate: 40, Lists: ExpertLists{2, 2, 4, 2}}, "down_rows: unsupported shape: want Intermediate a multiple of 32"},
		{routeRowsConfig{Rows: 2, Experts: 4, TopK: 2}, "want Height above 0"},
		{DownRowsConfig{Hidden: 32, Intermediate: 32, Lists: ExpertLists{2, 2, 4, 1}}, "want Lists whose Height is Rows"},
		{combineRowsConfig{Hidden: 30, TopK: 2}, "combine_rows: unsupported shape: want Hidden a multiple of 4"},
		{AttnConfig{Rows: 1, Heads: 3, KVHeads: 2, HeadDim: 8, Splits: 1, Window: 1}, "want Heads a multiple of KVHeads"},
		{AttnConfig{Rows: 1, Heads: 2, KVHeads: 2, HeadDim: 264, Splits: 1, Window: 1}, "want HeadDim a multiple of 8, at most 256"},
		{AttnConfig{Rows: 1, Heads: 2, KVHeads: 2, HeadDim: 8, Window: 1}, "want Splits from 1 to 1024"},
		{samplePartialConfig{Rows: 1, Ring: 1}, "want Vocab"},
		{sampleAdjustConfig{Rows: 1, Vocab: 1<<24 + 1, Ring: 1}, "sample_adjust: unsupported shape: want Vocab from 1 to 2^24"},
		{sampleFilterConfig{Rows: 1, Vocab: 1<<24 + 1, Ring: 1}, "want Vocab from 1 to 2^24"},
		{samplePartialFullConfig{Vocab: 1, Ring: 1}, "want Rows from 1 to 65535"},
		{sampleFinalFullConfig{Rows: 1, Vocab: 1}, "want a Ring"},
		{logprobsConfig{Rows: 1, Ring: 1}, "logprobs: unsupported shape: want Vocab"},
	} {
		if _, err := tt.c.shader(shaders.Variant{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want one with %q", tt.c, err, tt.want)
		}
	}
}

func TestQKVShardsAreWholeHeads(t *testing.T) {
	r := newRig(t)
	k, err := NewQKVDecode(r.dev, QKVConfig{Rows: 1, Hidden: 32, Heads: 1, KVHeads: 1, HeadDim: 16})
	r.must(err)
	defer k.Release()
	p := r.dev.NewProgram("test")
	defer p.Release()
	if err := k.Record(p, Shard{0, 24}, QKVArgs{}); err == nil || !strings.Contains(err.Error(), "whole heads") {
		t.Errorf("error %v", err)
	}
}

// Dispatches with equal parameters share a uniform, and Release frees it.
func TestUniforms(t *testing.T) {
	r := newRig(t)
	before := r.dev.Stats().LiveBuffers
	k, err := NewEmbed(r.dev, EmbedConfig{Hidden: 32})
	r.must(err)
	for range 2 {
		for _, words := range [][]uint32{{1, 2}, {1, 3}} {
			_, err := k.uniform(words)
			r.must(err)
		}
	}
	if n := r.dev.Stats().LiveBuffers - before; n != 2 {
		t.Errorf("%d buffers, want 2", n)
	}
	k.Release()
	k.Release()
	if n := r.dev.Stats().LiveBuffers - before; n != 0 {
		t.Errorf("%d buffers after Release, want 0", n)
	}
}

// RMSNorm is the kernel that reduces by subgroups where there are any; its other tests run on the device as it is.
func TestReduceWithoutSubgroups(t *testing.T) {
	normCase{2, 2, 2880, 0, 1}.check(rig{t, gputest.Open(t, gpu.Options{NoSubgroups: true})})
}

// A matrix cut into shards gives the very bits of the whole, so that models are reproducible whatever the device allows to be bound.
func TestShardsAgree(t *testing.T) {
	r := newRig(t)
	const hidden, vocab = 96, 50
	k, err := NewUnembedDecode(r.dev, UnembedConfig{Rows: 2, Hidden: hidden, Vocab: vocab, NormEps: testEps})
	r.must(err)
	defer k.Release()
	w := numbers(3).floats(vocab*hidden, 1)
	a := UnembedArgs{X: r.floats("x", numbers(1).floats(2*hidden, 1)), Norm: r.bf16("norm", numbers(2).floats(hidden, 1)), Logits: r.empty("logits", 2*vocab)}
	logits := func(cuts ...int) []uint32 {
		r.fill(a.Logits)
		r.run(func(p *gpu.Program) error {
			for _, s := range shardsOf(vocab, cuts) {
				a.W = r.bf16("w", w[s.First*hidden:(s.First+s.Count)*hidden])
				if err := k.Record(p, s, a); err != nil {
					return err
				}
			}
			return nil
		})
		return r.readWords(a.Logits, 2*vocab)
	}
	equalBits(t, "logits", logits(), logits(3, 8, 41))
}
