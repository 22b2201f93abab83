// Package gptoss describes a gpt-oss model without running it: its hyperparameters, the tensors of its checkpoint and the
// constants of its rotary embedding. Nothing here does I/O, and nothing names a particular model size.
package gptoss

import (
	"encoding/json"
	"fmt"
	"math"
)

// Config holds the hyperparameters of one model, from either published form of config.json (ParseConfig).
type Config struct {
	Layers       int // transformer blocks
	Hidden       int // width of the residual stream
	Intermediate int // width inside an expert, after SwiGLU
	Heads        int // query heads
	KVHeads      int // key/value heads; query head h reads KV head h / (Heads/KVHeads)
	HeadDim      int // elements of a head
	Experts      int // experts in a layer
	TopK         int // experts that a token uses
	Vocab        int // rows of embedding and unembedding
	MaxPositions int // positions the model was made for

	Window  int    // keys a sliding layer sees, the token itself included
	Sliding []bool // [Layers] whether layer n has the sliding window

	NormEps     float64 // epsilon of RMSNorm
	SwiGLULimit float64 // clamp of gate (above) and up (both sides)
	SwiGLUAlpha float64 // slope in gate * sigmoid(alpha * gate)

	Rope Rope

	EOS []int32 // ids that end generation according to the checkpoint; may be empty
	Pad int32   // padding id, -1 if none
}

// Rope holds the constants of YaRN rotary embedding (arXiv 2309.00071; gpt-oss/torch/model.py RotaryEmbedding).
type Rope struct {
	Theta           float64 // base of the frequencies
	Factor          float64 // context extension; at most 1 means plain RoPE
	BetaFast        float64 // rotations above which a dimension is left alone
	BetaSlow        float64 // rotations below which it is interpolated entirely
	OriginalContext int     // positions before extension
}

// QDim is the width of all query heads.
func (c *Config) QDim() int { return c.Heads * c.HeadDim }

// KVDim is the width of all key heads, and of all value heads.
func (c *Config) KVDim() int { return c.KVHeads * c.HeadDim }

// SlidingLayers counts the layers with the sliding window.
func (c *Config) SlidingLayers() int {
	n := 0
	for _, s := range c.Sliding {
		if s {
			n++
		}
	}
	return n
}

// hfConfig is config.json as Hugging Face publishes it.
type hfConfig struct {
	Architectures []string        `json:"architectures"`
	ModelType     string          `json:"model_type"`
	Layers        *int            `json:"num_hidden_layers"`
	Hidden        *int            `json:"hidden_size"`
	Intermediate  *int            `json:"intermediate_size"`
	Heads         *int            `json:"num_attention_heads"`
	KVHeads       *int            `json:"num_key_value_heads"`
	HeadDim       *int            `json:"head_dim"`
	Experts       *int            `json:"num_local_experts"`
	ExpertsOAI    *int            `json:"num_experts"`
	TopKHF        *int            `json:"num_experts_per_tok"`
	TopK          *int            `json:"experts_per_token"`
	Vocab         *int            `json:"vocab_size"`
	MaxPositions  *int            `json:"max_position_embeddings"`
	InitialCtx    *int            `json:"initial_context_length"`
	Window        *int            `json:"sliding_window"`
	LayerTypes    []string        `json:"layer_types"`
	NormEps       *float64        `json:"rms_norm_eps"`
	SwiGLULimit   *float64        `json:"swiglu_limit"`
	SwiGLUAlpha   *float64        `json:"swiglu_alpha"`
	HiddenAct     string          `json:"hidden_act"`
	Tied          bool            `json:"tie_word_embeddings"`
	AttentionBias *bool           `json:"attention_bias"`
	RopeTheta     *float64        `json:"rope_theta"`
	RopeScaling   *hfRope         `json:"rope_scaling"`
	RopeParams    *hfRope         `json:"rope_parameters"`
	OAIFactor     *float64        `json:"rope_scaling_factor"`
	OAIAlpha      *float64        `json:"rope_ntk_alpha"`
	OAIBeta       *float64        `json:"rope_ntk_beta"`
	Quant         *hfQuant        `json:"quantization_config"`
	EOS           json.RawMessage `json:"eos_token_id"`
	Pad           *int32          `json:"pad_token_id"`
}

type hfRope struct {
	Type            string   `json:"rope_type"`
	TypeOld         string   `json:"type"`
	Theta           *float64 `json:"rope_theta"`
	Factor          *float64 `json:"factor"`
	BetaFast        *float64 `json:"beta_fast"`
	BetaSlow        *float64 `json:"beta_slow"`
	OriginalContext *int     `json:"original_max_position_embeddings"`
	Truncate        bool     `json:"truncate"`
	AttentionFactor *float64 `json:"attention_factor"`
}

type hfQuant struct {
	Method string `json:"quant_method"`
}

// ParseConfig reads config.json in Hugging Face's form or OpenAI's original one and validates it. A field that is missing and
// has no published default is an error that names it.
func ParseConfig(data []byte) (*Config, error) {
	var h hfConfig
	if err := json.Unmarshal(data, &h); err != nil {
		return nil, fmt.Errorf("gptoss: config.json: %w", err)
	}
	original := h.ExpertsOAI != nil && h.ModelType == ""
	if !original {
		if h.ModelType != "gpt_oss" {
			return nil, fmt.Errorf("gptoss: config.json: model_type is %q, only \"gpt_oss\" is supported", h.ModelType)
		}
		if h.Quant != nil && h.Quant.Method != "mxfp4" {
			return nil, fmt.Errorf("gptoss: config.json: quantization_config.quant_method is %q, only \"mxfp4\" is supported", h.Quant.Method)
		}
		if h.HiddenAct != "" && h.HiddenAct != "silu" {
			return nil, fmt.Errorf("gptoss: config.json: hidden_act is %q, only \"silu\" is supported", h.HiddenAct)
		}
		if h.Tied {
			return nil, fmt.Errorf("gptoss: config.json: tie_word_embeddings is true, gpt-oss has separate embeddings")
		}
		if h.AttentionBias != nil && !*h.AttentionBias {
			return nil, fmt.Errorf("gptoss: config.json: attention_bias is false, gpt-oss has attention biases")
		}
	}

	p := fieldReader{}
	c := &Config{
		Layers:       p.integer("num_hidden_layers", h.Layers),
		Hidden:       p.integer("hidden_size", h.Hidden),
		Intermediate: p.integer("intermediate_size", h.Intermediate),
		Heads:        p.integer("num_attention_heads", h.Heads),
		KVHeads:      p.integer("num_key_value_heads", h.KVHeads),
		HeadDim:      p.integer("head_dim", h.HeadDim),
		Experts:      p.integer("num_local_experts", h.Experts, h.ExpertsOAI),
		TopK:         p.integer("num_experts_per_tok", h.TopKHF, h.TopK),
		Vocab:        p.integer("vocab_size", h.Vocab),
		Window:       p.integer("sliding_window", h.Window),
		NormEps:      orDefault(h.NormEps, 1e-5),
		SwiGLULimit:  p.float("swiglu_limit", h.SwiGLULimit),
		SwiGLUAlpha:  orDefault(h.SwiGLUAlpha, 1.702),
		Pad:          -1,
	}
	if h.Pad != nil {
		c.Pad = *h.Pad
	}
	if original {
		c.Rope = Rope{
			Theta:           p.float("rope_theta", h.RopeTheta),
			Factor:          p.float("rope_scaling_factor", h.OAIFactor),
			BetaSlow:        p.float("rope_ntk_alpha", h.OAIAlpha),
			BetaFast:        p.float("rope_ntk_beta", h.OAIBeta),
			OriginalContext: p.integer("initial_context_length", h.InitialCtx),
		}
		c.MaxPositions = int(float64(c.Rope.OriginalContext) * math.Max(c.Rope.Factor, 1))
	} else {
		c.MaxPositions = p.integer("max_position_embeddings", h.MaxPositions)
		c.Rope = p.hfRope(&h)
	}
	if p.err != nil {
		return nil, p.err
	}

	var err error
	if c.EOS, err = parseEOS("config.json", h.EOS); err != nil {
		return nil, err
	}
	if c.Sliding, err = slidingLayers(h.LayerTypes, c.Layers); err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// fieldReader collects the first missing field.
type fieldReader struct{ err error }

func (p *fieldReader) integer(name string, vs ...*int) int {
	for _, v := range vs {
		if v != nil {
			return *v
		}
	}
	p.missing(name)
	return 0
}

func (p *fieldReader) float(name string, vs ...*float64) float64 {
	for _, v := range vs {
		if v != nil {
			return *v
		}
	}
	p.missing(name)
	return 0
}

func (p *fieldReader) missing(name string) {
	if p.err == nil {
		p.err = fmt.Errorf("gptoss: config.json: field %q is missing", name)
	}
}

// hfRope reads rope_scaling (older) or rope_parameters (newer transformers, which moves rope_theta inside).
func (p *fieldReader) hfRope(h *hfConfig) Rope {
	s := h.RopeScaling
	if s == nil {
		s = h.RopeParams
	}
	if s == nil {
		p.missing("rope_scaling")
		return Rope{}
	}
	kind := s.Type
	if kind == "" {
		kind = s.TypeOld
	}
	if kind != "yarn" && p.err == nil {
		p.err = fmt.Errorf("gptoss: config.json: rope_type is %q, only \"yarn\" is supported", kind)
	}
	if s.Truncate && p.err == nil {
		p.err = fmt.Errorf("gptoss: config.json: rope_scaling.truncate is true, gpt-oss does not round the range of YaRN")
	}
	if s.AttentionFactor != nil && p.err == nil {
		p.err = fmt.Errorf("gptoss: config.json: rope_scaling.attention_factor is %v, gpt-oss derives it from the factor", *s.AttentionFactor)
	}
	return Rope{
		Theta:           p.float("rope_theta", s.Theta, h.RopeTheta),
		Factor:          p.float("rope_scaling.factor", s.Factor),
		BetaFast:        orDefault(s.BetaFast, 32),
		BetaSlow:        orDefault(s.BetaSlow, 1),
		OriginalContext: p.integer("rope_scaling.original_max_position_embeddings", s.OriginalContext, h.InitialCtx),
	}
}

func orDefault(v *float64, def float64) float64 {
	if v == nil {
		return def
	}
	return *v
}

// parseEOS accepts one id or a list of ids.
func parseEOS(file string, raw json.RawMessage) ([]int32, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var one int32
	if json.Unmarshal(raw, &one) == nil {
		return []int32{one}, nil
	}
	var many []int32
	if err := json.Unmarshal(raw, &many); err != nil {
		return nil, fmt.Errorf("gptoss: %s: eos_token_id is neither a token id nor a list of them", file)
	}
	return many, nil
}

// slidingLayers turns layer_types into flags; without the field even layers slide.
func slidingLayers(types []string, layers int) ([]bool, error) {
	if layers < 1 || layers > maxLayers {
		return nil, nil // Validate names the field
	}
	s := make([]bool, layers)
	if types == nil {
		for n := range s {
			s[n] = n%2 == 0
		}
		return s, nil
	}
	if len(types) != layers {
		return nil, fmt.Errorf("gptoss: config.json: layer_types has %d entries for num_hidden_layers %d", len(types), layers)
	}
	for n, t := range types {
		switch t {
		case "sliding_attention":
			s[n] = true
		case "full_attention":
		default:
			return nil, fmt.Errorf("gptoss: config.json: layer_types[%d] is %q, want \"sliding_attention\" or \"full_attention\"", n, t)
		}
	}
	return s, nil
}

// Bounds that keep every product of two dimensions far inside int64 and every kernel inside what it was tested for.
const (
	maxLayers = 1 << 10
	maxDim    = 1 << 20
)

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
	for _, id := range c.EOS {
		if id < 0 || int(id) >= c.Vocab {
			return fmt.Errorf("gptoss: config.json: eos_token_id %d is outside vocab_size %d", id, c.Vocab)
		}
	}
	return nil
}

// ParseGenerationConfig reads the ids that end generation from generation_config.json; there may be none.
func ParseGenerationConfig(data []byte) ([]int32, error) {
	var g struct {
		EOS json.RawMessage `json:"eos_token_id"`
	}
	if err := json.Unmarshal(data, &g); err != nil {
		return nil, fmt.Errorf("gptoss: generation_config.json: %w", err)
	}
	return parseEOS("generation_config.json", g.EOS)
}
