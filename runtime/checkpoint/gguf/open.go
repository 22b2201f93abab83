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
)

// extension is how the names of GGUF files end.
const extension = ".gguf"

// prefix begins the keys of the model's own metadata.
const prefix = "gpt-oss."

// Open opens a GGUF file with gpt-oss as llama.cpp writes it: MXFP4 experts, everything else F32, F16, BF16 or Q8_0. Of a model
// that is split into several files, any of them may be named. The checkpoint delivers the tensors of Hugging Face's layout: MXFP4
// rearranged without loss, numbers rounded to bf16, which gives the published ones where the file was made of them and keeps them
// in 16 bits or more; Notes says what was converted.
func Open(path string) (*checkpoint.Checkpoint, error) {
	dir := filepath.Dir(path)
	return open(os.DirFS(dir), dir, filepath.Base(path))
}

// ErrNone says that there are no GGUF files.
var ErrNone = errors.New("no " + extension + " file")

// OpenFolder opens the one model, in a file or split into several, whose GGUF files are at the root of a file system. where names the
// place in messages.
func OpenFolder(fsys fs.FS, where string) (*checkpoint.Checkpoint, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	models := map[string]string{} // name without the part's number -> first file
	for _, e := range slices.Backward(entries) {
		if Named(e.Name()) && !e.IsDir() {
			models[partOf(e.Name()).model] = e.Name()
		}
	}
	names := slices.Sorted(maps.Values(models))
	switch len(names) {
	case 0:
		return nil, fmt.Errorf("checkpoint: %w in %s", ErrNone, where)
	case 1:
		return open(fsys, "", names[0])
	}
	return nil, fmt.Errorf("checkpoint: %s holds %d models: name the file of one of them: %s", where, len(names), checkpoint.Few(names))
}

// open opens a file, and those that it is a part with. dir is put before names in messages.
func open(fsys fs.FS, dir, name string) (*checkpoint.Checkpoint, error) {
	h, files, err := readModel(fsys, dir, name)
	if err != nil {
		return nil, err
	}
	d, err := h.describe(fsys, files)
	if err != nil {
		return nil, fileError(dir, files[0], err)
	}
	return checkpoint.New(*d), nil
}

// fileError names the file of an error.
func fileError(dir, name string, err error) error {
	return fmt.Errorf("checkpoint: %s: %w", filepath.Join(dir, name), err)
}

// describe finds what the model is made of.
func (h *header) describe(fsys fs.FS, files []string) (*checkpoint.Description, error) {
	config, err := h.config()
	if err != nil {
		return nil, err
	}
	src := &source{fsys: fsys, files: files, recipes: map[string]recipe{}}
	d := &checkpoint.Description{Config: config, Source: checkpoint.Source{Open: src.open}} // files are tensors
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
	types := map[ggmlType]int{}
	var other []string
	for name, t := range h.tensors {
		if types[t.typ]++; !used[name] {
			other = append(other, name)
		}
	}
	if len(other) > 0 {
		return nil, fmt.Errorf("%w: this is another model, or the file is damaged", checkpoint.LeftOver(other, config.Layers))
	}
	if types[typeF16] > 0 && types[typeBF16] > 0 { // no converter writes both, and the bytes of one are numbers of the other, too
		return nil, fmt.Errorf("%d tensors are F16 and %d BF16, a file has one of them: convert the model with a current llama.cpp", types[typeF16], types[typeBF16])
	}
	for _, typ := range slices.Sorted(maps.Keys(types)) {
		if typ == typeBF16 || typ == typeMXFP4 {
			continue
		}
		note := fmt.Sprintf("%d tensors are %s in the GGUF file and become BF16", types[typ], typ)
		if typ == typeQ8_0 {
			note += ": not quite the published numbers"
		}
		d.Notes = append(d.Notes, note)
	}
	return d, nil
}

// Named says that a path names a GGUF file.
func Named(path string) bool { return strings.HasSuffix(strings.ToLower(path), extension) }
