package kernel

import (
	"testing"

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
		ws[1+3*l.MaxTiles()+i] = uint32(a)
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

// selWords is sel as route writes it, with weights.
func selWords(sel [][]int, weights []uint32) []uint32 {
	var ws []uint32
	for _, experts := range sel {
		for _, e := range experts {
			w := uint32(poison)
			if weights != nil {
				w = weights[len(ws)/2]
			}
			ws = append(ws, uint32(e), w)
		}
	}
	return ws
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
		ExpertLists
		n   int
		sel [][]int // nil: random
	}{
		{"OneRow", ExpertLists{1, 1, 1, 16}, 1, nil},
		{"NoRows", ExpertLists{8, 2, 4, 16}, 0, nil},
		{"RowsOutOfUse", ExpertLists{100, 4, 32, 16}, 33, nil},
		{"FewerAssignmentsThanLanes", ExpertLists{20, 4, 32, 16}, 20, nil},
		{"SomewhatMore", ExpertLists{65, 4, 32, 16}, 65, nil},
		{"MaxRows", ExpertLists{512, 4, 32, 64}, 512, nil},
		{"ManyExperts", ExpertLists{128, 4, 128, 32}, 128, nil},
		{"MoreExpertsThanLanes", ExpertLists{20, 2, 300, 8}, 20, nil},
		{"OneExpertTakesAll", ExpertLists{40, 1, 8, 16}, 40, all(40, 5)},
		{"WholeTiles", ExpertLists{32, 1, 8, 16}, 32, all(32, 0)},
		{"ExpertsWithNoTokens", ExpertLists{40, 2, 8, 16}, 40, all(40, 6, 1)},
		{"TilesOfOne", ExpertLists{30, 2, 4, 1}, 30, nil},
		{"EveryExpertHasARemainder", ExpertLists{17, 4, 4, 16}, 17, all(17, 3, 1, 0, 2)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			k, err := NewSortExperts(r.dev, tt.ExpertLists)
			r.must(err)
			t.Cleanup(k.Release)
			sel := tt.sel
			if sel == nil {
				sel = tt.selections(1, tt.n)
			}
			buf := make([]uint32, tt.Rows*tt.TopK*2)
			for i := range buf {
				buf[i] = 1 << 20 // an expert that there is not, in rows that are not in use
			}
			copy(buf, selWords(sel, nil))
			want := tt.listsOf(sel)
			if len(want.tiles) > tt.MaxTiles() {
				t.Fatalf("%d tiles, MaxTiles is %d", len(want.tiles), tt.MaxTiles())
			}
			a := SortExpertsArgs{Chunk: r.chunk(tt.n), Sel: r.words("sel", buf), Lists: r.empty("lists", int(tt.Bytes()/4))}
			r.run(func(p *gpu.Program) error { return k.Record(p, a) })
			equalBits(t, "lists", tt.words(want), r.readWords(a.Lists, int(tt.Bytes()/4)))
		})
	}
}
