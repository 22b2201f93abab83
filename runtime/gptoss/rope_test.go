package gptoss

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// TestRopeGolden compares with exact arithmetic. float64 frequencies may differ by a few roundings of pow and log, 1e-14 of
// their value. Table entries are below 2, where float32 rounds by at most 6e-8; an angle of up to 131071 radians in float64 adds
// 1e-11.
func TestRopeGolden(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(golden, "rope_vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Concentration float64     `json:"concentration"`
		InvFreq       []float64   `json:"inv_freq_f64"` // [32]
		Positions     []int       `json:"positions"`
		Cos           [][]float64 `json:"cos_f64"` // [positions][32], times the concentration
		Sin           [][]float64 `json:"sin_f64"`
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	c := published()
	freq, concentration := c.ropeFrequencies()
	if math.Abs(concentration-want.Concentration) > 1e-15*want.Concentration {
		t.Errorf("concentration %v, want %v", concentration, want.Concentration)
	}
	if len(freq) != len(want.InvFreq) {
		t.Fatalf("%d frequencies, want %d", len(freq), len(want.InvFreq))
	}
	for i, f := range freq {
		if math.Abs(f-want.InvFreq[i]) > 1e-14*want.InvFreq[i] {
			t.Errorf("frequency %d: got %v, want %v", i, f, want.InvFreq[i])
		}
	}
	worst := 0.0
	for n, p := range want.Positions {
		table := c.RopeTable(p, 1)
		for i := range freq {
			dc, ds := math.Abs(float64(table[2*i])-want.Cos[n][i]), math.Abs(float64(table[2*i+1])-want.Sin[n][i])
			worst = max(worst, dc, ds)
			if max(dc, ds) > 6.1e-8 {
				t.Errorf("position %d, pair %d: cos %v sin %v, want %v %v", p, i, table[2*i], table[2*i+1], want.Cos[n][i], want.Sin[n][i])
			}
		}
	}
	t.Logf("largest difference %.2g", worst)
}

func TestRopeTableParts(t *testing.T) {
	c := published()
	whole := c.RopeTable(0, 300)
	part := c.RopeTable(200, 100)
	for i, v := range part {
		if w := whole[200*c.HeadDim+i]; v != w {
			t.Fatalf("element %d: %v from position 200, %v from 0", i, v, w)
		}
	}
}

// TestPlainRope: without extension the frequencies are powers of the base, and nothing is concentrated.
func TestPlainRope(t *testing.T) {
	c := published()
	c.Rope.Factor = 1
	freq, concentration := c.ropeFrequencies()
	if concentration != 1 {
		t.Errorf("concentration %v, want 1", concentration)
	}
	for i, f := range freq {
		if want := math.Pow(150000, -float64(i)/32); math.Abs(f-want) > 1e-15*want {
			t.Errorf("frequency %d: got %v, want %v", i, f, want)
		}
	}
}
