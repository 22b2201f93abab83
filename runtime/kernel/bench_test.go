package kernel

import (
	"fmt"
	"slices"
	"testing"

	"gossamer/runtime/gpu"
)

// BenchmarkDecode measures the decode kernels in the shapes of gpt-oss-20b and reports the time of one dispatch and the rate at
// which it reads its weights (of attention: keys and values). On a GPU a program goes through enough different weights to find none
// of them in a cache.
func BenchmarkDecode(b *testing.B) {
	const h, inner, heads, kvHeads, dim, experts, topK, vocab = 2880, 2880, 64, 8, 64, 32, 4, 201088
	const qkvRows = (heads + 2*kvHeads) * dim
	for _, rows := range []int{1, 4, 8} {
		step := batch{rows: make([]decodeRow, rows)}
		dense := func(name string, inputs, outputs int, kernel func(r rig) func(p *gpu.Program, w *gpu.Buffer) error) {
			b.Run(fmt.Sprintf("%s/rows=%d", name, rows), func(b *testing.B) {
				r := newRig(b)
				bytes := 2 * inputs * outputs
				record := kernel(r)
				var records []func(p *gpu.Program) error
				for range r.copies(bytes) {
					w := r.zeros("w", bytes)
					records = append(records, func(p *gpu.Program) error { return record(p, w) })
				}
				r.measure(b, bytes, records)
			})
		}
		dense("qkv", h, qkvRows, func(r rig) func(p *gpu.Program, w *gpu.Buffer) error {
			k, err := NewQKVDecode(r.dev, QKVConfig{Rows: rows, Hidden: h, Heads: heads, KVHeads: kvHeads, HeadDim: dim, NormEps: testEps, Tables: step.tables(), KVF16: true})
			r.must(err)
			r.t.Cleanup(k.Release)
			a := QKVArgs{
				Step: step.step(r), X: r.zeros("x", 4*rows*h), Vectors: r.zeros("vectors", 2*(h+qkvRows)), Rope: r.zeros("rope", 4*dim),
				Q: r.zeros("q", 4*rows*heads*dim), K: r.zeros("k", 2*2*rows*testPage*kvHeads*dim), V: r.zeros("v", 2*2*rows*testPage*kvHeads*dim),
			}
			return func(p *gpu.Program, w *gpu.Buffer) error {
				a.W = w
				return k.Record(p, Shard{0, qkvRows}, a)
			}
		})
		dense("out", heads*dim, h, func(r rig) func(p *gpu.Program, w *gpu.Buffer) error {
			k, err := NewOutDecode(r.dev, OutConfig{Rows: rows, Hidden: h, Inputs: heads * dim})
			r.must(err)
			r.t.Cleanup(k.Release)
			a := OutArgs{A: r.zeros("a", 4*rows*heads*dim), Vectors: r.zeros("vectors", 2*h), X: r.zeros("x", 4*rows*h)}
			return func(p *gpu.Program, w *gpu.Buffer) error {
				a.W = w
				return k.Record(p, Shard{0, h}, a)
			}
		})
		dense("router", h, experts, func(r rig) func(p *gpu.Program, w *gpu.Buffer) error {
			k, err := NewRouterDecode(r.dev, RouterConfig{Rows: rows, Hidden: h, Experts: experts, NormEps: testEps})
			r.must(err)
			r.t.Cleanup(k.Release)
			a := RouterArgs{X: r.zeros("x", 4*rows*h), Vectors: r.zeros("vectors", 2*(h+experts)), Logits: r.zeros("logits", 4*rows*experts), T: r.zeros("t", 4*rows*h)}
			return func(p *gpu.Program, w *gpu.Buffer) error {
				a.W = w
				return k.Record(p, Shard{0, experts}, a)
			}
		})
		dense("unembed", h, vocab/16, func(r rig) func(p *gpu.Program, w *gpu.Buffer) error {
			k, err := NewUnembedDecode(r.dev, UnembedConfig{Rows: rows, Hidden: h, Vocab: vocab / 16, NormEps: testEps})
			r.must(err)
			r.t.Cleanup(k.Release)
			a := UnembedArgs{X: r.zeros("x", 4*rows*h), Norm: r.zeros("norm", 2*h), Logits: r.zeros("logits", 4*rows*vocab/16)}
			return func(p *gpu.Program, w *gpu.Buffer) error {
				a.W = w
				return k.Record(p, Shard{0, vocab / 16}, a)
			}
		})
		// Eight experts a buffer, so that two dispatches go through all of it.
		const perBuffer = 8
		b.Run(fmt.Sprintf("gate_up/rows=%d", rows), func(b *testing.B) {
			r := newRig(b)
			k, err := NewGateUpDecode(r.dev, GateUpConfig{Rows: rows, Hidden: h, Intermediate: inner, Experts: perBuffer, TopK: topK, Limit: 7, Alpha: 1.702})
			r.must(err)
			b.Cleanup(k.Release)
			bytes := topK * 2 * inner * h * 17 / 32
			a := GateUpArgs{
				Step: step.step(r), T: r.zeros("t", 4*rows*h), Bias: r.zeros("bias", perBuffer*4*inner),
				H: r.zeros("h", 4*rows*topK*inner), Sel: r.zeros("sel", 8*rows*topK),
			}
			var records []func(p *gpu.Program) error
			for i := range r.copies(bytes) {
				a := a
				a.Blocks, a.Scales = r.zeros("blocks", perBuffer*inner*h), r.zeros("scales", perBuffer*2*inner*h/32)
				likely := float32(1 - 2*(i%2))
				a.Logits = r.floats("logits", slices.Repeat([]float32{0, 0, 0, 0, likely, likely, likely, likely}, rows))
				records = append(records, func(p *gpu.Program) error { return k.Record(p, Shard{0, perBuffer}, a) })
			}
			r.measure(b, bytes, records)
		})
		b.Run(fmt.Sprintf("down/rows=%d", rows), func(b *testing.B) {
			r := newRig(b)
			k, err := NewDownDecode(r.dev, DownConfig{Rows: rows, Hidden: h, Intermediate: inner, TopK: topK})
			r.must(err)
			b.Cleanup(k.Release)
			bytes := topK * h * inner * 17 / 32
			a := DownArgs{
				Step: step.step(r), H: r.zeros("h", 4*rows*topK*inner), Bias: r.zeros("bias", topK*2*h), X: r.zeros("x", 4*rows*h),
				Sel: r.words("sel", slices.Repeat([]uint32{0, 0, 1, 0, 2, 0, 3, 0}, rows)),
			}
			var records []func(p *gpu.Program) error
			for range r.copies(bytes) {
				a := a
				a.Blocks, a.Scales = r.zeros("blocks", topK*h*inner/2), r.zeros("scales", topK*h*inner/32)
				records = append(records, func(p *gpu.Program) error { return k.Record(p, Shard{0, topK}, a) })
			}
			r.measure(b, bytes, records)
		})
		for _, positions := range []int{128, 1024, 8192} {
			splits := map[int]int{128: 1, 1024: 16, 8192: 32}[positions]
			b.Run(fmt.Sprintf("attn%d/rows=%d", positions, rows), func(b *testing.B) {
				r := newRig(b)
				at := batch{rows: make([]decodeRow, rows), kvHeads: kvHeads, headDim: dim, f16: true}
				for i := range at.rows {
					at.rows[i].position = positions - 1
				}
				c := AttnConfig{Rows: rows, Heads: heads, KVHeads: kvHeads, HeadDim: dim, Splits: splits, Window: 128, Tables: at.tables(), KVF16: true}
				k, err := NewAttnDecode(r.dev, c)
				r.must(err)
				b.Cleanup(k.Release)
				reduce, err := NewAttnReduce(r.dev, c)
				r.must(err)
				b.Cleanup(reduce.Release)
				bytes := rows * positions * 2 * 2 * kvHeads * dim
				a := AttnArgs{Step: at.step(r), Q: r.zeros("q", 4*rows*heads*dim), Vectors: r.zeros("vectors", 2*heads), Out: r.zeros("out", 4*c.ResultFloats())}
				out := r.zeros("a", 4*rows*heads*dim)
				var records []func(p *gpu.Program) error
				for range r.copies(bytes) {
					a := a
					a.K, a.V = r.zeros("k", 4*at.arenaWords()), r.zeros("v", 4*at.arenaWords())
					records = append(records, func(p *gpu.Program) error {
						if err := k.Record(p, a); err != nil || splits == 1 {
							return err
						}
						return reduce.Record(p, AttnReduceArgs{Partials: a.Out, Vectors: a.Vectors, A: out})
					})
				}
				r.measure(b, bytes, records)
			})
		}
	}
}

// BenchmarkExpertsOfRows measures the kernels over experts in the shape of gpt-oss-20b, for rows that choose at random: those that read an
// expert for each row that chose it, and those that read it once. The rate is that of the bytes that the latter read.
func BenchmarkExpertsOfRows(b *testing.B) {
	const h, inner, experts, topK = 2880, 2880, 32, 4
	r := newRig(b)
	if r.dev.Caps().MaxBindingBytes < experts*inner*h {
		b.Skip("the device can't bind the experts of a layer")
	}
	whole := Shard{0, experts}
	for _, rows := range []int{2, 4, 8, 16, 32} {
		l := batchLists(rows, experts, topK, 0)
		choices := l.selections(1, rows)
		logits := make([]float32, rows*experts)
		for row, of := range choices {
			for _, e := range of {
				logits[row*experts+e] = 1
			}
		}
		gateUpConfig := GateUpRowsConfig{Hidden: h, Intermediate: inner, Limit: 7, Alpha: 1.702, Lists: l}
		downConfig := DownRowsConfig{Hidden: h, Intermediate: inner, Lists: l}
		step := batch{rows: make([]decodeRow, rows)}
		bench := func(name string, bytes int64, kernel func(r rig) func(p *gpu.Program) error) {
			b.Run(fmt.Sprintf("%s/rows=%d", name, rows), func(b *testing.B) {
				r := rig{b, r.dev}
				r.measure(b, int(bytes), []func(p *gpu.Program) error{kernel(r)})
			})
		}
		lists := func(r rig) *gpu.Buffer { return r.words("lists", l.words(l.listsOf(choices))) }
		bench("route_rows", int64(4*len(logits)), func(r rig) func(p *gpu.Program) error {
			k, err := NewRouteRows(r.dev, l)
			r.must(err)
			r.t.Cleanup(k.Release)
			a := RouteRowsArgs{
				Step: step.step(r), Logits: r.floats("logits", logits), Sel: r.zeros("sel", 8*l.Rows*l.TopK), Lists: r.zeros("lists", int(l.Bytes())),
			}
			return func(p *gpu.Program) error { return k.Record(p, a) }
		})
		bench("gate_up_rows", gateUpConfig.WeightBytes(choices), func(r rig) func(p *gpu.Program) error {
			k, err := NewGateUpRows(r.dev, gateUpConfig)
			r.must(err)
			r.t.Cleanup(k.Release)
			a := GateUpRowsArgs{
				Lists: lists(r), T: r.zeros("t", 4*rows*h), Blocks: r.zeros("blocks", experts*inner*h), Scales: r.zeros("scales", experts*2*inner*h/32),
				Bias: r.zeros("bias", experts*4*inner), H: r.zeros("h", 4*l.Rows*l.TopK*inner),
			}
			return func(p *gpu.Program) error { return k.Record(p, whole, a) }
		})
		bench("gate_up_decode", gateUpConfig.WeightBytes(choices), func(r rig) func(p *gpu.Program) error {
			k, err := NewGateUpDecode(r.dev, GateUpConfig{Rows: rows, Hidden: h, Intermediate: inner, Experts: experts, TopK: topK, Limit: 7, Alpha: 1.702})
			r.must(err)
			r.t.Cleanup(k.Release)
			a := GateUpArgs{
				Step: step.step(r), Logits: r.floats("logits", logits), T: r.zeros("t", 4*rows*h), Blocks: r.zeros("blocks", experts*inner*h),
				Scales: r.zeros("scales", experts*2*inner*h/32), Bias: r.zeros("bias", experts*4*inner), H: r.zeros("h", 4*l.Rows*l.TopK*inner),
				Sel: r.zeros("sel", 8*l.Rows*l.TopK),
			}
			return func(p *gpu.Program) error { return k.Record(p, whole, a) }
		})
		bench("down_rows", downConfig.WeightBytes(choices), func(r rig) func(p *gpu.Program) error {
			k, err := NewDownRows(r.dev, downConfig)
			r.must(err)
			r.t.Cleanup(k.Release)
			a := DownRowsArgs{
				Lists: lists(r), H: r.zeros("h", 4*l.Rows*l.TopK*inner), Blocks: r.zeros("blocks", experts*h*inner/2),
				Scales: r.zeros("scales", experts*h*inner/32), Bias: r.zeros("bias", experts*2*h), Y: r.zeros("y", 4*l.Rows*l.TopK*h),
			}
			return func(p *gpu.Program) error { return k.Record(p, whole, a) }
		})
		bench("combine_rows", int64(4*l.Rows*l.TopK*h), func(r rig) func(p *gpu.Program) error {
			k, err := NewCombineRows(r.dev, CombineConfig{Hidden: h, TopK: topK})
			r.must(err)
			r.t.Cleanup(k.Release)
			a := CombineRowsArgs{
				Step: step.step(r), Sel: r.zeros("sel", 8*l.Rows*l.TopK), Y: r.zeros("y", 4*l.Rows*l.TopK*h), X: r.zeros("x", 4*rows*h),
			}
			return func(p *gpu.Program) error { return k.Record(p, rows, a) }
		})
		bench("down_decode", downConfig.WeightBytes(choices), func(r rig) func(p *gpu.Program) error {
			k, err := NewDownDecode(r.dev, DownConfig{Rows: rows, Hidden: h, Intermediate: inner, TopK: topK})
			r.must(err)
			r.t.Cleanup(k.Release)
			var sel []uint32
			for _, w := range selWords(choices) {
				if w == poison {
					w = 0
				}
				sel = append(sel, w)
			}
			a := DownArgs{
				Step: step.step(r), Sel: r.words("sel", sel), H: r.zeros("h", 4*l.Rows*l.TopK*inner), Blocks: r.zeros("blocks", experts*h*inner/2),
				Scales: r.zeros("scales", experts*h*inner/32), Bias: r.zeros("bias", experts*2*h), X: r.zeros("x", 4*rows*h),
			}
			return func(p *gpu.Program) error { return k.Record(p, whole, a) }
		})
	}
}

// copies is how many different sets of weights of that size a program goes through.
func (r rig) copies(bytes int) int {
	if r.dev.Caps().Adapter.CPU() {
		return 1
	}
	return min(max(1, (1<<30)/bytes), 64)
}

// zeros returns a buffer that is not written: it starts as zeros.
func (r rig) zeros(label string, bytes int) *gpu.Buffer {
	r.t.Helper()
	buf, err := r.dev.NewBuffer(label, int64((bytes+15)/16*16), gpu.Storage)
	r.must(err)
	r.t.Cleanup(buf.Release)
	return buf
}

// measure replays a program of records, each of which reads bytes. A submit holds it several times, so that the wait counts for little.
func (r rig) measure(b *testing.B, bytes int, records []func(p *gpu.Program) error) {
	b.Helper()
	p := r.program(func(p *gpu.Program) error {
		for _, record := range records {
			if err := record(p); err != nil {
				return err
			}
		}
		return nil
	})
	r.must(r.dev.Submit(b.Context(), p)) // compiles
	r.must(r.dev.Wait(b.Context()))
	n := 0
	for b.Loop() {
		r.must(r.dev.Submit(b.Context(), p, p, p, p))
		r.must(r.dev.Wait(b.Context()))
		n += 4 * len(records)
	}
	perDispatch := b.Elapsed().Seconds() / float64(n)
	b.ReportMetric(perDispatch*1e6, "us/dispatch")
	b.ReportMetric(float64(bytes)/perDispatch/1e9, "GB/s")
	b.ReportMetric(0, "ns/op")
}
