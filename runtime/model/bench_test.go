package model

import (
	"testing"

	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
)

// benchmarkModel is small, but its weights don't fit a cache of the first level.
func benchmarkModel(b *testing.B) *Model {
	dir := write(b, func(c *gptoss.Config) {
		c.Hidden, c.Intermediate, c.Heads, c.KVHeads, c.HeadDim, c.Experts, c.TopK, c.Vocab = 512, 512, 16, 4, 32, 8, 4, 8192
	})
	return loadDir(b, gputest.Open(b, gpu.Options{}), dir, Options{})
}

// BenchmarkDecode decodes greedily behind a short prompt.
func BenchmarkDecode(b *testing.B) {
	m := benchmarkModel(b)
	s := newSequence(b, m)
	prompt := text(m, 10, 1)
	extend(b, s, prompt)
	cost, err := m.DecodeCost(s.Len())
	if err != nil {
		b.Fatal(err)
	}
	decode(b, s, 1, drawing{}) // a software adapter compiles at the first run
	for b.Loop() {
		if s.Len() > 200 {
			b.StopTimer()
			if _, err := s.Truncate(b.Context(), 0); err != nil {
				b.Fatal(err)
			}
			extend(b, s, prompt)
			b.StartTimer()
		}
		decode(b, s, 1, drawing{})
	}
	b.ReportMetric(float64(cost.Dispatches), "dispatches/token")
	b.ReportMetric(float64(cost.WeightBytes), "weight-bytes/token")
	b.SetBytes(cost.WeightBytes)
}

// BenchmarkPrefill computes a prompt of 256 tokens.
func BenchmarkPrefill(b *testing.B) {
	m := benchmarkModel(b)
	s := newSequence(b, m)
	tokens := text(m, 256, 1)
	extend(b, s, tokens) // a software adapter compiles at the first run
	before, runs := m.dev.Stats(), 0
	for b.Loop() {
		if _, err := s.Truncate(b.Context(), 0); err != nil {
			b.Fatal(err)
		}
		extend(b, s, tokens)
		runs++
	}
	b.ReportMetric(float64(m.dev.Stats().Dispatches-before.Dispatches)/float64(runs*len(tokens)), "dispatches/token")
	b.ReportMetric(float64(runs*len(tokens))/b.Elapsed().Seconds(), "tokens/s")
}
