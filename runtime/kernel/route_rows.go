package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// From some rows on, a batch's experts are computed by four kernels in place of GateUpDecode and DownDecode, which read an expert's weights
// anew for each row: RouteRows, GateUpRows, DownRows, CombineRows. They read them once. Their grids are fixed, as that of all kernels is,
// with a place for each expert that could be chosen; workgroups of the places without one end at once. What they compute of a row is, bit by
// bit, the same whatever the batch is, and however many rows it has.

// RowLists is the shape of a batch's assignments of rows to experts, sorted by expert. Assignment a is choice a % TopK of row a / TopK.
type RowLists struct {
	Rows    int // of the batch, 1 to 32
	Experts int
	TopK    int // at most Experts
}

// places is the largest number of different experts that can be chosen.
func (l RowLists) places() int { return min(l.Experts, l.assignments()) }

func (l RowLists) assignments() int { return l.Rows * l.TopK }

// Bytes is the size of the lists.
func (l RowLists) Bytes() int64 { return 4 * int64(3*l.places()+l.assignments()) }

func (l RowLists) checks() []check {
	return []check{
		{l.Rows >= 1 && l.Rows <= maxRows, "Rows from 1 to 32"},
		{l.TopK >= 1 && l.TopK <= min(l.Experts, maxTopK), "TopK from 1 to 64 and Experts"},
		{l.Experts <= maxExperts, "at most 4096 Experts"},
	}
}

// RouteRows chooses each row's experts, weighs them by softmax over the chosen, and makes the lists.
type RouteRows struct{ *pipeline }

// RouteRowsArgs are the buffers of RouteRows.
type RouteRowsArgs struct {
	Step   *gpu.Buffer
	Logits *gpu.Buffer // f32 [Rows][Experts]
	Sel    *gpu.Buffer // out: {expert u32, weight f32} [Rows][TopK], the largest logit first, the lower id on ties; unused rows are left alone
	Lists  *gpu.Buffer // out: RowLists.Bytes, see shaders/lib/places.wgsl
}

// workgroupWords is the size of the workgroup memory that every device has, in words.
const workgroupWords = 16384 / 4

// atOnce is the number of rows whose experts RouteRows chooses at a time: as many as it has memory for, beside the choices of all rows and a bit
// for each expert.
func (l RowLists) atOnce() int {
	group := expertGroup(l.Experts, l.TopK)
	perRow := ceilDiv(l.Experts, group) + l.TopK + l.TopK*group
	return min(l.Rows, (workgroupWords-l.assignments()-ceilDiv(l.Experts, 32))/perRow)
}

func (l RowLists) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := checkShape("route_rows", l.checks()...); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("route_rows", v, map[string]int{
		"ROWS": l.Rows, "EXPERTS": l.Experts, "TOPK": l.TopK, "PLACES": l.places(), "WG": 256,
		"GROUP": expertGroup(l.Experts, l.TopK), "AT_ONCE": l.atOnce(),
	})
}

// NewRouteRows compiles the kernel.
func NewRouteRows(dev *gpu.Device, l RowLists) (*RouteRows, error) {
	p, err := newPipeline(dev, l)
	return &RouteRows{p}, err
}

// Record appends the choice of all rows.
func (k *RouteRows) Record(p *gpu.Program, a RouteRowsArgs) error {
	return k.record(p, [3]int{1, 1, 1}, nil, a.Step, a.Logits, a.Sel, a.Lists)
}
