package gptoss

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/testenv"
)

const golden = "../../testdata/golden"

func readConfig(t testing.TB, path string) *Config {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseConfig(data)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return c
}

// published returns what the config.json of the 20b says.
func published() *Config {
	c := &Config{
		Layers: 24, Hidden: 2880, Intermediate: 2880, Heads: 64, KVHeads: 8, HeadDim: 64, Experts: 32, TopK: 4, Vocab: 201088,
		MaxPositions: 131072, Window: 128, NormEps: 1e-5, SwiGLULimit: 7, SwiGLUAlpha: 1.702,
		Rope: Rope{Theta: 150000, Factor: 32, BetaFast: 32, BetaSlow: 1, OriginalContext: 4096},
		EOS:  []int32{200002}, Pad: 199999,
	}
	alternate(c)
	return c
}

// alternate makes even layers slide.
func alternate(c *Config) {
	c.Sliding = make([]bool, c.Layers)
	for n := range c.Sliding {
		c.Sliding[n] = n%2 == 0
	}
}

// TestPublished reads both published models in both forms and compares their tensors with the published index: total_size and
// number of names.
func TestPublished(t *testing.T) {
	for _, m := range []struct {
		name            string
		layers, experts int
		tensors         int
		originalTensors int
		bytes, params   int64
	}{
		{"20b", 24, 32, 459, 363, 13_761_264_768, 20_914_757_184},
		{"120b", 36, 128, 687, 543, 65_248_815_744, 116_829_156_672},
	} {
		want := published()
		want.Layers, want.Experts = m.layers, m.experts
		alternate(want)
		got := readConfig(t, filepath.Join("testdata", m.name+".json"))
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", m.name, d)
		}
		want.EOS, want.Pad = nil, -1
		if d := cmp.Diff(want, readConfig(t, filepath.Join("testdata", m.name+"_original.json"))); d != "" {
			t.Errorf("%s original (-want +got):\n%s", m.name, d)
		}

		var bytes, params int64
		names, originals := map[string]bool{}, map[string]bool{}
		for _, s := range got.Tensors() {
			bytes += s.Bytes()
			switch s.Kind {
			case GateUpBlocks, DownBlocks:
				params += 2 * s.Elements()
			case GateUpScales, DownScales:
			default:
				params += s.Elements()
			}
			names[s.Name], originals[s.OriginalName()] = true, true
		}
		if bytes != m.bytes || params != m.params {
			t.Errorf("%s: %d bytes and %d parameters, want %d and %d", m.name, bytes, params, m.bytes, m.params)
		}
		if len(names) != m.tensors || len(originals) != m.originalTensors {
			t.Errorf("%s: %d tensors and %d in the original layout, want %d and %d", m.name, len(names), len(originals), m.tensors, m.originalTensors)
		}
	}
}

func TestGoldenConfigs(t *testing.T) {
	want := published()
	want.Layers, want.Hidden, want.Intermediate, want.Heads, want.KVHeads, want.Experts, want.TopK = 2, 64, 64, 4, 2, 4, 2
	want.Vocab, want.Window, want.EOS, want.Pad = 256, 8, []int32{255}, 254
	alternate(want)
	if d := cmp.Diff(want, readConfig(t, filepath.Join(golden, "gqa_window8/model/config.json"))); d != "" {
		t.Errorf("gqa_window8 (-want +got):\n%s", d)
	}
	want.EOS, want.Pad = nil, -1
	if d := cmp.Diff(want, readConfig(t, filepath.Join(golden, "gqa_window8/model_original/config.json"))); d != "" {
		t.Errorf("gqa_window8 original (-want +got):\n%s", d)
	}

	want = published()
	want.Layers, want.Hidden, want.Intermediate, want.Heads, want.KVHeads, want.HeadDim, want.Experts = 4, 96, 64, 8, 2, 16, 8
	want.Vocab, want.EOS, want.Pad = 256, []int32{255}, 254
	alternate(want)
	if d := cmp.Diff(want, readConfig(t, filepath.Join(golden, "long_window128/model/config.json"))); d != "" {
		t.Errorf("long_window128 (-want +got):\n%s", d)
	}

	want = published()
	want.Layers, want.Hidden, want.Intermediate, want.Heads, want.KVHeads, want.HeadDim = 2, 64, 32, 4, 2, 16
	want.Experts, want.TopK, want.Window = 4, 2, 8
	alternate(want)
	if d := cmp.Diff(want, readConfig(t, filepath.Join(golden, "full_vocab/model/config.json"))); d != "" {
		t.Errorf("full_vocab (-want +got):\n%s", d)
	}
}

// config returns the published config.json as a map, changed; a nil value removes a field.
func config(t testing.TB, file string, change map[string]any) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	for k, v := range change {
		m[k] = v
		if v == nil {
			delete(m, k)
		}
	}
	if data, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	return data
}

// rope returns rope_scaling of the published config.json, changed likewise.
func rope(change map[string]any) map[string]any {
	m := map[string]any{"rope_type": "yarn", "factor": 32, "beta_fast": 32, "beta_slow": 1, "original_max_position_embeddings": 4096, "truncate": false}
	maps.Copy(m, change)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	return m
}

func TestVariants(t *testing.T) {
	for _, c := range []struct {
		name   string
		change map[string]any
		want   func(*Config)
	}{
		{"NoLayerTypes", map[string]any{"layer_types": nil}, func(*Config) {}},
		{"OddLayersNoLayerTypes", map[string]any{"layer_types": nil, "num_hidden_layers": 3}, func(c *Config) {
			c.Layers, c.Sliding = 3, []bool{true, false, true}
		}},
		{"OwnLayerTypes", map[string]any{"num_hidden_layers": 2, "layer_types": []string{"full_attention", "sliding_attention"}}, func(c *Config) {
			c.Layers, c.Sliding = 2, []bool{false, true}
		}},
		{"RopeParameters", map[string]any{"rope_scaling": nil, "rope_theta": nil, "rope_parameters": rope(map[string]any{"rope_theta": 150000.0})}, func(*Config) {}},
		{"RopeTypeUnderItsOldName", map[string]any{"rope_scaling": rope(map[string]any{"rope_type": nil, "type": "yarn"})}, func(*Config) {}},
		{"RopeDefaults", map[string]any{"rope_scaling": rope(map[string]any{"beta_fast": nil, "beta_slow": nil, "truncate": nil, "original_max_position_embeddings": nil})}, func(*Config) {}},
		{"ThetaAsFloat", map[string]any{"rope_theta": 1e6}, func(c *Config) { c.Rope.Theta = 1e6 }},
		{"TopKUnderItsOtherName", map[string]any{"num_experts_per_tok": nil}, func(*Config) {}},
		{"SwiGLUAlpha", map[string]any{"swiglu_alpha": 1.5}, func(c *Config) { c.SwiGLUAlpha = 1.5 }},
		{"NoPadNoEOS", map[string]any{"pad_token_id": nil, "eos_token_id": nil}, func(c *Config) { c.EOS, c.Pad = nil, -1 }},
		{"EOSList", map[string]any{"eos_token_id": []int{5, 6}}, func(c *Config) { c.EOS = []int32{5, 6} }},
		{"NoQuantizationConfig", map[string]any{"quantization_config": nil}, func(*Config) {}},
		{"NoDefaultsNeeded", map[string]any{"rms_norm_eps": nil, "hidden_act": nil, "attention_bias": nil, "tie_word_embeddings": nil}, func(*Config) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseConfig(config(t, "20b.json", c.change))
			if err != nil {
				t.Fatal(err)
			}
			want := published()
			c.want(want)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestConfigErrors(t *testing.T) {
	const p = "gptoss: config.json: "
	for _, c := range []struct {
		field string
		value any // nil removes the field
		want  string
	}{
		{"model_type", nil, `model_type is "", only "gpt_oss" is supported`},
		{"model_type", "llama", `model_type is "llama", only "gpt_oss" is supported`},
		{"quantization_config", map[string]any{"quant_method": "gptq"}, `quantization_config.quant_method is "gptq", only "mxfp4" is supported`},
		{"hidden_act", "gelu", `hidden_act is "gelu", only "silu" is supported`},
		{"tie_word_embeddings", true, `tie_word_embeddings is true, gpt-oss has separate embeddings`},
		{"attention_bias", false, `attention_bias is false, gpt-oss has attention biases`},

		{"rope_scaling", rope(map[string]any{"factor": nil}), `field "rope_scaling.factor" is missing`},
		{"pad_token_id", 201088, `pad_token_id 201088 is outside vocab_size 201088`},
		{"pad_token_id", -2, `pad_token_id -2 is outside vocab_size 201088`},

		{"num_hidden_layers", 0, `num_hidden_layers is 0, want 1 to 1024`},
		{"num_hidden_layers", -1, `num_hidden_layers is -1, want 1 to 1024`},
		{"num_hidden_layers", 1 << 30, `num_hidden_layers is 1073741824, want 1 to 1024`},
		{"num_hidden_layers", 23, `layer_types has 24 entries for num_hidden_layers 23`},
		{"layer_types", []string{}, `layer_types has 0 entries for num_hidden_layers 24`},
		{"layer_types", strings.Split(strings.Repeat("full_attention ", 23)+"chunked", " "), `layer_types[23] is "chunked", want "sliding_attention" or "full_attention"`},
		{"hidden_size", 2896, `hidden_size is 2896, want a multiple of 32 (MXFP4 blocks hold 32 values)`},
		{"hidden_size", 1 << 21, `hidden_size is 2097152, want 32 to 1048576`},
		{"intermediate_size", 2881, `intermediate_size is 2881, want a multiple of 32 (MXFP4 blocks hold 32 values)`},
		{"intermediate_size", 0, `intermediate_size is 0, want 32 to 1048576`},
		{"num_attention_heads", 63, `num_attention_heads is 63, want a multiple of 8 (query heads share KV heads evenly)`},
		{"num_attention_heads", 0, `num_attention_heads is 0, want 1 to 4096`},
		{"num_key_value_heads", 0, `num_key_value_heads is 0, want 1 to 4096`},
		{"head_dim", 68, `head_dim is 68, want a multiple of 8 (heads are read 8 values at a time)`},
		{"head_dim", 512, `head_dim is 512, want 8 to 256`},
		{"num_local_experts", 3, `num_experts_per_tok is 4, more than num_local_experts 3`},
		{"num_local_experts", 0, `num_local_experts is 0, want 1 to 4096`},
		{"num_experts_per_tok", 0, `num_experts_per_tok is 0, want 1 to 64`},
		{"vocab_size", 1, `vocab_size is 1, want 2 to 16777216`},
		{"vocab_size", 1000, `eos_token_id 200002 is outside vocab_size 1000`},
		{"sliding_window", 0, `sliding_window is 0, want 1 to 1048576`},
		{"max_position_embeddings", 0, `max_position_embeddings is 0, want 1 to 16777216`},
		{"rms_norm_eps", 0, `rms_norm_eps is 0, want a positive number`},
		{"swiglu_limit", -7, `swiglu_limit is -7, want a positive number`},
		{"swiglu_alpha", 0, `swiglu_alpha is 0, want a positive number`},
		{"rope_theta", 0, `rope_theta is 0, want a positive number`},
		{"rope_theta", 1, `rope_theta is 1, want more than 1`},
		{"eos_token_id", "stop", `eos_token_id is neither a token id nor a list of them`},
		{"eos_token_id", -1, `eos_token_id -1 is outside vocab_size 201088`},

		{"rope_scaling", rope(map[string]any{"rope_type": "linear"}), `rope_type is "linear", only "yarn" is supported`},
		{"rope_scaling", rope(map[string]any{"truncate": true}), `rope_scaling.truncate is true, gpt-oss does not round the range of YaRN`},
		{"rope_scaling", rope(map[string]any{"attention_factor": 1.2}), `rope_scaling.attention_factor is 1.2, gpt-oss derives it from the factor`},
		{"rope_scaling", rope(map[string]any{"original_max_position_embeddings": 0}), `rope_scaling.original_max_position_embeddings is 0, want 1 to 16777216`},
		{"rope_scaling", rope(map[string]any{"factor": 0}), `rope_scaling.factor is 0, want a positive number`},
		{"rope_scaling", rope(map[string]any{"beta_fast": -1}), `rope_scaling.beta_fast is -1, want a positive number`},
		{"rope_scaling", rope(map[string]any{"beta_slow": 0}), `rope_scaling.beta_slow is 0, want a positive number`},
		{"rope_scaling", rope(map[string]any{"beta_slow": 32}), `rope_scaling.beta_fast 32 is not above beta_slow 32`},
		{"rope_scaling", rope(map[string]any{"original_max_position_embeddings": 64}),
			`rope_scaling.beta_fast 32 and beta_slow 1 interpolate pairs -3.074 to 6.232, want a range inside 0 to 31`},
		{"rope_scaling", rope(map[string]any{"beta_fast": 1e308}),
			`rope_scaling.beta_fast 1e+308 and beta_slow 1 interpolate pairs -Inf to 17.4, want a range inside 0 to 31`},
	} {
		_, err := ParseConfig(config(t, "20b.json", map[string]any{c.field: c.value}))
		if err == nil || err.Error() != p+c.want {
			t.Errorf("%s = %v:\ngot  %v\nwant %s", c.field, c.value, err, p+c.want)
		}
	}
	for _, text := range []string{"", "null", "[]", "{", `{"hidden_size":"2880"}`, `{"hidden_size":2880.5}`} {
		if _, err := ParseConfig([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), p) {
			t.Errorf("%q: error %v", text, err)
		}
	}
}

// TestDefaults: a field that is missing, or null, has the value that transformers gives it, in the original form that of OpenAI's code.
func TestDefaults(t *testing.T) {
	for _, file := range []string{"120b.json", "120b_original.json"} {
		want := readConfig(t, filepath.Join("testdata", file))
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(config(t, file, nil), &fields); err != nil {
			t.Fatal(err)
		}
		for name := range fields {
			switch name {
			case "model_type", "num_experts": // say which form it is
				continue
			case "eos_token_id", "pad_token_id": // none
				continue
			}
			got, err := ParseConfig(config(t, file, map[string]any{name: nil}))
			if err != nil {
				t.Errorf("%s without %s: %v", file, name, err)
			} else if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s without %s (-want +got):\n%s", file, name, d)
			}
		}
		for _, form := range []string{`{"model_type": "gpt_oss", "sliding_window": null}`, `{"num_experts": 128}`} {
			want.EOS, want.Pad = nil, -1
			got, err := ParseConfig([]byte(form))
			if err != nil {
				t.Errorf("%s: %v", form, err)
			} else if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", form, d)
			}
		}
	}
}

// configSizes are the fields of config.json that the page reads.
type configSizes struct {
	Layers       int      `json:"num_hidden_layers"`
	Hidden       int      `json:"hidden_size"`
	Intermediate int      `json:"intermediate_size"`
	Heads        int      `json:"num_attention_heads"`
	KVHeads      int      `json:"num_key_value_heads"`
	HeadDim      int      `json:"head_dim"`
	Vocab        int      `json:"vocab_size"`
	Window       int      `json:"sliding_window"`
	Experts      int      `json:"num_local_experts"`
	TopK         int      `json:"num_experts_per_tok"`
	MaxPositions int      `json:"max_position_embeddings"`
	LayerTypes   []string `json:"layer_types"`
}

// TestConfigExamples compares what config.json means with testdata/rules, which the page's tests read; -update writes the file.
func TestConfigExamples(t *testing.T) {
	type example struct {
		Config json.RawMessage `json:"config"`
		Sizes  *configSizes    `json:"sizes"` // null: refused
	}
	var examples []example
	for _, text := range []string{
		`{"model_type":"gpt_oss"}`, `{"num_experts":32}`, `{}`, `{"model_type":"llama"}`, `{"model_type":"llama","num_experts":8}`,
		`{"model_type":"gpt_oss","head_dim":null,"sliding_window":null,"layer_types":null,"num_hidden_layers":3}`,
		`{"model_type":"gpt_oss","num_experts":16,"experts_per_token":2}`,
		`{"model_type":"gpt_oss","num_local_experts":8,"num_experts":16,"num_experts_per_tok":3,"experts_per_token":2}`,
		`{"model_type":"gpt_oss","num_hidden_layers":2,"layer_types":["full_attention","sliding_attention"],"max_position_embeddings":5000,"sliding_window":7}`,
		`{"model_type":"gpt_oss","num_hidden_layers":3,"layer_types":["full_attention"]}`,
		`{"num_experts":4,"num_hidden_layers":2,"experts_per_token":2,"initial_context_length":1000,"rope_scaling_factor":2.5,"rope_ntk_beta":8}`,
		`{"num_experts":4,"num_hidden_layers":2,"initial_context_length":2000,"rope_scaling_factor":0.5}`,
		`{"model_type":"gpt_oss","num_hidden_layers":0}`, `{"model_type":"gpt_oss","num_hidden_layers":9007199254740991}`,
		`{"model_type":"gpt_oss","hidden_size":"2880"}`, `{"model_type":"gpt_oss","hidden_size":2880.5}`,
	} {
		e := example{Config: json.RawMessage(text)}
		if c, err := ParseConfig([]byte(text)); err == nil {
			e.Sizes = &configSizes{c.Layers, c.Hidden, c.Intermediate, c.Heads, c.KVHeads, c.HeadDim, c.Vocab, c.Window, c.Experts, c.TopK, c.MaxPositions, nil}
			for _, sliding := range c.Sliding {
				e.Sizes.LayerTypes = append(e.Sizes.LayerTypes, map[bool]string{true: "sliding_attention", false: "full_attention"}[sliding])
			}
		}
		examples = append(examples, e)
	}
	testenv.ExampleLines(t, "rules/configs.json", examples)
}

// TestConfigLimits: what is far beyond any model is refused before memory is taken for it.
func TestConfigLimits(t *testing.T) {
	large := strings.Repeat(" ", maxConfigBytes)
	ids := "[" + strings.Repeat("7,", maxEOS) + "7]"
	for _, c := range []struct {
		name string
		err  func() error
		want string
	}{
		{"Bytes", func() error { _, err := ParseConfig([]byte(large + "{}")); return err },
			"gptoss: config.json: it has 1048578 bytes, at most 1048576 are possible: this is not the published file"},
		{"GenerationBytes", func() error { _, err := ParseGenerationConfig([]byte(large + "{}")); return err },
			"gptoss: generation_config.json: it has 1048578 bytes, at most 1048576 are possible: this is not the published file"},
		{"EOS", func() error {
			_, err := ParseConfig(config(t, "20b.json", map[string]any{"eos_token_id": json.RawMessage(ids)}))
			return err
		}, "gptoss: config.json: eos_token_id has 65 ids, at most 64 are possible: this is not the published file"},
		{"GenerationEOS", func() error { _, err := ParseGenerationConfig([]byte(`{"eos_token_id":` + ids + `}`)); return err },
			"gptoss: generation_config.json: eos_token_id has 65 ids, at most 64 are possible: this is not the published file"},
		{"Weights", func() error {
			_, err := ParseConfig(config(t, "20b.json", map[string]any{"hidden_size": 1 << 20, "num_local_experts": 1 << 12}))
			return err
		}, "gptoss: config.json: a model of these sizes has more than 1099 GB of weights: the file is damaged, download it again"},
		{"LongText", func() error {
			_, err := ParseConfig([]byte(`{"model_type": "` + strings.Repeat("x", 1<<19) + `"}`))
			return err
		}, `gptoss: config.json: model_type is "` + strings.Repeat("x", 100) + `", only "gpt_oss" is supported`},
	} {
		if err := c.err(); err == nil || err.Error() != c.want {
			t.Errorf("%s:\ngot  %v\nwant %s", c.name, err, c.want)
		}
	}
}

// FuzzParseConfig: no input panics, and what is accepted can be used.
func FuzzParseConfig(f *testing.F) {
	seeds := [][]byte{config(f, "20b.json", nil), config(f, "120b_original.json", nil)}
	testenv.Fuzz(f, seeds, func(t testing.TB, data []byte) {
		c, err := ParseConfig(data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "gptoss: config.json: ") {
				t.Errorf("error %q names no file", err)
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Errorf("accepted, then %v", err)
		}
		for _, s := range c.Tensors() {
			if s.Elements() <= 0 || s.Bytes() <= 0 {
				t.Errorf("%s has shape %v", s.Name, s.Shape)
			}
		}
		for _, v := range c.RopeTable(c.MaxPositions-1, 1) {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				t.Errorf("rope table %v for %+v", v, c.Rope)
			}
		}
	})
}

// FuzzParseGenerationConfig: no input panics, and ids are few.
func FuzzParseGenerationConfig(f *testing.F) {
	seeds := []string{`{"eos_token_id": [200002, 199999, 200012], "do_sample": true}`, `{"eos_token_id": 200002}`}
	testenv.Fuzz(f, seeds, func(t testing.TB, text string) {
		ids, err := ParseGenerationConfig([]byte(text))
		if err != nil && !strings.HasPrefix(err.Error(), "gptoss: generation_config.json: ") {
			t.Errorf("error %q names no file", err)
		}
		if len(ids) > maxEOS {
			t.Errorf("%d ids", len(ids))
		}
	})
}
