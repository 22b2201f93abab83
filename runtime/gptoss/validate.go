package gptoss

import (
	"fmt"
	"math"
)

// Bounds that keep every product of two dimensions far inside int64 and every kernel inside what it was tested for.
const (
	maxLayers = 1 << 10
	maxDim    = 1 << 20
)

// maxModelBytes bounds the weights as a whole: sixteen times gpt-oss-120b's. A larger model than this is a damaged configuration.
const maxModelBytes = 1 << 40

// Validate checks what the formats and the kernels rely on. The error names the field as config.json does.
func (c *Config) Validate() error {
	type check struct {
		field string
		value int
		min   int
		max   int
	}
	for _, k := range []check{
		{"num_hidden_layers", c.Layers, 1, maxLayers},
		{"hidden_size", c.Hidden, 32, maxDim},
		{"intermediate_size", c.Intermediate, 32, maxDim},
		{"num_attention_heads", c.Heads, 1, 1 << 12},
		{"num_key_value_heads", c.KVHeads, 1, 1 << 12},
		{"head_dim", c.HeadDim, 8, 256},
		{"num_local_experts", c.Experts, 1, 1 << 12},
		{"num_experts_per_tok", c.TopK, 1, 64},
		{"vocab_size", c.Vocab, 2, 1 << 24},
		{"sliding_window", c.Window, 1, maxDim},
		{"max_position_embeddings", c.MaxPositions, 1, 1 << 24},
		{"rope_scaling.original_max_position_embeddings", c.Rope.OriginalContext, 1, 1 << 24},
	} {
		if k.value < k.min || k.value > k.max {
			return fmt.Errorf("gptoss: config.json: %s is %d, want %d to %d", k.field, k.value, k.min, k.max)
		}
	}
	for _, k := range []struct {
		field string
		value int
		of    int
		why   string
	}{
		{"hidden_size", c.Hidden, 32, "MXFP4 blocks hold 32 values"},
		{"intermediate_size", c.Intermediate, 32, "MXFP4 blocks hold 32 values"},
		{"head_dim", c.HeadDim, 8, "heads are read 8 values at a time"},
		{"num_attention_heads", c.Heads, c.KVHeads, "query heads share KV heads evenly"},
	} {
		if k.value%k.of != 0 {
			return fmt.Errorf("gptoss: config.json: %s is %d, want a multiple of %d (%s)", k.field, k.value, k.of, k.why)
		}
	}
	if c.TopK > c.Experts {
		return fmt.Errorf("gptoss: config.json: num_experts_per_tok is %d, more than num_local_experts %d", c.TopK, c.Experts)
	}
	if len(c.Sliding) != c.Layers {
		return fmt.Errorf("gptoss: config.json: layer_types has %d entries for num_hidden_layers %d", len(c.Sliding), c.Layers)
	}
	for _, k := range []struct {
		field string
		value float64
	}{
		{"rms_norm_eps", c.NormEps},
		{"swiglu_limit", c.SwiGLULimit},
		{"swiglu_alpha", c.SwiGLUAlpha},
		{"rope_theta", c.Rope.Theta},
		{"rope_scaling.factor", c.Rope.Factor},
		{"rope_scaling.beta_fast", c.Rope.BetaFast},
		{"rope_scaling.beta_slow", c.Rope.BetaSlow},
	} {
		if !(k.value > 0) || math.IsInf(k.value, 0) {
			return fmt.Errorf("gptoss: config.json: %s is %v, want a positive number", k.field, k.value)
		}
	}
	if c.Rope.Theta <= 1 {
		return fmt.Errorf("gptoss: config.json: rope_theta is %v, want more than 1", c.Rope.Theta)
	}
	if c.Rope.Factor > 1 && c.Rope.BetaFast <= c.Rope.BetaSlow {
		return fmt.Errorf("gptoss: config.json: rope_scaling.beta_fast %v is not above beta_slow %v", c.Rope.BetaFast, c.Rope.BetaSlow)
	}
	// The reference asserts this; other implementations clamp the ramp, each in its own way.
	if low, high := c.ropeRamp(); c.Rope.Factor > 1 && !(0 < low && low < high && high < float64(c.HeadDim/2-1)) {
		return fmt.Errorf("gptoss: config.json: rope_scaling.beta_fast %v and beta_slow %v interpolate pairs %.4g to %.4g, want a range inside 0 to %d", c.Rope.BetaFast, c.Rope.BetaSlow, low, high, c.HeadDim/2-1)
	}
	return c.validateSize()
}

// validateSize checks the ids, and what the sizes amount to, each of which is within its bounds.
func (c *Config) validateSize() error {
	for _, id := range c.EOS {
		if id < 0 || int(id) >= c.Vocab {
			return fmt.Errorf("gptoss: config.json: eos_token_id %d is outside vocab_size %d", id, c.Vocab)
		}
	}
	if c.Pad < -1 || int(c.Pad) >= c.Vocab {
		return fmt.Errorf("gptoss: config.json: pad_token_id %d is outside vocab_size %d", c.Pad, c.Vocab)
	}
	total := int64(0)
	for _, t := range c.Tensors() {
		if total += t.Bytes(); total > maxModelBytes {
			return fmt.Errorf("gptoss: config.json: a model of these sizes has more than %d GB of weights: the file is damaged, download it again", int64(maxModelBytes)/1e9)
		}
	}
	return nil
}
