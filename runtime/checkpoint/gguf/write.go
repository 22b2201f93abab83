package gguf

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/tensor"
)

// Options are what a GGUF file says besides the model itself.
type Options struct {
	Name         string     // of the model, for people
	Vocabulary   Vocabulary // zero: a file without a tokenizer
	ChatTemplate string     // in Jinja; "": none
}

// Vocabulary is a byte-level BPE vocabulary in GPT-2's form.
type Vocabulary struct {
	Pre    string   // the name that llama.cpp gives to the splitting of text: "gpt-4o"
	Tokens []string // [Vocab] bytes as GPT-2's printable characters
	Types  []int32  // [Vocab] 1 normal, 3 control, 5 unused
	Merges []string // "left right", the earliest first

	BOS, EOS, Pad int32
}

// fileType says "mostly MXFP4", as llama.cpp numbers it.
const fileType = 38

// Write writes a checkpoint as a GGUF file for llama.cpp: matrices BF16, vectors and the router F32, experts MXFP4, all
// without loss. It fails if the file cannot say what the configuration says. An incomplete file is never left.
func Write(ctx context.Context, c *checkpoint.Checkpoint, path string, o Options, progress func(checkpoint.Progress)) (err error) {
	w := &writer{c: c, path: path}
	if err := w.plan(o); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*"+checkpoint.PartExt)
	if err != nil {
		return checkpoint.WriteError(path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if err := w.write(f, w.header, 0); err != nil {
		return err
	}
	if err := f.Truncate(int64(len(w.header)) + w.dataBytes); err != nil { // the last tensor's padding
		return checkpoint.WriteError(path, err)
	}
	m := checkpoint.Meter{Progress: checkpoint.Progress{Phase: checkpoint.PhasePack}}
	for _, t := range c.Config().Tensors() {
		m.BytesTotal += t.Bytes()
	}
	var mu sync.Mutex // guards m
	err = checkpoint.EachParallel(ctx, len(w.jobs), func(ctx context.Context, i int) error {
		n, err := w.jobs[i](ctx, f)
		mu.Lock()
		defer mu.Unlock()
		m.Add(n, progress)
		return err
	})
	if err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync()); err != nil {
		return checkpoint.WriteError(path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return checkpoint.WriteError(path, err)
	}
	return f.Close()
}

// write puts p at an offset of the file.
func (w *writer) write(f *os.File, p []byte, off int64) error {
	_, err := f.WriteAt(p, off)
	return checkpoint.WriteError(w.path, err)
}

// writer lays out a file.
type writer struct {
	c         *checkpoint.Checkpoint
	path      string
	header    []byte
	dataBytes int64
	jobs      []job
}

// job reads a part of the model and writes it. It returns how many bytes it read.
type job func(ctx context.Context, f *os.File) (int64, error)

// plan makes the header and the jobs.
func (w *writer) plan(o Options) error {
	config := w.c.Config()
	if err := checkConfig(config, o.Vocabulary); err != nil {
		return err
	}
	h := headerEncoder{}
	h.config(config, o)
	at := map[string]int64{} // in the data
	tensors := config.Tensors()
	for _, t := range tensors {
		for _, g := range infosOf(config, t) {
			at[g.name] = h.tensor(g)
		}
	}
	w.header, w.dataBytes = h.encode(), h.data
	start := int64(len(w.header))
	for i, t := range tensors {
		gs := infosOf(config, t)
		switch {
		case t.Kind == gptoss.GateUpScales || t.Kind == gptoss.DownScales: // go with their blocks
		case t.Kind == gptoss.GateUpBlocks || t.Kind == gptoss.DownBlocks:
			for e := range int64(config.Experts) {
				w.jobs = append(w.jobs, w.expert(t, tensors[i+1], e, gs, at, start))
			}
		default:
			w.jobs = append(w.jobs, w.numbers(t, gs, at, start)...)
		}
	}
	return nil
}

// checkConfig refuses what a GGUF file would silently lose.
func checkConfig(c *gptoss.Config, v Vocabulary) error {
	if c.SwiGLULimit != swigluLimit || c.SwiGLUAlpha != swigluAlpha {
		return fmt.Errorf("checkpoint: gguf: swiglu_limit is %v and swiglu_alpha %v, llama.cpp has %v and %v built in", c.SwiGLULimit, c.SwiGLUAlpha, swigluLimit, swigluAlpha)
	}
	if c.Rope.BetaFast != betaFast || c.Rope.BetaSlow != betaSlow {
		return fmt.Errorf("checkpoint: gguf: rope_scaling has beta_fast %v and beta_slow %v, llama.cpp has %v and %v built in", c.Rope.BetaFast, c.Rope.BetaSlow, betaFast, betaSlow)
	}
	for n, sliding := range c.Sliding {
		if sliding != (n%2 == 0) {
			return fmt.Errorf("checkpoint: gguf: layer %d is not as llama.cpp has it: even layers slide there", n)
		}
	}
	if n := len(v.Tokens); n > 0 && (n != c.Vocab || len(v.Types) != n) {
		return fmt.Errorf("checkpoint: gguf: %d tokens of %d types, the model has %d", n, len(v.Types), c.Vocab)
	}
	return nil
}

// infosOf are the GGUF tensors that t goes to, without offsets; none for scales, which go with their blocks.
func infosOf(c *gptoss.Config, t gptoss.TensorSpec) []tensorInfo {
	prefix := ""
	if t.Layer >= 0 {
		prefix = fmt.Sprintf("blk.%d.", t.Layer)
	}
	make := func(name string, typ ggmlType, shape ...int) tensorInfo {
		g := tensorInfo{name: prefix + name, typ: typ}
		elements := int64(1)
		for i := range shape {
			g.dims = append(g.dims, int64(shape[len(shape)-1-i]))
			elements *= int64(shape[i])
		}
		g.n = typ.bytes(elements)
		return g
	}
	switch t.Kind {
	case gptoss.GateUpScales, gptoss.DownScales:
		return nil
	case gptoss.GateUpBlocks:
		return []tensorInfo{make(gateName+".weight", typeMXFP4, c.Experts, c.Intermediate, c.Hidden), make(upName+".weight", typeMXFP4, c.Experts, c.Intermediate, c.Hidden)}
	case gptoss.GateUpBias:
		return []tensorInfo{make(gateName+".bias", typeF32, c.Experts, c.Intermediate), make(upName+".bias", typeF32, c.Experts, c.Intermediate)}
	case gptoss.DownBlocks:
		return []tensorInfo{make(tensorNames[t.Kind], typeMXFP4, c.Experts, c.Hidden, c.Intermediate)}
	case gptoss.Embedding, gptoss.QWeight, gptoss.KWeight, gptoss.VWeight, gptoss.OWeight, gptoss.Unembedding:
		return []tensorInfo{make(tensorNames[t.Kind], typeBF16, t.Shape...)}
	}
	return []tensorInfo{make(tensorNames[t.Kind], typeF32, t.Shape...)}
}

// numbers are the jobs for a bf16 tensor, which stays so, or becomes F32 and is perhaps taken apart.
func (w *writer) numbers(t gptoss.TensorSpec, gs []tensorInfo, at map[string]int64, start int64) []job {
	var jobs []job
	ways := int64(len(gs)) // element i goes to tensor i%ways
	step := min(t.Bytes(), checkpoint.PieceBytes)
	for off := int64(0); off < t.Bytes(); off += step {
		jobs = append(jobs, func(ctx context.Context, f *os.File) (int64, error) {
			p := make([]byte, min(step, t.Bytes()-off))
			if err := w.c.ReadAt(ctx, t.Name, p, off); err != nil {
				return 0, err
			}
			for i, g := range gs {
				out, size := p, int64(2)
				if g.typ == typeF32 {
					size = 4
					out = make([]byte, 0, 2*len(p)/int(ways))
					for j := 2 * i; j < len(p); j += 2 * int(ways) {
						out = binary.LittleEndian.AppendUint32(out, uint32(binary.LittleEndian.Uint16(p[j:]))<<16)
					}
				}
				if err := w.write(f, out, start+at[g.name]+off/2/ways*size); err != nil {
					return 0, err
				}
			}
			return int64(len(p)), nil
		})
	}
	return jobs
}

// expert is the job for an expert's blocks and scales: row r goes to tensor r%len(gs).
func (w *writer) expert(blocks, scales gptoss.TensorSpec, e int64, gs []tensorInfo, at map[string]int64, start int64) job {
	experts := int64(blocks.Shape[0])
	rows, ways := int64(blocks.Shape[1]), int64(len(gs))
	return func(ctx context.Context, f *os.File) (int64, error) {
		b, s := make([]byte, blocks.Bytes()/experts), make([]byte, scales.Bytes()/experts)
		if err := errors.Join(w.c.ReadAt(ctx, blocks.Name, b, e*int64(len(b))), w.c.ReadAt(ctx, scales.Name, s, e*int64(len(s)))); err != nil {
			return 0, err
		}
		n := int64(len(s)) / rows // blocks of a row
		out := make([]byte, int64(len(s))*tensor.GGMLBlockBytes/ways)
		for i, g := range gs {
			for r := range rows / ways {
				from := r*ways + int64(i)
				tensor.MXFP4ToGGML(out[r*n*tensor.GGMLBlockBytes:][:n*tensor.GGMLBlockBytes],
					b[from*n*tensor.BlockBytes:][:n*tensor.BlockBytes], s[from*n:][:n])
			}
			if err := w.write(f, out, start+at[g.name]+e*int64(len(out))); err != nil {
				return 0, err
			}
		}
		return int64(len(b) + len(s)), nil
	}
}

// headerEncoder collects a header.
type headerEncoder struct {
	values, infos     bytes.Buffer
	nValues, nTensors uint64
	data              int64 // bytes of the tensors so far
}

func (h *headerEncoder) u32(b *bytes.Buffer, v uint32) {
	b.Write(binary.LittleEndian.AppendUint32(nil, v))
}
func (h *headerEncoder) u64(b *bytes.Buffer, v uint64) {
	b.Write(binary.LittleEndian.AppendUint64(nil, v))
}

func (h *headerEncoder) text(b *bytes.Buffer, s string) {
	h.u64(b, uint64(len(s)))
	b.WriteString(s)
}

// value adds a key-value: uint32, float32, string, []string or []int32.
func (h *headerEncoder) value(key string, v any) {
	b := &h.values
	h.nValues++
	h.text(b, key)
	array := func(t valueType, n int) {
		h.u32(b, uint32(valueArray))
		h.u32(b, uint32(t))
		h.u64(b, uint64(n))
	}
	switch v := v.(type) {
	case uint32:
		h.u32(b, uint32(valueUint32))
		h.u32(b, v)
	case float32:
		h.u32(b, uint32(valueFloat32))
		h.u32(b, math.Float32bits(v))
	case string:
		h.u32(b, uint32(valueString))
		h.text(b, v)
	case []string:
		array(valueString, len(v))
		for _, s := range v {
			h.text(b, s)
		}
	case []int32:
		array(valueInt32, len(v))
		for _, x := range v {
			h.u32(b, uint32(x))
		}
	default:
		panic(fmt.Sprintf("checkpoint: gguf: a value of type %T", v))
	}
}

// config adds what describes the model.
func (h *headerEncoder) config(c *gptoss.Config, o Options) {
	h.value("general.architecture", "gpt-oss")
	if o.Name != "" {
		h.value("general.name", o.Name)
	}
	h.value("general.file_type", uint32(fileType))
	h.value("general.quantization_version", uint32(2))
	for _, kv := range []struct {
		key   string
		value int
	}{
		{"block_count", c.Layers}, {"context_length", c.MaxPositions}, {"embedding_length", c.Hidden}, {"feed_forward_length", c.Intermediate},
		{"expert_feed_forward_length", c.Intermediate}, {"attention.head_count", c.Heads}, {"attention.head_count_kv", c.KVHeads},
		{"attention.key_length", c.HeadDim}, {"attention.value_length", c.HeadDim}, {"attention.sliding_window", c.Window},
		{"expert_count", c.Experts}, {"expert_used_count", c.TopK}, {"rope.scaling.original_context_length", c.Rope.OriginalContext},
	} {
		h.value("gpt-oss."+kv.key, uint32(kv.value))
	}
	h.value("gpt-oss.attention.layer_norm_rms_epsilon", float32(c.NormEps))
	h.value("gpt-oss.rope.freq_base", float32(c.Rope.Theta))
	h.value("gpt-oss.rope.scaling.type", "yarn")
	h.value("gpt-oss.rope.scaling.factor", float32(c.Rope.Factor))
	if o.ChatTemplate != "" {
		h.value("tokenizer.chat_template", o.ChatTemplate)
	}
	v := o.Vocabulary
	if len(v.Tokens) == 0 {
		h.value("tokenizer.ggml.model", "none")
		h.value("gpt-oss.vocab_size", uint32(c.Vocab))
		if len(c.EOS) > 0 {
			h.value("tokenizer.ggml.eos_token_id", uint32(c.EOS[0]))
		}
		if c.Pad >= 0 {
			h.value("tokenizer.ggml.padding_token_id", uint32(c.Pad))
		}
		return
	}
	h.value("tokenizer.ggml.model", "gpt2")
	h.value("tokenizer.ggml.pre", v.Pre)
	h.value("tokenizer.ggml.tokens", v.Tokens)
	h.value("tokenizer.ggml.token_type", v.Types)
	h.value("tokenizer.ggml.merges", v.Merges)
	h.value("tokenizer.ggml.bos_token_id", uint32(v.BOS))
	h.value("tokenizer.ggml.eos_token_id", uint32(v.EOS))
	h.value("tokenizer.ggml.padding_token_id", uint32(v.Pad))
}

// tensor adds an info and returns the tensor's place in the data.
func (h *headerEncoder) tensor(t tensorInfo) (off int64) {
	off = h.data
	h.nTensors++
	h.text(&h.infos, t.name)
	h.u32(&h.infos, uint32(len(t.dims)))
	for _, d := range t.dims {
		h.u64(&h.infos, uint64(d))
	}
	h.u32(&h.infos, uint32(t.typ))
	h.u64(&h.infos, uint64(off))
	h.data += (t.n + defaultAlignment - 1) / defaultAlignment * defaultAlignment
	return off
}

// encode is the file up to its data.
func (h *headerEncoder) encode() []byte {
	var b bytes.Buffer
	b.WriteString(magic)
	h.u32(&b, version)
	h.u64(&b, h.nTensors)
	h.u64(&b, h.nValues)
	b.Write(h.values.Bytes())
	b.Write(h.infos.Bytes())
	b.Write(make([]byte, (defaultAlignment-b.Len()%defaultAlignment)%defaultAlignment))
	return b.Bytes()
}
