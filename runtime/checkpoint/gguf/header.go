package gguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
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
	off  int64 // in the file
	n    int64 // bytes; 0 of an unknown type
}

// header is a GGUF file without its data.
type header struct {
	values  map[string]any // int64, float64, string or bool; arrays are left out
	tensors map[string]tensorInfo
}

// Limits of what is read into memory; the longest string of a real file is a chat template.
const (
	maxString = 1 << 20
	maxName   = 1 << 10
	maxKeys   = 1 << 16
	maxInfos  = 1 << 20
)

// readHeader reads everything before the data of a file of fileBytes bytes. Errors do not name the file.
func readHeader(r io.Reader, fileBytes int64) (*header, error) {
	g := &headerReader{r: bufio.NewReaderSize(r, 1<<16), size: fileBytes}
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
	r    *bufio.Reader
	pos  int64
	size int64 // of the file
	err  error
}

func (g *headerReader) fail(format string, args ...any) error {
	if g.err == nil {
		g.err = fmt.Errorf(format, args...)
	}
	return g.err
}

// left is how many bytes can still follow.
func (g *headerReader) left() int64 { return g.size - g.pos }

func (g *headerReader) bytes(n int64) []byte {
	if g.err == nil && n > g.left() {
		g.err = io.ErrUnexpectedEOF
	}
	if g.err != nil {
		return nil
	}
	p := make([]byte, n)
	if _, g.err = io.ReadFull(g.r, p); g.err != nil {
		return nil
	}
	g.pos += n
	return p
}

func (g *headerReader) skip(n int64) {
	if g.err == nil && n > g.left() {
		g.err = io.ErrUnexpectedEOF
	}
	if g.err == nil {
		_, g.err = io.CopyN(io.Discard, g.r, n)
		g.pos += n
	}
}

func (g *headerReader) uint32() uint32 {
	if p := g.bytes(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (g *headerReader) uint64() uint64 {
	if p := g.bytes(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

func (g *headerReader) string(limit uint64) string {
	n := g.uint64()
	if n > limit {
		g.fail("a string has %d bytes, at most %d are expected: the file is damaged, download it again", n, limit)
	}
	return string(g.bytes(int64(n)))
}

func (g *headerReader) header() (*header, error) {
	if first := g.bytes(4); g.err == nil && string(first) != magic {
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
		v := g.value(valueType(g.uint32()))
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
	return h, g.checkData(h, order, alignment)
}

// value reads a value of the metadata; nil for an array.
func (g *headerReader) value(t valueType) any {
	switch t {
	case valueString:
		return g.string(maxString)
	case valueArray:
		g.array()
		return nil
	}
	if t > valueFloat64 {
		g.fail("type %d is unknown", t)
		return nil
	}
	p := g.bytes(valueSizes[t])
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

// array skips an array.
func (g *headerReader) array() {
	t, n := valueType(g.uint32()), g.uint64()
	switch {
	case g.err != nil:
	case t == valueString:
		for i := uint64(0); i < n && g.err == nil; i++ {
			g.skip(int64(min(g.uint64(), math.MaxInt64)))
		}
	case t == valueArray || t > valueFloat64:
		g.fail("an array of type %d is unknown", t)
	case n > uint64(g.left()):
		g.err = io.ErrUnexpectedEOF
	default:
		g.skip(int64(n) * valueSizes[t])
	}
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

// checkData makes offsets relative to the file and checks that tensors lie inside it, apart from each other.
func (g *headerReader) checkData(h *header, order []tensorInfo, alignment int64) error {
	data := (g.pos + alignment - 1) / alignment * alignment
	slices.SortStableFunc(order, func(a, b tensorInfo) int { return int(max(-1, min(1, a.off-b.off))) })
	end := int64(0)
	for i, t := range order {
		if t.off%alignment != 0 {
			return fmt.Errorf("tensor %q: offset %d is no multiple of %d", t.name, t.off, alignment)
		}
		if t.off < end {
			return fmt.Errorf("tensor %q overlaps %q: the file is damaged, download it again", t.name, order[i-1].name)
		}
		end = t.off + t.n
		if end > g.size-data {
			return fmt.Errorf("tensor %q ends at byte %d, the file has %d: the download is incomplete, fetch it again", t.name, data+end, g.size)
		}
		t.off += data
		h.tensors[t.name] = t
	}
	return nil
}
