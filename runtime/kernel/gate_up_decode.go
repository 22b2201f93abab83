package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// GateUpConfig is the shape of the experts' first projection in decoding.
type GateUpConfig struct {
	Rows         int // of the batch
	Hidden       int // multiple of 32
	Intermediate int // multiple of 32
	Experts      int
	TopK         int     // at most Experts
	Limit        float64 // SwiGLU: clamp of gate (above) and up (both sides)
	Alpha        float64 // SwiGLU: slope of the sigmoid
}

// GateUpDecode chooses each row's experts and computes their inner activations.
type GateUpDecode struct {
	*pipeline
	c GateUpConfig
}

// GateUpArgs are the buffers of GateUpDecode. The weights are those of a shard of experts.
type GateUpArgs struct {
	Step   *gpu.Buffer
	Logits *gpu.Buffer // f32 [Rows][Experts]
	T      *gpu.Buffer // f32 [Rows][Hidden], in the order of lib/blocks.wgsl
	Blocks *gpu.Buffer // MXFP4 [shard.Count][2*Intermediate][Hidden/32][16]
	Scales *gpu.Buffer // E8M0 [shard.Count][2*Intermediate][Hidden/32]
	Bias   *gpu.Buffer // bf16 [shard.Count][2*Intermediate]
	H      *gpu.Buffer // out: f32 [Rows][TopK][Intermediate], in the same order; other shards' experts are left alone
	Sel    *gpu.Buffer // out: {expert u32, weight f32} [Rows][TopK], written by every shard
}

// gateUpPairs is the number of inner activations of a workgroup: 16 loads of 16 bytes in flight in each lane.
const gateUpPairs = 8

// gateUpLanes is the size of a workgroup.
func gateUpLanes(hidden int) int { return lanes(hidden/32, 32, 128) }

func (c GateUpConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("gate_up_decode",
		check{c.Rows >= 1 && c.Rows <= maxGrid, "Rows from 1 to 65535"},
		check{c.Hidden > 0 && c.Hidden%32 == 0, "Hidden a multiple of 32"},
		check{c.Intermediate > 0 && c.Intermediate%32 == 0 && c.Intermediate/gateUpPairs <= maxGrid, "Intermediate a multiple of 32, at most 524256"},
		check{c.TopK >= 1 && c.TopK <= min(c.Experts, maxTopK), "TopK from 1 to 64 and Experts"},
		check{c.Experts <= maxExperts, "at most 4096 Experts"},
	); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("gate_up_decode", v, topkConsts(v, c.Experts, c.TopK, map[string]int{
		"WIDTH": c.Hidden, "INNER": c.Intermediate, "PAIRS": gateUpPairs, "OUTPUTS": 2 * gateUpPairs, "WG": gateUpLanes(c.Hidden),
	}))
}

// Bounds of the choice of experts, which is held in workgroup memory.
const (
	maxExperts = 1 << 12
	maxTopK    = 64
)

// topkConsts adds the constants of the choice of experts to those of a kernel.
func topkConsts(v shaders.Variant, experts, topK int, consts map[string]int) map[string]int {
	consts["EXPERTS"], consts["TOPK"] = experts, topK
	if !v.Subgroups { // with them, no groups are needed
		consts["GROUP"] = expertGroup(experts, topK)
	}
	return consts
}

// expertGroup is the number of neighbouring experts that are ranked as one at first (shaders/lib/topk.wgsl): the one with the
// fewest comparisons.
func expertGroup(experts, topK int) int {
	best, bestCost := 1, experts+topK
	for group := 2; ceilDiv(experts, group) >= topK && group*topK <= 1024; group *= 2 {
		if cost := ceilDiv(experts, group) + group*topK; cost < bestCost {
			best, bestCost = group, cost
		}
	}
	return best
}

// NewGateUpDecode compiles the kernel.
func NewGateUpDecode(dev *gpu.Device, c GateUpConfig) (*GateUpDecode, error) {
	p, err := newPipeline(dev, c)
	return &GateUpDecode{p, c}, err
}

// Record appends the activations of a shard's experts.
func (k *GateUpDecode) Record(p *gpu.Program, s Shard, a GateUpArgs) error {
	return k.record(p, [3]int{k.c.Intermediate / gateUpPairs, k.c.TopK, k.c.Rows},
		[]uint32{uint32(s.First), uint32(s.Count), floatWord(k.c.Limit), floatWord(k.c.Alpha)},
		a.Step, a.Logits, a.T, a.Blocks, a.Scales, a.Bias, a.H, a.Sel)
}
