package kernel

import (
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/gpu"
)

// lists are what sort_experts makes of sel: for each row in use its experts.
type lists struct {
	tiles  [][3]int // expert, first, count
	sorted []int    // assignments
}

// listsOf sorts the assignments of rows to experts.
func (l ExpertLists) listsOf(sel [][]int) lists {
	var out lists
	for e := range l.Experts {
		first := len(out.sorted)
		for row, experts := range sel {
			for k, x := range experts {
				if x == e {
					out.sorted = append(out.sorted, row*l.TopK+k)
				}
			}
		}
		for ; first < len(out.sorted); first += l.Height {
			out.tiles = append(out.tiles, [3]int{e, first, min(l.Height, len(out.sorted)-first)})
		}
	}
	return out
}

// words are the lists as the kernels read them, poisoned where they do not.
func (l ExpertLists) words(of lists) []uint32 {
	ws := make([]uint32, l.Bytes()/4)
	for i := range ws {
		ws[i] = poison
	}
	ws[0] = uint32(len(of.tiles))
	for i, t := range of.tiles {
		for j, v := range t {
			ws[1+3*i+j] = uint32(v)
		}
	}
	for i, a := range of.sorted {
		ws[1+3*l.maxTiles()+i] = uint32(a)
	}
	return ws
}

// selections choose TopK different experts for each of n rows.
func (l ExpertLists) selections(s numbers, n int) [][]int {
	sel := make([][]int, n)
	for row := range sel {
		sel[row] = byLogit(s.floats((row+1)*l.Experts, 1)[row*l.Experts:])[:l.TopK]
	}
	return sel
}

// selWords is sel as route writes it, with weights that nobody may use.
func selWords(sel [][]int) []uint32 {
	var ws []uint32
	for _, experts := range sel {
		for _, e := range experts {
			ws = append(ws, uint32(e), poison)
		}
	}
	return ws
}

// sortCase is a chunk whose first n rows are assigned.
type sortCase struct {
	ExpertLists
	n   int
	sel [][]int // nil: random
}

func TestSortExperts(t *testing.T) {
	all := func(n int, experts ...int) [][]int {
		sel := make([][]int, n)
		for i := range sel {
			sel[i] = experts
		}
		return sel
	}
	for _, tt := range []struct {
		name string
		sortCase
	}{
		{"OneRow", sortCase{ExpertLists{1, 1, 1, 16}, 1, nil}},
		{"NoRows", sortCase{ExpertLists{8, 2, 4, 16}, 0, nil}},
		{"RowsOutOfUse", sortCase{ExpertLists{100, 4, 32, 16}, 33, nil}},
		{"FewerAssignmentsThanLanes", sortCase{ExpertLists{20, 4, 32, 16}, 20, nil}},
		{"SomewhatMore", sortCase{ExpertLists{65, 4, 32, 16}, 65, nil}},
		{"MaxRows", sortCase{ExpertLists{512, 4, 32, 64}, 512, nil}},
		{"ManyExperts", sortCase{ExpertLists{128, 4, 128, 32}, 128, nil}},
		{"MoreExpertsThanLanes", sortCase{ExpertLists{20, 2, 300, 8}, 20, nil}},
		{"OneExpertTakesAll", sortCase{ExpertLists{40, 1, 8, 16}, 40, all(40, 5)}},
		{"WholeTiles", sortCase{ExpertLists{32, 1, 8, 16}, 32, all(32, 0)}},
		{"ExpertsWithNoTokens", sortCase{ExpertLists{40, 2, 8, 16}, 40, all(40, 6, 1)}},
		{"TilesOfOne", sortCase{ExpertLists{30, 2, 4, 1}, 30, nil}},
		{"EveryExpertHasARemainder", sortCase{ExpertLists{17, 4, 4, 16}, 17, all(17, 3, 1, 0, 2)}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(newRig(t)) })
	}
}

func TestSortExpertsRandomShapes(t *testing.T) {
	randomShapes(t, func(rt *rapid.T) sortCase {
		l := ExpertLists{
			Rows: rapid.IntRange(1, 300).Draw(rt, "rows"), Experts: rapid.IntRange(1, 150).Draw(rt, "experts"),
			Height: rapid.IntRange(1, 70).Draw(rt, "height"),
		}
		l.TopK = rapid.IntRange(1, min(l.Experts, 6)).Draw(rt, "top k")
		return sortCase{l, rapid.IntRange(0, l.Rows).Draw(rt, "n"), nil}
	}, func(r rig, c sortCase) { c.check(r) })
}

func (c sortCase) check(r rig) {
	r.t.Helper()
	k, err := NewSortExperts(r.dev, c.ExpertLists)
	r.must(err)
	defer k.Release()
	sel := c.sel
	if sel == nil {
		sel = c.selections(1, c.n)
	}
	ws := selWords(sel)
	for len(ws) < c.Rows*c.TopK*2 {
		ws = append(ws, 1<<20) // an expert that there is not, in rows that are not in use
	}
	want := c.listsOf(sel)
	if len(want.tiles) > c.maxTiles() {
		r.t.Fatalf("%d tiles, MaxTiles is %d", len(want.tiles), c.maxTiles())
	}
	n := int(c.Bytes() / 4)
	a := SortExpertsArgs{Chunk: r.chunk(c.n), Sel: r.words("sel", ws), Lists: r.empty("lists", n)}
	got := r.twice(func() { r.fill(a.Lists) }, func(p *gpu.Program) error { return k.Record(p, a) },
		func() []uint32 { return r.readWords(a.Lists, n) })
	equalBits(r.t, "lists", c.words(want), got)
}
