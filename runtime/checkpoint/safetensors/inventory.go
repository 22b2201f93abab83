package safetensors

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/jsonerror"
)

const (
	singleName = "model.safetensors"
	indexName  = "model.safetensors.index.json"
	suffix     = ".safetensors"
)

// Limits of an index; that of gpt-oss-120b has 60 KB and 15 files.
const (
	maxIndexBytes = 4 << 20
	maxFiles      = 512
)

// fileList says which safetensors files make up a checkpoint.
type fileList struct {
	names []string          // sorted
	index map[string]string // tensor -> file, as model.safetensors.index.json says; nil without one
}

// listFiles finds model.safetensors, or what model.safetensors.index.json names, or every safetensors file there is, as OpenAI's
// loader does. Names of shards follow no reliable pattern: the number after "of" may be the count or the last index.
func listFiles(fsys fs.FS) (fileList, error) {
	if _, err := fs.Stat(fsys, singleName); err == nil {
		return fileList{names: []string{singleName}}, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fileList{}, fmt.Errorf("checkpoint: %w", err)
	}
	data, err := checkpoint.ReadSmall(fsys, indexName)
	if errors.Is(err, fs.ErrNotExist) {
		names, err := fs.Glob(fsys, "*"+suffix)
		if err != nil {
			return fileList{}, fmt.Errorf("checkpoint: %w", err)
		}
		if i := slices.IndexFunc(names, func(name string) bool { return !ordinary(name) }); i >= 0 {
			return fileList{}, fmt.Errorf("checkpoint: the file name %.100q is not one of a published model: rename the file", names[i])
		}
		return fileList{names: names}, nil
	}
	if err != nil {
		return fileList{}, err
	}
	if len(data) > maxIndexBytes {
		return fileList{}, fmt.Errorf("checkpoint: %s: it has %d bytes, at most %d are possible: this is not the published file", indexName, len(data), maxIndexBytes)
	}
	var j struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &j); err != nil {
		return fileList{}, fmt.Errorf("checkpoint: %s: %.300s: download it again", indexName, jsonerror.Plain(err))
	}
	if len(j.WeightMap) == 0 {
		return fileList{}, fmt.Errorf("checkpoint: %s: weight_map is missing or empty: download it again", indexName)
	}
	names := slices.Compact(slices.Sorted(maps.Values(j.WeightMap)))
	if len(names) > maxFiles {
		return fileList{}, fmt.Errorf("checkpoint: %s: weight_map names %d files, at most %d are possible: download it again", indexName, len(names), maxFiles)
	}
	for _, name := range names {
		if !ordinary(name) {
			return fileList{}, fmt.Errorf("checkpoint: %s: weight_map names %.100q, which is no file of the directory: download it again", indexName, name)
		}
	}
	return fileList{names: names, index: j.WeightMap}, nil
}

// ordinary says that a name is of a file in the directory, and can be shown in a message.
func ordinary(name string) bool {
	return fs.ValidPath(name) && name != "." && len(name) <= maxNameBytes && checkpoint.Printable(name) == name
}

// inventory is every tensor of a checkpoint's files.
type inventory struct {
	files   fileList
	tensors map[string]stored
}

type stored struct {
	entry
	file string
}

// readInventory reads the headers of all files.
func readInventory(fsys fs.FS, files fileList) (*inventory, error) {
	inv := &inventory{files: files, tensors: map[string]stored{}}
	left := int64(maxHeaderBytes)
	for _, name := range files.names {
		entries, err := readFileHeader(fsys, name, &left)
		if files.index != nil && errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("checkpoint: %s is missing, %s names it: download it into the same directory", name, indexName)
		}
		if err != nil {
			return nil, fmt.Errorf("checkpoint: %s: %w", name, err)
		}
		for _, e := range entries {
			if file, ok := files.index[e.name]; ok && file != name {
				continue // the index prefers another file's copy
			}
			if other, ok := inv.tensors[e.name]; ok {
				return nil, fmt.Errorf("checkpoint: %s: tensor %q is in %s too: keep the files of one checkpoint in a directory", name, e.name, other.file)
			}
			inv.tensors[e.name] = stored{e, name}
		}
	}
	return inv, nil
}

// readFileHeader reads the header of a file, and takes its bytes from those that headers may have.
func readFileHeader(fsys fs.FS, name string, left *int64) ([]entry, error) {
	f, size, err := checkpoint.OpenRegular(fsys, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, n, err := readHeader(f, size, *left)
	*left -= n
	return entries, err
}

// locate finds every tensor of the model, in the order of config.Tensors(), and says in notes what is left over. Files are known by
// their index in inv.files.names.
func (inv *inventory) locate(config *gptoss.Config) (segments []checkpoint.Segment, notes []string, err error) {
	specs := config.Tensors()
	_, hf := inv.tensors[specs[0].Name]
	_, oai := inv.tensors[specs[0].OriginalName()]
	original := oai && !hf

	used := map[string]bool{}
	for i, spec := range specs {
		name, shape, row := spec.Name, spec.Shape, 0
		if original {
			name = spec.OriginalName()
			shape, row = fusedQKV(config, spec)
		}
		s, err := inv.find(name, spec.DType, shape)
		if err != nil {
			return nil, nil, err
		}
		used[name] = true
		rowBytes := s.n / int64(shape[0])
		file, _ := slices.BinarySearch(inv.files.names, s.file)
		segments = append(segments, checkpoint.Segment{Tensor: i, File: file, Off: s.off + int64(row)*rowBytes, N: spec.Bytes()})
	}
	notes, err = inv.leftOver(used, config.Layers)
	return segments, notes, err
}

// buffers are endings of tensors that older versions of transformers stored, although they follow from config.json.
var buffers = []string{".rotary_emb.inv_freq"}

// leftOver is a note about tensors that nobody needs. Any other tensor that is not used says that the configuration, or the model,
// is another one, which would answer with other words: that is an error.
func (inv *inventory) leftOver(used map[string]bool, layers int) (notes []string, err error) {
	var harmless, other []string
	for name := range inv.tensors {
		switch {
		case used[name]:
		case slices.ContainsFunc(buffers, func(end string) bool { return strings.HasSuffix(name, end) }):
			harmless = append(harmless, name)
		default:
			other = append(other, name)
		}
	}
	if len(other) > 0 {
		return nil, fmt.Errorf("checkpoint: %w: config.json belongs to another model, or this is not gpt-oss", checkpoint.LeftOver(other, layers))
	}
	if len(harmless) > 0 {
		notes = append(notes, fmt.Sprintf("%d tensors are not needed and are left out: %s", len(harmless), checkpoint.Few(harmless)))
	}
	return notes, nil
}

// find looks a tensor up by its stored name and checks type and shape.
func (inv *inventory) find(name string, dtype gptoss.DType, shape []int) (stored, error) {
	s, ok := inv.tensors[name]
	if !ok {
		return s, inv.missing(name)
	}
	if s.dtype != dtype {
		return s, fmt.Errorf("checkpoint: %s: tensor %q has type %.20q, want %q: use the checkpoint as published, with BF16 weights and MXFP4 experts", s.file, name, s.dtype, dtype)
	}
	if !slices.EqualFunc(s.shape, shape, func(a int64, b int) bool { return a == int64(b) }) {
		return s, fmt.Errorf("checkpoint: %s: tensor %q has shape %v, want %v: the file does not belong to this config.json", s.file, name, s.shape, shape)
	}
	return s, nil
}

// missing explains why a tensor could not be found.
func (inv *inventory) missing(name string) error {
	if file, ok := inv.files.index[name]; ok {
		return fmt.Errorf("checkpoint: %s: tensor %q is missing, %s places it here: download both again", file, name, indexName)
	}
	where := strings.Join(inv.files.names, ", ")
	if inv.files.index != nil {
		where = indexName
	}
	if base, ok := strings.CutSuffix(name, "_blocks"); ok {
		if _, ok := inv.tensors[base]; ok {
			return fmt.Errorf("checkpoint: %s: tensor %q is missing, the experts are stored unquantised: use the checkpoint as published, with MXFP4 experts", where, name)
		}
	}
	return fmt.Errorf("checkpoint: %s: tensor %q is missing: the download is incomplete or config.json belongs to another model", where, name)
}

// fusedQKV is the shape of the original layout's tensor that holds t, and t's first row in it: queries, then keys, then values.
func fusedQKV(c *gptoss.Config, t gptoss.TensorSpec) (shape []int, row int) {
	switch t.Kind {
	case gptoss.QWeight, gptoss.QBias:
	case gptoss.KWeight, gptoss.KBias:
		row = c.QDim()
	case gptoss.VWeight, gptoss.VBias:
		row = c.QDim() + c.KVDim()
	default:
		return t.Shape, 0
	}
	shape = slices.Clone(t.Shape)
	shape[0] = c.QDim() + 2*c.KVDim()
	return shape, row
}
