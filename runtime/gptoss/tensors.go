package gptoss

import "fmt"

// DType is the storage type of a tensor, as safetensors names it.
type DType string

const (
	BF16 DType = "BF16"
	U8   DType = "U8" // MXFP4 blocks (two codes a byte) and E8M0 scales
)

// Bytes is the size of one element.
func (d DType) Bytes() int {
	if d == BF16 {
		return 2
	}
	return 1
}

// Kind says what a tensor is for, independent of its layer.
type Kind int

// The tensors of a checkpoint in Hugging Face's layout. Matrices are [out][in], row-major.
const (
	Embedding    Kind = iota // [Vocab][Hidden]
	AttnNorm                 // [Hidden]
	QWeight                  // [QDim][Hidden]
	QBias                    // [QDim]
	KWeight                  // [KVDim][Hidden]
	KBias                    // [KVDim]
	VWeight                  // [KVDim][Hidden]
	VBias                    // [KVDim]
	OWeight                  // [Hidden][QDim]
	OBias                    // [Hidden]
	Sinks                    // [Heads]
	MLPNorm                  // [Hidden]
	RouterWeight             // [Experts][Hidden]
	RouterBias               // [Experts]
	GateUpBlocks             // [Experts][2*Intermediate][Hidden/32][16]; row 2i is gate i, row 2i+1 up i
	GateUpScales             // [Experts][2*Intermediate][Hidden/32]
	GateUpBias               // [Experts][2*Intermediate]
	DownBlocks               // [Experts][Hidden][Intermediate/32][16]
	DownScales               // [Experts][Hidden][Intermediate/32]
	DownBias                 // [Experts][Hidden]
	FinalNorm                // [Hidden]
	Unembedding              // [Vocab][Hidden]
)

// TensorSpec is one tensor of a checkpoint.
type TensorSpec struct {
	Name  string // as Hugging Face names it
	Kind  Kind
	Layer int // -1 outside the layers
	DType DType
	Shape []int
}

// Elements is the product of the shape.
func (t TensorSpec) Elements() int64 {
	n := int64(1)
	for _, d := range t.Shape {
		n *= int64(d)
	}
	return n
}

// Bytes is the tensor's size in the checkpoint.
func (t TensorSpec) Bytes() int64 { return t.Elements() * int64(t.DType.Bytes()) }

// Tensors lists every tensor of the model in the order of the forward pass.
func (c *Config) Tensors() []TensorSpec {
	h, i, e := c.Hidden, c.Intermediate, c.Experts
	ts := []TensorSpec{{"model.embed_tokens.weight", Embedding, -1, BF16, []int{c.Vocab, h}}}
	for n := range c.Layers {
		add := func(kind Kind, suffix string, dt DType, shape ...int) {
			ts = append(ts, TensorSpec{fmt.Sprintf("model.layers.%d.%s", n, suffix), kind, n, dt, shape})
		}
		add(AttnNorm, "input_layernorm.weight", BF16, h)
		add(QWeight, "self_attn.q_proj.weight", BF16, c.QDim(), h)
		add(QBias, "self_attn.q_proj.bias", BF16, c.QDim())
		add(KWeight, "self_attn.k_proj.weight", BF16, c.KVDim(), h)
		add(KBias, "self_attn.k_proj.bias", BF16, c.KVDim())
		add(VWeight, "self_attn.v_proj.weight", BF16, c.KVDim(), h)
		add(VBias, "self_attn.v_proj.bias", BF16, c.KVDim())
		add(Sinks, "self_attn.sinks", BF16, c.Heads)
		add(OWeight, "self_attn.o_proj.weight", BF16, h, c.QDim())
		add(OBias, "self_attn.o_proj.bias", BF16, h)
		add(MLPNorm, "post_attention_layernorm.weight", BF16, h)
		add(RouterWeight, "mlp.router.weight", BF16, e, h)
		add(RouterBias, "mlp.router.bias", BF16, e)
		add(GateUpBlocks, "mlp.experts.gate_up_proj_blocks", U8, e, 2*i, h/32, 16)
		add(GateUpScales, "mlp.experts.gate_up_proj_scales", U8, e, 2*i, h/32)
		add(GateUpBias, "mlp.experts.gate_up_proj_bias", BF16, e, 2*i)
		add(DownBlocks, "mlp.experts.down_proj_blocks", U8, e, h, i/32, 16)
		add(DownScales, "mlp.experts.down_proj_scales", U8, e, h, i/32)
		add(DownBias, "mlp.experts.down_proj_bias", BF16, e, h)
	}
	return append(ts,
		TensorSpec{"model.norm.weight", FinalNorm, -1, BF16, []int{h}},
		TensorSpec{"lm_head.weight", Unembedding, -1, BF16, []int{c.Vocab, h}})
}

// OriginalName is the tensor's name in OpenAI's original layout (gpt-oss/torch/weights.py and model.py). There, query, key and
// value of a layer are one tensor, in this order along the first dimension, so three of ours have the same name.
func (t TensorSpec) OriginalName() string {
	name := [...]string{
		Embedding:    "embedding.weight",
		AttnNorm:     "attn.norm.scale",
		QWeight:      "attn.qkv.weight",
		QBias:        "attn.qkv.bias",
		KWeight:      "attn.qkv.weight",
		KBias:        "attn.qkv.bias",
		VWeight:      "attn.qkv.weight",
		VBias:        "attn.qkv.bias",
		OWeight:      "attn.out.weight",
		OBias:        "attn.out.bias",
		Sinks:        "attn.sinks",
		MLPNorm:      "mlp.norm.scale",
		RouterWeight: "mlp.gate.weight",
		RouterBias:   "mlp.gate.bias",
		GateUpBlocks: "mlp.mlp1_weight.blocks",
		GateUpScales: "mlp.mlp1_weight.scales",
		GateUpBias:   "mlp.mlp1_bias",
		DownBlocks:   "mlp.mlp2_weight.blocks",
		DownScales:   "mlp.mlp2_weight.scales",
		DownBias:     "mlp.mlp2_bias",
		FinalNorm:    "norm.scale",
		Unembedding:  "unembedding.weight",
	}[t.Kind]
	if t.Layer < 0 {
		return name
	}
	return fmt.Sprintf("block.%d.%s", t.Layer, name)
}
