// Package gptoss describes a gpt-oss model without running it: its hyperparameters, the tensors of its checkpoint and the
// constants of its rotary embedding. Nothing here does I/O, and nothing names a particular model size.
package gptoss

import (
	"encoding/json"
	"fmt"
	"math"

	"gossamer/runtime/jsonerror"
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

// maxConfigBytes is far above any config.json, which has about 2,000 bytes.
const maxConfigBytes = 1 << 20

// ParseConfig reads config.json in Hugging Face's form or OpenAI's original one and validates it. A field that is missing has its
// published default: those of transformers (models/gpt_oss/configuration_gpt_oss.py) and of OpenAI's code (gpt_oss/torch/model.py,
// ModelConfig) agree, and describe gpt-oss-120b. Sizes that are not those of the weights do not fit their shapes.
func ParseConfig(data []byte) (*Config, error) {
	if len(data) > maxConfigBytes {
		return nil, fmt.Errorf("gptoss: config.json: it has %d bytes, at most %d are possible: this is not the published file", len(data), maxConfigBytes)
	}
	var h hfConfig
	if err := json.Unmarshal(data, &h); err != nil {
		return nil, fmt.Errorf("gptoss: config.json: %.300s", jsonerror.Plain(err))
	}
	c := &Config{
		Layers:       orDefault(36, h.Layers),
		Hidden:       orDefault(2880, h.Hidden),
		Intermediate: orDefault(2880, h.Intermediate),
		Heads:        orDefault(64, h.Heads),
		KVHeads:      orDefault(8, h.KVHeads),
		HeadDim:      orDefault(64, h.HeadDim),
		Experts:      orDefault(128, h.Experts, h.ExpertsOAI),
		TopK:         orDefault(4, h.TopKHF, h.TopK),
		Vocab:        orDefault(201088, h.Vocab),
		Window:       orDefault(128, h.Window),
		NormEps:      orDefault(1e-5, h.NormEps),
		SwiGLULimit:  orDefault(7, h.SwiGLULimit),
		SwiGLUAlpha:  orDefault(1.702, h.SwiGLUAlpha),
		Pad:          orDefault(-1, h.Pad),
	}
	var err error
	if h.ExpertsOAI != nil && h.ModelType == "" { // the original form
		c.Rope = Rope{
			Theta:           orDefault(defaultRope.Theta, h.RopeTheta),
			Factor:          orDefault(defaultRope.Factor, h.OAIFactor),
			BetaSlow:        orDefault(defaultRope.BetaSlow, h.OAIAlpha),
			BetaFast:        orDefault(defaultRope.BetaFast, h.OAIBeta),
			OriginalContext: orDefault(defaultRope.OriginalContext, h.InitialCtx),
		}
		c.MaxPositions = int(min(float64(c.Rope.OriginalContext)*math.Max(c.Rope.Factor, 1), math.MaxInt32))
	} else {
		c.MaxPositions = orDefault(131072, h.MaxPositions)
		if err = h.check(); err != nil {
			return nil, err
		}
		if c.Rope, err = h.rope(); err != nil {
			return nil, err
		}
	}
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

// defaultRope is the published rope_scaling.
var defaultRope = Rope{Theta: 150000, Factor: 32, BetaFast: 32, BetaSlow: 1, OriginalContext: 4096}

// orDefault is the first value that is there.
func orDefault[T any](otherwise T, values ...*T) T {
	for _, v := range values {
		if v != nil {
			return *v
		}
	}
	return otherwise
}

// check refuses other models than gpt-oss, in Hugging Face's form.
func (h *hfConfig) check() error {
	if h.ModelType != "gpt_oss" {
		return fmt.Errorf("gptoss: config.json: model_type is %.100q, only \"gpt_oss\" is supported", h.ModelType)
	}
	if h.Quant != nil && h.Quant.Method != "mxfp4" {
		return fmt.Errorf("gptoss: config.json: quantization_config.quant_method is %.100q, only \"mxfp4\" is supported", h.Quant.Method)
	}
	if h.HiddenAct != "" && h.HiddenAct != "silu" {
		return fmt.Errorf("gptoss: config.json: hidden_act is %.100q, only \"silu\" is supported", h.HiddenAct)
	}
	if h.Tied {
		return fmt.Errorf("gptoss: config.json: tie_word_embeddings is true, gpt-oss has separate embeddings")
	}
	if h.AttentionBias != nil && !*h.AttentionBias {
		return fmt.Errorf("gptoss: config.json: attention_bias is false, gpt-oss has attention biases")
	}
	return nil
}

// rope reads rope_scaling (older) or rope_parameters (newer transformers, which moves rope_theta inside).
func (h *hfConfig) rope() (Rope, error) {
	s := h.RopeScaling
	if s == nil {
		s = h.RopeParams
	}
	if s == nil {
		r := defaultRope
		r.Theta = orDefault(r.Theta, h.RopeTheta)
		return r, nil
	}
	kind := s.Type
	if kind == "" {
		kind = s.TypeOld
	}
	if kind != "yarn" {
		return Rope{}, fmt.Errorf("gptoss: config.json: rope_type is %.100q, only \"yarn\" is supported", kind)
	}
	if s.Truncate {
		return Rope{}, fmt.Errorf("gptoss: config.json: rope_scaling.truncate is true, gpt-oss does not round the range of YaRN")
	}
	if s.AttentionFactor != nil {
		return Rope{}, fmt.Errorf("gptoss: config.json: rope_scaling.attention_factor is %v, gpt-oss derives it from the factor", *s.AttentionFactor)
	}
	if s.Factor == nil { // the default is that of rope_scaling as a whole
		return Rope{}, fmt.Errorf("gptoss: config.json: field \"rope_scaling.factor\" is missing")
	}
	if s.OriginalContext == nil {
		s.OriginalContext = h.InitialCtx
	}
	if s.OriginalContext == nil {
		return Rope{}, fmt.Errorf("gptoss: config.json: field \"rope_scaling.original_max_position_embeddings\" is missing")
	}
	return Rope{
		Theta:           orDefault(defaultRope.Theta, s.Theta, h.RopeTheta),
		Factor:          *s.Factor,
		BetaFast:        orDefault(defaultRope.BetaFast, s.BetaFast),
		BetaSlow:        orDefault(defaultRope.BetaSlow, s.BetaSlow),
		OriginalContext: *s.OriginalContext,
	}, nil
}

// maxEOS is the most ids that may end a text; the published files have three.
const maxEOS = 64

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
	if len(many) > maxEOS {
		return nil, fmt.Errorf("gptoss: %s: eos_token_id has %d ids, at most %d are possible: this is not the published file", file, len(many), maxEOS)
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
			return nil, fmt.Errorf("gptoss: config.json: layer_types[%d] is %.100q, want \"sliding_attention\" or \"full_attention\"", n, t)
		}
	}
	return s, nil
}

// ParseGenerationConfig reads the ids that end generation from generation_config.json; there may be none.
func ParseGenerationConfig(data []byte) ([]int32, error) {
	if len(data) > maxConfigBytes {
		return nil, fmt.Errorf("gptoss: generation_config.json: it has %d bytes, at most %d are possible: this is not the published file", len(data), maxConfigBytes)
	}
	var g struct {
		EOS json.RawMessage `json:"eos_token_id"`
	}
	if err := json.Unmarshal(data, &g); err != nil {
		return nil, fmt.Errorf("gptoss: generation_config.json: %.300s", jsonerror.Plain(err))
	}
	return parseEOS("generation_config.json", g.EOS)
}
