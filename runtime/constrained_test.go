package runtime_test

import (
	"testing"

	gossamer "gossamer/runtime"
	"gossamer/runtime/chat"
	"gossamer/runtime/nano"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
)

// BenchmarkConstrained decodes the same prompt free and under a schema, whose masks change at each token, by turns; and reports the rates,
// and how the second one is to the first.
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
			free := chat.Request{
				Messages: []chat.Message{{Role: chat.User, Content: "Go on."}}, Effort: chat.None, MaxTokens: 200,
				Sampling: &sample.Params{Temperature: 1, LogitBias: map[int32]float32{tokenizer.Return: -100, tokenizer.End: -100}},
			}
			constrained := free
			constrained.Sampling = &sample.Params{Temperature: 1}
			constrained.Format = &chat.ResponseFormat{Name: "list", Strict: true, Schema: []byte(
				`{"type":"array","minItems":60,"items":{"type":"object","properties":{"n":{"type":"integer","maximum":99},"name":{"type":"string","maxLength":12},"kind":{"enum":["red","green","blue"]}},"required":["n","name","kind"],"additionalProperties":false}}`)}
			rate := func(r chat.Request) float64 {
				reply, err := chat.Collect(e.Chat(b.Context(), r))
				if err != nil {
					b.Fatal(err)
				}
				return reply.Usage.DecodeRate
			}
			rate(constrained) // masks are made, programs compiled
			rate(free)
			var sum [2]float64
			for b.Loop() {
				sum[0] += rate(free)
				sum[1] += rate(constrained)
			}
			b.ReportMetric(sum[0]/float64(b.N), "free-tokens/s")
			b.ReportMetric(sum[1]/float64(b.N), "constrained-tokens/s")
			b.ReportMetric(sum[1]/sum[0], "constrained/free")
		})
	}
}
