package model

import (
	"syscall/js"
	"testing"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
)

// TestCrossingsPerToken: in a browser a token costs two calls between Go and JavaScript, seven where each is waited for,
// whatever the model's size.
func TestCrossingsPerToken(t *testing.T) {
	m := loadSmall(t, Options{Context: 256, Chunk: 16})
	s := newSequence(t, m)
	extend(t, s, text(m, 10, 1))
	decode(t, s, 1, drawing{})
	for run, most := range map[int]float64{1: 7, 100: 2} { // a readback for each token, and one for several
		before := m.dev.Stats().Crossings
		const n = 100
		for range n / run {
			decode(t, s, run, drawing{})
		}
		perToken := float64(m.dev.Stats().Crossings-before) / n
		t.Logf("%.1f crossings a token, %d tokens at a time", perToken, run)
		if perToken > most {
			t.Errorf("%.1f crossings a token, %d tokens at a time, want at most %v", perToken, run, most)
		}
	}
}

// BenchmarkProcessorTimePerToken: what a token of a model with the layers of gpt-oss-20b costs the worker's thread.
//
// The layers are narrow, because what they cost the GPU does not matter here: its process runs beside. Counted is the time that the
// worker spends in Go and in what Go calls, submits among it, from an event to the return to the event loop; not what it waits.
func BenchmarkProcessorTimePerToken(b *testing.B) {
	busy := js.Global().Get("gossamer").Get("busy")
	if busy.IsUndefined() {
		b.Skip("only tools/wasmexec/chromium tells: elsewhere submits do a driver's work as well")
	}
	dir := write(b, func(c *gptoss.Config) { checkpointtest.SetLayers(c, 24) })
	m := loadDir(b, gputest.Open(b, gpu.Options{}), dir, Options{KV: F32, Context: 512})
	s := newSequence(b, m)
	tokens := text(m, 300, 1) // long enough for attention in splits, 7 dispatches a layer
	var spent float64
	decoded := 0
	for b.Loop() {
		if _, err := s.Truncate(b.Context(), 0); err != nil {
			b.Fatal(err)
		}
		extend(b, s, tokens)
		decode(b, s, 8, drawing{})
		before := busy.Invoke().Float()
		decode(b, s, 64, drawing{})
		spent += busy.Invoke().Float() - before
		decoded += 64
	}
	cost, err := m.DecodeCost(s.Len())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(spent/float64(decoded), "ms/token")
	b.ReportMetric(float64(cost.Dispatches), "dispatches/token")
}
