package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// ExpertLists is the shape of a chunk's or a batch's assignments of rows to experts, sorted by expert and cut into tiles of one expert each.
// Assignment a is choice a % TopK of row a / TopK.
type ExpertLists struct {
	Rows    int // at most
	TopK    int
	Experts int
	Height  int // assignments of a tile, at most: the Height of the Tile of the products over experts
}

// maxTiles is the largest number of tiles that can come about: one for every Height assignments, and one more for what remains of
// each expert's, but never more than there are assignments, nor for an expert more than all rows make.
func (l ExpertLists) maxTiles() int {
	n := l.Rows * l.TopK
	return min(n, n/l.Height+l.Experts, l.Experts*ceilDiv(l.Rows, l.Height))
}

// Bytes is the size of the lists.
func (l ExpertLists) Bytes() int64 {
	return 4 * (1 + 3*int64(l.maxTiles()) + int64(l.Rows)*int64(l.TopK))
}

func (l ExpertLists) checks() []check {
	return []check{
		{l.Rows > 0 && l.Height > 0, "Rows and Height above 0"},
		{l.TopK > 0 && l.TopK <= l.Experts, "TopK from 1 to Experts"},
		{l.Height > 0 && l.maxTiles() <= maxGrid, "at most 65535 tiles: fewer Rows"},
	}
}

// SortExperts makes the lists.
type SortExperts struct {
	*pipeline
	c ExpertLists
}

// SortExpertsArgs are the buffers of SortExperts.
type SortExpertsArgs struct {
	Chunk *gpu.Buffer // uniform: rows in use
	Sel   *gpu.Buffer // {expert u32, weight f32} [rows][TopK]
	Lists *gpu.Buffer // out: ExpertLists.Bytes, see shaders/lib/lists.wgsl
}

func (l ExpertLists) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("sort_experts", append(l.checks(), check{l.Experts <= 2048, "at most 2048 Experts"})...); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("sort_experts", v, map[string]int{
		"EXPERTS": l.Experts, "TOPK": l.TopK, "TILE": l.Height, "MAX_TILES": l.maxTiles(), "WG": 256,
	})
}

// NewSortExperts compiles the kernel.
func NewSortExperts(dev *gpu.Device, l ExpertLists) (*SortExperts, error) {
	p, err := newPipeline(dev, l)
	return &SortExperts{p, l}, err
}

// Record appends the sorting of a chunk's assignments.
func (k *SortExperts) Record(p *gpu.Program, a SortExpertsArgs) error {
	return k.record(p, [3]int{k.c.Experts, 1, 1}, nil, a.Chunk, a.Sel, a.Lists)
}
