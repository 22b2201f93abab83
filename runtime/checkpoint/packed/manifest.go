// Package packed is the format of packed models: manifest.json and chunks, each known by its SHA-256 and checked before use, in a
// directory or on any web server. Pack makes one of any checkpoint. A manifest may also describe published files where they lie.
package packed

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/jsonerror"
)

// ManifestName is the file that makes a directory, or a place on a web server, a packed model.
const ManifestName = "manifest.json"

// manifestFormat and manifestVersion open every manifest. A reader refuses other versions; a new one is needed as soon as an
// old reader would misread a file.
const (
	manifestFormat  = "gossamer-manifest"
	manifestVersion = 1
)

// maxChunkBytes bounds a chunk, as stored and unpacked: static hosts take files of this size, and a few of them fit any memory.
const maxChunkBytes = 24 << 20

// Manifest says what a packed model is made of. Its JSON form:
//
//	{"format": "gossamer-manifest", "version": 1,
//	 "config": {...},
//	 "tokenizer": {"name": "o200k_harmony", "sha256": "446a9538..."},
//	 "chunks": [
//	  {"url": "chunks/<sha256>.bin", "bytes": 13236480, "sha256": "..."},
//	  {"url": "chunks/<sha256>.bin", "bytes": 19660800, "codec": "zstd", "rawBytes": 25159680, "sha256": "..."},
//	  {"url": "https://host/model.safetensors", "offset": 4096, "bytes": 25165824, "sha256": "..."}],
//	 "tensors": [
//	  {"name": "model.norm.weight", "dtype": "BF16", "shape": [2880],
//	   "segments": [{"chunk": 0, "offset": 4096, "length": 5760}]}]}
//
// Fields that are not listed here are refused, and so is everything that does not fit together: every tensor of the
// configuration is there once, with its type and shape; its segments give its bytes in order, none longer than its chunk, no
// two on the same bytes; each but the last has a multiple of 16 bytes, and they go forward through the chunks, so that one pass
// over the chunks delivers every tensor from its beginning to its end.
type Manifest struct {
	Format    string           `json:"format"`
	Version   int              `json:"version"`
	Config    json.RawMessage  `json:"config"`              // config.json in Hugging Face's form, with all EOS ids
	Tokenizer *ManifestVocab   `json:"tokenizer,omitempty"` // absent: the model has a vocabulary of its own
	Chunks    []Chunk          `json:"chunks"`
	Tensors   []ManifestTensor `json:"tensors"`

	config *gptoss.Config // of Config
}

// ManifestVocab names a vocabulary by the SHA-256 of its file of ranks.
type ManifestVocab struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// harmonyVocab is o200k_harmony by the hash of o200k_base.tiktoken, as OpenAI publishes it.
var harmonyVocab = ManifestVocab{"o200k_harmony", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"}

// Codec is how a chunk is stored.
type Codec string

const (
	None Codec = ""     // as it is
	Zstd Codec = "zstd" // one Zstandard frame
)

// Chunk is a part of a model that is stored, hashed and fetched as a whole.
type Chunk struct {
	// URL is http or https, or a path relative to the manifest's place, of ordinary characters, without "..".
	URL string `json:"url"`
	// Offset is where the chunk begins in a larger file; nil if it is a file.
	Offset   *int64 `json:"offset,omitempty"`
	Bytes    int64  `json:"bytes"` // as stored, 1 to maxChunkBytes
	Codec    Codec  `json:"codec,omitempty"`
	RawBytes int64  `json:"rawBytes,omitempty"` // unpacked, with a codec
	// SHA256 is the hash of the stored bytes in hexadecimal. Only manifests that were derived from an unpacked repository lack it.
	SHA256 string `json:"sha256,omitempty"`
}

// ManifestTensor says where the bytes of a tensor are.
type ManifestTensor struct {
	Name     string       `json:"name"`
	DType    gptoss.DType `json:"dtype"`
	Shape    []int        `json:"shape"`
	Segments []Segment    `json:"segments"`
}

// Segment is a checkpoint.Segment as a manifest writes it: length bytes of an unpacked chunk from an offset on. A tensor's segments
// follow each other in the tensor.
type Segment struct {
	Chunk  int   `json:"chunk"` // index
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
}

// raw is the chunk's size when unpacked.
func (c *Chunk) raw() int64 {
	if c.Codec == None {
		return c.Bytes
	}
	return c.RawBytes
}

// Start is where the chunk begins in its file.
func (c *Chunk) Start() int64 {
	if c.Offset == nil {
		return 0
	}
	return *c.Offset
}

// Name tells chunks apart, in messages too.
func (c *Chunk) Name() string {
	if c.Offset == nil {
		return c.URL
	}
	return fmt.Sprintf("%s, bytes %d to %d", c.URL, *c.Offset, *c.Offset+c.Bytes)
}

// Remote says that the chunk is on a web server of its own, not beside the manifest.
func (c *Chunk) Remote() bool { return strings.Contains(c.URL, "://") }

// ParseManifest reads a manifest and checks all of it.
func ParseManifest(data []byte) (*Manifest, error) { return parseManifest(data, true) }

// ParseDerived is ParseManifest for manifests that Derive made, whose chunks have no hashes.
func ParseDerived(data []byte) (*Manifest, error) { return parseManifest(data, false) }

func parseManifest(data []byte, hashed bool) (*Manifest, error) {
	m, err := decodeManifest(data)
	if err == nil {
		err = m.check(hashed)
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %s: %w", ManifestName, err)
	}
	return m, nil
}

// ErrOtherFormat says that a file called manifest.json is something else, such as a web application's.
var ErrOtherFormat = errors.New("this is not a packed model")

// Bounds of what decoding allocates: the manifest of the largest model has 2 MB, the shortest object that belongs into one is a
// segment of 33 bytes, and nowhere are there more than three commas in these.
const (
	MaxManifestBytes = 8 << 20
	minObjectBytes   = 24
	minCommaBytes    = 8
)

func decodeManifest(data []byte) (*Manifest, error) {
	if len(data) > MaxManifestBytes {
		return nil, fmt.Errorf("the file has %d bytes, at most %d are possible: %w", len(data), MaxManifestBytes, ErrOtherFormat)
	}
	if bytes.Count(data, []byte{'{'}) > 16+len(data)/minObjectBytes {
		return nil, fmt.Errorf("the file is mostly braces: %w", ErrOtherFormat)
	}
	if bytes.Count(data, []byte{','}) > 64+len(data)/minCommaBytes {
		return nil, fmt.Errorf("the file is mostly commas: %w", ErrOtherFormat)
	}
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("%.300s: this is not a packed model, or it is damaged", jsonerror.Plain(err))
	}
	if head.Format != manifestFormat {
		return nil, fmt.Errorf("format is %.100q, want %q: %w", head.Format, manifestFormat, ErrOtherFormat)
	}
	if head.Version != manifestVersion {
		return nil, fmt.Errorf("version is %d, this program reads %d: use the release that packed the model, or a newer one", head.Version, manifestVersion)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	m := &Manifest{}
	if err := d.Decode(m); err != nil {
		return nil, fmt.Errorf("%.300s", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return m, nil
}

// check validates a manifest whose format and version are right. hashed: every chunk must have a hash.
func (m *Manifest) check(hashed bool) error {
	config, err := gptoss.ParseConfig(m.Config)
	if err != nil {
		return err
	}
	m.config = config
	if v := m.Tokenizer; v != nil {
		if *v != harmonyVocab {
			return fmt.Errorf("tokenizer %.100q with SHA-256 %.100q is unknown, only %q with %s is supported", v.Name, v.SHA256, harmonyVocab.Name, harmonyVocab.SHA256)
		}
		if config.Vocab != checkpoint.HarmonyRows {
			return fmt.Errorf("tokenizer %q has %d tokens, the configuration %d", v.Name, checkpoint.HarmonyRows, config.Vocab)
		}
	}
	seen := make(map[string]*Chunk, len(m.Chunks))
	for i := range m.Chunks {
		c := &m.Chunks[i]
		if err := c.check(hashed); err != nil {
			return fmt.Errorf("chunk %d: %w", i, err)
		}
		// Chunks with equal contents are the same file, but then they are the same in all.
		if o := seen[c.Name()]; o != nil && (o.Bytes != c.Bytes || o.Codec != c.Codec || o.RawBytes != c.RawBytes || o.SHA256 != c.SHA256) {
			return fmt.Errorf("chunk %d: another chunk is %s, too", i, c.Name())
		}
		seen[c.Name()] = c
	}
	specs := config.Tensors()
	if len(m.Tensors) != len(specs) {
		return fmt.Errorf("%d tensors, the configuration has %d", len(m.Tensors), len(specs))
	}
	for i, t := range m.Tensors {
		if err := m.checkTensor(&t, specs[i]); err != nil {
			return fmt.Errorf("tensor %.200q: %w", t.Name, err)
		}
	}
	return m.checkOverlap()
}

func (c *Chunk) check(hashed bool) error {
	if err := c.CheckURL(); err != nil {
		return err
	}
	if c.Offset != nil && (*c.Offset < 0 || *c.Offset > 1<<60) {
		return fmt.Errorf("offset %d is impossible", *c.Offset)
	}
	switch c.Codec {
	case None:
		if c.RawBytes != 0 {
			return errors.New("rawBytes without a codec")
		}
	case Zstd:
	default:
		return fmt.Errorf("codec is %.100q, want none or %q", c.Codec, Zstd)
	}
	for _, n := range []int64{c.Bytes, c.raw()} {
		if n < 1 || n > maxChunkBytes {
			return fmt.Errorf("size is %d bytes, want 1 to %d", n, maxChunkBytes)
		}
	}
	if c.SHA256 == "" && !hashed {
		return nil
	}
	if h, err := hex.DecodeString(c.SHA256); err != nil || len(h) != 32 || c.SHA256 != strings.ToLower(c.SHA256) {
		return fmt.Errorf("sha256 is %.100q, want 64 lower-case hexadecimal digits", c.SHA256)
	}
	return nil
}

// absoluteURL accepts the URLs of http and https in the one notation that every reader takes for the same: a plain host, a port, a
// path of ordinary characters; no user, no fragment.
func absoluteURL(s string) bool {
	_, rest, _ := strings.Cut(s, "://")
	if !strings.HasPrefix(s, "http://") && !strings.HasPrefix(s, "https://") {
		return false
	}
	host, path, ok := strings.Cut(rest, "/")
	if !ok || strings.ContainsFunc(path, func(r rune) bool {
		return (r < '$' || r > ';') && (r < '?' || r > '[') && (r < 'a' || r > 'z') && !strings.ContainsRune("!=]_~", r)
	}) {
		return false
	}
	var port string
	hasPort := false
	if literal, isIP := strings.CutPrefix(host, "["); isIP {
		address, behind, closed := strings.Cut(literal, "]")
		if port, hasPort = strings.CutPrefix(behind, ":"); !closed || behind != "" && !hasPort || address == "" || !only(address, "0123456789ABCDEFabcdef:.") {
			return false
		}
	} else {
		host, port, hasPort = strings.Cut(host, ":")
		if host == "" || strings.ContainsFunc(host, func(r rune) bool { return !letterOrDigit(r) && !strings.ContainsRune("._-", r) }) {
			return false
		}
	}
	return !hasPort || len(port) >= 1 && len(port) <= 5 && only(port, "0123456789")
}

func only(s, characters string) bool { return strings.Trim(s, characters) == "" }

func letterOrDigit(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// CheckURL refuses URLs that a manifest must not have.
func (c *Chunk) CheckURL() error { return checkURL(c.URL) }

// checkURL accepts http, https and paths that mean the same as URL and as file name, inside the manifest's directory. Which hosts are
// asked is for the reader to decide, who knows where the manifest comes from.
func checkURL(s string) error {
	if len(s) > 2048 {
		return fmt.Errorf("url has %d characters", len(s))
	}
	if strings.Contains(s, "://") {
		if !absoluteURL(s) {
			return fmt.Errorf("url is %q, want http or https, a plain host and path, without user and fragment", checkpoint.WithoutLogin(s))
		}
		return nil
	}
	strange := strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`\:%?#"<>|*`, r) })
	if strange || !fs.ValidPath(s) || s == "." {
		return fmt.Errorf("url is %q, want a path below the manifest of ordinary characters", s)
	}
	return nil
}

// checkTensor compares a tensor with what the configuration asks for and its segments with their chunks.
func (m *Manifest) checkTensor(t *ManifestTensor, spec gptoss.TensorSpec) error {
	if t.Name != spec.Name {
		return fmt.Errorf("the configuration has %q in this place", spec.Name)
	}
	if t.DType != spec.DType || !slices.Equal(t.Shape, spec.Shape) {
		return fmt.Errorf("is %.20q of shape %v, the configuration has %q of shape %v", t.DType, t.Shape[:min(len(t.Shape), 8)], spec.DType, spec.Shape)
	}
	left := spec.Bytes()
	for i, s := range t.Segments {
		if s.Chunk < 0 || s.Chunk >= len(m.Chunks) {
			return fmt.Errorf("segment %d is in chunk %d, there are %d", i, s.Chunk, len(m.Chunks))
		}
		raw := m.Chunks[s.Chunk].raw()
		if s.Length < 1 || s.Offset < 0 || s.Offset > raw-s.Length {
			return fmt.Errorf("segment %d has %d bytes at %d, chunk %d has %d", i, s.Length, s.Offset, s.Chunk, raw)
		}
		if left -= s.Length; left > 0 && s.Length%16 != 0 {
			return fmt.Errorf("segment %d has %d bytes, want a multiple of 16", i, s.Length)
		}
		if i > 0 {
			if p := t.Segments[i-1]; s.Chunk < p.Chunk || s.Chunk == p.Chunk && s.Offset < p.Offset {
				return fmt.Errorf("segment %d lies before segment %d", i, i-1)
			}
		}
	}
	if left != 0 {
		return fmt.Errorf("segments have %d bytes, the configuration %d", spec.Bytes()-left, spec.Bytes())
	}
	return nil
}

// checkOverlap refuses segments that share bytes: so the model is no larger than what its chunks bring.
func (m *Manifest) checkOverlap() error {
	segments := checkpoint.ByFile(m.segments())
	for i, s := range segments {
		if i > 0 && s.File == segments[i-1].File && s.Off < segments[i-1].Off+segments[i-1].N {
			return fmt.Errorf("tensors %q and %q share bytes of chunk %d", m.Tensors[segments[i-1].Tensor].Name, m.Tensors[s.Tensor].Name, s.File)
		}
	}
	return nil
}

// segments are those of a checked manifest; their files are the chunks.
func (m *Manifest) segments() (segments []checkpoint.Segment) {
	for i, t := range m.Tensors {
		at := int64(0)
		for _, s := range t.Segments {
			segments = append(segments, checkpoint.Segment{Tensor: i, At: at, File: s.Chunk, Off: s.Offset, N: s.Length})
			at += s.Length
		}
	}
	return segments
}

// newManifest describes a model whose segments, tensors in order, lie in chunks.
func newManifest(config *gptoss.Config, segments []checkpoint.Segment, chunks []Chunk) (*Manifest, error) {
	text, err := gptoss.FormatConfig(config)
	if err != nil {
		return nil, err
	}
	m := &Manifest{Format: manifestFormat, Version: manifestVersion, Config: text, Chunks: chunks, config: config}
	if config.Vocab == checkpoint.HarmonyRows {
		v := harmonyVocab
		m.Tokenizer = &v
	}
	for _, t := range config.Tensors() {
		m.Tensors = append(m.Tensors, ManifestTensor{t.Name, t.DType, t.Shape, []Segment{}})
	}
	for _, s := range segments {
		t := &m.Tensors[s.Tensor]
		t.Segments = append(t.Segments, Segment{s.File, s.Off, s.N})
	}
	return m, nil
}

// Encode writes the manifest as JSON, a line for each chunk and tensor.
func (m *Manifest) Encode() ([]byte, error) {
	var b bytes.Buffer
	line := func(prefix string, v any, suffix string) error {
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("checkpoint: %s: %w", ManifestName, err)
		}
		b.WriteString(prefix)
		b.Write(text)
		b.WriteString(suffix)
		return nil
	}
	errs := []error{
		line(`{"format": `, m.Format, ",\n"), line(` "version": `, m.Version, ",\n"), line(` "config": `, m.Config, ",\n"),
	}
	if m.Tokenizer != nil {
		errs = append(errs, line(` "tokenizer": `, m.Tokenizer, ",\n"))
	}
	comma := func(i, n int) string {
		if i == n-1 {
			return "],\n"
		}
		return ",\n"
	}
	b.WriteString(" \"chunks\": [\n")
	for i, c := range m.Chunks {
		errs = append(errs, line("  ", c, comma(i, len(m.Chunks))))
	}
	b.WriteString(" \"tensors\": [\n")
	for i, t := range m.Tensors {
		errs = append(errs, line("  ", t, comma(i, len(m.Tensors))))
	}
	b.Truncate(b.Len() - len(",\n"))
	b.WriteString("}\n")
	return b.Bytes(), errors.Join(errs...)
}
