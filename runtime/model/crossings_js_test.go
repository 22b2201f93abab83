package model

import (
	"testing"

	"gossamer/runtime/engine"
)

// TestCrossingsPerToken: in a browser a token costs a handful of calls between Go and JavaScript, whatever the model's size.
func TestCrossingsPerToken(t *testing.T) {
	m := loadSmall(t, Options{Context: 256, Chunk: 16})
	s := newSequence(t, m)
	extend(t, s, text(m, 10, 1))
	decode(t, s, 1, engine.DeviceSampling{})
	for _, run := range []int{1, 100} { // a readback for each token, and one for several
		before := m.dev.Stats().Crossings
		const n = 100
		for range n / run {
			decode(t, s, run, engine.DeviceSampling{})
		}
		perToken := float64(m.dev.Stats().Crossings-before) / n
		t.Logf("%.1f crossings a token, %d tokens at a time", perToken, run)
		if perToken > 10 {
			t.Errorf("%.1f crossings a token, want at most 10", perToken)
		}
	}
}
