package kernel

import (
	"math"
	"slices"
	"testing"

	"gossamer/runtime/gpu"
)

func TestEmbed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		hidden int
		vocab  int
		cuts   []int
		tokens []uint32
	}{
		{"OneRow", 32, 5, nil, []uint32{3}},
		{"ManyRows", 64, 7, nil, []uint32{6, 0, 0, 5, 1, 6, 2, 3, 4}},
		{"MostRows", 32, 5, nil, slices.Repeat([]uint32{3, 0, 4, 1}, 8)},
		{"PartialRound", 2880, 3, nil, []uint32{2, 0}},
		{"Shards", 40, 9, []int{1, 4}, []uint32{0, 1, 3, 4, 8}},
		{"TokenBeyondTheVocabulary", 32, 5, nil, []uint32{5, 1, NoToken}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			k, err := NewEmbed(r.dev, EmbedConfig{Hidden: tt.hidden})
			r.must(err)
			defer k.Release()
			table := numbers(1).floats(tt.vocab*tt.hidden, 2)
			rows := make([]decodeRow, len(tt.tokens))
			for i, token := range tt.tokens {
				rows[i].token = token
			}
			n := len(rows) * tt.hidden
			a := EmbedArgs{Step: batch{rows: rows}.step(r), X: r.empty("x", n)}
			got := r.twice(func() { r.fill(a.X) }, func(p *gpu.Program) error {
				for _, s := range shardsOf(tt.vocab, tt.cuts) {
					a.Table = r.bf16("table", table[s.First*tt.hidden:(s.First+s.Count)*tt.hidden])
					r.must(k.Record(p, s, len(rows), a))
				}
				return nil
			}, func() []uint32 { return r.readWords(a.X, n) })
			// A copy: the very bits.
			want := slices.Repeat([]uint32{poison}, n)
			for i, token := range tt.tokens {
				if token < uint32(tt.vocab) {
					for e := range tt.hidden {
						want[i*tt.hidden+e] = math.Float32bits(table[int(token)*tt.hidden+e])
					}
				}
			}
			equalBits(t, "x", want, got)
		})
	}
}
