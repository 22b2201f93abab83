// Package checkpoint describes a published model's weights: what they consist of, and how their bytes are streamed, unchanged, to where
// they are used. Tensors have their Hugging Face names throughout.
//
// The packages below this one each know one format or one transport, and make a Checkpoint of what they find: safetensors and gguf
// (published files), packed (a manifest and chunks), remote (a packed model or a repository on a web server), page (the same, provided
// by a web page), random (random weights). Package detect chooses among them. This package imports none of them.
//
// What the packages call parts of a model:
//
//   - a segment is a run of bytes that a tensor and a file have in common: N bytes from At on in the tensor, from Off on in the file;
//   - a file is what a Source opens by name: a file on disk, a chunk, or a tensor that is made while it is read;
//   - a piece is what a Sink is handed at a time: at most PieceBytes of one tensor;
//   - a place is where bytes belong in the memory of a device;
//   - a chunk, in package packed, is what is stored, hashed and fetched as a whole.
package checkpoint

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gossamer/runtime/gptoss"
)

// Description is a model as a format finds it.
type Description struct {
	Config   *gptoss.Config
	Files    []string  // what Source calls them, in the order in which they are best read
	Segments []Segment // all bytes of all tensors: tensors in the order of Config.Tensors(), each from its beginning to its end
	Source   Source
	// Plain says that Files are paths below the directory that was opened: others find the segments there, too.
	Plain bool
	// Verified says that every byte is compared with a published hash before it is used.
	Verified bool
	// Notes say in sentences what is worth knowing about how tensors are stored, such as conversions.
	Notes []string
}

// Segment is a run of bytes that a tensor and a file have in common.
type Segment struct {
	Tensor int   // index in Config.Tensors()
	At     int64 // where the run begins in the tensor
	File   int   // index in Files
	Off    int64 // where the run begins in the file
	N      int64 // bytes
}

// ByFile returns segments in the order of the files.
func ByFile(segments []Segment) []Segment {
	s := slices.Clone(segments)
	slices.SortStableFunc(s, func(a, b Segment) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Off, b.Off)) })
	return s
}

// Checkpoint is an opened model. Its methods may be called concurrently.
type Checkpoint struct {
	d       Description
	tensors []gptoss.TensorSpec // of d.Config
	first   []int               // [len(tensors)+1] index of each tensor's first segment, and the number of segments
}

// New makes a checkpoint of what a format found.
func New(d Description) *Checkpoint {
	c := &Checkpoint{d: d, tensors: d.Config.Tensors()}
	next := 0
	for i := range c.tensors {
		c.first = append(c.first, next)
		for next < len(d.Segments) && d.Segments[next].Tensor == i {
			next++
		}
	}
	c.first = append(c.first, next)
	return c
}

// Config is the model's configuration. Its EOS ids include those of generation_config.json. Do not modify it.
func (c *Checkpoint) Config() *gptoss.Config { return c.d.Config }

// Notes says in sentences what is worth knowing about how tensors are stored, such as conversions.
func (c *Checkpoint) Notes() []string { return slices.Clone(c.d.Notes) }

// Verified says that every byte is compared with a published hash before it is used.
func (c *Checkpoint) Verified() bool { return c.d.Verified }

// Description is what the checkpoint was made of. Do not modify what it refers to.
func (c *Checkpoint) Description() Description { return c.d }

// segments are those of a tensor, from its beginning to its end.
func (c *Checkpoint) segments(tensor int) []Segment {
	return c.d.Segments[c.first[tensor]:c.first[tensor+1]]
}

// find is the index of a tensor.
func (c *Checkpoint) find(name string) (int, error) {
	i := slices.IndexFunc(c.tensors, func(t gptoss.TensorSpec) bool { return t.Name == name })
	if i < 0 {
		return 0, fmt.Errorf("checkpoint: the model has no tensor %q", name)
	}
	return i, nil
}

// LeftOver is an error about tensors of files that the model does not have, of a configuration with so many layers.
func LeftOver(names []string, layers int) error {
	found := 0 // layers
	for _, name := range names {
		for part := range strings.SplitSeq(name, ".") {
			if n, err := strconv.Atoi(part); err == nil {
				found = max(found, n+1)
				break
			}
		}
	}
	if found > layers {
		return fmt.Errorf("there are tensors of %d layers, the configuration has %d", found, layers)
	}
	return fmt.Errorf("there are tensors that gpt-oss does not have: %s", Few(names))
}

// Few lists names for a message, the first ones alone where they are many.
func Few(names []string) string {
	const few = 3
	names = slices.Sorted(slices.Values(names))
	var b strings.Builder
	for i, name := range names[:min(few, len(names))] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%.100q", name)
	}
	if len(names) > few {
		fmt.Fprintf(&b, " and %d more", len(names)-few)
	}
	return b.String()
}
