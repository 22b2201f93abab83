package runtime_test

import (
	"testing"

	gossamer "gossamer/runtime"
	"gossamer/runtime/chat"
	"gossamer/runtime/engine"
	"gossamer/runtime/model"
	"gossamer/runtime/nano"
	"gossamer/runtime/sample"
)

// BenchmarkConstrained decodes the same prompt free, as fast as it goes, and under a schema, whose masks change at each token, by turns. It
// reports the rates, how the second one is to the first, and the submits of each.
func BenchmarkConstrained(b *testing.B) {
	for _, backend := range []gossamer.Backend{gossamer.CPU, gossamer.WebGPU} {
		b.Run(string(backend), func(b *testing.B) {
			ck, err := nano.Checkpoint()
			if err != nil {
				b.Fatal(err)
			}
			e, err := gossamer.Open(b.Context(), "nano", gossamer.Options{Backend: backend, Checkpoint: ck})
			if err != nil {
				b.Skip(err)
			}
			defer e.Close()
			r := chat.Request{
				Messages: []chat.Message{{Role: chat.User, Content: "Go on."}}, Effort: chat.None,
				Format: &chat.ResponseFormat{Name: "list", Strict: true, Schema: []byte(
					`{"type":"array","minItems":60,"items":{"type":"object","properties":{"n":{"type":"integer","maximum":99},"name":{"type":"string","maxLength":12},"kind":{"enum":["red","green","blue"]}},"required":["n","name","kind"],"additionalProperties":false}}`)},
			}
			prompt, err := e.Prompt(b.Context(), r)
			if err != nil {
				b.Fatal(err)
			}
			submits := func() int64 {
				if m, ok := e.Backend().(*model.Model); ok {
					return m.Device().Stats().Submits
				}
				return 0
			}
			var rates, perToken [2]float64 // free, constrained
			run := func(i int) {
				request := engine.Request{Tokens: prompt, MaxTokens: 200, Sampling: sample.Params{Temperature: 1}} // nothing stops it
				if i == 1 {
					if request.Constraint, _, err = e.Constraint(b.Context(), r); err != nil {
						b.Fatal(err)
					}
				}
				before := submits()
				result, err := e.Generate(b.Context(), request, func(engine.Token) bool { return true })
				if err != nil {
					b.Fatal(err)
				}
				rates[i] += result.Stats.DecodeRate()
				perToken[i] += float64(submits()-before) / float64(result.Stats.GeneratedTokens)
			}
			run(1) // masks are made, programs compiled
			run(0)
			rates, perToken = [2]float64{}, [2]float64{}
			for b.Loop() {
				run(0)
				run(1)
			}
			n := float64(b.N)
			b.ReportMetric(rates[0]/n, "free-tokens/s")
			b.ReportMetric(rates[1]/n, "constrained-tokens/s")
			b.ReportMetric(rates[1]/rates[0], "constrained/free")
			b.ReportMetric(perToken[0]/n, "free-submits/token")
			b.ReportMetric(perToken[1]/n, "constrained-submits/token")
		})
	}
}
