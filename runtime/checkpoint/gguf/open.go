// Package gguf opens and writes GGUF files with gpt-oss, as llama.cpp has them.
package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/gptoss"
)

// extension is how the names of GGUF files end.
const extension = ".gguf"

// What llama.cpp's graph of gpt-oss has built in, so that files need not say it.
const (
	swigluLimit = 7
	swigluAlpha = 1.702
	betaFast    = 32
	betaSlow    = 1
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
	f, size, err := checkpoint.OpenRegular(fsys, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, err := readHeader(f, size)
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
	converted := map[ggmlType]int{}
	var unused []string
	for name, t := range h.tensors {
		if !used[name] {
			unused = append(unused, name)
		} else if t.typ != typeBF16 && t.typ != typeMXFP4 {
			converted[t.typ]++
		}
	}
	for _, typ := range slices.Sorted(maps.Keys(converted)) {
		note := fmt.Sprintf("%d tensors are %s in the GGUF file and become BF16", converted[typ], typ)
		if typ == typeQ8_0 {
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

// fields reads metadata; the first error stays.
type fields struct {
	values map[string]any
	err    error
}

func (f *fields) integer(key string) int {
	v, ok := f.values[key].(int64)
	if !ok || v < 0 || v > 1<<40 {
		f.fail(key)
	}
	return int(v)
}

func (f *fields) float(key string) float64 {
	v, ok := f.values[key].(float64)
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
	if v, ok := f.values[key]; ok {
		f.err = fmt.Errorf("metadata %s is %v: convert the model with a current llama.cpp", key, v)
	} else {
		f.err = fmt.Errorf("metadata %s is missing: convert the model with a current llama.cpp", key)
	}
}

// config is the configuration that the metadata describes.
func (h *header) config() (*gptoss.Config, error) {
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
	f := &fields{values: h.values}
	key := func(name string) string { return "gpt-oss." + name }
	c := &gptoss.Config{
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

// Named says that a path names a GGUF file.
func Named(path string) bool { return strings.HasSuffix(strings.ToLower(path), extension) }
