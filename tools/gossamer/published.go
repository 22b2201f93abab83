package main

import (
	"fmt"
	"strings"

	"gossamer/runtime/gptoss"
	"gossamer/runtime/weights"
	"gossamer/runtime/weights/random"
)

// modelBill is what a published model takes of a device's memory, in bytes.
type modelBill struct {
	Model    string `json:"model"`
	Weights  int64  `json:"weight_bytes"`
	PerToken int64  `json:"kv_bytes_per_token"` // f16, full layers; sliding layers take a fixed part
}

// publishedConfig is config.json of the published models, as far as we read it, with the layers and experts of one of them.
const publishedConfig = `{"model_type": "gpt_oss", "num_hidden_layers": %d, "num_local_experts": %d, "hidden_size": 2880,
"intermediate_size": 2880, "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64, "num_experts_per_tok": 4,
"vocab_size": 201088, "max_position_embeddings": 131072, "sliding_window": 128, "swiglu_limit": 7.0, "rope_theta": 150000,
"rope_scaling": {"rope_type": "yarn", "factor": 32.0, "original_max_position_embeddings": 4096}}`

// publishedModels are the published models, by what they differ in.
func publishedModels() []publishedModel {
	return []publishedModel{{"gpt-oss-20b", 24, 32}, {"gpt-oss-120b", 36, 128}}
}

type publishedModel struct {
	name            string
	layers, experts int
}

func (m publishedModel) config() (*gptoss.Config, error) {
	return gptoss.ParseConfig(fmt.Appendf(nil, publishedConfig, m.layers, m.experts))
}

// randomModel is a checkpoint of a published model's shape with random weights.
func randomModel(name string) (*weights.Checkpoint, error) {
	var names []string
	for _, m := range publishedModels() {
		if m.name == name {
			c, err := m.config()
			if err != nil {
				return nil, err
			}
			return weights.Generated(c, func(p []byte, t gptoss.TensorSpec, off int64) { random.Fill(p, c, t, 1, off) }), nil
		}
		names = append(names, m.name)
	}
	return nil, usagef("--random %q, want %s", name, strings.Join(names, " or "))
}

func publishedBills() ([]modelBill, error) {
	var bills []modelBill
	for _, m := range publishedModels() {
		c, err := m.config()
		if err != nil {
			return nil, err
		}
		b := modelBill{Model: m.name, PerToken: int64(c.Layers-c.SlidingLayers()) * 2 * int64(c.KVDim()) * 2}
		for _, t := range c.Tensors() {
			b.Weights += t.Bytes()
		}
		bills = append(bills, b)
	}
	return bills, nil
}
