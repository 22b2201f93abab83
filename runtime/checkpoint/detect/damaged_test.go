//go:build unix

package detect

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/gguf"
	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/gptoss"
)

var damagedCases = flag.Int("damaged", 0, "how many damaged checkpoints to try; 0: 1,000, or 200 with -short")

// damagedSeed begins the numbers that the cases follow from.
const damagedSeed = 1

// What opening and loading a damaged checkpoint may take. The time is told, not judged: the machine may be busy.
const (
	damagedBytes = 200 << 20 // beyond what the files have
	damagedTime  = 5 * time.Second
)

// form is a checkpoint in one of the forms that there are.
type form struct {
	name  string
	files map[string][]byte
	open  string         // "" for the folder, or the file to open
	meta  map[string]int // how much of a file is no weights, by name
	want  checkpointtest.Collector
	cfg   *gptoss.Config
}

// TestDamagedCheckpoints: whatever a damaged file says, it is refused in a sentence, or the model is what it was.
func TestDamagedCheckpoints(t *testing.T) {
	n := *damagedCases
	if n == 0 {
		if n = 1000; testing.Short() {
			n = 200
		}
	}
	forms := forms(t)
	accepted, slow := 0, time.Duration(0)
	for i := range n {
		r := rand.New(rand.NewPCG(damagedSeed, uint64(i)))
		f := forms[i%len(forms)]
		dir := t.TempDir()
		f.write(t, dir)
		what := f.damage(t, r, dir)
		c := damagedCase{f, fmt.Sprintf("case %d, %s: %s", i, f.name, what), dir}
		took, err := c.check(t)
		if err == nil {
			accepted++
		}
		if slow = max(slow, took); took > damagedTime {
			t.Logf("%s took %v", c.what, took)
		}
		if t.Failed() {
			t.FailNow()
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d damaged checkpoints: %d give the model as it was, the others are refused; the slowest took %v", n, accepted, slow)
}

// forms are a small model in every form.
func forms(t *testing.T) []form {
	t.Helper()
	c, err := checkpointtest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	c.Hidden, c.Intermediate, c.Heads, c.KVHeads, c.HeadDim, c.Experts, c.TopK, c.Vocab, c.Window = 32, 64, 4, 2, 16, 3, 2, 80, 128
	c.EOS, c.Pad = []int32{79}, 78
	checkpointtest.SetLayers(c, 2)
	root := t.TempDir()
	write := func(name string, o checkpointtest.Options) string {
		dir := filepath.Join(root, name)
		if err := checkpointtest.Write(dir, c, 1, o); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	one := write("one file", checkpointtest.Options{})
	shards := write("shards", checkpointtest.Options{Shards: 3})
	original := write("original", checkpointtest.Options{Original: true})
	inPlace := write("manifest beside files", checkpointtest.Options{})
	chunks := filepath.Join(root, "packed")
	file, parts := filepath.Join(root, "gguf"), filepath.Join(root, "split gguf")
	for _, dir := range []string{file, parts} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	src := openForm(t, one)
	if _, err := packed.Pack(t.Context(), src, chunks, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := packed.PackInPlace(t.Context(), openForm(t, inPlace), inPlace, "", nil); err != nil {
		t.Fatal(err)
	}
	if err := gguf.Write(t.Context(), src, filepath.Join(file, "model.gguf"), gguf.Options{Name: "damaged"}, nil); err != nil {
		t.Fatal(err)
	}
	splitGGUF(t, filepath.Join(file, "model.gguf"), parts)
	var forms []form
	for _, path := range []string{one, shards, original, chunks, inPlace, file, filepath.Join(file, "model.gguf"), filepath.Join(parts, secondPart)} {
		dir, f := path, form{name: filepath.Base(path), files: map[string][]byte{}, meta: map[string]int{}}
		if strings.HasSuffix(path, ".gguf") {
			dir, f.open = filepath.Split(path)
		}
		for name := range checkpointtest.ListFiles(t, dir) {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			f.files[name], f.meta[name] = data, metaBytes(name, data)
		}
		opened := openForm(t, filepath.Join(dir, f.open))
		f.want, f.cfg = checkpointtest.Collect(t, opened), opened.Config()
		forms = append(forms, f)
	}
	return forms
}

const firstPart, secondPart = "model-00001-of-00002.gguf", "model-00002-of-00002.gguf"

// splitGGUF divides a file into one with the metadata and one with the tensors.
func splitGGUF(t *testing.T, path, dir string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	u64 := binary.LittleEndian.Uint64
	nTensors, nValues, at := u64(data[8:]), u64(data[16:]), 24
	for range nValues {
		at += 8 + int(u64(data[at:])) + 4
		if data[at-4] == 8 { // a text
			at += 8 + int(u64(data[at:]))
		} else { // a number of four bytes
			at += 4
		}
	}
	infos := metaBytes(path, data)
	number := func(key string, v int) []byte {
		b := append(binary.LittleEndian.AppendUint64(nil, uint64(len(key))), key...)
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, 4), uint32(v))
	}
	write := func(name string, part int, tensors, values uint64, header, weights []byte) {
		b := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(bytes.Clone(data[:8]), tensors), values+3)
		b = append(b, number("split.no", part)...)
		b = append(b, number("split.count", 2)...)
		b = append(b, number("split.tensors.count", int(nTensors))...)
		b = append(b, header...)
		b = append(b, make([]byte, -len(b)&31)...)
		if err := os.WriteFile(filepath.Join(dir, name), append(b, weights...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(firstPart, 0, 0, nValues, data[24:at], nil)
	write(secondPart, 1, nTensors, 0, data[at:infos], data[(infos+31)&^31:])
}

func openForm(t *testing.T, path string) *checkpoint.Checkpoint {
	t.Helper()
	c, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// write puts the files into a directory.
func (f *form) write(t *testing.T, dir string) {
	t.Helper()
	for name, data := range f.files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// damagedCase is a checkpoint that is damaged on disk.
type damagedCase struct {
	form
	what string
	dir  string
}

// check opens and loads the checkpoint and says how long that took, and with which error it was refused.
func (c *damagedCase) check(t *testing.T) (took time.Duration, err error) {
	t.Helper()
	size := int64(0) // sparse files and links to devices count as nothing
	for name := range c.files {
		if info, err := os.Lstat(filepath.Join(c.dir, name)); err == nil && info.Mode().IsRegular() && info.Size() < 1<<30 {
			size += info.Size()
		}
	}
	before, start := allocated(), time.Now()
	got, config, err := c.load(t)
	took = time.Since(start)
	if used := int64(allocated() - before); used > damagedBytes+size { // an upper bound of the peak
		t.Errorf("%s: %d MB allocated, the files have %d MB", c.what, used>>20, size>>20)
	}
	if err != nil {
		checkSentence(t, c.what, err)
		return took, err
	}
	if !maps.EqualFunc(c.want, got, bytes.Equal) {
		t.Errorf("%s: accepted, with other bytes", c.what)
	}
	// Only these are said once, so that another value is another model's.
	free := cmpopts.IgnoreFields(gptoss.Config{}, "MaxPositions", "Window", "Sliding", "NormEps", "SwiGLULimit", "SwiGLUAlpha", "Rope", "EOS", "Pad", "TopK")
	if d := cmp.Diff(c.cfg, config, free); d != "" {
		t.Errorf("%s: accepted, with another configuration (-want +got):\n%s", c.what, d)
	}
	return took, nil
}

func (c *damagedCase) load(t *testing.T) (checkpointtest.Collector, *gptoss.Config, error) {
	opened, err := Open(t.Context(), filepath.Join(c.dir, c.open), Options{})
	if err != nil {
		return nil, nil, err
	}
	got := checkpointtest.Collector{}
	if err := opened.Load(t.Context(), got, nil); err != nil {
		return nil, nil, err
	}
	return got, opened.Config(), nil
}

// checkSentence: an error is for people, and for a terminal.
func checkSentence(t *testing.T, what string, err error) {
	t.Helper()
	text := err.Error()
	if !strings.HasPrefix(text, "checkpoint: ") && !strings.HasPrefix(text, "gptoss: ") || len(text) > 2000 || strings.ContainsFunc(text, unicode.IsControl) {
		t.Errorf("%s: error of %d bytes %.300q", what, len(text), text)
	}
}

// allocated is how much memory was ever taken.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// pick is one of some values.
func pick[T any](r *rand.Rand, values []T) T { return values[r.IntN(len(values))] }

// names are those of the files, in an order that every run has.
func (f *form) names() []string { return slices.Sorted(maps.Keys(f.files)) }
