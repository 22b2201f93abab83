package gguf

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/checkpoint/safetensors"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/tensor"
)

const golden = "../../../testdata/golden"

const goldenGGUF = golden + "/gqa_window8/model.gguf"

// raw is a GGUF file under test.
type raw struct {
	version uint32
	values  []any // key, value, key, value...
	tensors []rawTensor
}

type rawTensor struct {
	tensorInfo
	data []byte
}

func (f *raw) encode() []byte {
	h := headerEncoder{}
	for i := 0; i < len(f.values); i += 2 {
		if v, ok := f.values[i+1].(uint64); ok { // the writer never needs one
			h.nValues++
			h.text(&h.values, f.values[i].(string))
			h.u32(&h.values, uint32(valueUint64))
			h.u64(&h.values, v)
			continue
		}
		h.value(f.values[i].(string), f.values[i+1])
	}
	var data []byte
	for _, t := range f.tensors {
		t.n = int64(len(t.data))
		h.tensor(t.tensorInfo)
		data = append(data, t.data...)
		data = append(data, make([]byte, int(h.data)-len(data))...)
	}
	out := h.encode()
	if f.version != 0 {
		binary.LittleEndian.PutUint32(out[4:], f.version)
	}
	return append(out, data...)
}

func (f *raw) tensor(name string) *rawTensor {
	return &f.tensors[slices.IndexFunc(f.tensors, func(t rawTensor) bool { return t.name == name })]
}

// set changes a value; nil removes it.
func (f *raw) set(key string, v any) {
	i := slices.Index(f.values, any(key))
	switch {
	case i < 0:
		f.values = append(f.values, key, v)
	case v == nil:
		f.values = slices.Delete(f.values, i, i+2)
	default:
		f.values[i+1] = v
	}
}

// readRaw takes the golden file apart.
func readRaw(t testing.TB) *raw {
	t.Helper()
	data, err := os.ReadFile(goldenGGUF)
	if err != nil {
		t.Fatal(err)
	}
	h, err := readHeader(bytes.NewReader(data), int64(len(data)), maxHeader)
	if err != nil {
		t.Fatal(err)
	}
	f := &raw{}
	for _, key := range slices.Sorted(maps.Keys(h.values)) {
		switch v := h.values[key].(type) {
		case int64:
			f.values = append(f.values, key, uint32(v))
		case float64:
			f.values = append(f.values, key, float32(v))
		default:
			f.values = append(f.values, key, v)
		}
	}
	for _, g := range slices.SortedFunc(maps.Values(h.tensors), func(a, b tensorInfo) int { return int(a.off - b.off) }) {
		f.tensors = append(f.tensors, rawTensor{g, data[g.off : g.off+g.n]})
	}
	return f
}

// openRaw writes and opens a file.
func openRaw(t testing.TB, f *raw) (*checkpoint.Checkpoint, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, f.encode(), 0o644); err != nil {
		t.Fatal(err)
	}
	return Open(path)
}

func openFile(t testing.TB, path string) *checkpoint.Checkpoint {
	t.Helper()
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func openDir(t testing.TB, dir string) *checkpoint.Checkpoint {
	t.Helper()
	c, err := safetensors.Open(os.DirFS(dir), dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// hashes packs a checkpoint and returns those of its chunks, which say everything about the weights.
func hashes(t testing.TB, c *checkpoint.Checkpoint) (hs []string) {
	t.Helper()
	dir := t.TempDir()
	if _, err := packed.Pack(t.Context(), c, dir, nil); err != nil {
		t.Fatal(err)
	}
	m, err := packed.ReadManifest(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range m.Chunks {
		hs = append(hs, c.SHA256)
	}
	return hs
}

// TestOpenGolden: the reference's GGUF file has the tensors of its Hugging Face model, bit for bit.
func TestOpenGolden(t *testing.T) {
	hf := openDir(t, filepath.Join(golden, "gqa_window8/model"))
	c := openFile(t, goldenGGUF)
	if !maps.EqualFunc(checkpointtest.Load(t, hf), checkpointtest.Load(t, c), bytes.Equal) {
		t.Error("the bytes differ from the Hugging Face form")
	}
	if d := cmp.Diff(hf.Config(), c.Config(), cmpopts.IgnoreFields(gptoss.Config{}, "EOS", "Pad")); d != "" {
		t.Errorf("config (-hf +gguf):\n%s", d)
	}
	if d := cmp.Diff([]string{"25 tensors are F32 in the GGUF file and become BF16"}, c.Notes()); d != "" {
		t.Errorf("notes (-want +got):\n%s", d)
	}
	if d := cmp.Diff(hashes(t, hf), hashes(t, c)); d != "" {
		t.Errorf("chunks (-hf +gguf):\n%s", d)
	}
}

// TestReadAt reads small parts that begin and end inside rows, at elements.
func TestReadAt(t *testing.T) {
	c := openFile(t, goldenGGUF)
	for _, s := range c.Config().Tensors() {
		all, err := checkpointtest.ReadTensor(t.Context(), c, s.Name)
		if err != nil {
			t.Fatal(err)
		}
		for off := 0; off < len(all); off += len(all)/14*2 + 2 {
			p := make([]byte, min(len(all)-off, 1+len(all)/5))
			if err := c.ReadAt(t.Context(), s.Name, p, int64(off)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(p, all[off:off+len(p)]) {
				t.Errorf("%s: %d bytes at %d differ", s.Name, len(p), off)
			}
		}
	}
}

// TestTensorTypes stores the same numbers in other types, and gate and up in one tensor.
func TestTensorTypes(t *testing.T) {
	want := checkpointtest.Load(t, openFile(t, goldenGGUF))
	f := readRaw(t)

	// Q8_0: a scale and 32 bytes.
	o := f.tensor("blk.1.attn_output.weight")
	n := len(o.data) / 2
	o.typ, o.data = typeQ8_0, nil
	wantO := make([]byte, 2*n)
	for b := range n / 32 {
		scale := float32(math.Ldexp(1+float64(b%16)/16, -b%10))
		o.data = binary.LittleEndian.AppendUint16(o.data, tensor.ToF16(scale))
		for j := range 32 {
			v := int8(b*37 + j*11)
			o.data = append(o.data, byte(v))
			binary.LittleEndian.PutUint16(wantO[2*(b*32+j):], tensor.ToBF16(scale*float32(v)))
		}
	}
	want["model.layers.1.self_attn.o_proj.weight"] = wantO

	// BF16 where usually F32 is.
	norm := f.tensor("output_norm.weight")
	norm.typ, norm.data = typeBF16, want["model.norm.weight"]

	// Gate and up of layer 1 in one tensor.
	for _, suffix := range []string{".weight", ".bias"} {
		gate, up := f.tensor("blk.1.ffn_gate_exps"+suffix), *f.tensor("blk.1.ffn_up_exps" + suffix)
		experts := gate.dims[len(gate.dims)-1]
		var fused []byte
		for e := range experts {
			n := int64(len(gate.data)) / experts
			fused = append(append(fused, gate.data[e*n:][:n]...), up.data[e*n:][:n]...)
		}
		gate.name, gate.data = "blk.1.ffn_gate_up_exps"+suffix, fused
		gate.dims = slices.Clone(gate.dims)
		gate.dims[len(gate.dims)-2] *= 2
		f.tensors = slices.DeleteFunc(f.tensors, func(t rawTensor) bool { return t.name == up.name })
	}
	f.set("tokenizer.ggml.eos_token_id", uint32(7))
	f.set("tokenizer.ggml.padding_token_id", uint32(9))
	f.set("tokenizer.ggml.tokens", []string{"a", "bc"})
	f.set("tokenizer.ggml.token_type", []int32{1, 2})
	f.version = 2

	c, err := openRaw(t, f)
	if err != nil {
		t.Fatal(err)
	}
	got := checkpointtest.Load(t, c)
	for name := range want {
		if !bytes.Equal(want[name], got[name]) {
			t.Errorf("%s differs", name)
		}
	}
	if c.Config().EOS[0] != 7 || c.Config().Pad != 9 {
		t.Errorf("EOS %v and padding %d, want 7 and 9", c.Config().EOS, c.Config().Pad)
	}
	if d := cmp.Diff([]string{
		"23 tensors are F32 in the GGUF file and become BF16",
		"1 tensors are Q8_0 in the GGUF file and become BF16: not quite the published numbers",
	}, c.Notes()); d != "" {
		t.Errorf("notes (-want +got):\n%s", d)
	}
}

// TestF16 stores the matrices in F16.
func TestF16(t *testing.T) {
	f := readRaw(t)
	name, want := "blk.0.attn_q.weight", []byte(nil)
	for i := range f.tensors {
		if f.tensors[i].typ != typeBF16 {
			continue
		}
		values := make([]float32, len(f.tensors[i].data)/2) // powers of two and small integers fit both types
		for j := range values {
			values[j] = float32(math.Ldexp(float64((i+j)%7-3), j%9-4))
		}
		f.tensors[i].typ = typeF16
		tensor.F32ToF16(f.tensors[i].data, values)
		if f.tensors[i].name == name {
			want = make([]byte, 2*len(values))
			tensor.F32ToBF16(want, values)
		}
	}
	c, err := openRaw(t, f)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, checkpointtest.Load(t, c)["model.layers.0.self_attn.q_proj.weight"]) {
		t.Errorf("%s differs", name)
	}
	f.tensor(name).typ = typeBF16
	_, err = openRaw(t, f)
	checkpointtest.WantError(t, err, "checkpoint: …/model.gguf: 9 tensors are F16 and 1 BF16, a file has one of them: convert the model with a current llama.cpp")
}

// TestArrays: metadata that some converters write once for each layer.
func TestArrays(t *testing.T) {
	f := readRaw(t)
	f.set("gpt-oss.attention.head_count", []int32{4, 4})
	f.set("gpt-oss.attention.head_count_kv", []int32{2, 2})
	f.set("gpt-oss.feed_forward_length", []int32{64, 64})
	f.set("gpt-oss.attention.sliding_window_pattern", []int32{0, 1})
	c, err := openRaw(t, f)
	if err != nil {
		t.Fatal(err)
	}
	want := *openFile(t, goldenGGUF).Config()
	want.Sliding = []bool{false, true}
	if d := cmp.Diff(&want, c.Config()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for period, sliding := range map[uint32][]bool{0: {true, true}, 1: {false, false}, 2: {true, false}, 3: {true, true}} {
		f.set("gpt-oss.attention.sliding_window_pattern", period)
		c, err := openRaw(t, f)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(sliding, c.Config().Sliding); d != "" {
			t.Errorf("period %d (-want +got):\n%s", period, d)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(f *raw)
		want   string
	}{
		{"OtherArchitecture", func(f *raw) { f.set("general.architecture", "llama") }, `general.architecture is "llama", only gpt-oss is supported`},
		{"Ollama", func(f *raw) { f.set("general.architecture", "gptoss") }, "the file is in Ollama's form: use one in llama.cpp's, or the published safetensors"},
		{"NoArchitecture", func(f *raw) { f.set("general.architecture", nil) }, "general.architecture is missing, only gpt-oss is supported"},
		{"Missing", func(f *raw) { f.set("gpt-oss.attention.head_count", nil) }, "metadata gpt-oss.attention.head_count is missing: convert the model with a current llama.cpp"},
		{"UnequalLayers", func(f *raw) { f.set("gpt-oss.attention.head_count", []int32{4, 2}) }, "metadata gpt-oss.attention.head_count differs from layer to layer, gpt-oss has the same in all: this is another model"},
		{"EmptyArray", func(f *raw) { f.set("gpt-oss.attention.head_count", []int32{}) }, "metadata gpt-oss.attention.head_count is an array of 0 elements: convert the model with a current llama.cpp"},
		{"ArrayOfTexts", func(f *raw) { f.set("gpt-oss.attention.head_count", []string{"4"}) }, "metadata gpt-oss.attention.head_count is missing: convert the model with a current llama.cpp"},
		{"PatternOfOtherLength", func(f *raw) { f.set("gpt-oss.attention.sliding_window_pattern", []int32{1, 0, 1}) }, "metadata gpt-oss.attention.sliding_window_pattern has 3 elements for 2 layers"},
		{"PatternOfNumbers", func(f *raw) { f.set("gpt-oss.attention.sliding_window_pattern", []int32{1, 7}) }, "metadata gpt-oss.attention.sliding_window_pattern has 7 in layer 1: convert the model with a current llama.cpp"},
		{"PatternOfText", func(f *raw) { f.set("gpt-oss.attention.sliding_window_pattern", "even") }, `metadata gpt-oss.attention.sliding_window_pattern is "even": convert the model with a current llama.cpp`},
		{"OtherBase", func(f *raw) { f.set("gpt-oss.rope.freq_base_swa", float32(10000)) }, "metadata gpt-oss.rope.freq_base_swa is 10000: gpt-oss has the same base in all layers"},
		{"TokenAbove32Bits", func(f *raw) { f.set("tokenizer.ggml.eos_token_id", uint64(1<<32+7)) }, "metadata tokenizer.ggml.eos_token_id is 4294967303: convert the model with a current llama.cpp"},
		{"PaddingAbove32Bits", func(f *raw) { f.set("tokenizer.ggml.padding_token_id", uint64(1<<32)) }, "metadata tokenizer.ggml.padding_token_id is 4294967296: convert the model with a current llama.cpp"},
		{"TokenAbove63Bits", func(f *raw) { f.set("tokenizer.ggml.eos_token_id", uint64(1<<63)) }, "metadata tokenizer.ggml.eos_token_id is -9223372036854775808: convert the model with a current llama.cpp"},
		{"TokenOutside", func(f *raw) { f.set("tokenizer.ggml.padding_token_id", uint32(256)) }, "gptoss: config.json: pad_token_id 256 is outside vocab_size 256"},
		{"Text", func(f *raw) { f.set("gpt-oss.expert_count", "many") }, `metadata gpt-oss.expert_count is "many": convert the model with a current llama.cpp`},
		{"Rope", func(f *raw) { f.set("gpt-oss.rope.scaling.type", "linear") }, `metadata gpt-oss.rope.scaling.type is "linear", only yarn is supported`},
		{"ValueLength", func(f *raw) { f.set("gpt-oss.attention.value_length", uint32(128)) }, "heads have … elements in keys and 128 in values: this is not gpt-oss"},
		{"Layers", func(f *raw) { f.set("gpt-oss.block_count", uint32(1<<31)) }, "gptoss: config.json: num_hidden_layers is 2147483648, want 1 to 1024"},
		{"Deeper", func(f *raw) { f.set("gpt-oss.block_count", uint32(3)) }, `tensor "blk.2.attn_norm.weight" is missing: the file is incomplete`},
		{"Shallower", func(f *raw) { f.set("gpt-oss.block_count", uint32(1)) }, "there are tensors of 2 layers, the configuration has 1: this is another model, or the file is damaged"},
		{"OtherTensor", func(f *raw) {
			f.tensors = append(f.tensors, rawTensor{tensorInfo: tensorInfo{name: "rope_freqs.weight", dims: []int64{8}, typ: typeF32}, data: make([]byte, 32)})
		}, `there are tensors that gpt-oss does not have: "rope_freqs.weight": this is another model, or the file is damaged`},
		{"SmallerType", func(f *raw) { f.tensor("blk.0.attn_k.bias").typ = typeBF16 }, `tensor "…": 256 bytes before its data belong to no tensor: the file is damaged, download it again`},
		{"SmallerAtTheEnd", func(f *raw) { f.tensors[len(f.tensors)-1].dims[1] /= 2 }, "… bytes after the last tensor belong to no tensor: the file is damaged, download it again"},
		{"Alignment", func(f *raw) { f.set("general.alignment", uint32(0)) }, "general.alignment is 0"},
		{"NoEmbedding", func(f *raw) { f.tensor("token_embd.weight").name = "x" }, `tensor "token_embd.weight" is missing or no matrix: the file is incomplete`},
		{"Shape", func(f *raw) { slices.Reverse(f.tensor("blk.0.attn_k.weight").dims) }, `tensor "blk.0.attn_k.weight" has dimensions [128 64], the metadata asks for [64 128]`},
		{"Quantised", func(f *raw) { f.tensor("blk.0.attn_k.weight").typ = 12 }, `tensor "blk.0.attn_k.weight" is ggml type 12: only F32, F16, BF16 and Q8_0 can be used here`},
		{"ExpertsQuantised", func(f *raw) { f.tensor("blk.0.ffn_down_exps.weight").typ = 14 }, `tensor "blk.0.ffn_down_exps.weight" is ggml type 14: only files with MXFP4 experts can be used`},
		{"GateUnlikeUp", func(f *raw) { f.tensor("blk.0.ffn_up_exps.weight").typ = 14 }, "gate is MXFP4 and up is ggml type 14: they must be alike"},
		{"BiasInBlocks", func(f *raw) {
			for _, name := range []string{"blk.0.ffn_gate_exps.bias", "blk.0.ffn_up_exps.bias"} {
				x := f.tensor(name)
				x.typ, x.data = typeQ8_0, x.data[:len(x.data)/128*34]
			}
		}, `tensor "blk.0.ffn_gate_exps.bias" is Q8_0: only F32, F16, BF16 and Q8_0 can be used here`},
		{"Twice", func(f *raw) { f.tensor("blk.0.attn_k.bias").name = "blk.0.attn_v.bias" }, `tensor "blk.0.attn_v.bias" appears twice`},
		{"Dimensions", func(f *raw) { f.tensor("blk.0.attn_k.bias").dims = make([]int64, 5) }, `tensor "blk.0.attn_k.bias": 5 dimensions, at most 4 are possible: the file is damaged, download it again`},
		{"Zero", func(f *raw) { f.tensor("blk.0.attn_k.bias").dims = []int64{0} }, `tensor "blk.0.attn_k.bias": dimension 0 is impossible: the file is damaged, download it again`},
		{"Huge", func(f *raw) { f.tensor("blk.0.attn_k.bias").dims = []int64{1 << 40, 1 << 40} }, `tensor "blk.0.attn_k.bias": dimension 1099511627776 is impossible: the file is damaged, download it again`},
		{"NoBlocks", func(f *raw) { f.tensor("blk.0.ffn_up_exps.weight").dims[0] = 33 }, `tensor "blk.0.ffn_up_exps.weight": dimensions [33 …] are no whole blocks of MXFP4`},
		{"Overlap", func(f *raw) { f.tensor("blk.0.attn_k.bias").dims = []int64{1 << 10} }, `tensor "…" overlaps "blk.0.attn_k.bias": the file is damaged, download it again`},
		{"Version", func(f *raw) { f.version = 1 }, "GGUF version is 1, want 2 or 3: convert the model with a current llama.cpp"},
		{"BigEndian", func(f *raw) { f.version = 3 << 24 }, "the file is big-endian: convert it on a little-endian machine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := readRaw(t)
			c.change(f)
			_, err := openRaw(t, f)
			checkpointtest.WantError(t, err, "checkpoint: …/model.gguf: "+c.want)
		})
	}
	data := readRaw(t).encode()
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"Empty", nil, "the file ends inside its header: the download is incomplete, fetch it again"},
		{"NotGGUF", []byte("PK\x03\x04and so on"), "this is not a GGUF file"},
		{"LFSPointer", []byte("version https://git-lfs.github.com/spec/v1\n"), "the file is a Git LFS pointer and not the weights: fetch them with git lfs pull"},
		{"Truncated", data[:len(data)-1000], `tensor "…" ends at byte …, the file has …: the download is incomplete, fetch it again`},
		{"TruncatedHeader", data[:1000], "the file ends inside its header: the download is incomplete, fetch it again"},
		{"Counts", append(slices.Clone(data[:8]), bytes.Repeat([]byte{255}, 16)...), "18446744073709551615 tensors and 18446744073709551615 values: the file is damaged, download it again"},
		{"KeyCount", binary.LittleEndian.AppendUint64(slices.Clone(data[:16]), maxKeys+1), "… tensors and 4097 values: the file is damaged, download it again"},
		{"StringLength", append(slices.Clone(data[:24]), bytes.Repeat([]byte{255}, 8)...), `value "": a string has 18446744073709551615 bytes, at most 256 are expected: the file is damaged, download it again`},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.gguf")
			if err := os.WriteFile(path, c.data, 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Open(path)
			checkpointtest.WantError(t, err, "checkpoint: "+path+": "+c.want)
		})
	}
}
