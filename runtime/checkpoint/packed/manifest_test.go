package packed

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/testenv"
)

// goldenManifest packs a golden model.
func goldenManifest(t testing.TB) *Manifest {
	t.Helper()
	packed, _ := packTo(t, openDir(t, filepath.Join(golden, "gqa_window8/model")), t.TempDir())
	return packed.Manifest
}

func encodeManifest(t testing.TB, m *Manifest) []byte {
	t.Helper()
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var ignoreConfig = cmpopts.IgnoreUnexported(Manifest{})

func TestManifestRoundTrip(t *testing.T) {
	want := goldenManifest(t)
	got, err := ParseManifest(encodeManifest(t, want))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, ignoreConfig); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	off := int64(7)
	want.Chunks[0] = Chunk{URL: "https://host/f?x=1", Offset: &off, Bytes: 3, Codec: Zstd, RawBytes: want.Chunks[0].raw(), SHA256: want.Chunks[0].SHA256}
	if got, err = ParseManifest(encodeManifest(t, want)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, ignoreConfig); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestManifestErrors(t *testing.T) {
	good := string(encodeManifest(t, goldenManifest(t)))
	edit := func(change func(m *Manifest)) string {
		m, err := ParseManifest([]byte(good))
		if err != nil {
			t.Fatal(err)
		}
		change(m)
		return string(encodeManifest(t, m))
	}
	tensor := func(change func(x *ManifestTensor)) string {
		return edit(func(m *Manifest) { change(&m.Tensors[2]) }) // the second query projection in its chunk
	}
	url := func(s string) string { return edit(func(m *Manifest) { m.Chunks[0].URL = s }) }
	strange := func(s string) string {
		q, _ := json.Marshal(s)
		return "checkpoint: manifest.json: chunk 0: url is " + string(q) + ", want a path below the manifest of ordinary characters"
	}
	const q = "checkpoint: manifest.json: tensor \"model.layers.0.self_attn.q_proj.weight\": "
	for _, c := range []struct{ name, data, want string }{
		{"Empty", "", "checkpoint: manifest.json: unexpected end of JSON input: this is not a packed model, or it is damaged"},
		{"HTML", "<html>", "checkpoint: manifest.json: …: this is not a packed model, or it is damaged"},
		{"Truncated", good[:len(good)-10], "checkpoint: manifest.json: …: this is not a packed model, or it is damaged"},
		{"OtherFormat", `{"version": 3}`, `checkpoint: manifest.json: format is "", want "gossamer-manifest": this is not a packed model`},
		{"Newer", strings.Replace(good, `"version": 1`, `"version": 2`, 1),
			"checkpoint: manifest.json: version is 2, this program reads 1: use the release that packed the model, or a newer one"},
		{"UnknownField", strings.Replace(good, `"version": 1`, `"version": 1, "extra": 1`, 1), `checkpoint: manifest.json: json: unknown field "extra"`},
		{"UnknownChunkField", strings.Replace(good, `"bytes":`, `"size":`, 1), `checkpoint: manifest.json: json: unknown field "size"`},
		{"Twice", good + good, "checkpoint: manifest.json: …: this is not a packed model, or it is damaged"},
		{"Large", strings.Repeat(" ", MaxManifestBytes+1), "checkpoint: manifest.json: the file has 8388609 bytes, at most 8388608 are possible: this is not a packed model"},
		{"Braces", `{"format": "gossamer-manifest", "version": 1, "chunks": [` + strings.Repeat("{},", 1<<20) + `{}]}`, "checkpoint: manifest.json: the file is mostly braces: this is not a packed model"},
		{"Commas", `{"format": "gossamer-manifest", "version": 1, "tensors": [{"shape": [1` + strings.Repeat(",1", 1<<20) + `]}]}`, "checkpoint: manifest.json: the file is mostly commas: this is not a packed model"},
		{"LongField", strings.Replace(good, `"version": 1`, `"version": 1, "`+strings.Repeat("x", 1<<20)+`": 1`, 1), `checkpoint: manifest.json: json: unknown field "` + strings.Repeat("x", 300-len(`json: unknown field "`))},
		{"LongName", tensor(func(x *ManifestTensor) { x.Name = strings.Repeat("x", 1<<20) }), `checkpoint: manifest.json: tensor "` + strings.Repeat("x", 200) + `": the configuration has "…" in this place`},
		{"LongShape", tensor(func(x *ManifestTensor) { x.Shape = make([]int, 20) }), q + `is "BF16" of shape [0 0 0 0 0 0 0 0], the configuration has "BF16" of shape [256 64]`},
		{"Config", strings.Replace(good, `"head_dim":`, `"head_dim":1`, 1), `checkpoint: manifest.json: gptoss: config.json: head_dim is 164, want a multiple of 8 (heads are read 8 values at a time)`},
		{"ConfigOfOther", strings.Replace(good, `"num_key_value_heads":2`, `"num_key_value_heads":4`, 1), `checkpoint: manifest.json: tensor "model.layers.0.self_attn.k_proj.weight": is "BF16" of shape […], the configuration has "BF16" of shape […]`},
		{"Tokenizer", edit(func(m *Manifest) { m.Tokenizer = &ManifestVocab{"gpt2", "00"} }), `checkpoint: manifest.json: tokenizer "gpt2" with SHA-256 "00" is unknown, only "o200k_harmony" with …is supported`},
		{"TokenizerSize", edit(func(m *Manifest) { v := harmonyVocab; m.Tokenizer = &v }), `checkpoint: manifest.json: tokenizer "o200k_harmony" has 201088 tokens, the configuration 256`},

		{"NoURL", url(""), strange("")},
		{"Dot", url("."), strange(".")},
		{"Absolute", url("/etc/passwd"), strange("/etc/passwd")},
		{"Parent", url("../secret"), strange("../secret")},
		{"ParentInside", url("chunks/../../secret"), strange("chunks/../../secret")},
		{"EscapedParent", url("%2e%2e/secret"), strange("%2e%2e/secret")},
		{"Backslash", url(`..\secret`), strange(`..\secret`)},
		{"Drive", url("C:/secret"), strange("C:/secret")},
		{"Control", url("a\nb"), strange("a\nb")},
		{"SchemeRelative", url("//host/x"), strange("//host/x")},
		{"LongURL", url(strings.Repeat("a", 3000)), "checkpoint: manifest.json: chunk 0: url has 3000 characters"},
		{"FileScheme", url("file:///etc/passwd"), `checkpoint: manifest.json: chunk 0: url is "file:///etc/passwd", want http or https, a plain host and path, without user and fragment`},
		{"User", url("https://a:b@host/x"), `checkpoint: manifest.json: chunk 0: url is "…@host/x", want http or https, a plain host and path, without user and fragment`},
		{"NoHost", url("https:///x"), `checkpoint: manifest.json: chunk 0: url is "https:///x", want http or https, a plain host and path, without user and fragment`},

		{"NegativeOffset", edit(func(m *Manifest) { n := int64(-1); m.Chunks[0].Offset = &n }), "checkpoint: manifest.json: chunk 0: offset -1 is impossible"},
		{"HugeOffset", edit(func(m *Manifest) { n := int64(1 << 62); m.Chunks[0].Offset = &n }), "checkpoint: manifest.json: chunk 0: offset 4611686018427387904 is impossible"},
		{"HugeChunk", edit(func(m *Manifest) { m.Chunks[0].Codec = None; m.Chunks[0].RawBytes = 0; m.Chunks[0].Bytes = 1 << 40 }), "checkpoint: manifest.json: chunk 0: size is 1099511627776 bytes, want 1 to 25165824"},
		{"HugeRaw", edit(func(m *Manifest) { m.Chunks[0].Codec = Zstd; m.Chunks[0].RawBytes = 1 << 40 }), "checkpoint: manifest.json: chunk 0: size is 1099511627776 bytes, want 1 to 25165824"},
		{"EmptyChunk", edit(func(m *Manifest) { m.Chunks[0].Bytes = 0 }), "checkpoint: manifest.json: chunk 0: size is 0 bytes, want 1 to 25165824"},
		{"Codec", edit(func(m *Manifest) { m.Chunks[0].Codec = "gzip" }), `checkpoint: manifest.json: chunk 0: codec is "gzip", want none or "zstd"`},
		{"RawWithoutCodec", edit(func(m *Manifest) { m.Chunks[0].Codec = None; m.Chunks[0].RawBytes = 5 }), "checkpoint: manifest.json: chunk 0: rawBytes without a codec"},
		{"NoHash", edit(func(m *Manifest) { m.Chunks[0].SHA256 = "" }), `checkpoint: manifest.json: chunk 0: sha256 is "", want 64 lower-case hexadecimal digits`},
		{"UpperHash", edit(func(m *Manifest) { m.Chunks[0].SHA256 = strings.Repeat("A", 64) }), `checkpoint: manifest.json: chunk 0: sha256 is "` + strings.Repeat("A", 64) + `", want 64 lower-case hexadecimal digits`},
		{"SameFileOtherHash", edit(func(m *Manifest) { m.Chunks[1].URL = m.Chunks[0].URL }), "checkpoint: manifest.json: chunk 1: another chunk is …, too"},

		{"TensorMissing", edit(func(m *Manifest) { m.Tensors = m.Tensors[1:] }), "checkpoint: manifest.json: … tensors, the configuration has …"},
		{"TensorOrder", edit(func(m *Manifest) { m.Tensors[0], m.Tensors[1] = m.Tensors[1], m.Tensors[0] }), `checkpoint: manifest.json: tensor "model.layers.0.input_layernorm.weight": the configuration has "model.embed_tokens.weight" in this place`},
		{"Type", tensor(func(x *ManifestTensor) { x.DType = "F32" }), q + `is "F32" of shape [256 64], the configuration has "BF16" of shape [256 64]`},
		{"Shape", tensor(func(x *ManifestTensor) { x.Shape = []int{64, 256} }), q + `is "BF16" of shape [64 256], the configuration has "BF16" of shape [256 64]`},
		{"NoSegment", tensor(func(x *ManifestTensor) { x.Segments = nil }), q + "segments have 0 bytes, the configuration 32768"},
		{"Short", tensor(func(x *ManifestTensor) { x.Segments[0].Length -= 16 }), q + "segments have 32752 bytes, the configuration 32768"},
		{"NoSuchChunk", tensor(func(x *ManifestTensor) { x.Segments[0].Chunk = 99 }), q + "segment 0 is in chunk 99, there are …"},
		{"NegativeChunk", tensor(func(x *ManifestTensor) { x.Segments[0].Chunk = -1 }), q + "segment 0 is in chunk -1, there are …"},
		{"BeyondChunk", tensor(func(x *ManifestTensor) { x.Segments[0].Offset = 1 << 24 }), q + "segment 0 has 32768 bytes at 16777216, chunk 0 has …"},
		{"Overflow", tensor(func(x *ManifestTensor) { x.Segments[0].Length = 1<<63 - 1 }), q + "segment 0 has 9223372036854775807 bytes at …"},
		{"NegativeLength", tensor(func(x *ManifestTensor) { x.Segments[0].Length = -32768 }), q + "segment 0 has -32768 bytes at …"},
		{"NegativeSegmentOffset", tensor(func(x *ManifestTensor) { x.Segments[0].Offset = -1 }), q + "segment 0 has 32768 bytes at -1, …"},
		{"OddCut", tensor(func(x *ManifestTensor) {
			s := x.Segments[0]
			x.Segments = []Segment{{s.Chunk, s.Offset, 8}, {s.Chunk, s.Offset + 8, s.Length - 8}}
		}), q + "segment 0 has 8 bytes, want a multiple of 16"},
		{"Backwards", tensor(func(x *ManifestTensor) {
			s := x.Segments[0]
			x.Segments = []Segment{{s.Chunk, s.Offset + 16, s.Length - 16}, {s.Chunk, s.Offset, 16}}
		}), q + "segment 1 lies before segment 0"},
		{"Shared", tensor(func(x *ManifestTensor) { x.Segments[0].Offset = 0 }), `checkpoint: manifest.json: tensors "…" and "…" share bytes of chunk 0`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseManifest([]byte(c.data))
			checkpointtest.WantError(t, err, c.want)
		})
	}
}

// TestManifestGood: forms that look unusual and are right.
func TestManifestGood(t *testing.T) {
	m := goldenManifest(t)
	s := m.Tensors[2].Segments[0]
	m.Tensors[2].Segments = []Segment{{s.Chunk, s.Offset, 16}, {s.Chunk, s.Offset + 16, s.Length - 16}}
	m.Chunks = append(m.Chunks, m.Chunks[0]) // a file twice, and not used
	if _, err := ParseManifest(encodeManifest(t, m)); err != nil {
		t.Error(err)
	}
	if _, err := ParseDerived([]byte(strings.Replace(string(encodeManifest(t, m)), `,"sha256":"`+m.Chunks[0].SHA256+`"`, "", -1))); err != nil {
		t.Error(err)
	}
}

// FuzzManifest: whatever is accepted describes every tensor inside the chunks, and survives being written.
func FuzzManifest(f *testing.F) {
	seeds := [][]byte{encodeManifest(f, goldenManifest(f)), []byte(`{"format":"gossamer-manifest","version":1}`)}
	testenv.Fuzz(f, seeds, func(t testing.TB, data []byte) {
		m, err := ParseManifest(data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "checkpoint: manifest.json: ") {
				t.Errorf("error %v", err)
			}
			return
		}
		c, err := Open(m, Files(nil))
		if err != nil {
			t.Fatal(err)
		}
		at := make([]int64, len(m.Tensors))
		for _, g := range c.Description().Segments {
			if g.Off < 0 || g.N <= 0 || g.Off+g.N > maxChunkBytes || g.At != at[g.Tensor] {
				t.Errorf("%s: segment %+v", m.Tensors[g.Tensor].Name, g)
			}
			at[g.Tensor] += g.N
		}
		for i, x := range c.Config().Tensors() {
			if at[i] != x.Bytes() {
				t.Errorf("%s: %d bytes, want %d", x.Name, at[i], x.Bytes())
			}
		}
		again, err := ParseManifest(encodeManifest(t, m))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(m.Tensors, again.Tensors, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("(-first +second):\n%s", d)
		}
	})
}
