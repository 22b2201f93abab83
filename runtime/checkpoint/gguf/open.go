// Package gguf opens and writes GGUF files with gpt-oss, as llama.cpp has them.
package gguf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/tensor"
)

// ggufExt is how the names of GGUF files end.
const ggufExt = ".gguf"

// What llama.cpp's graph of gpt-oss has built in, so that files need not say it.
const (
	ggufSwiGLULimit = 7
	ggufSwiGLUAlpha = 1.702
	ggufBetaFast    = 32
	ggufBetaSlow    = 1
)

// Open opens a GGUF file with gpt-oss as llama.cpp writes it: MXFP4 experts, everything else F32, F16, BF16 or Q8_0. The
// checkpoint delivers the tensors of Hugging Face's layout: MXFP4 rearranged without loss, numbers rounded to bf16, which gives
// the published ones where the file was made of them and keeps them in 16 bits or more; Notes says what was converted.
func Open(path string) (*checkpoint.Checkpoint, error) {
	fsys, name := os.DirFS(filepath.Dir(path)), filepath.Base(path)
	c, err := open(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %s: %w", path, err)
	}
	return c, nil
}

func open(fsys fs.FS, name string) (*checkpoint.Checkpoint, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("this is not a regular file")
	}
	h, err := readGGUF(f, info.Size())
	if err != nil {
		return nil, err
	}
	config, err := h.config()
	if err != nil {
		return nil, err
	}
	src := &source{fsys: fsys, name: name, recipes: map[string]recipe{}}
	d := checkpoint.Description{Config: config, Source: checkpoint.Source{Open: src.open}} // files are tensors
	used := map[string]bool{}
	for i, t := range config.Tensors() {
		r, err := h.recipe(config, t, used)
		if err != nil {
			return nil, err
		}
		src.recipes[t.Name] = r
		d.Files = append(d.Files, t.Name)
		d.Segments = append(d.Segments, checkpoint.Segment{Tensor: i, File: i, N: t.Bytes()})
	}
	converted := map[ggufType]int{}
	var unused []string
	for name, t := range h.tensors {
		if !used[name] {
			unused = append(unused, name)
		} else if t.typ != ggufBF16 && t.typ != ggufMXFP4 {
			converted[t.typ]++
		}
	}
	for _, typ := range slices.Sorted(maps.Keys(converted)) {
		note := fmt.Sprintf("%d tensors are %s in the GGUF file and become BF16", converted[typ], typ)
		if typ == ggufQ8_0 {
			note += ": not quite the published numbers"
		}
		d.Notes = append(d.Notes, note)
	}
	d.Notes = append(d.Notes, checkpoint.Unused(unused)...)
	return checkpoint.New(d), nil
}

// harmonyEOS are <|return|>, <|endoftext|> and <|call|>, the EOS ids of the published generation_config.json. A GGUF file has room
// for one; llama.cpp knows the others by their names.
var harmonyEOS = []int32{200002, 199999, 200012}

// ggufFields reads metadata; the first error stays.
type ggufFields struct {
	values map[string]any
	err    error
}

func (f *ggufFields) integer(key string) int {
	v, ok := f.values[key].(int64)
	if !ok || v < 0 || v > 1<<40 {
		f.fail(key)
	}
	return int(v)
}

func (f *ggufFields) float(key string) float64 {
	v, ok := f.values[key].(float64)
	if !ok {
		f.fail(key)
	}
	return v
}

func (f *ggufFields) orFloat(key string, otherwise float64) float64 {
	if _, ok := f.values[key]; !ok {
		return otherwise
	}
	return f.float(key)
}

func (f *ggufFields) fail(key string) {
	if f.err != nil {
		return
	}
	if v, ok := f.values[key]; ok {
		f.err = fmt.Errorf("metadata %s is %v: convert the model with a current llama.cpp", key, v)
	} else {
		f.err = fmt.Errorf("metadata %s is missing: convert the model with a current llama.cpp", key)
	}
}

// config is the configuration that the metadata describes.
func (h *ggufHeader) config() (*gptoss.Config, error) {
	switch arch := h.values["general.architecture"]; arch {
	case "gpt-oss":
	case "gptoss":
		return nil, errors.New("the file is in Ollama's form: use one in llama.cpp's, or the published safetensors")
	default:
		return nil, fmt.Errorf("general.architecture is %v, only gpt-oss is supported", arch)
	}
	if n, ok := h.values["split.count"].(int64); ok && n > 1 {
		return nil, fmt.Errorf("the model is split into %d files: merge them with llama-gguf-split --merge", n)
	}
	if kind := h.values["gpt-oss.rope.scaling.type"]; kind != "yarn" {
		return nil, fmt.Errorf("metadata gpt-oss.rope.scaling.type is %v, only yarn is supported", kind)
	}
	f := &ggufFields{values: h.values}
	key := func(name string) string { return "gpt-oss." + name }
	c := &gptoss.Config{
		Layers: f.integer(key("block_count")), Hidden: f.integer(key("embedding_length")), Intermediate: f.integer(key("expert_feed_forward_length")),
		Heads: f.integer(key("attention.head_count")), KVHeads: f.integer(key("attention.head_count_kv")), HeadDim: f.integer(key("attention.key_length")),
		Experts: f.integer(key("expert_count")), TopK: f.integer(key("expert_used_count")), MaxPositions: f.integer(key("context_length")),
		Window:      f.integer(key("attention.sliding_window")),
		NormEps:     f.float(key("attention.layer_norm_rms_epsilon")),
		SwiGLULimit: ggufSwiGLULimit, SwiGLUAlpha: ggufSwiGLUAlpha,
		Rope: gptoss.Rope{
			Theta: f.float(key("rope.freq_base")), Factor: f.float(key("rope.scaling.factor")),
			BetaFast: f.orFloat(key("rope.scaling.yarn_beta_fast"), ggufBetaFast), BetaSlow: f.orFloat(key("rope.scaling.yarn_beta_slow"), ggufBetaSlow),
			OriginalContext: f.integer(key("rope.scaling.original_context_length")),
		},
		Pad: -1,
	}
	if _, ok := h.values["tokenizer.ggml.eos_token_id"]; ok {
		c.EOS = []int32{int32(f.integer("tokenizer.ggml.eos_token_id"))}
	}
	if _, ok := h.values["tokenizer.ggml.padding_token_id"]; ok {
		c.Pad = int32(f.integer("tokenizer.ggml.padding_token_id"))
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
	c.Sliding = make([]bool, max(0, min(c.Layers, 1<<16)))
	for n := range c.Sliding {
		c.Sliding[n] = n%2 == 0
	}
	return c, c.Validate()
}

// ggufNames are the tensors of a GGUF file by what they are for. Those of experts are listed by where they occur.
var ggufNames = map[gptoss.Kind]string{
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
	ggufGate   = "ffn_gate_exps"
	ggufUp     = "ffn_up_exps"
	ggufGateUp = "ffn_gate_up_exps"
)

// recipe says how a tensor of Hugging Face's layout is made of a GGUF file.
type recipe struct {
	rows    []rowSource // row r comes from rows[r%len(rows)], as its row r/len(rows)
	outRow  int64       // bytes of a row
	convert func(dst, src []byte)
}

// rowSource is rows of a GGUF tensor: per rows of each expert, which has stride rows, from row base on.
type rowSource struct {
	tensor            ggufTensor
	width             int64 // elements of a row
	rowBytes          int64 // set by finish
	per, stride, base int64
}

// recipe looks up what t is made of, and marks it as used.
func (h *ggufHeader) recipe(c *gptoss.Config, t gptoss.TensorSpec, used map[string]bool) (recipe, error) {
	find := func(name string, shape ...int) (ggufTensor, error) {
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
	rowsOf := func(g ggufTensor, width, per, stride, base int) rowSource {
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
		if _, ok := h.tensors[fmt.Sprintf("blk.%d.%s%s", t.Layer, ggufGateUp, suffix)]; ok {
			g, err := find(ggufGateUp+suffix, fused...)
			if err != nil {
				return r, err
			}
			r.rows = []rowSource{rowsOf(g, width, i, 2*i, 0), rowsOf(g, width, i, 2*i, i)}
			break
		}
		for _, name := range []string{ggufGate, ggufUp} {
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
		g, err := find(ggufNames[t.Kind], shape...)
		if err != nil {
			return r, err
		}
		rows := 1
		for _, d := range shape[:len(shape)-1] {
			rows *= d
		}
		r.rows = []rowSource{rowsOf(g, width, rows, rows, 0)}
	}
	types := []ggufType{r.rows[0].tensor.typ, r.rows[len(r.rows)-1].tensor.typ}
	if types[0] != types[1] {
		return r, fmt.Errorf("gate is %s and up is %s: they must be alike", types[0], types[1])
	}
	return r, r.finish(t, types[0])
}

// finish chooses the conversion.
func (r *recipe) finish(t gptoss.TensorSpec, typ ggufType) error {
	name, width := r.rows[0].tensor.name, r.rows[0].width
	switch {
	case t.DType == gptoss.U8 && typ != ggufMXFP4:
		return fmt.Errorf("tensor %q is %s: only files with MXFP4 experts can be used", name, typ)
	case t.Kind == gptoss.GateUpBlocks || t.Kind == gptoss.DownBlocks:
		r.outRow, r.convert = width/tensor.BlockValues*tensor.BlockBytes, mxfp4Blocks
	case t.DType == gptoss.U8:
		r.outRow, r.convert = width/tensor.BlockValues, mxfp4Scales
	default:
		r.outRow = width * int64(t.DType.Bytes())
		r.convert = map[ggufType]func(dst, src []byte){
			ggufBF16: func(dst, src []byte) { copy(dst, src) }, ggufF32: f32ToBF16, ggufF16: f16ToBF16, ggufQ8_0: q8ToBF16,
		}[typ]
		if r.convert == nil || width%ggufBlocks[typ].elements != 0 { // the latter: interleaved biases cannot be in blocks
			return fmt.Errorf("tensor %q is %s: only F32, F16, BF16 and Q8_0 can be used here", name, typ)
		}
	}
	for i := range r.rows {
		r.rows[i].rowBytes = typ.bytes(width)
	}
	return nil
}

// source reads a GGUF file: files are tensors of Hugging Face's layout, made while they are read.
type source struct {
	fsys    fs.FS
	name    string
	recipes map[string]recipe
}

func (s *source) open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := s.fsys.Open(s.name)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	at, ok := f.(io.ReaderAt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("checkpoint: %s: the file system cannot read at an offset", s.name), f.Close())
	}
	return &tensorReader{file: f, at: at, recipe: s.recipes[name], pos: off, end: off + n}, nil
}

// tensorReader makes a tensor's bytes from pos to end.
type tensorReader struct {
	file     fs.File
	at       io.ReaderAt
	recipe   recipe
	pos, end int64
	made     []byte // rows that are not yet taken, from pos on
	rows     []byte // memory of made
	in, out  []byte // of makeRows
}

func (r *tensorReader) Close() error { return r.file.Close() }

func (r *tensorReader) Read(p []byte) (int, error) {
	if r.pos == r.end {
		return 0, io.EOF
	}
	if len(r.made) == 0 {
		if err := r.makeRows(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.made[:min(int64(len(r.made)), r.end-r.pos)])
	r.made = r.made[n:]
	r.pos += int64(n)
	return n, nil
}

// makeRows makes about a megabyte of rows, beginning with the one that holds pos.
func (r *tensorReader) makeRows() error {
	k, ways := &r.recipe, int64(len(r.recipe.rows))
	first := r.pos / k.outRow / ways // of each rowSource
	last := (r.end + k.outRow*ways - 1) / (k.outRow * ways)
	last = min(last, first+max(1, 1<<20/(k.outRow*ways)))
	count := last - first
	r.rows = checkpoint.Sized(r.rows, count*ways*k.outRow)
	for w, s := range k.rows {
		r.in = checkpoint.Sized(r.in, count*s.rowBytes)
		if err := s.read(r.at, first, last, r.in); err != nil {
			return err
		}
		if ways == 1 {
			k.convert(r.rows, r.in)
			break
		}
		r.out = checkpoint.Sized(r.out, count*k.outRow)
		k.convert(r.out, r.in)
		for i := range count {
			copy(r.rows[(i*ways+int64(w))*k.outRow:][:k.outRow], r.out[i*k.outRow:])
		}
	}
	r.made = r.rows[r.pos-first*ways*k.outRow:]
	return nil
}

// read reads rows first to last-1.
func (s *rowSource) read(at io.ReaderAt, first, last int64, dst []byte) error {
	for first < last {
		expert := first / s.per
		n := min(last, (expert+1)*s.per) - first
		row := expert*s.stride + s.base + first%s.per
		p := dst[:n*s.rowBytes]
		if got, err := at.ReadAt(p, s.tensor.off+row*s.rowBytes); got < len(p) {
			return err
		}
		dst = dst[len(p):]
		first += n
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

// Named says that a path names a GGUF file.
func Named(path string) bool { return strings.HasSuffix(strings.ToLower(path), ggufExt) }
