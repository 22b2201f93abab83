package model

import (
	"fmt"
	"slices"
	"testing"

	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
)

// rowCase is a text to be continued on its own and beside others.
type rowCase struct {
	prompt []int32
	d      engine.DeviceSampling
	want   []int32 // what the text alone is continued with
}

// rowCases have texts of unlike lengths, on both sides of a split class, and settings of every kind.
func rowCases(t *testing.T, m *Model, n int) []rowCase {
	even := make([]uint32, (m.cfg.Vocab+31)/32)
	for i := range even {
		even[i] = 0x55555555
	}
	few := make([]uint32, len(even))
	few[0] = 0x3f0
	settings := []engine.DeviceSampling{{}, {Temperature: 0.8, Seed: 5}, {Allowed: even}, {Temperature: 1.5, Seed: 1 << 60, Allowed: few}}
	var cases []rowCase
	for i, length := range []int{1, 130, 17, 40, 3, 255, 128, 64} {
		c := rowCase{prompt: text(m, length, uint32(i)), d: settings[i%len(settings)]}
		s := newSequence(t, m)
		extend(t, s, c.prompt)
		c.want = decode(t, s, n, c.d)
		s.Close()
		cases = append(cases, c)
	}
	return cases
}

// decodeRows continues seqs together by n tokens.
func decodeRows(t *testing.T, m *Model, seqs []*Sequence, n int, d []engine.DeviceSampling) [][]int32 {
	t.Helper()
	got := make([][]int32, len(seqs))
	if err := m.DecodeRows(t.Context(), seqs, n, d, func(row int, id int32) bool {
		got[row] = append(got[row], id)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestRowsDecodeAsIfAlone: a batch changes no text. The sums of a row are made in the same order in every batch.
func TestRowsDecodeAsIfAlone(t *testing.T) {
	const n = 8
	m := loadSmall(t, Options{Context: 2048, Chunk: 64, Rows: 8, Sequences: 9})
	cases := rowCases(t, m, n)
	start := func(t *testing.T, count int) (seqs []*Sequence, d []engine.DeviceSampling) {
		for _, c := range cases[:count] {
			s := newSequence(t, m)
			extend(t, s, c.prompt)
			seqs, d = append(seqs, s), append(d, c.d)
		}
		return seqs, d
	}
	check := func(t *testing.T, row int, got []int32) {
		t.Helper()
		if want := cases[row].want[:min(len(got), n)]; !slices.Equal(got, want) {
			t.Errorf("row %d: got %v, alone %v", row, got, want)
		}
	}
	for _, count := range []int{2, 3, 4, 8} {
		t.Run(fmt.Sprintf("%dRows", count), func(t *testing.T) {
			seqs, d := start(t, count)
			for row, got := range decodeRows(t, m, seqs, n, d) {
				if len(got) != n || seqs[row].Len() != len(cases[row].prompt)+n {
					t.Errorf("row %d: %d tokens, length %d", row, len(got), seqs[row].Len())
				}
				check(t, row, got)
				closeRows(t, fmt.Sprintf("logits of row %d", row), logits(t, m, seqs[row]), fresh(t, m, seqs[row].tokens), float32Limit)
			}
		})
	}
	t.Run("ChangingRows", func(t *testing.T) {
		seqs, d := start(t, 4)
		got := make([][]int32, 4)
		other := newSequence(t, m)
		for _, rows := range [][]int{{0, 1, 2, 3}, {2, 0}, {3, 1, 2}, {1}, {3, 0}, {0, 1, 2, 3}} {
			var some []*Sequence
			var settings []engine.DeviceSampling
			for _, r := range rows {
				some, settings = append(some, seqs[r]), append(settings, d[r])
			}
			for i, ids := range decodeRows(t, m, some, 1, settings) {
				got[rows[i]] = append(got[rows[i]], ids...)
			}
			extend(t, other, text(m, 3, 77)) // takes row 0
		}
		for row := range got {
			check(t, row, got[row])
		}
	})
	t.Run("OneStops", func(t *testing.T) {
		seqs, d := start(t, 4)
		got := make([][]int32, 4)
		other := newSequence(t, m)
		if err := m.DecodeRows(t.Context(), seqs, n, d, func(row int, id int32) bool {
			extend(t, other, []int32{id}) // emit may use the model
			got[row] = append(got[row], id)
			return row != 1 || len(got[1]) < 2
		}); err != nil {
			t.Fatal(err)
		}
		for row, s := range seqs {
			check(t, row, got[row])
			if want := slices.Concat(cases[row].prompt, got[row]); !slices.Equal(s.tokens, want) || s.Len() != len(want) {
				t.Errorf("row %d holds %d tokens, want the prompt and the %d emitted", row, s.Len(), len(got[row]))
			}
		}
		if len(got[1]) != 2 || len(got[0]) < 2 || len(got[0]) == n {
			t.Errorf("%d and %d tokens of the rows, want 2 of row 1 and few more of the others", len(got[0]), len(got[1]))
		}
		extend(t, seqs[1], []int32{9})
		closeRows(t, "the stopped row goes on", logits(t, m, seqs[1]), fresh(t, m, seqs[1].tokens), float32Limit)
		check(t, 0, append(got[0], decode(t, seqs[0], 1, d[0])...))
	})
	t.Run("TwoRowsOfOneSequence", func(t *testing.T) {
		seqs, d := start(t, 2)
		err := m.DecodeRows(t.Context(), []*Sequence{seqs[0], seqs[0]}, 1, d, nil)
		if err == nil || err.Error() != "model: the sequence of row 1 has a row already" {
			t.Error(err)
		}
	})
}

// TestDeviceSamplesLikeTheCPU: from equal logits, seed and position package sample and the device draw the same token.
func TestDeviceSamplesLikeTheCPU(t *testing.T) {
	m := loadSmall(t, Options{Context: 256, Chunk: 64})
	mask := make([]uint32, (m.cfg.Vocab+31)/32)
	for i := range mask {
		mask[i] = 0x0ff0f00f
	}
	s := newSequence(t, m)
	extend(t, s, text(m, 5, 1))
	distinct := map[int32]bool{}
	for i := range 100 {
		d := engine.DeviceSampling{Temperature: float32(i%4) * 0.5, Seed: uint64(i) << 30}
		if i%3 == 0 {
			d.Allowed = mask
		}
		cpu, err := sample.New(sample.Params{Temperature: d.Temperature, Seed: d.Seed}, m.cfg.Vocab, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := cpu.Choose(logits(t, m, s), s.Len(), d.Allowed)
		if err != nil {
			t.Fatal(err)
		}
		if got := decode(t, s, 1, d)[0]; got != want {
			t.Errorf("draw %d: the device drew %d, the CPU %d", i, got, want)
		}
		distinct[want] = true
	}
	if len(distinct) < 30 {
		t.Errorf("only %d different tokens", len(distinct))
	}
}

// TestSeedsRepeatAndMasksHold: the same seed draws the same tokens, another one others, and 2,000 draws stay inside a mask.
func TestSeedsRepeatAndMasksHold(t *testing.T) {
	m := loadSmall(t, Options{Context: 4096, Chunk: 64})
	mask := make([]uint32, (m.cfg.Vocab+31)/32)
	for _, id := range []int{0, 31, 32, 200, m.cfg.Vocab - 1} {
		mask[id/32] |= 1 << (id % 32)
	}
	mask[len(mask)-1] |= 1 << 31 // beyond the vocabulary: no token
	draw := func(n int, d engine.DeviceSampling) []int32 {
		s := newSequence(t, m)
		defer s.Close()
		extend(t, s, []int32{1, 2, 3})
		return decode(t, s, n, d)
	}
	drawn := map[int32]int{}
	for _, id := range draw(2000, engine.DeviceSampling{Temperature: 2, Seed: 1, Allowed: mask}) {
		if mask[id/32]>>(id%32)&1 == 0 || int(id) >= m.cfg.Vocab {
			t.Fatalf("drew %d, which the mask excludes", id)
		}
		drawn[id]++
	}
	if len(drawn) != 5 {
		t.Errorf("drawn are %v, want all 5 of the mask", drawn)
	}
	first := draw(60, engine.DeviceSampling{Temperature: 1, Seed: 3})
	if again := draw(60, engine.DeviceSampling{Temperature: 1, Seed: 3}); !slices.Equal(first, again) {
		t.Error("the same seed drew other tokens")
	}
	if other := draw(60, engine.DeviceSampling{Temperature: 1, Seed: 4}); slices.Equal(first, other) {
		t.Error("another seed drew the same tokens")
	}
}
