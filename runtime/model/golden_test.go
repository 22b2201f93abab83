package model

import (
	"fmt"
	"testing"

	"gossamer/runtime/engine"
	"gossamer/runtime/goldentest"
	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
)

// load opens a golden case's model on the test device.
func load(t testing.TB, c *goldentest.Case, o Options) *Model {
	t.Helper()
	return loadDir(t, gputest.Open(t, gpu.Options{}), c.ModelDir(t), o)
}

func TestGoldenPrompts(t *testing.T) {
	for _, name := range goldentest.Models {
		t.Run(name, func(t *testing.T) {
			c := goldentest.Load(t, name)
			m := load(t, c, Options{KV: F32})
			for i := range c.Prompts {
				p := &c.Prompts[i]
				t.Run(fmt.Sprintf("prompt%d", i), func(t *testing.T) {
					var d goldentest.Difference
					err := newSequence(t, m).ExtendRows(t.Context(), p.Tokens, upTo(len(p.Tokens)), func(i int, logits []float32) error {
						d.Add(&p.Want, i, logits)
						return nil
					})
					if err != nil {
						t.Fatal(err)
					}
					d.Check(t, goldentest.Float32)
					t.Logf("%d rows: rms over std %.2g, max %.2g", d.Rows(), d.RMSOverStd(), d.Max)
				})
			}
		})
	}
}

// TestGoldenGreedy generates on the device, from the key/value cache.
func TestGoldenGreedy(t *testing.T) {
	for _, name := range goldentest.Models {
		t.Run(name, func(t *testing.T) {
			c := goldentest.Load(t, name)
			m := load(t, c, Options{KV: F32})
			s := newSequence(t, m)
			if err := s.Extend(t.Context(), c.Prompts[len(c.Prompts)-1].Tokens); err != nil {
				t.Fatal(err)
			}
			var got []int32
			if err := s.Decode(t.Context(), len(c.Greedy.Tokens), engine.DeviceSampling{}, func(token int32) bool {
				got = append(got, token)
				return true
			}); err != nil {
				t.Fatal(err)
			}
			for i, want := range c.Greedy.Tokens {
				if got[i] != want {
					t.Fatalf("token %d is %d, want %d", i, got[i], want)
				}
			}
		})
	}
}
