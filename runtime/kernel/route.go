package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// RouteConfig is the shape of a router's choice.
type RouteConfig struct {
	Experts int
	TopK    int // at most Experts
}

// Route chooses each row's experts by their logits and weighs them by softmax over the chosen.
type Route struct{ *pipeline }

// RouteArgs are the buffers of Route.
type RouteArgs struct {
	Chunk  *gpu.Buffer // uniform: rows in use
	Logits *gpu.Buffer // f32 [rows][Experts]
	Sel    *gpu.Buffer // out: {expert u32, weight f32} [rows][TopK], the largest logit first, the lower id on ties
}

func (c RouteConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("route",
		check{c.TopK >= 1 && c.TopK <= min(c.Experts, maxTopK), "TopK from 1 to 64 and Experts"},
		check{c.Experts <= maxExperts, "at most 4096 Experts"},
	); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("route", v, topkConsts(v, c.Experts, c.TopK, map[string]int{"WG": min(256, (c.Experts+31)/32*32)}))
}

// NewRoute compiles the kernel.
func NewRoute(dev *gpu.Device, c RouteConfig) (*Route, error) {
	p, err := newPipeline(dev, c)
	return &Route{p}, err
}

// Record appends the choice of at most rows rows.
func (k *Route) Record(p *gpu.Program, rows int, a RouteArgs) error {
	return k.record(p, [3]int{rows, 1, 1}, nil, a.Chunk, a.Logits, a.Sel)
}
