package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"

	"gossamer/runtime/gptoss"
	"gossamer/runtime/jsonerror"
)

// Limits of what is read into memory. The format allows headers of 100 MB; those of gpt-oss-120b's 687 tensors have 90 KB together.
const (
	maxHeaderBytes = 16 << 20 // of all files of a checkpoint together
	maxTensors     = 1 << 16
	maxNameBytes   = 1 << 8
	maxDimensions  = 8
)

// entry is one tensor of a safetensors file.
type entry struct {
	name  string
	dtype gptoss.DType
	shape []int64
	off   int64 // of the first byte in the file
	n     int64 // bytes
}

// dtypeBytes is the element size of every data type whose elements are whole bytes.
var dtypeBytes = map[gptoss.DType]int64{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
	"U16": 2, "I16": 2, "F16": 2, "BF16": 2,
	"U32": 4, "I32": 4, "F32": 4,
	"U64": 8, "I64": 8, "F64": 8, "C64": 8,
}

// readHeader reads the header of a safetensors file of fileBytes bytes: a little-endian u64 with the length of the JSON that
// follows, at most limit, the JSON object {name: {dtype, shape, data_offsets}}, padding. It returns the tensors in the order of
// their data, which must fill the rest of the file without gap or overlap (github.com/huggingface/safetensors, format), and the
// size of all that. Errors do not name the file.
func readHeader(r io.Reader, fileBytes, limit int64) (entries []entry, headerBytes int64, err error) {
	var length [8]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, 0, fmt.Errorf("the file has %d bytes, a safetensors file has at least 8: download it again", fileBytes)
	}
	if string(length[:]) == "version " {
		return nil, 0, fmt.Errorf("the file is a Git LFS pointer and not the weights: fetch them with git lfs pull")
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > math.MaxInt64 || int64(n) > limit {
		return nil, 0, fmt.Errorf("header length %d is over the limit %d: this is not a safetensors file of gpt-oss", n, limit)
	}
	if int64(n) > fileBytes-8 {
		return nil, 0, fmt.Errorf("header length %d is more than the file's %d bytes: the download is incomplete, fetch it again", n, fileBytes)
	}
	entries, err = parseHeader(io.LimitReader(r, int64(n)))
	if err != nil {
		return nil, 0, fmt.Errorf("header: %w: this is not a safetensors file or it is damaged", err)
	}
	return entries, 8 + int64(n), checkData(entries, 8+int64(n), fileBytes)
}

// parseHeader reads the JSON of a header; offsets are still relative to its end. Every tensor's own numbers are checked.
func parseHeader(r io.Reader) ([]entry, error) {
	dec := json.NewDecoder(r)
	if t, err := dec.Token(); err != nil {
		return nil, err
	} else if t != json.Delim('{') {
		return nil, fmt.Errorf("got %v, want a JSON object", t)
	}
	var entries []entry
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name := t.(string) // the decoder allows nothing else in this place
		if len(name) > maxNameBytes {
			return nil, fmt.Errorf("tensor %.100q… has a name of %d bytes, at most %d are possible", name, len(name), maxNameBytes)
		}
		if len(entries) == maxTensors {
			return nil, fmt.Errorf("there are more than %d tensors", maxTensors)
		}
		if seen[name] {
			return nil, fmt.Errorf("tensor %q appears twice", name)
		}
		seen[name] = true
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, err
		}
		if name == "__metadata__" {
			continue
		}
		e, err := parseEntry(name, raw)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		entries = append(entries, e)
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return nil, err
	}
	rest, err := io.ReadAll(io.MultiReader(dec.Buffered(), r))
	if err != nil {
		return nil, err
	}
	if rest = bytes.TrimSpace(rest); len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes follow the JSON object", len(rest))
	}
	return entries, nil
}

// fewNumbers is a list of numbers that is refused before it is decoded if it is long.
type fewNumbers []int64

func (l *fewNumbers) UnmarshalJSON(text []byte) error {
	if n := bytes.Count(text, []byte{','}); n >= maxDimensions {
		return fmt.Errorf("a list of %d numbers, at most %d are possible", n+1, maxDimensions)
	}
	return json.Unmarshal(text, (*[]int64)(l))
}

// parseEntry reads {dtype, shape, data_offsets} and checks that they agree.
func parseEntry(name string, raw []byte) (entry, error) {
	var j struct {
		DType   *gptoss.DType `json:"dtype"`
		Shape   *fewNumbers   `json:"shape"`
		Offsets fewNumbers    `json:"data_offsets"`
	}
	if err := json.Unmarshal(raw, &j); err != nil {
		return entry{}, fmt.Errorf("%.300s", jsonerror.Plain(err))
	}
	if j.DType == nil || j.Shape == nil || len(j.Offsets) != 2 {
		return entry{}, fmt.Errorf("want dtype, shape and two data_offsets")
	}
	if len(*j.DType) > 16 {
		return entry{}, fmt.Errorf("dtype %.16q… is unknown", *j.DType)
	}
	begin, end := j.Offsets[0], j.Offsets[1]
	if begin < 0 || end < begin {
		return entry{}, fmt.Errorf("data_offsets [%d %d] are no range", begin, end)
	}
	elements := int64(1)
	for _, d := range *j.Shape {
		if d < 0 || d > 0 && elements > math.MaxInt64/8/d {
			return entry{}, fmt.Errorf("shape %v is impossible", *j.Shape)
		}
		elements *= d
	}
	// A type unknown here cannot belong to gpt-oss; whether the model needs the tensor is decided later.
	if size, ok := dtypeBytes[*j.DType]; ok && elements*size != end-begin {
		return entry{}, fmt.Errorf("%s%v takes %d bytes, data_offsets [%d %d] hold %d", *j.DType, *j.Shape, elements*size, begin, end, end-begin)
	}
	return entry{name: name, dtype: *j.DType, shape: *j.Shape, off: begin, n: end - begin}, nil
}

// checkData sorts entries by their data, makes offsets relative to the file and checks that the data fills the file exactly.
func checkData(entries []entry, dataStart, fileBytes int64) error {
	// Tensors without data share an offset with a neighbour, so the sizes and the names take part in the order.
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.off, b.off), cmp.Compare(a.n, b.n), cmp.Compare(a.name, b.name))
	})
	end := int64(0)
	for i := range entries {
		e := &entries[i]
		if e.off < end {
			return fmt.Errorf("tensor %q: data_offsets overlap those of %q: the file is damaged, download it again", e.name, entries[i-1].name)
		}
		if e.off > end {
			return fmt.Errorf("tensor %q: %d bytes before its data belong to no tensor: the file is damaged, download it again", e.name, e.off-end)
		}
		end = e.off + e.n
		if end > fileBytes-dataStart {
			return fmt.Errorf("tensor %q ends at byte %d of the data, the file has %d: the download is incomplete, fetch it again", e.name, end, fileBytes-dataStart)
		}
		e.off += dataStart
	}
	if have := fileBytes - dataStart; end != have {
		return fmt.Errorf("%d bytes after the last tensor belong to no tensor: the file is damaged, download it again", have-end)
	}
	return nil
}
