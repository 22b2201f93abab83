package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// GateUpRowsConfig is the shape of the experts' first projection of a batch.
type GateUpRowsConfig struct {
	Hidden       int         // multiple of 32
	Intermediate int         // multiple of 32
	Limit        float64     // SwiGLU: clamp of gate (above) and up (both sides)
	Alpha        float64     // SwiGLU: slope of the sigmoid
	Lists        ExpertLists // whose Height is Rows
}

// GateUpRows computes the inner activations of the rows' experts. They have the bits that GateUpDecode gives them.
type GateUpRows struct {
	*pipeline
	c GateUpRowsConfig
}

// GateUpRowsArgs are the buffers of GateUpRows. The weights are those of a shard of experts.
type GateUpRowsArgs struct {
	Lists  *gpu.Buffer // of RouteRows
	T      *gpu.Buffer // f32 [Rows][Hidden], in the order of lib/blocks.wgsl
	Blocks *gpu.Buffer // MXFP4 [shard.Count][2*Intermediate][Hidden/32][16]
	Scales *gpu.Buffer // E8M0 [shard.Count][2*Intermediate][Hidden/32]
	Bias   *gpu.Buffer // bf16 [shard.Count][2*Intermediate]
	H      *gpu.Buffer // out: f32 [Rows][TopK][Intermediate], in the same order; other shards' experts and unused rows are left alone
}

// gateUpRowsPairs is the number of inner activations of a workgroup. For two rows a lane holds, beside the codes and scales of its weights, twice as
// many sums and inputs as in GateUpDecode; so it has half the weight rows.
const gateUpRowsPairs = gateUpPairs / 2

// lanes is the size of a workgroup: that of GateUpDecode, on which the order of the sums depends.
func (c GateUpRowsConfig) lanes() int { return gateUpLanes(c.Hidden) }

func (c GateUpRowsConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("gate_up_rows", append(append(c.Lists.rowsChecks(), c.Lists.oneTile()),
		check{c.Hidden > 0 && c.Hidden%32 == 0, "Hidden a multiple of 32"},
		check{c.Intermediate > 0 && c.Intermediate%32 == 0 && c.Intermediate/gateUpRowsPairs <= maxGrid, "Intermediate a multiple of 32, at most 262112"},
	)...); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("gate_up_rows", v, map[string]int{
		"K": c.Hidden, "SHARE": c.Lists.TopK, "INNER": c.Intermediate, "OUTPUTS": 2 * gateUpRowsPairs, "WG": c.lanes(), "MAX_TILES": c.Lists.maxTiles(),
	})
}

// NewGateUpRows compiles the kernel.
func NewGateUpRows(dev *gpu.Device, c GateUpRowsConfig) (*GateUpRows, error) {
	p, err := newPipeline(dev, c)
	return &GateUpRows{p, c}, err
}

// Record appends the activations of a shard's experts.
func (k *GateUpRows) Record(p *gpu.Program, s Shard, a GateUpRowsArgs) error {
	return k.record(p, [3]int{k.c.Intermediate / gateUpRowsPairs, k.c.Lists.maxTiles(), 1},
		[]uint32{uint32(s.First), uint32(s.Count), floatWord(k.c.Limit), floatWord(k.c.Alpha)},
		a.Lists, a.T, a.Blocks, a.Scales, a.Bias, a.H)
}

// WeightBytes is what a step reads of the experts' blocks, scales and biases, given the experts that each row in use has chosen.
func (c GateUpRowsConfig) WeightBytes(choices [][]int) int64 {
	return expertBytes(2*c.Intermediate, c.Hidden, c.lanes(), choices)
}

// expertBytes is what a kernel with lib/expert_rows.wgsl reads of the weights, [rows][k] of an expert, given the experts that each row of
// the batch in use has chosen. Each weight row is one workgroup's, which reads it for all assignments to the expert if a lane has at most one
// of its blocks, otherwise again for every two of them. Rows that a last workgroup computes and does not write are not more bytes: it reads
// the expert's last one again. A bias is read once and kept.
func expertBytes(rows, k, lanes int, choices [][]int) int64 {
	assignments := map[int]int{} // by expert
	for _, experts := range choices {
		for _, e := range experts {
			assignments[e]++
		}
	}
	var n int64
	for _, count := range assignments {
		reads := 1
		if k/32 > lanes {
			reads = ceilDiv(count, 2)
		}
		n += int64(rows) * int64(reads*k/32*17+2)
	}
	return n
}
