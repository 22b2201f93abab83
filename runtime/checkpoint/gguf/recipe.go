package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"gossamer/runtime/gptoss"
	"gossamer/runtime/tensor"
)

// tensorNames are the tensors of a GGUF file by what they are for. Those of experts are listed by where they occur.
var tensorNames = map[gptoss.Kind]string{
	gptoss.Embedding: "token_embd.weight", gptoss.AttnNorm: "attn_norm.weight",
	gptoss.QWeight: "attn_q.weight", gptoss.QBias: "attn_q.bias", gptoss.KWeight: "attn_k.weight", gptoss.KBias: "attn_k.bias",
	gptoss.VWeight: "attn_v.weight", gptoss.VBias: "attn_v.bias", gptoss.OWeight: "attn_output.weight", gptoss.OBias: "attn_output.bias",
	gptoss.Sinks: "attn_sinks.weight", gptoss.MLPNorm: "post_attention_norm.weight",
	gptoss.RouterWeight: "ffn_gate_inp.weight", gptoss.RouterBias: "ffn_gate_inp.bias",
	gptoss.DownBlocks: "ffn_down_exps.weight", gptoss.DownScales: "ffn_down_exps.weight", gptoss.DownBias: "ffn_down_exps.bias",
	gptoss.FinalNorm: "output_norm.weight", gptoss.Unembedding: "output.weight",
}

// In GGUF files, gate and up are tensors of their own, or one tensor with the gate rows of an expert before its up rows.
const (
	gateName   = "ffn_gate_exps"
	upName     = "ffn_up_exps"
	gateUpName = "ffn_gate_up_exps"
)

// recipe says how a tensor of Hugging Face's layout is made of a GGUF file.
type recipe struct {
	rows    []rowSource // row r comes from rows[r%len(rows)], as its row r/len(rows)
	outRow  int64       // bytes of a row
	convert func(dst, src []byte)
}

// rowSource is rows of a GGUF tensor: per rows of each expert, which has stride rows, from row base on.
type rowSource struct {
	tensor            tensorInfo
	width             int64 // elements of a row
	rowBytes          int64 // set by finish
	per, stride, base int64
}

// recipe looks up what t is made of, and marks it as used.
func (h *header) recipe(c *gptoss.Config, t gptoss.TensorSpec, used map[string]bool) (recipe, error) {
	find := func(name string, shape ...int) (tensorInfo, error) {
		if t.Layer >= 0 {
			name = fmt.Sprintf("blk.%d.%s", t.Layer, name)
		}
		g, ok := h.tensors[name]
		if !ok {
			return g, fmt.Errorf("tensor %q is missing: the file is incomplete", name)
		}
		slices.Reverse(shape)
		if !slices.EqualFunc(g.dims, shape, func(a int64, b int) bool { return a == int64(b) }) {
			return g, fmt.Errorf("tensor %q has dimensions %v, the metadata asks for %v", name, g.dims, shape)
		}
		used[name] = true
		return g, nil
	}
	rowsOf := func(g tensorInfo, width, per, stride, base int) rowSource {
		return rowSource{tensor: g, width: int64(width), per: int64(per), stride: int64(stride), base: int64(base)}
	}
	var r recipe
	e, i := c.Experts, c.Intermediate
	switch t.Kind {
	case gptoss.GateUpBlocks, gptoss.GateUpScales, gptoss.GateUpBias:
		suffix, shape, width := ".weight", []int{e, i, c.Hidden}, c.Hidden
		if t.Kind == gptoss.GateUpBias {
			suffix, shape, width = ".bias", []int{e, i}, 1
		}
		fused := slices.Clone(shape)
		fused[1] = 2 * i
		if _, ok := h.tensors[fmt.Sprintf("blk.%d.%s%s", t.Layer, gateUpName, suffix)]; ok {
			g, err := find(gateUpName+suffix, fused...)
			if err != nil {
				return r, err
			}
			r.rows = []rowSource{rowsOf(g, width, i, 2*i, 0), rowsOf(g, width, i, 2*i, i)}
			break
		}
		for _, name := range []string{gateName, upName} {
			g, err := find(name+suffix, slices.Clone(shape)...)
			if err != nil {
				return r, err
			}
			r.rows = append(r.rows, rowsOf(g, width, i, i, 0))
		}
	default:
		shape := slices.Clone(t.Shape)
		if t.Kind == gptoss.DownBlocks || t.Kind == gptoss.DownScales {
			shape = []int{e, c.Hidden, i}
		}
		width := shape[len(shape)-1]
		g, err := find(tensorNames[t.Kind], shape...)
		if err != nil {
			return r, err
		}
		rows := 1
		for _, d := range shape[:len(shape)-1] {
			rows *= d
		}
		r.rows = []rowSource{rowsOf(g, width, rows, rows, 0)}
	}
	types := []ggmlType{r.rows[0].tensor.typ, r.rows[len(r.rows)-1].tensor.typ}
	if types[0] != types[1] {
		return r, fmt.Errorf("gate is %s and up is %s: they must be alike", types[0], types[1])
	}
	return r, r.finish(t, types[0])
}

// finish chooses the conversion.
func (r *recipe) finish(t gptoss.TensorSpec, typ ggmlType) error {
	name, width := r.rows[0].tensor.name, r.rows[0].width
	switch {
	case t.DType == gptoss.U8 && typ != typeMXFP4:
		return fmt.Errorf("tensor %q is %s: only files with MXFP4 experts can be used", name, typ)
	case t.Kind == gptoss.GateUpBlocks || t.Kind == gptoss.DownBlocks:
		r.outRow, r.convert = width/tensor.BlockValues*tensor.BlockBytes, mxfp4Blocks
	case t.DType == gptoss.U8:
		r.outRow, r.convert = width/tensor.BlockValues, mxfp4Scales
	default:
		r.outRow = width * int64(t.DType.Bytes())
		r.convert = map[ggmlType]func(dst, src []byte){
			typeBF16: func(dst, src []byte) { copy(dst, src) }, typeF32: f32ToBF16, typeF16: f16ToBF16, typeQ8_0: q8ToBF16,
		}[typ]
		if r.convert == nil || width%blockSizes[typ].elements != 0 { // the latter: interleaved biases cannot be in blocks
			return fmt.Errorf("tensor %q is %s: only F32, F16, BF16 and Q8_0 can be used here", name, typ)
		}
	}
	for i := range r.rows {
		r.rows[i].rowBytes = typ.bytes(width)
	}
	return nil
}

func mxfp4Blocks(dst, src []byte) {
	tensor.MXFP4FromGGML(dst, make([]byte, len(src)/tensor.GGMLBlockBytes), src)
}

func mxfp4Scales(dst, src []byte) {
	for i := range dst {
		dst[i] = src[i*tensor.GGMLBlockBytes]
	}
}

func f32ToBF16(dst, src []byte) {
	for i := range len(dst) / 2 {
		putBF16(dst, i, math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:])))
	}
}

func f16ToBF16(dst, src []byte) {
	for i := range len(dst) / 2 {
		putBF16(dst, i, tensor.FromF16(binary.LittleEndian.Uint16(src[2*i:])))
	}
}

// q8ToBF16: a block is a scale, f16, and 32 signed bytes.
func q8ToBF16(dst, src []byte) {
	const block = 34
	for b := range len(src) / block {
		in := src[b*block:][:block]
		scale := tensor.FromF16(binary.LittleEndian.Uint16(in))
		for j, q := range in[2:] {
			putBF16(dst, b*32+j, scale*float32(int8(q)))
		}
	}
}

func putBF16(dst []byte, i int, f float32) {
	binary.LittleEndian.PutUint16(dst[2*i:], tensor.ToBF16(f))
}
