package gguf

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/gptoss"
)

// What llama.cpp's graph of gpt-oss has built in, so that files need not say it.
const (
	swigluLimit = 7
	swigluAlpha = 1.702
	betaFast    = 32
	betaSlow    = 1
)

// harmonyEOS are <|return|>, <|endoftext|> and <|call|>, the EOS ids of the published generation_config.json. A GGUF file has room
// for one; llama.cpp knows the others by their names.
var harmonyEOS = []int32{200002, 199999, 200012}

// fields reads metadata; the first error stays.
type fields struct {
	values map[string]any
	err    error
}

// one is a value; of an array with an element for each layer, what all of them are.
func (f *fields) one(key string) any {
	v := f.values[key]
	if all, ok := v.([]any); ok && len(all) > 0 {
		if slices.ContainsFunc(all, func(e any) bool { return e != all[0] }) {
			return nil
		}
		return all[0]
	}
	return v
}

func (f *fields) integer(key string) int {
	v, ok := f.one(key).(int64)
	if !ok || v < 0 || v > 1<<40 {
		f.fail(key)
	}
	return int(v)
}

// token reads an id; -1 without the key.
func (f *fields) token(key string) int32 {
	if _, ok := f.values[key]; !ok {
		return -1
	}
	v := f.integer(key)
	if v > math.MaxInt32 {
		f.fail(key)
	}
	return int32(v)
}

func (f *fields) float(key string) float64 {
	v, ok := f.one(key).(float64)
	if !ok {
		f.fail(key)
	}
	return v
}

func (f *fields) orFloat(key string, otherwise float64) float64 {
	if _, ok := f.values[key]; !ok {
		return otherwise
	}
	return f.float(key)
}

func (f *fields) fail(key string) {
	if f.err != nil {
		return
	}
	if v, ok := f.values[key].([]any); ok && len(v) > 0 && f.one(key) == nil {
		f.err = fmt.Errorf("metadata %s differs from layer to layer, gpt-oss has the same in all: this is another model", key)
		return
	}
	f.err = fmt.Errorf("metadata %s is %s: convert the model with a current llama.cpp", key, shown(f.values[key]))
}

// shown is a value in a message.
func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return "missing"
	case string:
		return fmt.Sprintf("%.100q", v)
	case []any:
		return fmt.Sprintf("an array of %d elements", len(v))
	}
	return fmt.Sprint(v)
}

// config is the configuration that the metadata describes.
func (h *header) config() (c *gptoss.Config, err error) {
	switch arch := h.values["general.architecture"]; arch {
	case "gpt-oss":
	case "gptoss":
		return nil, errors.New("the file is in Ollama's form: use one in llama.cpp's, or the published safetensors")
	default:
		return nil, fmt.Errorf("general.architecture is %s, only gpt-oss is supported", shown(arch))
	}
	if kind := h.values["gpt-oss.rope.scaling.type"]; kind != "yarn" {
		return nil, fmt.Errorf("metadata gpt-oss.rope.scaling.type is %s, only yarn is supported", shown(kind))
	}
	f := &fields{values: h.values}
	key := func(name string) string { return prefix + name }
	c = &gptoss.Config{
		Layers: f.integer(key("block_count")), Hidden: f.integer(key("embedding_length")), Intermediate: f.integer(key("expert_feed_forward_length")),
		Heads: f.integer(key("attention.head_count")), KVHeads: f.integer(key("attention.head_count_kv")), HeadDim: f.integer(key("attention.key_length")),
		Experts: f.integer(key("expert_count")), TopK: f.integer(key("expert_used_count")), MaxPositions: f.integer(key("context_length")),
		Window:      f.integer(key("attention.sliding_window")),
		NormEps:     f.float(key("attention.layer_norm_rms_epsilon")),
		SwiGLULimit: swigluLimit, SwiGLUAlpha: swigluAlpha,
		Rope: gptoss.Rope{
			Theta: f.float(key("rope.freq_base")), Factor: f.float(key("rope.scaling.factor")),
			BetaFast: f.orFloat(key("rope.scaling.yarn_beta_fast"), betaFast), BetaSlow: f.orFloat(key("rope.scaling.yarn_beta_slow"), betaSlow),
			OriginalContext: f.integer(key("rope.scaling.original_context_length")),
		},
		Pad: f.token("tokenizer.ggml.padding_token_id"),
	}
	if id := f.token("tokenizer.ggml.eos_token_id"); id >= 0 {
		c.EOS = []int32{id}
	}
	if f.err != nil {
		return nil, f.err
	}
	if v := f.integer(key("attention.value_length")); f.err == nil && v != c.HeadDim {
		return nil, fmt.Errorf("heads have %d elements in keys and %d in values: this is not gpt-oss", c.HeadDim, v)
	}
	embedding, ok := h.tensors["token_embd.weight"]
	if !ok || len(embedding.dims) != 2 || embedding.dims[1] > 1<<30 {
		return nil, errors.New(`tensor "token_embd.weight" is missing or no matrix: the file is incomplete`)
	}
	c.Vocab = int(embedding.dims[1])
	if c.Vocab == checkpoint.HarmonyRows && slices.Equal(c.EOS, harmonyEOS[:1]) {
		c.EOS = slices.Clone(harmonyEOS)
	}
	if base, ok := h.values[key("rope.freq_base_swa")]; ok && base != any(c.Rope.Theta) {
		return nil, fmt.Errorf("metadata %s is %s: gpt-oss has the same base in all layers", key("rope.freq_base_swa"), shown(base))
	}
	if c.Layers <= maxArray {
		if c.Sliding, err = h.sliding(c.Layers); err != nil {
			return nil, err
		}
	}
	return c, c.Validate()
}

// sliding says which layers have the sliding window: all but each n-th, or as an array says. Files of gpt-oss need not say it.
func (h *header) sliding(layers int) ([]bool, error) {
	const key = prefix + "attention.sliding_window_pattern"
	s := make([]bool, layers)
	period := int64(2)
	switch v := h.values[key].(type) {
	case nil:
	case int64:
		period = v
	case []any:
		if len(v) != layers {
			return nil, fmt.Errorf("metadata %s has %d elements for %d layers", key, len(v), layers)
		}
		for n := range s {
			s[n] = v[n] == true || v[n] == int64(1)
			if !s[n] && v[n] != false && v[n] != int64(0) {
				return nil, fmt.Errorf("metadata %s has %v in layer %d: convert the model with a current llama.cpp", key, v[n], n)
			}
		}
		return s, nil
	default:
		period = -1
	}
	if period < 0 {
		return nil, fmt.Errorf("metadata %s is %s: convert the model with a current llama.cpp", key, shown(h.values[key]))
	}
	for n := range s {
		s[n] = period == 0 || int64(n)%period < period-1
	}
	return s, nil
}
