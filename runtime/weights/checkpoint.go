// Package weights finds the tensors of a published checkpoint and streams their bytes, unchanged, to where they are used.
//
// A checkpoint is a directory in one of the forms in which gpt-oss is published: Hugging Face's (config.json beside
// model.safetensors, or beside shards and model.safetensors.index.json) or OpenAI's original one (its own config.json and
// tensor names, q, k and v fused), also as the original/ folder of a Hugging Face repository; a GGUF file as llama.cpp writes
// it; or a packed model: manifest.json and chunks of at most 24 MiB, each known by its SHA-256 and checked before use, in a
// directory or on any web server. Pack makes one of any other. Tensors are known by their Hugging Face names throughout.
// Opening reads the headers or the manifest only and checks that every tensor of the configuration is there with its exact type
// and shape.
package weights

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"gossamer/runtime/gptoss"
)

const (
	configName     = "config.json"
	generationName = "generation_config.json"
	singleName     = "model.safetensors"
	indexName      = "model.safetensors.index.json"
	originalDir    = "original"
	suffix         = ".safetensors"

	maxJSONBytes = 64 << 20 // far above any index or config; keeps a wrong file from filling memory
)

// Checkpoint is an opened model: its configuration and where the bytes of every tensor are. Its methods may be called
// concurrently.
type Checkpoint struct {
	config   *gptoss.Config
	src      Source
	files    []string  // what src calls them, in the order of reading
	folder   string    // of the directory that was opened, where they are; "" itself
	tensors  []located // in the order of config.Tensors()
	ignored  []string
	notes    []string
	manifest *Manifest // nil unless packed
}

// located is a tensor and where its bytes are: in segments, one after the other, in the order of the files.
type located struct {
	gptoss.TensorSpec
	segments []segment
}

// segment is n bytes of a file from off on.
type segment struct {
	file   int // index in Checkpoint.files
	off, n int64
}

// OpenDir opens the checkpoint in a directory, or a GGUF file. No file stays open. If a manifest there says that chunks are on a
// web server, they are fetched from it when they are needed and kept in DefaultCacheDir.
func OpenDir(dir string) (*Checkpoint, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	} else if !info.IsDir() && isGGUF(dir) {
		return OpenGGUF(dir)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("weights: %s is a file: give the directory that holds it and config.json", dir)
	}
	return open(os.DirFS(dir), dir)
}

// OpenFS opens the checkpoint at the root of a file system, which must stay usable as long as the Checkpoint is used.
func OpenFS(fsys fs.FS) (*Checkpoint, error) { return open(fsys, "the root of the file system") }

// Config is the model's configuration. Its EOS ids include those of generation_config.json. Do not modify it.
func (c *Checkpoint) Config() *gptoss.Config { return c.config }

// Ignored lists the tensors of the files that the model does not have, sorted.
func (c *Checkpoint) Ignored() []string { return slices.Clone(c.ignored) }

// Notes says in sentences what is worth knowing about how tensors are stored, such as conversions.
func (c *Checkpoint) Notes() []string { return slices.Clone(c.notes) }

// Manifest is the manifest of a packed model, nil for other checkpoints. Do not modify it.
func (c *Checkpoint) Manifest() *Manifest { return c.manifest }

// Verified says that every byte is compared with a published hash before it is used.
func (c *Checkpoint) Verified() bool {
	return c.manifest != nil && !slices.ContainsFunc(c.manifest.Chunks, func(k Chunk) bool { return k.SHA256 == "" })
}

// phase names what Load does.
func (c *Checkpoint) phase() string {
	if s, ok := c.src.(*chunkSource); ok {
		if r, ok := s.store.(interface{ missing([]Chunk) bool }); ok && r.missing(c.manifest.Chunks) {
			return PhaseDownload
		}
	}
	return PhaseWeights
}

// openManifest makes a checkpoint of a checked manifest and the place of its chunks.
func openManifest(m *Manifest, s store) (*Checkpoint, error) {
	src, err := newChunkSource(m, s)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{config: m.config, src: src, tensors: m.locate(), manifest: m}
	for i := range m.Chunks {
		c.files = append(c.files, m.Chunks[i].name())
	}
	return c, nil
}

// openPacked opens the packed model whose manifest is in fsys.
func openPacked(fsys fs.FS) (*Checkpoint, error) {
	data, err := readSmall(fsys, ManifestName)
	if err != nil {
		return nil, err
	}
	m, err := ParseManifest(data)
	if err != nil {
		return nil, err
	}
	s, err := dirStore(m, fsys)
	if err != nil {
		return nil, err
	}
	return openManifest(m, s)
}

// open picks the folder to read: the root, or original/ where only that holds weights.
func open(fsys fs.FS, where string) (*Checkpoint, error) {
	packed, manifestErr := openPacked(fsys)
	if manifestErr == nil {
		return packed, nil
	}
	if !errors.Is(manifestErr, fs.ErrNotExist) && !errors.Is(manifestErr, errOtherFormat) {
		return nil, manifestErr
	}
	files, err := listFiles(fsys)
	if err != nil {
		return nil, err
	}
	folder := ""
	if len(files.names) == 0 {
		folder = originalDir
		if sub, err := fs.Sub(fsys, originalDir); err == nil {
			fsys = sub
		}
		if files, err = listFiles(fsys); err != nil {
			return nil, err
		}
	}
	if len(files.names) == 0 && errors.Is(manifestErr, errOtherFormat) {
		return nil, manifestErr
	}
	if len(files.names) == 0 {
		return nil, fmt.Errorf("weights: no %s file in %s: give a directory with config.json and the published weights", suffix, where)
	}
	config, err := readConfig(fsys)
	if err != nil {
		return nil, err
	}
	inv, err := readInventory(fsys, files)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{config: config, src: fsSource{fsys}, files: files.names, folder: folder}
	if c.tensors, c.ignored, err = inv.locate(config); err != nil {
		return nil, err
	}
	return c, nil
}

// readConfig reads config.json and, if it is there, generation_config.json.
func readConfig(fsys fs.FS) (*gptoss.Config, error) {
	data, err := readSmall(fsys, configName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("weights: %s is missing: download it into the directory of the weights", configName)
	}
	if err != nil {
		return nil, err
	}
	config, err := gptoss.ParseConfig(data)
	if err != nil {
		return nil, err
	}
	data, err = readSmall(fsys, generationName)
	if errors.Is(err, fs.ErrNotExist) {
		return config, nil
	}
	if err != nil {
		return nil, err
	}
	ids, err := gptoss.ParseGenerationConfig(data)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if !slices.Contains(config.EOS, id) {
			config.EOS = append(config.EOS, id)
		}
	}
	if err := config.Validate(); err != nil { // the new ids against the vocabulary
		return nil, err
	}
	return config, nil
}

// readSmall reads a JSON file.
func readSmall(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxJSONBytes+1))
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	if len(data) > maxJSONBytes {
		return nil, fmt.Errorf("weights: %s is larger than %d bytes: this is not the published file", name, maxJSONBytes)
	}
	return data, nil
}
