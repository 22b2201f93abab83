// Package selftest tests whether a device computes correctly. Implementations of WebGPU have computed wrong numbers without any error,
// and a model with a small mistake still writes fluent text. So a tiny model with the shapes of gpt-oss's heads and experts runs on the
// device and in plain Go, and the logits must agree.
package selftest

import (
	"context"
	"fmt"
	"math"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/engine"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/model"
	"gossamer/runtime/ref"
	"gossamer/runtime/tensor"
)

// Limit is the largest deviation that passes. Sums in another order leave 2e-6 in float32; a mistake in any kernel makes 3e-4 and more.
const Limit = 2e-5

// Result is the outcome of the test on a device.
type Result struct {
	Deviation float64 // root mean square of the logits' differences, over their standard deviation; the worst row; may be NaN
	Tokens    int     // rows compared
}

// Passed says that the device computes correctly.
func (r Result) Passed() bool { return r.Deviation <= Limit }

// Reason says what is wrong with a device that did not pass; "" if it did.
func (r Result) Reason() string {
	switch {
	case r.Passed():
		return ""
	case math.IsNaN(r.Deviation):
		return "the GPU computes no numbers in the self-test: its driver or this WebGPU implementation is faulty; update them or use another browser or adapter"
	}
	return fmt.Sprintf("the GPU computes wrong numbers in the self-test (deviation %.1e, at most %.0e is right): its driver or this WebGPU implementation is faulty; update them or use another browser or adapter", r.Deviation, Limit)
}

const (
	promptTokens = 20 // a chunk and a part of one
	chunkTokens  = 16
	replyTokens  = 4
)

// Run tests dev. It compiles every kernel that a conversation needs, which takes most of the time. An error means that the test
// could not be carried out.
func Run(ctx context.Context, dev *gpu.Device) (Result, error) {
	ck := checkpoint.Generated(config(), fill)
	m, err := model.Load(ctx, dev, ck, model.Options{Context: 128, KV: model.F32, Chunk: chunkTokens, Sequences: 1, ResumeBytes: 1})
	if err != nil {
		return Result{}, fmt.Errorf("self-test: %w", err)
	}
	defer m.Close()
	r, err := ref.Load(ctx, ck, ref.Options{Context: 128, Workers: 1})
	if err != nil {
		return Result{}, fmt.Errorf("self-test: %w", err)
	}
	defer r.Close()
	result, err := compare(ctx, m, r)
	if err != nil {
		return Result{}, fmt.Errorf("self-test: %w", err)
	}
	return result, nil
}

// compare runs a prompt and a greedy reply on both and compares the logits after the prompt and after each token of the reply.
func compare(ctx context.Context, m *model.Model, r *ref.Model) (result Result, err error) {
	got, err := open(m)
	if err != nil {
		return result, err
	}
	defer got.Close()
	want, err := open(r)
	if err != nil {
		return result, err
	}
	defer want.Close()
	next := make([]int32, promptTokens)
	for i := range next {
		next[i] = int32((i*i*79 + 31) % vocab)
	}
	if err := got.Extend(ctx, next); err != nil {
		return result, err
	}
	for result.Tokens = 0; ; {
		if err := want.Extend(ctx, next); err != nil {
			return result, err
		}
		d, err := deviation(ctx, got, want)
		if err != nil {
			return result, err
		}
		result.Tokens++
		if !(d <= result.Deviation) { // also if it is not a number
			result.Deviation = d
		}
		if result.Tokens > replyTokens || !result.Passed() {
			return result, nil
		}
		// The device chooses the next token for both: where two are as good as equal, the other side may prefer the other.
		ids, err := engine.Greedy(ctx, m, []engine.Sequence{got}, 1)
		if err != nil {
			return result, err
		}
		next = ids[0]
	}
}

func open(b engine.Backend) (engine.HostSequence, error) {
	s, err := b.NewSequence()
	if err != nil {
		return nil, err
	}
	return s.(engine.HostSequence), nil
}

// deviation compares the rows of logits that follow two texts.
func deviation(ctx context.Context, got, want engine.HostSequence) (float64, error) {
	g, w := make([]float32, vocab), make([]float32, vocab)
	if err := got.Logits(ctx, g); err != nil {
		return 0, err
	}
	if err := want.Logits(ctx, w); err != nil {
		return 0, err
	}
	var diff, sum, squares float64
	for i := range w {
		d, v := float64(g[i])-float64(w[i]), float64(w[i])
		diff, sum, squares = diff+d*d, sum+v, squares+v*v
	}
	return math.Sqrt(diff / (squares - sum*sum/vocab)), nil
}

const vocab = 300

// config has one layer of each kind, and the heads and choice of experts of the published models.
func config() *gptoss.Config {
	return &gptoss.Config{
		Layers: 2, Hidden: 64, Intermediate: 32, Heads: 16, KVHeads: 2, HeadDim: 64, Experts: 6, TopK: 4, Vocab: vocab,
		MaxPositions: 4096, Window: 8, Sliding: []bool{true, false}, NormEps: 1e-5, SwiGLULimit: 7, SwiGLUAlpha: 1.702,
		Rope: gptoss.Rope{Theta: 150000, Factor: 32, BetaFast: 32, BetaSlow: 1, OriginalContext: 4096}, Pad: -1,
	}
}

// fill makes weights that keep activations near 1, so that every operation matters to the result. They follow from the tensor's
// name. p is all of t: no tensor is larger than a piece of loading.
func fill(p []byte, t gptoss.TensorSpec, _ int64) {
	state := uint32(2166136261)
	for _, c := range []byte(t.Name) {
		state = (state ^ uint32(c)) * 16777619 // FNV-1a
	}
	random := func() uint32 { // a linear congruential generator, of which the upper half is good enough
		state = state*1664525 + 1013904223
		return state >> 16
	}
	switch t.Kind {
	case gptoss.GateUpBlocks, gptoss.DownBlocks:
		for i := range p {
			p[i] = byte(random())
		}
	case gptoss.GateUpScales, gptoss.DownScales:
		for i := range p {
			p[i] = byte(123 + random()%3) // codes have a root mean square of 2.9
		}
	default:
		mean, width := 0.0, 0.3
		switch t.Kind {
		case gptoss.AttnNorm, gptoss.MLPNorm, gptoss.FinalNorm:
			mean = 1
		case gptoss.Embedding, gptoss.Sinks:
			width = 2
		}
		for i := 0; i < len(p); i += 2 {
			b := tensor.ToBF16(float32(mean + width*(float64(random())/65536-0.5)*2))
			p[i], p[i+1] = byte(b), byte(b>>8)
		}
	}
}
