package model

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/goldentest"
	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/runtime/kv"
)

// load opens a golden case's model on the test device.
func load(t testing.TB, c *goldentest.Case, o Options) *Model {
	t.Helper()
	return loadDir(t, gputest.Open(t, gpu.Options{}), c.ModelDir(t), o)
}

// TestGolden compares everything that the reference data gives with exact keys and values; a model is loaded once.
func TestGolden(t *testing.T) {
	for _, name := range goldentest.Models {
		t.Run(name, func(t *testing.T) {
			c := goldentest.Load(t, name)
			m := load(t, c, Options{KV: F32})
			for i := range c.Prompts {
				t.Run(fmt.Sprintf("Prompt%d", i), func(t *testing.T) { goldenPrompt(t, m, &c.Prompts[i]) })
			}
			t.Run("Traces", func(t *testing.T) { goldenTraces(t, m, c) })
			t.Run("Greedy", func(t *testing.T) { goldenGreedy(t, m, c) })
			if c.Long != nil {
				t.Run("Long", func(t *testing.T) { goldenLong(t, m, c.Long) })
			}
		})
	}
}

// TestGoldenOnLesserDevices: without subgroups, and where bindings are small, the numbers are as good. TestShardedModelComputesTheSame
// divides what these models have too little of.
func TestGoldenOnLesserDevices(t *testing.T) {
	for _, tt := range []struct {
		name   string
		model  string
		device gpu.Options
		parts  int // of the embedding
	}{
		{"NoSubgroups", "gqa_window8", gpu.Options{NoSubgroups: true, NoF16: true}, 1},
		{"Bindings128MiB", "full_vocab", gpu.Options{MaxBindingBytes: 128 << 20}, 1},
		{"Bindings1MiB", "full_vocab", gpu.Options{MaxBindingBytes: 1 << 20, NoSubgroups: true, NoF16: true}, 25},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := goldentest.Load(t, tt.model)
			m := loadDir(t, gputest.Open(t, tt.device), c.ModelDir(t), Options{KV: F32, Context: 256})
			if v := m.dev.Caps().Variant; tt.device.NoSubgroups && v.Subgroups {
				t.Errorf("the device has subgroups: %+v", v)
			}
			if got := len(m.buffers.embedding); got != tt.parts {
				t.Errorf("the embedding is in %d parts, want %d", got, tt.parts)
			}
			for i := range c.Prompts {
				t.Run(fmt.Sprintf("Prompt%d", i), func(t *testing.T) { goldenPrompt(t, m, &c.Prompts[i]) })
			}
			t.Run("Greedy", func(t *testing.T) { goldenGreedy(t, m, c) })
		})
	}
}

func goldenPrompt(t *testing.T, m *Model, p *goldentest.Prompt) {
	var d goldentest.Difference
	for i, row := range rows(t, newSequence(t, m), p.Tokens, upTo(len(p.Tokens))) {
		d.Add(&p.Want, i, row)
	}
	d.Check(t, goldentest.Float32)
	t.Logf("%d rows: rms over std %.2g, max %.2g", d.Rows(), d.RMSOverStd(), d.Max)
}

// goldenGreedy generates on the device, from the key/value cache: first token by token, with a look at the logits.
func goldenGreedy(t *testing.T, m *Model, c *goldentest.Case) {
	prompt := c.Prompts[len(c.Prompts)-1].Tokens
	s := newSequence(t, m)
	extend(t, s, prompt)
	var d goldentest.Difference
	for i, id := range c.Greedy.Tokens[:min(len(c.Greedy.Tokens), 1<<22/m.cfg.Vocab)] { // few rows of a large vocabulary
		d.Add(&c.Greedy.Want, i, logits(t, m, s))
		extend(t, s, []int32{id})
	}
	d.Check(t, goldentest.Float32)
	if _, err := s.Truncate(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	extend(t, s, prompt)
	if got := decode(t, s, len(c.Greedy.Tokens), drawing{}); !slices.Equal(got, c.Greedy.Tokens) {
		t.Errorf("got %v, want %v", got, c.Greedy.Tokens)
	}
}

// goldenLong runs 4,500 tokens: past the original context of 4,096, many times the window, through many chunks.
func goldenLong(t *testing.T, m *Model, l *goldentest.Long) {
	if testing.Short() {
		t.Skip("-short leaves out the text of 4,500 tokens")
	}
	var d goldentest.Difference
	for i, row := range rows(t, newSequence(t, m), l.Tokens, l.Positions) {
		d.Add(&l.Want, i, row)
	}
	d.Check(t, goldentest.Float32Long)
	t.Logf("%d rows: rms over std %.2g, max %.2g", d.Rows(), d.RMSOverStd(), d.Max)
}

// TestGoldenF16Cache: keys and values of 11 bits move logits by about 2^-12 of their spread as long as every router chooses the
// same experts. Behind the first close choice (a gap below 0.02) another expert may be taken, which costs some percent.
func TestGoldenF16Cache(t *testing.T) {
	for _, name := range goldentest.Models {
		c := goldentest.Load(t, name)
		m := load(t, c, Options{})
		for i := range c.Prompts {
			t.Run(fmt.Sprintf("%s/prompt%d", name, i), func(t *testing.T) {
				p := &c.Prompts[i]
				clear := clearChoices(p, 0.02)
				var before, after goldentest.Difference
				for i, row := range rows(t, newSequence(t, m), p.Tokens, upTo(len(p.Tokens))) {
					if i < clear {
						before.Add(&p.Want, i, row)
					} else {
						after.Add(&p.Want, i, row)
					}
				}
				for limit, d := range map[float64]*goldentest.Difference{2e-3: &before, 0.15: &after} {
					if d.Rows() > 0 {
						d.Check(t, goldentest.Tolerance{RMSOverStd: limit, Max: math.Inf(1)})
						t.Logf("%d rows: rms over std %.2g, limit %g", d.Rows(), d.RMSOverStd(), limit)
					}
				}
			})
		}
	}
}

// clearChoices is the number of leading positions up to which every router's choice was clear: a gap of at least limit.
func clearChoices(p *goldentest.Prompt, limit float32) int {
	layers, n := p.RouterGap.Shape[0], p.RouterGap.Shape[1]
	for i := range n {
		for l := range layers {
			if p.RouterGap.Values[l*n+i] < limit {
				return i
			}
		}
	}
	return n
}

// goldenTraces compares what every stage of the prefill leaves, and wants the same experts.
func goldenTraces(t *testing.T, m *Model, c *goldentest.Case) {
	last := c.Prompts[len(c.Prompts)-1]
	got := trace(t, newSequence(t, m), last.Tokens)
	for stage, want := range last.Trace {
		if stage == "final_norm" { // a part of the unembedding kernel; the logits show it
			continue
		}
		compareTrace(t, stage, got[stage], want.Values)
		delete(got, stage)
	}
	if len(got) > 0 {
		t.Errorf("stages that the reference doesn't have: %v", slices.Sorted(maps.Keys(got)))
	}
}

// compareTrace wants a relative difference of norms of at most 1e-5: a stage adds about 1e-6 in float32, and they add up. Rotation
// by float32 angles costs about as much.
func compareTrace(t *testing.T, stage string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", stage, len(got), len(want))
		return
	}
	var square, norm float64
	for i, w := range want {
		if strings.HasSuffix(stage, "expert_index") && got[i] != w {
			t.Errorf("%s: value %d is %v, want %v", stage, i, got[i], w)
			return
		}
		d := float64(got[i]) - float64(w)
		square += d * d
		norm += float64(w) * float64(w)
	}
	if r := math.Sqrt(square / norm); !(r <= 1e-5) {
		t.Errorf("%s: relative difference %.3g", stage, r)
	}
}

// trace extends s and returns what the stages leave, by "layer0.attn_norm" and so on: [tokens][...].
func trace(t *testing.T, s *sequence, tokens []int32) map[string][]float32 {
	t.Helper()
	m, c := s.m, s.m.cfg
	class := m.prefillClass(m.chunk)
	k, err := m.programs.classKernels(class)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]float32{}
	widths := map[string]int{
		"attn_norm": c.Hidden, "q_rope": c.QDim(), "attn_heads": c.QDim(), "after_attn": c.Hidden,
		"mlp_norm": c.Hidden, "router_logits": c.Experts, "choice": 2 * c.TopK, "after_mlp": c.Hidden,
	}
	read := func(b *gpu.Buffer, first, n int) []uint32 {
		data := make([]byte, 4*n)
		if err := m.dev.Read(t.Context(), b, int64(first)*4, data); err != nil {
			t.Fatal(err)
		}
		words := make([]uint32, n)
		for i := range words {
			words[i] = binary.LittleEndian.Uint32(data[4*i:])
		}
		return words
	}
	for chunk := range slices.Chunk(tokens, m.chunk) {
		if err := m.placeChunk(s.state, chunk); err != nil {
			t.Fatal(err)
		}
		r := m.programs.prefillRecorder(m.dev.NewProgram("trace"), class, k)
		r.trace = func(layer int, stage string, b *gpu.Buffer) {
			if stage == "qkv" { // the reference has only what rope makes of it
				return
			}
			if err := m.dev.Submit(t.Context(), r.p); err != nil {
				t.Fatal(err)
			}
			r.p.Release()
			r.p = m.dev.NewProgram("trace")
			add := func(stage string, values ...float32) {
				name := fmt.Sprintf("layer%d.%s", layer, stage)
				got[name] = append(got[name], values...)
			}
			if stage == "k_rope" || stage == "v" {
				full, sliding := s.kv.Tables()
				table := full
				if c.Sliding[layer] {
					table = sliding
				}
				for i := range chunk {
					position := s.kv.Len() + i
					slot := int(table[position/kv.PageTokens])*kv.PageTokens + position%kv.PageTokens
					for _, w := range read(b, slot*c.KVDim(), c.KVDim()) {
						add(stage, math.Float32frombits(w))
					}
				}
				return
			}
			for i, w := range read(b, 0, len(chunk)*widths[stage]) {
				switch {
				case stage != "choice":
					add(stage, math.Float32frombits(w))
				case i%2 == 0:
					add("expert_index", float32(w))
				default:
					add("expert_weight", math.Float32frombits(w))
				}
			}
		}
		if err := r.layers(); err != nil {
			t.Fatal(err)
		}
		r.p.Release()
		s.append(chunk...)
	}
	return got
}

// TestLayoutsAgreeToTheBit: a checkpoint in Hugging Face's layout, in several files, and in OpenAI's layout is the same model.
func TestLayoutsAgreeToTheBit(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	c, err := checkpointtest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	c.EOS, c.Pad = nil, -1
	golden := filepath.Join(goldentest.Dir(t), "gqa_window8")
	cases := map[string][]string{"golden": {filepath.Join(golden, "model"), filepath.Join(golden, "model_original")}, "random": nil}
	for _, o := range []checkpointtest.Options{{}, {Shards: 4}, {Original: true}, {Original: true, Shards: 3}} {
		dir := t.TempDir()
		if err := checkpointtest.Write(dir, c, 3, o); err != nil {
			t.Fatal(err)
		}
		cases["random"] = append(cases["random"], dir)
	}
	for name, dirs := range cases {
		var want []float32
		for i, dir := range dirs {
			m := loadDir(t, dev, dir, Options{Context: 128})
			got := fresh(t, m, text(m, 30, 2))
			if i == 0 {
				want = got
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: layout %d of the same weights computes something else than layout 0", name, i)
			}
			m.Close()
		}
	}
}
