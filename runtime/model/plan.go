package model

import (
	"errors"
	"fmt"

	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/kv"
)

// Plan says every buffer that a model makes on a device, before there is one. It serves one model.
type Plan struct {
	*sizes
	caps    gpu.Caps
	options Options
	list    []declaration
	buffers *buffers
}

// NewPlan plans a model of configuration c for a device that offers caps, of which its limits and Adapter.Type count. An error says
// what of o, or of the model, the device has no room for.
func NewPlan(c *gptoss.Config, caps gpu.Caps, o Options) (Plan, error) {
	s, err := newSizes(c, caps, o)
	if err != nil {
		return Plan{}, err
	}
	b, list, err := declare(s)
	if err != nil {
		return Plan{}, err
	}
	return Plan{sizes: s, caps: caps, options: o, list: list, buffers: b}, nil
}

// halved is the plan for half the context, if it was left to us and half is enough.
func (p Plan) halved() (Plan, bool) {
	o := p.options
	if o.Context > 0 || o.KVTokens > 0 || p.context/2 < leastContext {
		return Plan{}, false
	}
	o.Context = p.context / 2
	half, err := NewPlan(p.cfg, p.caps, o)
	half.options = p.options
	return half, err == nil
}

// Footprint is what a model takes of the device's memory, in bytes.
type Footprint struct {
	Weights  int64 // those of the checkpoint, and the padding between small vectors
	KV       int64 // keys and values of all layers
	Scratch  int64 // activations, tables, logits, hidden states
	PerToken int64 // of KV, what one further position of the context takes
}

// Footprint is the memory footprint of the plan.
func (p Plan) Footprint() Footprint {
	var n [parts]int64
	for _, d := range p.list {
		n[d.part] += d.bytes
	}
	fullLayers := int64(p.cfg.Layers - p.cfg.SlidingLayers())
	return Footprint{n[weightsPart], n[kvPart], n[scratchPart], fullLayers * 2 * p.pageBytes() / kv.PageTokens}
}

// total is the sum of what is allocated.
func (f Footprint) total() int64 { return f.Weights + f.KV + f.Scratch }

func (f Footprint) String() string {
	return fmt.Sprintf("weights %s, key/value cache %s (%d KiB a token), scratch %s", mib(f.Weights), mib(f.KV), f.PerToken>>10, mib(f.Scratch))
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// explain adds the footprint to an error of memory.
func (f Footprint) explain(err error) error {
	if errors.Is(err, gpu.ErrOutOfMemory) {
		return fmt.Errorf("model: the device's memory doesn't hold the model (%s, %s in all): close other programs, take a smaller context or another adapter: %w",
			f, mib(f.total()), err)
	}
	return err
}

// memory is a piece of a device's memory: a *gpu.Buffer, or one that a test only counts.
type memory interface {
	Bytes() int64
	Release()
}

// allocate makes the buffers of a plan in its order. Where the device has no memory for more than the weights, it goes on with the
// plan for half the context, if there is one. It returns the plan that was carried out; after an error nothing is left.
func allocate[M memory](p Plan, newBuffer func(label string, nBytes int64, usage gpu.Usage) (M, error)) (made []M, _ Plan, err error) {
	release := func(from int) {
		for _, b := range made[from:] {
			b.Release()
		}
		made = made[:from]
	}
	taken := int64(0)
	for len(made) < len(p.list) {
		d := p.list[len(made)]
		b, err := newBuffer(d.label, d.bytes, d.usage)
		if err == nil {
			made = append(made, b)
			continue
		}
		half, ok := p.halved()
		if !ok || d.part == weightsPart || !errors.Is(err, gpu.ErrOutOfMemory) {
			release(0)
			return nil, p, p.Footprint().explain(err)
		}
		p = half
		release(p.weightBuffers())
	}
	for _, b := range made {
		taken += b.Bytes()
	}
	if want := p.Footprint().total(); taken != want {
		release(0)
		return nil, p, fmt.Errorf("model: %d bytes were allocated, the plan says %d", taken, want)
	}
	return made, p, nil
}

// weightBuffers is the number of buffers for weights. They come first, and are the same for every context.
func (p Plan) weightBuffers() int {
	n := 0
	for p.list[n].part == weightsPart {
		n++
	}
	return n
}

// weightBytesRead is what one token reads of the weights: a row of the embedding, TopK experts a layer, everything else whole.
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
