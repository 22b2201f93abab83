package main

import (
	"fmt"
	"strings"

	gossamer "gossamer/runtime"
	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/random"
	"gossamer/runtime/gptoss"
)

// modelFootprint is what a published model takes of a device's memory, in bytes.
type modelFootprint struct {
	Model    string `json:"model"`
	Weights  int64  `json:"weight_bytes"`
	PerToken int64  `json:"kv_bytes_per_token"` // f16, full layers; sliding layers take a fixed part
	Usual    int64  `json:"bytes_with_8192_tokens"`
	Whole    int64  `json:"bytes_with_131072_tokens"`
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
func randomModel(name string) (*checkpoint.Checkpoint, error) {
	var names []string
	for _, m := range publishedModels() {
		if m.name == name {
			c, err := m.config()
			if err != nil {
				return nil, err
			}
			return checkpoint.Generated(c, func(p []byte, t gptoss.TensorSpec, off int64) { random.Fill(p, c, t, 1, off) }), nil
		}
		names = append(names, m.name)
	}
	return nil, usagef("--random %q, want %s", name, strings.Join(names, " or "))
}

// publishedFootprints are those of the published models with the default options, on a device with the limits that each has.
func publishedFootprints() ([]modelFootprint, error) {
	var footprints []modelFootprint
	for _, m := range publishedModels() {
		c, err := m.config()
		if err != nil {
			return nil, err
		}
		usual, err := gossamer.GPUMemory(c, usualContext)
		if err != nil {
			return nil, err
		}
		whole, err := gossamer.GPUMemory(c, c.MaxPositions)
		if err != nil {
			return nil, err
		}
		footprints = append(footprints, modelFootprint{
			Model: m.name, Weights: usual.Weights, PerToken: usual.PerToken,
			Usual: usual.Weights + usual.KV + usual.Scratch, Whole: whole.Weights + whole.KV + whole.Scratch,
		})
	}
	return footprints, nil
}
