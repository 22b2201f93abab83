package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// From some rows on, a batch's experts are computed by four kernels in place of GateUpDecode and DownDecode, which read an expert's weights
// anew for each row: RouteRows, GateUpRows, DownRows, CombineRows. They read them once. Their grids are fixed, as that of all kernels is,
// with a place for each tile that could come about; workgroups of the places without one end at once. What they compute of a row is, bit by
// bit, the same whatever the batch is, and however many rows it has. MoEGateUp and MoEDown, by matrices, take the place of GateUpRows and
// DownRows where the device has such and the rows are many.

// rowsChecks are the conditions on the lists of a batch.
func (l ExpertLists) rowsChecks() []check {
	return []check{
		{l.Rows >= 1 && l.Rows <= maxRows, "Rows from 1 to 32"},
		{l.Height >= 1, "Height above 0"},
		{l.TopK >= 1 && l.TopK <= min(l.Experts, maxTopK), "TopK from 1 to 64 and Experts"},
		{l.Experts <= maxExperts, "at most 4096 Experts"},
	}
}

// oneTile is the condition that all assignments to an expert are in one tile: no row chooses an expert twice.
func (l ExpertLists) oneTile() check { return check{l.Height >= l.Rows, "Lists whose Height is Rows"} }

// routeRowsConfig is the ExpertLists of a batch.
type routeRowsConfig ExpertLists

// RouteRows chooses each row's experts, weighs them by softmax over the chosen, and makes the lists.
type RouteRows struct{ *pipeline }

// RouteRowsArgs are the buffers of RouteRows.
type RouteRowsArgs struct {
	Step   *gpu.Buffer
	Logits *gpu.Buffer // f32 [Rows][Experts]
	Sel    *gpu.Buffer // out: {expert u32, weight f32} [Rows][TopK], the largest logit first, the lower id on ties; unused rows are left alone
	Lists  *gpu.Buffer // out: ExpertLists.Bytes, see shaders/lib/lists.wgsl
}

// workgroupWords is the size of the workgroup memory that every device has, in words.
const workgroupWords = 16384 / 4

// atOnce is the number of rows whose experts RouteRows chooses at a time: as many as it has memory for, beside the choices of all rows and a bit
// for each of them.
func (l ExpertLists) atOnce() int {
	group := expertGroup(l.Experts, l.TopK)
	perRow := ceilDiv(l.Experts, group) + l.TopK + l.TopK*group
	return min(l.Rows, (workgroupWords-l.Rows*l.TopK-ceilDiv(l.Rows*l.TopK, 32))/perRow)
}

func (c routeRowsConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	l := ExpertLists(c)
	if err := checkShape("route_rows", l.rowsChecks()...); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("route_rows", v, map[string]int{
		"ROWS": l.Rows, "EXPERTS": l.Experts, "TOPK": l.TopK, "TILE": l.Height, "MAX_TILES": l.maxTiles(), "WG": 256,
		"GROUP": expertGroup(l.Experts, l.TopK), "AT_ONCE": l.atOnce(),
	})
}

// NewRouteRows compiles the kernel.
func NewRouteRows(dev *gpu.Device, l ExpertLists) (*RouteRows, error) {
	p, err := newPipeline(dev, routeRowsConfig(l))
	return &RouteRows{p}, err
}

// Record appends the choice of all rows.
func (k *RouteRows) Record(p *gpu.Program, a RouteRowsArgs) error {
	return k.record(p, [3]int{1, 1, 1}, nil, a.Step, a.Logits, a.Sel, a.Lists)
}
