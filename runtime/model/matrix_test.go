package model

import (
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/engine"
	"gossamer/runtime/goldentest"
	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/runtime/kernel"
	"gossamer/runtime/testenv"
	"gossamer/shaders"
)

// matrixDevice is a device that multiplies matrices. Which one does is said by GOSSAMER_TEST_MATRICES=1: there t fails without.
func matrixDevice(t *testing.T) *gpu.Device {
	t.Helper()
	dev := gputest.Open(t, gpu.Options{})
	if dev.Caps().Variant.Matrix == (shaders.Matrix{}) {
		const reason = "this device does not multiply matrices: run make test-matrices"
		if os.Getenv("GOSSAMER_TEST_MATRICES") == "1" {
			testenv.Missing(t, reason)
		}
		t.Skip(reason)
	}
	return dev
}

// TestGoldenMatrices: with prompts computed by the matrices of subgroups logits are as good, and with one term as good as its error lets them be.
func TestGoldenMatrices(t *testing.T) {
	dev := matrixDevice(t)
	for matrices, limit := range map[Matrices]goldentest.Tolerance{TwoTerms: goldentest.Float32, OneTerm: {RMSOverStd: 5e-3, Max: 0.1}} {
		t.Run(fmt.Sprintf("Terms%d", matrices), func(t *testing.T) {
			c := goldentest.Load(t, "gqa_window8")
			m := loadDir(t, dev, c.ModelDir(t), Options{KV: F32, Context: 256, Chunk: 16, Sequences: 8, Matrices: matrices, matricesCPU: true})
			for what, matrix := range map[string]shaders.Matrix{
				"dense": m.denseTile(16).Matrix, "experts": m.expertTile(16).Matrix, "attention": m.prefillAttention(16, slidingLayer).Matrix,
			} {
				if matrix != dev.Caps().Variant.Matrix {
					t.Fatalf("%s: matrices are not used: %v", what, m.MatricesRefused())
				}
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

// TestRowsByMatrices: where the products of 16 rows are those of matrices, logits are as good, and a row has the same bits alone, beside others
// that come and go, and in every seat.
func TestRowsByMatrices(t *testing.T) {
	const rows = 16
	dev, c := matrixDevice(t), goldentest.Load(t, "gqa_window8")
	m := loadDir(t, dev, c.ModelDir(t), Options{KV: F32, Context: 128, Chunk: 16, Rows: rows, Deterministic: true, groupFrom: 4, matricesCPU: true})
	for what, tile := range map[string]kernel.Tile{"unembedding": m.rowsTile(rows), "experts": m.rowsExpertTile(rows)} {
		if tile.Matrix != dev.Caps().Variant.Matrix {
			t.Fatalf("%s: matrices are not used: %v", what, m.MatricesRefused())
		}
	}
	checkDispatches(t, m, rows)

	text := &c.Prompts[len(c.Prompts)-1]
	alone := make([][]float32, len(text.Tokens))
	var d goldentest.Difference
	s := newSequence(t, m)
	for i, id := range text.Tokens {
		extend(t, s, []int32{id})
		alone[i] = logits(t, m, s)
		d.Add(&text.Want, i, alone[i])
	}
	s.Close()
	d.Check(t, goldentest.Float32)
	t.Logf("%d rows: rms over std %.2g, max %.2g", d.Rows(), d.RMSOverStd(), d.Max)

	var seqs []*sequence
	for range rows {
		seqs = append(seqs, newSequence(t, m))
	}
	const apart = 5 // as many rows begin at a time, three steps later the next ones
	for at := 0; ; at++ {
		step := &engine.Step{Draws: 1}
		for i, s := range seqs {
			if n := at - 3*(i%apart); n >= 0 && n < len(text.Tokens) {
				row := drawing{}.row(t, s)
				row.Given = text.Tokens[n]
				step.Rows = append(step.Rows, row)
			}
		}
		if len(step.Rows) == 0 {
			break
		}
		p, err := m.Step(t.Context(), step)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, row := range step.Rows {
			s := row.Seq.(*sequence)
			if got, want := logits(t, m, s), alone[s.Len()-1]; !slices.Equal(got, want) {
				t.Fatalf("token %d beside %d rows: other bits than alone, rms over std %.3g", s.Len(), len(step.Rows)-1, difference(got, want))
			}
		}
	}
}

// checkDispatches counts those of a forward pass of rows by matrices: eight a layer, as without, and the norm before the unembedding.
func checkDispatches(t *testing.T, m *Model, rows int) {
	t.Helper()
	splits := m.splitsFor(m.context)
	want := 1 + 8*m.cfg.Layers + 2
	if splits > 1 {
		want += m.cfg.Layers - m.cfg.SlidingLayers()
	}
	p, err := m.programs.forwardProgram(rows, splits)
	if err != nil || p.Dispatches() != want {
		t.Errorf("%d dispatches, want %d; error %v", p.Dispatches(), want, err)
	}
}

// TestPlanOfBatches: which products of a batch are planned by matrices, and how often a weight that is in use is decoded then, where rows choose
// experts at random. RATIONALE has the figures.
func TestPlanOfBatches(t *testing.T) {
	matrix := shaders.Matrix{M: 16, N: 16, K: 16, Lanes: 32}
	caps := gpu.Caps{MaxBindingBytes: 128 << 20, MaxBufferBytes: 256 << 20, MaxWorkgroupBytes: 48 << 10, Variant: shaders.Variant{Matrix: matrix}}
	for _, tt := range []struct {
		model            string
		rows             int
		options          Options
		experts, unembed bool
		without, with    string // decodings of experts in a layer, in the products of numbers and in those of the plan
	}{
		{"20b", 8, Options{}, false, false, "23", "23"},
		{"20b", 16, Options{}, true, true, "40", "28"},
		{"20b", 32, Options{}, true, true, "72", "32"},
		{"20b", 32, Options{Matrices: OneTerm}, true, true, "72", "32"},
		{"20b", 32, Options{Matrices: NoMatrices}, false, false, "72", "72"},
		{"120b", 16, Options{}, false, true, "53", "53"},
		{"120b", 32, Options{}, false, true, "92", "92"},
	} {
		c, err := checkpointtest.Preset(tt.model)
		if err != nil {
			t.Fatal(err)
		}
		tt.options.Rows, tt.options.Context = maxRows, 8192
		p, err := NewPlan(c, caps, tt.options)
		if err != nil {
			t.Fatal(err)
		}
		experts, unembed := p.rowsExpertTile(tt.rows), p.rowsTile(tt.rows)
		if usesMatrix(experts) != tt.experts || usesMatrix(unembed) != tt.unembed || experts.OneTerm || unembed.OneTerm {
			t.Errorf("%s, %d rows, %+v: experts by %+v, unembedding by %+v", tt.model, tt.rows, tt.options, experts, unembed)
		}
		if tt.unembed && unembed.Height() != tt.rows {
			t.Errorf("%s, %d rows: the unembedding is decoded for %d rows at a time", tt.model, tt.rows, unembed.Height())
		}
		decodings := func(together int) string {
			share := float64(c.TopK) / float64(c.Experts)
			return fmt.Sprintf("%.0f", float64(c.Experts)*meanTiles(tt.rows, share, together))
		}
		together := 2 // as GateUpRows and DownRows do
		if usesMatrix(experts) {
			together = p.rowLists(tt.rows).Height
		}
		if without, with := decodings(2), decodings(together); without != tt.without || with != tt.with {
			t.Errorf("%s, %d rows: %s and %s decodings of experts, want %s and %s", tt.model, tt.rows, without, with, tt.without, tt.with)
		}
	}
}

// meanTiles is how many tiles of a height an expert has on average that each of some rows chooses with a probability.
func meanTiles(rows int, p float64, height int) (mean float64) {
	ways := 1.0
	for n := range rows + 1 { // n of them choose it
		mean += ways * math.Pow(p, float64(n)) * math.Pow(1-p, float64(rows-n)) * float64((n+height-1)/height)
		ways *= float64(rows-n) / float64(n+1)
	}
	return mean
}
