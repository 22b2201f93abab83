package model

import (
	"fmt"
	"os"
	"testing"

	"gossamer/runtime/goldentest"
	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/runtime/testenv"
	"gossamer/shaders"
)

// TestGoldenMatrices: with prompts computed by the matrices of subgroups logits are as good, and with one term as good as its error lets them be.
func TestGoldenMatrices(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	if dev.Caps().Variant.Matrix == (shaders.Matrix{}) {
		const reason = "this device does not multiply matrices: run make test-matrices"
		if os.Getenv("GOSSAMER_TEST_MATRICES") == "1" {
			testenv.Missing(t, reason)
		}
		t.Skip(reason)
	}
	for matrices, limit := range map[Matrices]goldentest.Tolerance{TwoTerms: goldentest.Float32, OneTerm: {RMSOverStd: 5e-3, Max: 0.1}} {
		t.Run(fmt.Sprintf("Terms%d", matrices), func(t *testing.T) {
			c := goldentest.Load(t, "gqa_window8")
			m := loadDir(t, dev, c.ModelDir(t), Options{KV: F32, Context: 256, Chunk: 32, Sequences: 8, Matrices: matrices, matricesCPU: true})
			if m.denseTile(32).Matrix != dev.Caps().Variant.Matrix || m.MatricesRefused() != nil {
				t.Fatalf("matrices are not used: %v", m.MatricesRefused())
			}
			var d goldentest.Difference
			for _, p := range c.Prompts {
				for i, row := range rows(t, newSequence(t, m), p.Tokens, upTo(len(p.Tokens))) {
					d.Add(&p.Want, i, row)
				}
			}
			d.Check(t, limit)
			t.Logf("%d rows: rms over std %.2g, max %.2g", d.Rows(), d.RMSOverStd(), d.Max)
			if matrices == TwoTerms {
				goldenGreedy(t, m, c)
			}
		})
	}
}
