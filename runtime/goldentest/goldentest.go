// Package goldentest reads the reference data of testdata/golden and compares logits with it; for tests of every backend.
//
// The data is a float64 evaluation of small random models, see testdata/golden/README.md. Differences are measured as there:
// the largest one, and their root mean square over the standard deviation of the expected logits.
package goldentest

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gossamer/runtime/testenv"
)

// Models are the names of all cases.
var Models = []string{"gqa_window8", "long_window128", "full_vocab"}

// Case is one model and what it computes.
type Case struct {
	Name    string
	Prompts []Prompt
	Greedy  Greedy
	Long    *Long // nil for most

	dir      string
	unpacked map[string]unpackedFile
}

// Prompt is a text with the logits after each of its tokens.
type Prompt struct {
	Tokens    []int32
	Want      Rows             // [len(Tokens)]
	RouterGap Array            // [layers][len(Tokens)] last chosen minus first rejected router logit
	Trace     map[string]Array // the last prompt's, by "layer0.attn_norm" and so on; else empty
}

// Greedy is the 64 tokens that follow the last prompt when each is the largest logit, stop tokens ignored.
type Greedy struct {
	Tokens []int32
	Want   Rows // [len(Tokens)] the rows that chose them
}

// Long is a text of thousands of tokens.
type Long struct {
	Tokens    []int32
	Positions []int // where logits are given, ascending
	Want      Rows  // [len(Positions)]
}

// Array is data of some shape, row-major. Integers are ids below 2^24 and so exact in float32.
type Array struct {
	Shape  []int
	Values []float32
}

// Stable reports whether no router choice up to and at position i was close (gap above 0.1): only there can an implementation
// in 16-bit floats be expected to choose the same experts.
func (p *Prompt) Stable(i int) bool {
	layers, n := p.RouterGap.Shape[0], p.RouterGap.Shape[1]
	for l := range layers {
		for _, gap := range p.RouterGap.Values[l*n:][:i+1] {
			if gap <= 0.1 {
				return false
			}
		}
	}
	return true
}

type unpackedFile struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// rowsJSON is the two forms of expected logits: whole rows, or a summary where the vocabulary is large.
type rowsJSON struct {
	Logits       string  `json:"logits"`
	TopIndex     string  `json:"top_index"`
	TopValue     string  `json:"top_value"`
	ProbeIndex   []int32 `json:"probe_index"`
	ProbeValue   string  `json:"probe_value"`
	Sum          string  `json:"sum"`
	SumOfSquares string  `json:"sum_of_squares"`
	LogSumExp    string  `json:"logsumexp"`
}

type caseJSON struct {
	Prompts []struct {
		Tokens    []int32           `json:"tokens"`
		F64       rowsJSON          `json:"f64"`
		RouterGap string            `json:"router_gap"`
		Trace     map[string]string `json:"trace_f64"`
	} `json:"prompts"`
	Greedy struct {
		Tokens []int32  `json:"tokens"`
		F64    rowsJSON `json:"f64"`
	} `json:"greedy"`
	Long *struct {
		Tokens    string `json:"tokens"`
		Positions []int  `json:"positions"`
		F64       string `json:"f64"`
	} `json:"long"`
	Unpacked map[string]unpackedFile `json:"unpacked"`
	Arrays   map[string]struct {
		File  string `json:"file"`
		DType string `json:"dtype"`
		Shape []int  `json:"shape"`
	} `json:"arrays"`
}

// Dir is testdata/golden of the repository that the test runs in.
func Dir(t testing.TB) string {
	t.Helper()
	return filepath.Join(testenv.Root(t), "testdata", "golden")
}

// Load reads the case of that name.
func Load(t testing.TB, name string) *Case {
	t.Helper()
	dir := filepath.Join(Dir(t), name)
	data, err := os.ReadFile(filepath.Join(dir, "case.json"))
	if err != nil {
		t.Fatal(err)
	}
	var j caseJSON
	if err := json.Unmarshal(data, &j); err != nil {
		t.Fatalf("goldentest: %s/case.json: %v", name, err)
	}

	array := func(name string) Array {
		t.Helper()
		a, ok := j.Arrays[name]
		if !ok {
			t.Fatalf("goldentest: case %s has no array %q", filepath.Base(dir), name)
		}
		return readArray(t, filepath.Join(dir, a.File), a.DType, a.Shape)
	}
	rows := func(r rowsJSON) Rows {
		t.Helper()
		if r.Logits != "" {
			return Rows{logits: array(r.Logits)}
		}
		return Rows{
			topIndex: array(r.TopIndex), topValue: array(r.TopValue),
			probeIndex: r.ProbeIndex, probeValue: array(r.ProbeValue),
			sum: array(r.Sum), sumOfSquares: array(r.SumOfSquares), logSumExp: array(r.LogSumExp),
		}
	}

	c := &Case{Name: name, dir: dir, unpacked: j.Unpacked}
	for _, p := range j.Prompts {
		prompt := Prompt{Tokens: p.Tokens, Want: rows(p.F64), RouterGap: array(p.RouterGap), Trace: map[string]Array{}}
		for name, a := range p.Trace {
			prompt.Trace[name] = array(a)
		}
		c.Prompts = append(c.Prompts, prompt)
	}
	c.Greedy = Greedy{Tokens: j.Greedy.Tokens, Want: rows(j.Greedy.F64)}
	if j.Long != nil {
		c.Long = &Long{Positions: j.Long.Positions, Want: Rows{logits: array(j.Long.F64)}}
		for _, id := range array(j.Long.Tokens).Values {
			c.Long.Tokens = append(c.Long.Tokens, int32(id))
		}
	}
	return c
}

// readArray reads little-endian float32 or int32 numbers.
func readArray(t testing.TB, file, dtype string, shape []int) Array {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n := 1
	for _, d := range shape {
		n *= d
	}
	if len(data) != 4*n {
		t.Fatalf("goldentest: %s has %d bytes, want %d for shape %v", file, len(data), 4*n, shape)
	}
	a := Array{Shape: shape, Values: make([]float32, n)}
	for i := range a.Values {
		u := binary.LittleEndian.Uint32(data[4*i:])
		switch dtype {
		case "float32":
			a.Values[i] = math.Float32frombits(u)
		case "int32":
			a.Values[i] = float32(int32(u))
		default:
			t.Fatalf("goldentest: %s: unknown dtype %q", file, dtype)
		}
	}
	return a
}

// ModelDir is the model's directory in Hugging Face's layout. Where the repository keeps the weights compressed, it is a
// temporary copy.
func (c *Case) ModelDir(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(c.dir, "model")
	if len(c.unpacked) == 0 {
		return dir
	}
	tmp := t.TempDir()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := c.unpack(filepath.Join(dir, f.Name()), tmp); err != nil {
			t.Fatalf("goldentest: %s: %v", f.Name(), err)
		}
	}
	return tmp
}

// unpack copies a file into dir, decompressed and verified if its name ends in .gz.
func (c *Case) unpack(file, dir string) error {
	src, err := os.Open(file)
	if err != nil {
		return err
	}
	defer src.Close()
	name, compressed := strings.CutSuffix(filepath.Base(file), ".gz")
	var r io.Reader = src
	if compressed {
		if r, err = gzip.NewReader(src); err != nil {
			return err
		}
	}
	dst, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	hash := sha256.New()
	buffer := bufio.NewWriterSize(dst, 1<<20) // in a browser each write is a request to this machine
	_, err = io.Copy(io.MultiWriter(buffer, hash), r)
	if err = errors.Join(err, buffer.Flush()); err != nil {
		dst.Close()
		return err
	}
	if want, ok := c.unpacked[name]; ok && hex.EncodeToString(hash.Sum(nil)) != want.SHA256 {
		dst.Close()
		return os.ErrInvalid
	}
	return dst.Close()
}
