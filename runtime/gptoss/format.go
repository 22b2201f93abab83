package gptoss

import (
	"encoding/json"
	"fmt"
)

// FormatConfig writes a configuration as config.json in Hugging Face's form, several EOS ids as a list. ParseConfig reads it
// back.
func FormatConfig(c *Config) ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	types := make([]string, len(c.Sliding))
	for n, sliding := range c.Sliding {
		types[n] = "full_attention"
		if sliding {
			types[n] = "sliding_attention"
		}
	}
	m := map[string]any{
		"architectures": []string{"GptOssForCausalLM"}, "model_type": "gpt_oss", "hidden_act": "silu", "attention_bias": true,
		"tie_word_embeddings": false, "quantization_config": map[string]any{"quant_method": "mxfp4"},
		"num_hidden_layers": c.Layers, "hidden_size": c.Hidden, "intermediate_size": c.Intermediate,
		"num_attention_heads": c.Heads, "num_key_value_heads": c.KVHeads, "head_dim": c.HeadDim,
		"num_local_experts": c.Experts, "num_experts_per_tok": c.TopK, "experts_per_token": c.TopK, "vocab_size": c.Vocab,
		"max_position_embeddings": c.MaxPositions, "initial_context_length": c.Rope.OriginalContext,
		"sliding_window": c.Window, "layer_types": types,
		"rms_norm_eps": c.NormEps, "swiglu_limit": c.SwiGLULimit, "swiglu_alpha": c.SwiGLUAlpha,
		"rope_theta": c.Rope.Theta, "rope_scaling": map[string]any{
			"rope_type": "yarn", "factor": c.Rope.Factor, "beta_fast": c.Rope.BetaFast, "beta_slow": c.Rope.BetaSlow,
			"original_max_position_embeddings": c.Rope.OriginalContext, "truncate": false,
		},
	}
	switch len(c.EOS) {
	case 0:
	case 1:
		m["eos_token_id"] = c.EOS[0]
	default:
		m["eos_token_id"] = c.EOS
	}
	if c.Pad >= 0 {
		m["pad_token_id"] = c.Pad
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("gptoss: config.json: %w", err)
	}
	return data, nil
}
