package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/gptoss"
)

// rawTensor is a tensor in a file under test.
type rawTensor struct {
	DType gptoss.DType
	Shape []int64
	data  []byte
}

// readFile takes a safetensors file apart.
func readFile(t *testing.T, file []byte) map[string]rawTensor {
	t.Helper()
	entries, err := entriesOf(file)
	if err != nil {
		t.Fatal(err)
	}
	tensors := map[string]rawTensor{}
	for _, e := range entries {
		tensors[e.name] = rawTensor{e.dtype, e.shape, file[e.off : e.off+e.n]}
	}
	return tensors
}

// writeFile puts a safetensors file together, tensors in the order of their names.
func writeFile(t *testing.T, tensors map[string]rawTensor) []byte {
	t.Helper()
	header, data := map[string]any{}, []byte{}
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		x := tensors[name]
		header[name] = map[string]any{"dtype": x.DType, "shape": x.Shape, "data_offsets": []int{len(data), len(data) + len(x.data)}}
		data = append(data, x.data...)
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), data...)
}

// readFS copies a golden model's folder into memory.
func readFS(t *testing.T, dir string) fstest.MapFS {
	t.Helper()
	m := fstest.MapFS{}
	disk := os.DirFS(filepath.Join(golden, dir))
	err := fs.WalkDir(disk, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(disk, path)
		m[path] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// shard spreads the tensors of model.safetensors over files with an index, by turns so that neighbours are apart.
func shard(t *testing.T, m fstest.MapFS, names ...string) {
	t.Helper()
	tensors := readFile(t, m[singleName].Data)
	delete(m, singleName)
	files, weightMap := map[string]map[string]rawTensor{}, map[string]string{}
	for i, name := range slices.Sorted(maps.Keys(tensors)) {
		file := names[i%len(names)]
		if files[file] == nil {
			files[file] = map[string]rawTensor{}
		}
		files[file][name] = tensors[name]
		weightMap[name] = file
	}
	for name, tensors := range files {
		m[name] = &fstest.MapFile{Data: writeFile(t, tensors)}
	}
	writeIndex(t, m, weightMap)
}

func writeIndex(t *testing.T, m fstest.MapFS, weightMap map[string]string) {
	t.Helper()
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{}, "weight_map": weightMap})
	if err != nil {
		t.Fatal(err)
	}
	m[indexName] = &fstest.MapFile{Data: data}
}

func readIndex(t *testing.T, m fstest.MapFS) map[string]string {
	t.Helper()
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(m[indexName].Data, &index); err != nil {
		t.Fatal(err)
	}
	return index.WeightMap
}

// edit changes the tensors of a file.
func edit(t *testing.T, m fstest.MapFS, file string, change func(map[string]rawTensor)) {
	t.Helper()
	tensors := readFile(t, m[file].Data)
	change(tensors)
	m[file] = &fstest.MapFile{Data: writeFile(t, tensors)}
}

// setConfig changes fields of config.json; nil removes one.
func setConfig(t *testing.T, m fstest.MapFS, fields map[string]any) {
	t.Helper()
	var config map[string]any
	if err := json.Unmarshal(m[ConfigName].Data, &config); err != nil {
		t.Fatal(err)
	}
	for k, v := range fields {
		config[k] = v
		if v == nil {
			delete(config, k)
		}
	}
	data, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	m[ConfigName] = &fstest.MapFile{Data: data}
}

// plainFS hides everything but Read, as a compressed file system would.
type plainFS struct{ fs.FS }

type plainFile struct{ f fs.File }

func (p plainFile) Stat() (fs.FileInfo, error) { return p.f.Stat() }
func (p plainFile) Read(b []byte) (int, error) { return p.f.Read(b) }
func (p plainFile) Close() error               { return p.f.Close() }

func (p plainFS) Open(name string) (fs.File, error) {
	f, err := p.FS.Open(name)
	if err != nil {
		return nil, err
	}
	if d, ok := f.(fs.ReadDirFile); ok {
		return d, nil
	}
	return plainFile{f}, nil
}

// TestFormsAgree opens the same weights in every form and compares all bytes.
func TestFormsAgree(t *testing.T) {
	const dir = "gqa_window8/model"
	hf, err := openDir(filepath.Join(golden, dir))
	if err != nil {
		t.Fatal(err)
	}
	want := checkpointtest.Load(t, hf)
	for _, c := range []struct {
		name string
		make func() fs.FS
	}{
		{"Memory", func() fs.FS { return readFS(t, dir) }},
		{"ReadOnly", func() fs.FS { return plainFS{readFS(t, dir)} }},
		{"Original", func() fs.FS { return readFS(t, dir+"_original") }},
		{"OfNamesLastIndex", func() fs.FS {
			m := readFS(t, dir)
			shard(t, m, "model-00000-of-00002.safetensors", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
			return m
		}},
		{"ShardsWithoutPattern", func() fs.FS {
			m := readFS(t, dir)
			shard(t, m, "b.bin", "a.safetensors")
			m["model-00001-of-00001.safetensors"] = &fstest.MapFile{Data: []byte("not in the index, so never read")}
			return m
		}},
		{"OriginalShardsWithoutIndex", func() fs.FS {
			m := readFS(t, dir+"_original")
			shard(t, m, "model--00001-of-00002.safetensors", "model--00002-of-00002.safetensors")
			delete(m, indexName)
			m["dtypes.json"] = &fstest.MapFile{Data: []byte("{}")}
			return m
		}},
		{"IndexDecidesBetweenCopies", func() fs.FS {
			m := readFS(t, dir)
			shard(t, m, "one", "two")
			norm := "model.norm.weight"
			other := "one"
			if readIndex(t, m)[norm] == "one" {
				other = "two"
			}
			edit(t, m, other, func(ts map[string]rawTensor) { ts[norm] = rawTensor{"BF16", []int64{64}, make([]byte, 128)} })
			return m
		}},
		{"SubfolderOriginal", func() fs.FS {
			m := fstest.MapFS{"config.json": {Data: []byte("{}")}, "README.md": {}}
			for name, f := range readFS(t, dir+"_original") {
				m["original/"+name] = f
			}
			return m
		}},
		{"RootBeforeOriginal", func() fs.FS {
			m := readFS(t, dir)
			m["original/model.safetensors"] = &fstest.MapFile{Data: []byte("broken")}
			return m
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Open(c.make(), "the root of the file system")
			if err != nil {
				t.Fatal(err)
			}
			if !maps.EqualFunc(want, checkpointtest.Load(t, got), bytes.Equal) {
				t.Error("the bytes differ from the Hugging Face form")
			}
			wantConfig := *hf.Config()
			if strings.Contains(c.name, "riginal") && c.name != "RootBeforeOriginal" {
				wantConfig.EOS, wantConfig.Pad = nil, -1 // not in the original config.json
			}
			if d := cmp.Diff(&wantConfig, got.Config()); d != "" {
				t.Errorf("config (-hf +%s):\n%s", c.name, d)
			}
			if len(got.Notes()) > 0 {
				t.Errorf("notes %q", got.Notes())
			}
		})
	}
}

// TestBuffers: what follows from config.json is left out, and said.
func TestBuffers(t *testing.T) {
	m := readFS(t, "gqa_window8/model")
	var names []string
	edit(t, m, singleName, func(ts map[string]rawTensor) {
		for i := range 5 {
			names = append(names, fmt.Sprintf("model.layers.%d.self_attn.rotary_emb.inv_freq", i))
			ts[names[i]] = rawTensor{"F32", []int64{2}, make([]byte, 8)}
		}
	})
	c, err := Open(m, "the root of the file system")
	if err != nil {
		t.Fatal(err)
	}
	checkpointtest.Load(t, c)
	if d := cmp.Diff([]string{`5 tensors are not needed and are left out: "` + strings.Join(names[:3], `", "`) + `" and 2 more`}, c.Notes()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestGenerationConfig(t *testing.T) {
	m := readFS(t, "gqa_window8/model")
	for _, c := range []struct {
		config any
		gen    string
		want   []int32
	}{
		{255, `{"eos_token_id":[255,7,8,7]}`, []int32{255, 7, 8}},
		{255, `{"eos_token_id":3}`, []int32{255, 3}},
		{nil, `{"eos_token_id":[1]}`, []int32{1}},
		{[]int{4, 5}, `{}`, []int32{4, 5}},
		{nil, `{"eos_token_id":null}`, nil},
	} {
		setConfig(t, m, map[string]any{"eos_token_id": c.config})
		m[generationName] = &fstest.MapFile{Data: []byte(c.gen)}
		got, err := Open(m, "the root of the file system")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, got.Config().EOS); d != "" {
			t.Errorf("config %v, generation config %s (-want +got):\n%s", c.config, c.gen, d)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	const hf, original = "gqa_window8/model", "gqa_window8/model_original"
	const q = "model.layers.1.self_attn.q_proj.weight"
	for _, c := range []struct {
		name   string
		dir    string
		change func(m fstest.MapFS)
		want   string
	}{
		{"NoWeights", hf, func(m fstest.MapFS) { delete(m, singleName) },
			"checkpoint: no .safetensors file in the root of the file system: give a directory with config.json and the published weights"},
		{"NoConfig", hf, func(m fstest.MapFS) { delete(m, ConfigName) },
			"checkpoint: config.json is missing: download it into the directory of the weights"},
		{"ConfigNotJSON", hf, func(m fstest.MapFS) { m[ConfigName].Data = []byte("<html>") },
			"gptoss: config.json: …"},
		{"UnknownArchitecture", hf, func(m fstest.MapFS) { setConfig(t, m, map[string]any{"model_type": "llama"}) },
			`gptoss: config.json: model_type is "llama", only "gpt_oss" is supported`},
		{"ConfigFieldOutOfRange", hf, func(m fstest.MapFS) { setConfig(t, m, map[string]any{"hidden_size": -64}) },
			`gptoss: config.json: hidden_size is -64, want 32 to 1048576`},
		{"ConfigOfWiderModel", hf, func(m fstest.MapFS) { setConfig(t, m, map[string]any{"hidden_size": 96}) },
			`checkpoint: model.safetensors: tensor "model.embed_tokens.weight" has shape [256 64], want [256 96]: the file does not belong to this config.json`},
		{"ConfigOfDeeperModel", hf, func(m fstest.MapFS) {
			setConfig(t, m, map[string]any{"num_hidden_layers": 3, "layer_types": nil})
		}, `checkpoint: model.safetensors: tensor "model.layers.2.input_layernorm.weight" is missing: the download is incomplete or config.json belongs to another model`},
		{"ConfigOfShallowerModel", hf, func(m fstest.MapFS) {
			setConfig(t, m, map[string]any{"num_hidden_layers": 1, "layer_types": nil})
		}, `checkpoint: there are tensors of 2 layers, the configuration has 1: config.json belongs to another model, or this is not gpt-oss`},
		{"OriginalConfigOfShallowerModel", original, func(m fstest.MapFS) { setConfig(t, m, map[string]any{"num_hidden_layers": 1}) },
			`checkpoint: there are tensors of 2 layers, the configuration has 1: config.json belongs to another model, or this is not gpt-oss`},
		{"HeadsOfOtherSize", hf, func(m fstest.MapFS) { setConfig(t, m, map[string]any{"num_attention_heads": 8, "head_dim": 32}) },
			`checkpoint: model.safetensors: tensor "model.layers.0.self_attn.k_proj.weight" has shape [128 64], want [64 64]: the file does not belong to this config.json`},
		{"OtherTensors", hf, func(m fstest.MapFS) {
			edit(t, m, singleName, func(ts map[string]rawTensor) {
				ts["model.layers.0.self_attn.q_norm.weight"] = rawTensor{"F32", []int64{2}, make([]byte, 8)}
				ts["a\x1b[2J"] = rawTensor{"F6_E3M2", []int64{4}, make([]byte, 3)} // a type of which nothing is known
			})
		}, `checkpoint: there are tensors that gpt-oss does not have: "a\x1b[2J", "model.layers.0.self_attn.q_norm.weight": config.json belongs to another model, or this is not gpt-oss`},
		{"GenerationConfigNotJSON", hf, func(m fstest.MapFS) { m[generationName].Data = []byte("{") },
			"gptoss: generation_config.json: …"},
		{"GenerationConfigEOS", hf, func(m fstest.MapFS) { m[generationName].Data = []byte(`{"eos_token_id":"no"}`) },
			"gptoss: generation_config.json: eos_token_id is neither a token id nor a list of them"},
		{"EOSOutsideVocabulary", hf, func(m fstest.MapFS) { m[generationName].Data = []byte(`{"eos_token_id":256}`) },
			"gptoss: config.json: eos_token_id 256 is outside vocab_size 256"},

		{"Truncated", hf, func(m fstest.MapFS) { m[singleName].Data = m[singleName].Data[:200000] },
			`checkpoint: model.safetensors: tensor "…the download is incomplete, fetch it again`},
		{"TruncatedHeader", hf, func(m fstest.MapFS) { m[singleName].Data = m[singleName].Data[:100] },
			`checkpoint: model.safetensors: header length …more than the file's 100 bytes: the download is incomplete, fetch it again`},
		{"Directory", hf, func(m fstest.MapFS) {
			delete(m, singleName)
			m[singleName+"/x"] = &fstest.MapFile{}
		}, "checkpoint: model.safetensors: this is not a regular file"},
		{"WrongType", hf, func(m fstest.MapFS) {
			edit(t, m, singleName, func(ts map[string]rawTensor) { x := ts[q]; ts[q] = rawTensor{"F16", x.Shape, x.data} })
		}, `checkpoint: model.safetensors: tensor "` + q + `" has type "F16", want "BF16": use the checkpoint as published, with BF16 weights and MXFP4 experts`},
		{"TypeWithEscapeSequence", hf, func(m fstest.MapFS) {
			edit(t, m, singleName, func(ts map[string]rawTensor) { x := ts[q]; ts[q] = rawTensor{"\x1b[2J", x.Shape, x.data} })
		}, `checkpoint: model.safetensors: tensor "` + q + `" has type "\x1b[2J", want "BF16": use the checkpoint as published, with BF16 weights and MXFP4 experts`},
		{"WrongShape", hf, func(m fstest.MapFS) {
			edit(t, m, singleName, func(ts map[string]rawTensor) { x := ts[q]; ts[q] = rawTensor{"BF16", []int64{64, 256}, x.data} })
		}, `checkpoint: model.safetensors: tensor "` + q + `" has shape [64 256], want [256 64]: the file does not belong to this config.json`},
		{"WrongRank", hf, func(m fstest.MapFS) {
			edit(t, m, singleName, func(ts map[string]rawTensor) { x := ts[q]; ts[q] = rawTensor{"BF16", []int64{256 * 64}, x.data} })
		}, `checkpoint: model.safetensors: tensor "` + q + `" has shape [16384], want [256 64]: the file does not belong to this config.json`},
		{"Missing", hf, func(m fstest.MapFS) {
			edit(t, m, singleName, func(ts map[string]rawTensor) { delete(ts, "lm_head.weight") })
		}, `checkpoint: model.safetensors: tensor "lm_head.weight" is missing: the download is incomplete or config.json belongs to another model`},
		{"NoTensors", hf, func(m fstest.MapFS) { m[singleName].Data = safetensors("{}", 0) },
			`checkpoint: model.safetensors: tensor "model.embed_tokens.weight" is missing: the download is incomplete or config.json belongs to another model`},
		{"ExpertsUnquantised", hf, func(m fstest.MapFS) {
			edit(t, m, singleName, func(ts map[string]rawTensor) {
				const name = "model.layers.0.mlp.experts.gate_up_proj"
				delete(ts, name+"_blocks")
				delete(ts, name+"_scales")
				ts[name] = rawTensor{"BF16", []int64{4, 64, 128}, make([]byte, 4*64*128*2)}
			})
		}, `checkpoint: model.safetensors: tensor "model.layers.0.mlp.experts.gate_up_proj_blocks" is missing, the experts are stored unquantised: use the checkpoint as published, with MXFP4 experts`},

		{"OriginalFusedShape", original, func(m fstest.MapFS) {
			edit(t, m, singleName, func(ts map[string]rawTensor) {
				ts["block.1.attn.qkv.bias"] = rawTensor{"BF16", []int64{256}, make([]byte, 512)}
			})
		}, `checkpoint: model.safetensors: tensor "block.1.attn.qkv.bias" has shape [256], want [512]: the file does not belong to this config.json`},
		{"OriginalMissing", original, func(m fstest.MapFS) {
			edit(t, m, singleName, func(ts map[string]rawTensor) { delete(ts, "block.0.mlp.mlp2_bias") })
		}, `checkpoint: model.safetensors: tensor "block.0.mlp.mlp2_bias" is missing: the download is incomplete or config.json belongs to another model`},
		{"OriginalCopies", original, func(m fstest.MapFS) {
			m["copy.safetensors"] = &fstest.MapFile{Data: m[singleName].Data}
			m["first.safetensors"] = m[singleName]
			delete(m, singleName)
		}, `checkpoint: first.safetensors: tensor "embedding.weight" is in copy.safetensors too: keep the files of one checkpoint in a directory`},

		{"ShardMissing", hf, func(m fstest.MapFS) {
			shard(t, m, "model-00000-of-00001.safetensors", "model-00001-of-00001.safetensors")
			delete(m, "model-00001-of-00001.safetensors")
		}, "checkpoint: model-00001-of-00001.safetensors is missing, model.safetensors.index.json names it: download it into the same directory"},
		{"ShardWithoutItsTensor", hf, func(m fstest.MapFS) {
			shard(t, m, "a", "b")
			edit(t, m, readIndex(t, m)[q], func(ts map[string]rawTensor) { delete(ts, q) })
		}, `checkpoint: a: tensor "` + q + `" is missing, model.safetensors.index.json places it here: download both again`},
		{"IndexWithoutTensor", hf, func(m fstest.MapFS) {
			edit(t, m, singleName, func(ts map[string]rawTensor) { delete(ts, q) })
			shard(t, m, "a", "b")
		}, `checkpoint: model.safetensors.index.json: tensor "` + q + `" is missing: the download is incomplete or config.json belongs to another model`},
		{"IndexNotJSON", hf, func(m fstest.MapFS) {
			shard(t, m, "a", "b")
			m[indexName].Data = []byte("{\"weight_map\":")
		}, "checkpoint: model.safetensors.index.json: …: download it again"},
		{"IndexOfOtherTypes", hf, func(m fstest.MapFS) {
			shard(t, m, "a", "b")
			m[indexName].Data = []byte(`{"weight_map":{"lm_head.weight":1}}`)
		}, "checkpoint: model.safetensors.index.json: …: download it again"},
		{"IndexEmpty", hf, func(m fstest.MapFS) {
			shard(t, m, "a", "b")
			m[indexName].Data = []byte("{}")
		}, "checkpoint: model.safetensors.index.json: weight_map is missing or empty: download it again"},
		{"IndexLeavesDirectory", hf, func(m fstest.MapFS) {
			shard(t, m, "a", "b")
			index := readIndex(t, m)
			index[q] = "../../etc/passwd"
			writeIndex(t, m, index)
		}, `checkpoint: model.safetensors.index.json: weight_map names "../../etc/passwd", which is no file of the directory: download it again`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := readFS(t, c.dir)
			c.change(m)
			_, err := Open(m, "the root of the file system")
			checkpointtest.WantError(t, err, c.want)
		})
	}
}

// TestSymlinks: Hugging Face's cache holds links to blobs.
func TestSymlinks(t *testing.T) {
	dir := t.TempDir()
	src, err := filepath.Abs(filepath.Join(golden, "gqa_window8/model"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{ConfigName, generationName, singleName} {
		if err := os.Symlink(filepath.Join(src, name), filepath.Join(dir, name)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	c, err := openDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	checkpointtest.Load(t, c)

	blob := filepath.Join(dir, singleName)
	if err := errors.Join(os.Remove(blob), os.Symlink("no such blob", blob)); err != nil {
		t.Fatal(err)
	}
	if _, err := openDir(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v of a link to nothing, want fs.ErrNotExist", err)
	}
}
