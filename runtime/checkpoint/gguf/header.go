package gguf

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The GGUF container (github.com/ggml-org/ggml, docs/gguf.md): "GGUF", u32 version, u64 number of tensors, u64 number of
// key-values; key-values; tensor infos; padding; data. Everything is little-endian, dimensions are listed fastest first.
const (
	magic            = "GGUF"
	version          = 3
	defaultAlignment = 32 // unless general.alignment says otherwise
)

// ggmlType is how a GGUF tensor is stored.
type ggmlType uint32

const (
	typeF32   ggmlType = 0
	typeF16   ggmlType = 1
	typeQ8_0  ggmlType = 8 // blocks of 32: f16 scale, 32 int8
	typeBF16  ggmlType = 30
	typeMXFP4 ggmlType = 39 // blocks of 32: E8M0 scale, 16 bytes of codes
)

// blockSizes gives the types that gpt-oss files have: block sizes in elements and in bytes.
var blockSizes = map[ggmlType]struct {
	name            string
	elements, bytes int64
}{
	typeF32: {"F32", 1, 4}, typeF16: {"F16", 1, 2}, typeQ8_0: {"Q8_0", 32, 34}, typeBF16: {"BF16", 1, 2}, typeMXFP4: {"MXFP4", 32, 17},
}

func (t ggmlType) String() string {
	if b, ok := blockSizes[t]; ok {
		return b.name
	}
	return fmt.Sprintf("ggml type %d", uint32(t))
}

// bytes is the size of n elements, which must be whole blocks.
func (t ggmlType) bytes(n int64) int64 {
	b := blockSizes[t]
	return n / b.elements * b.bytes
}

// valueType is the type of a value of the metadata.
type valueType uint32

const (
	valueUint8 valueType = iota
	valueInt8
	valueUint16
	valueInt16
	valueUint32
	valueInt32
	valueFloat32
	valueBool
	valueString
	valueArray
	valueUint64
	valueInt64
	valueFloat64
)

// valueSizes are the bytes of a value; 0 where they vary.
var valueSizes = [...]int64{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8}

// tensorInfo is a tensor of a GGUF file.
type tensorInfo struct {
	name string
	dims []int64 // fastest first
	typ  ggmlType
	file int   // index of the file among the model's
	off  int64 // in the file
	n    int64 // bytes; 0 of an unknown type
}

// header is a GGUF file without its data.
type header struct {
	values  map[string]any // int64, float64, string, bool; short arrays of the model's numbers are []any, others are left out
	tensors map[string]tensorInfo
	bytes   int64 // read
}

// Limits of what is read into memory. A real header has 13 MB, most of it the vocabulary, which is left out; its longest string is
// a chat template, and there are about 40 keys and 700 tensors.
const (
	maxHeader = 64 << 20 // of all files of a model together
	maxString = 1 << 20
	maxName   = 1 << 8
	maxKeys   = 1 << 12
	maxInfos  = 1 << 16
	maxArray  = 1 << 10 // elements, one for each layer
)

// readHeader reads everything before the data of a file of fileBytes bytes, at most limit bytes. Errors do not name the file.
func readHeader(r io.Reader, fileBytes, limit int64) (*header, error) {
	g := &headerReader{r: bufio.NewReaderSize(r, 1<<16), size: fileBytes, limit: limit}
	h, err := g.header()
	if err == nil {
		err = g.err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the file ends inside its header: the download is incomplete, fetch it again")
	}
	return h, err
}

// headerReader reads the header. The first error stays in err, after which every method returns zero.
type headerReader struct {
	r     *bufio.Reader
	pos   int64
	size  int64 // of the file
	limit int64 // of pos
	err   error
	word  [8]byte // of fixed
}

func (g *headerReader) fail(format string, args ...any) error {
	if g.err == nil {
		g.err = fmt.Errorf(format, args...)
	}
	return g.err
}

// need says that n bytes can still follow.
func (g *headerReader) need(n int64) bool {
	switch {
	case g.err != nil:
	case n < 0 || n > g.size-g.pos:
		g.err = io.ErrUnexpectedEOF
	case n > g.limit-g.pos:
		g.fail("the header has more than %d bytes: this is not a file of gpt-oss, or it is damaged", g.limit)
	}
	return g.err == nil
}

// read fills p.
func (g *headerReader) read(p []byte) []byte {
	if !g.need(int64(len(p))) {
		return nil
	}
	n, err := io.ReadFull(g.r, p)
	g.pos += int64(n)
	if g.err = err; err != nil {
		return nil
	}
	return p
}

// fixed reads a few bytes, which are valid until the next call.
func (g *headerReader) fixed(n int64) []byte { return g.read(g.word[:n]) }

func (g *headerReader) skip(n int64) {
	if g.need(n) {
		_, g.err = g.r.Discard(int(n))
		g.pos += n
	}
}

func (g *headerReader) uint32() uint32 {
	if p := g.fixed(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (g *headerReader) uint64() uint64 {
	if p := g.fixed(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

func (g *headerReader) string(limit uint64) string {
	n := g.uint64()
	if n > limit {
		g.fail("a string has %d bytes, at most %d are expected: the file is damaged, download it again", n, limit)
	}
	if !g.need(int64(min(n, limit))) {
		return ""
	}
	return string(g.read(make([]byte, n)))
}

func (g *headerReader) header() (*header, error) {
	if first, _ := g.r.Peek(8); string(first) == "version " {
		return nil, errors.New("the file is a Git LFS pointer and not the weights: fetch them with git lfs pull")
	}
	if first := g.fixed(4); g.err == nil && string(first) != magic {
		return nil, errors.New("this is not a GGUF file")
	}
	switch v := g.uint32(); {
	case g.err != nil:
		return nil, g.err
	case v == 2 || v == version:
	case v<<16 == 0:
		return nil, errors.New("the file is big-endian: convert it on a little-endian machine")
	default:
		return nil, fmt.Errorf("GGUF version is %d, want 2 or 3: convert the model with a current llama.cpp", v)
	}
	nTensors, nValues := g.uint64(), g.uint64()
	if g.err == nil && (nTensors > maxInfos || nValues > maxKeys) {
		return nil, fmt.Errorf("%d tensors and %d values: the file is damaged, download it again", nTensors, nValues)
	}
	h := &header{values: map[string]any{}, tensors: map[string]tensorInfo{}}
	for range nValues {
		key := g.string(maxName)
		v := g.value(valueType(g.uint32()), strings.HasPrefix(key, prefix))
		if g.err != nil {
			return nil, fmt.Errorf("value %q: %w", key, g.err)
		}
		if v != nil {
			h.values[key] = v
		}
	}
	var order []tensorInfo
	for range nTensors {
		t, err := g.info()
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.name, err)
		}
		if _, ok := h.tensors[t.name]; ok {
			return nil, fmt.Errorf("tensor %q appears twice", t.name)
		}
		h.tensors[t.name] = t
		order = append(order, t)
	}
	alignment := int64(defaultAlignment)
	if v, ok := h.values["general.alignment"]; ok {
		if alignment, ok = v.(int64); !ok || alignment < 1 || alignment > 1<<20 {
			return nil, fmt.Errorf("general.alignment is %v", v)
		}
	}
	h.bytes = g.pos
	return h, g.checkData(h, order, alignment)
}

// value reads a value of the metadata; nil for an array that is not kept.
func (g *headerReader) value(t valueType, keep bool) any {
	switch t {
	case valueString:
		return g.string(maxString)
	case valueArray:
		return g.array(keep)
	}
	if t > valueFloat64 {
		g.fail("type %d is unknown", t)
		return nil
	}
	p := g.fixed(valueSizes[t])
	if p == nil {
		return nil
	}
	u := uint64(0)
	for i, b := range p {
		u |= uint64(b) << (8 * i)
	}
	switch t {
	case valueBool:
		return u != 0
	case valueFloat32: // as a decimal number the value that was meant: 1e-05, not 9.99999974737875e-06
		f, err := strconv.ParseFloat(strconv.FormatFloat(float64(math.Float32frombits(uint32(u))), 'g', -1, 32), 64)
		if err != nil {
			g.fail("%w", err)
		}
		return f
	case valueFloat64:
		return math.Float64frombits(u)
	case valueInt8, valueInt16, valueInt32:
		shift := 64 - 8*len(p)
		return int64(u<<shift) >> shift
	}
	return int64(u) // a u64 beyond int64 is no number that we look for
}

// array reads an array, or skips it if it is not to be kept, long, or of strings.
func (g *headerReader) array(keep bool) any {
	t, n := valueType(g.uint32()), g.uint64()
	switch {
	case g.err != nil:
	case t == valueString:
		for i := uint64(0); i < n && g.err == nil; i++ {
			g.skip(int64(min(g.uint64(), math.MaxInt64)))
		}
	case t == valueArray || t > valueFloat64:
		g.fail("an array of type %d is unknown", t)
	case n > maxHeader:
		g.fail("an array has %d elements, at most %d are possible: the file is damaged, download it again", n, maxHeader)
	case keep && n <= maxArray:
		values := make([]any, 0, n)
		for range n {
			values = append(values, g.value(t, false))
		}
		return values
	default:
		g.skip(int64(n) * valueSizes[t])
	}
	return nil
}

// info reads a tensor info; the offset is still relative to the data.
func (g *headerReader) info() (t tensorInfo, err error) {
	t.name = g.string(maxName)
	n := g.uint32()
	if n > 4 {
		return t, g.fail("%d dimensions, at most 4 are possible: the file is damaged, download it again", n)
	}
	elements := int64(1)
	for range n {
		d := g.uint64()
		if d == 0 || d > 1<<40 || elements > 1<<50/int64(d) {
			return t, g.fail("dimension %d is impossible: the file is damaged, download it again", d)
		}
		t.dims = append(t.dims, int64(d))
		elements *= int64(d)
	}
	t.typ = ggmlType(g.uint32())
	off := g.uint64()
	if off > 1<<60 {
		return t, g.fail("offset %d is impossible: the file is damaged, download it again", off)
	}
	t.off = int64(off)
	if b, ok := blockSizes[t.typ]; ok {
		if len(t.dims) == 0 || t.dims[0]%b.elements != 0 {
			return t, g.fail("dimensions %v are no whole blocks of %s", t.dims, t.typ)
		}
		t.n = t.typ.bytes(elements)
	}
	return t, g.err
}

// checkData makes offsets relative to the file and checks that the tensors follow each other without gaps but those of the
// alignment, up to the end of the file: otherwise a tensor has another type or size than what was written.
func (g *headerReader) checkData(h *header, order []tensorInfo, alignment int64) error {
	aligned := func(n int64) int64 { return (n + alignment - 1) / alignment * alignment }
	data := aligned(g.pos)
	slices.SortStableFunc(order, func(a, b tensorInfo) int { return cmp.Compare(a.off, b.off) })
	end, known := int64(0), true // of the tensors so far, and whether the last one's size is known
	for i, t := range order {
		switch {
		case t.off%alignment != 0:
			return fmt.Errorf("tensor %q: offset %d is no multiple of %d", t.name, t.off, alignment)
		case t.off < end:
			return fmt.Errorf("tensor %q overlaps %q: the file is damaged, download it again", t.name, order[i-1].name)
		case known && t.off != aligned(end):
			return fmt.Errorf("tensor %q: %d bytes before its data belong to no tensor: the file is damaged, download it again", t.name, t.off-aligned(end))
		}
		_, known = blockSizes[t.typ]
		end = t.off + t.n
		if end > g.size-data {
			return fmt.Errorf("tensor %q ends at byte %d, the file has %d: the download is incomplete, fetch it again", t.name, data+end, g.size)
		}
		t.off += data
		h.tensors[t.name] = t
	}
	if after := g.size - data - aligned(end); known && after > 0 {
		return fmt.Errorf("%d bytes after the last tensor belong to no tensor: the file is damaged, download it again", after)
	}
	return nil
}
