package model

import (
	"testing"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/runtime/ref"
)

// TestOddConfigurationsMatchRef compares prefill and decode with package ref on shapes that nobody publishes: dimensions that no
// tile or workgroup divides, windows around the page, groups of odd size, layers in any order.
func TestOddConfigurationsMatchRef(t *testing.T) {
	for _, k := range []struct {
		name   string
		prompt int
		change func(*gptoss.Config)
	}{
		{"Window8", 40, func(c *gptoss.Config) {
			c.Hidden, c.Intermediate, c.Experts, c.TopK, c.Heads, c.KVHeads, c.HeadDim, c.Window, c.Vocab = 96, 160, 5, 2, 6, 2, 24, 8, 301
		}},
		{"Window1", 20, func(c *gptoss.Config) {
			c.Hidden, c.Intermediate, c.Experts, c.TopK, c.Heads, c.KVHeads, c.HeadDim, c.Window, c.Vocab = 32, 32, 3, 3, 3, 3, 40, 1, 33
			c.Sliding = []bool{true, true, false}
		}},
		{"Window129", 300, func(c *gptoss.Config) {
			c.Hidden, c.Intermediate, c.Experts, c.TopK, c.Heads, c.KVHeads, c.HeadDim, c.Window = 64, 32, 9, 4, 5, 1, 16, 129
			c.Sliding = []bool{false, true, true}
		}},
		{"OneLayerWindow200", 270, func(c *gptoss.Config) {
			checkpointtest.SetLayers(c, 1)
			c.Hidden, c.Intermediate, c.Experts, c.TopK, c.Heads, c.KVHeads, c.HeadDim, c.Window = 96, 64, 1, 1, 4, 4, 40, 200
		}},
		{"OnlyFullManyExperts", 50, func(c *gptoss.Config) {
			c.Hidden, c.Intermediate, c.Experts, c.TopK, c.Heads, c.KVHeads, c.HeadDim, c.Vocab = 224, 96, 70, 8, 12, 1, 24, 1025
			c.SwiGLULimit, c.SwiGLUAlpha, c.NormEps = 3, 1.5, 1e-3
			c.Sliding = []bool{false, false, false}
		}},
		{"WideHeads", 20, func(c *gptoss.Config) {
			c.Hidden, c.Intermediate, c.Experts, c.TopK, c.Heads, c.KVHeads, c.HeadDim, c.Window = 64, 96, 6, 3, 4, 2, 136, 128
			c.Sliding = []bool{false, true, false}
		}},
	} {
		t.Run(k.name, func(t *testing.T) {
			dir := write(t, func(c *gptoss.Config) {
				k.change(c)
				c.EOS, c.Pad = nil, -1
			})
			m := loadDir(t, gputest.Open(t, gpu.Options{}), dir, Options{KV: F32, Context: 512})
			r := loadRef(t, dir)
			prompt := text(m, k.prompt, 1)
			s := newSequence(t, m)
			made, err := r.NewSequence()
			if err != nil {
				t.Fatal(err)
			}
			want := made.(*ref.Sequence)
			at := []int{0, k.prompt / 2, k.prompt - 1}
			wantRows := rows(t, want, prompt, at)
			for i, row := range rows(t, s, prompt, at) {
				closeRows(t, "prefill", row, wantRows[i], float32Limit)
			}
			// Each side goes on with the token that the device chose: the best one, or one that float32 can't tell from it.
			for range 20 {
				wantRow := logits(t, r, want)
				closeRows(t, "decode", logits(t, m, s), wantRow, float32Limit)
				id := decode(t, s, 1, drawing{})[0]
				if best, _ := argmax(wantRow); id != best && wantRow[best]-wantRow[id] > 1e-4 {
					t.Errorf("token %d with logit %v, the best is %d with %v", id, wantRow[id], best, wantRow[best])
				}
				extend(t, want, []int32{id})
			}
		})
	}
}
