package checkpointtest

import (
	"encoding/json"
	"fmt"
	"reflect"

	"gossamer/runtime/gptoss"
)

// Preset returns a configuration by name: "default" is small and has no two dimensions alike, "20b" and "120b" are the published
// ones.
func Preset(name string) (*gptoss.Config, error) {
	c := &gptoss.Config{
		Layers: 24, Hidden: 2880, Intermediate: 2880, Heads: 64, KVHeads: 8, HeadDim: 64, Experts: 32, TopK: 4, Vocab: 201088,
		MaxPositions: 131072, Window: 128, NormEps: 1e-5, SwiGLULimit: 7, SwiGLUAlpha: 1.702,
		Rope: gptoss.Rope{Theta: 150000, Factor: 32, BetaFast: 32, BetaSlow: 1, OriginalContext: 4096},
		EOS:  []int32{200002, 199999, 200012}, Pad: 199999,
	}
	switch name {
	case "20b":
	case "120b":
		c.Layers, c.Experts = 36, 128
	case "default":
		c.Layers, c.Hidden, c.Intermediate, c.Heads, c.KVHeads, c.HeadDim = 3, 160, 96, 6, 2, 32
		c.Experts, c.TopK, c.Vocab, c.Window = 5, 3, 300, 16
		c.EOS, c.Pad = []int32{299}, 298
	default:
		return nil, fmt.Errorf("checkpointtest: no preset %q, want default, 20b or 120b", name)
	}
	SetLayers(c, c.Layers)
	return c, nil
}

// SetLayers changes the number of layers; as published, even ones slide.
func SetLayers(c *gptoss.Config, n int) {
	c.Layers = n
	c.Sliding = make([]bool, max(n, 0))
	for i := range c.Sliding {
		c.Sliding[i] = i%2 == 0
	}
}

// ConfigJSON is the config.json of c in Hugging Face's form. As published, it has one EOS id; the others are in
// generation_config.json.
func ConfigJSON(c *gptoss.Config) ([]byte, error) {
	one := *c
	one.EOS = c.EOS[:min(len(c.EOS), 1)]
	return gptoss.FormatConfig(&one)
}

// GenerationConfigJSON is the generation_config.json of c.
func GenerationConfigJSON(c *gptoss.Config) ([]byte, error) {
	return json.MarshalIndent(map[string]any{"do_sample": true, "eos_token_id": c.EOS}, "", "  ")
}

// OriginalConfigJSON is the config.json of c in OpenAI's form, which has no EOS and padding ids.
func OriginalConfigJSON(c *gptoss.Config) ([]byte, error) {
	return encodeConfig(c, map[string]any{
		"num_hidden_layers": c.Layers, "num_experts": c.Experts, "experts_per_token": c.TopK, "vocab_size": c.Vocab,
		"hidden_size": c.Hidden, "intermediate_size": c.Intermediate, "swiglu_limit": c.SwiGLULimit, "head_dim": c.HeadDim,
		"num_attention_heads": c.Heads, "num_key_value_heads": c.KVHeads, "sliding_window": c.Window,
		"initial_context_length": c.Rope.OriginalContext, "rope_theta": c.Rope.Theta, "rope_scaling_factor": c.Rope.Factor,
		"rope_ntk_alpha": c.Rope.BetaSlow, "rope_ntk_beta": c.Rope.BetaFast,
	}, func(want *gptoss.Config) { want.EOS, want.Pad = nil, -1 })
}

// encodeConfig encodes m and checks that it reads back as c, but for what drop removes.
func encodeConfig(c *gptoss.Config, m map[string]any, drop func(want *gptoss.Config)) ([]byte, error) {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("checkpointtest: config.json: %w", err)
	}
	parsed, err := gptoss.ParseConfig(data)
	if err != nil {
		return nil, err
	}
	want := *c
	drop(&want)
	if len(want.EOS) == 0 {
		want.EOS = nil
	}
	if !reflect.DeepEqual(parsed, &want) {
		return nil, fmt.Errorf("checkpointtest: this form of config.json cannot express the configuration: it would read back as %+v, want %+v", *parsed, want)
	}
	return data, nil
}
