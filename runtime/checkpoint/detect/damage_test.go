//go:build unix

package detect

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// metaBytes is how much of a file says what the weights are: all of a JSON file, the header of others. Chunks have hashes, so that
// all of them may be damaged.
func metaBytes(name string, data []byte) int {
	switch filepath.Ext(name) {
	case ".safetensors":
		return 8 + int(binary.LittleEndian.Uint64(data))
	case ".gguf":
		last := "output.weight" // name of the last tensor; dimensions, type and offset follow
		if i := bytes.LastIndex(data, []byte(last)); i >= 0 {
			return i + len(last) + 4 + 2*8 + 4 + 8
		}
	}
	return len(data)
}

// damage does something to one of the files in dir and says what.
func (f *form) damage(t *testing.T, r *rand.Rand, dir string) string {
	t.Helper()
	name := pick(r, f.names())
	path := filepath.Join(dir, name)
	what, err := f.replace(r, path)
	if what == "" {
		var data []byte
		what, data = f.edit(r, name)
		err = os.WriteFile(path, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s: %s", name, what)
}

// replace puts something else in the place of a file, now and then.
func (f *form) replace(r *rand.Rand, path string) (string, error) {
	other := filepath.Join(filepath.Dir(path), filepath.Base(pick(r, f.names())))
	kind := r.IntN(60)
	if kind < 6 {
		if err := os.Remove(path); err != nil {
			return "", err
		}
	}
	switch kind {
	case 0:
		return "is missing", nil
	case 1:
		return "is a directory", os.Mkdir(path, 0o777)
	case 2:
		return "is a pipe", syscall.Mkfifo(path, 0o600)
	case 3:
		return "is a device", os.Symlink("/dev/zero", path)
	case 4:
		return "is a link to itself", os.Symlink(filepath.Base(path), path)
	case 5:
		return "is another file", os.Symlink(other, path)
	case 6:
		return "is sparse, of 2 TB", os.Truncate(path, 2<<40)
	case 7:
		return "has a hole at its end", growBy(path, 1<<r.IntN(34))
	}
	return "", nil
}

func growBy(path string, n int64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()+n)
}

// edit changes bytes of a file, but none of weights that have no hash, where nobody could tell.
func (f *form) edit(r *rand.Rand, name string) (string, []byte) {
	data, meta := bytes.Clone(f.files[name]), f.meta[name]
	at := r.IntN(meta)
	switch r.IntN(10) {
	case 0:
		n := r.IntN(len(data))
		return fmt.Sprintf("ends at %d", n), data[:n]
	case 1:
		at = r.IntN(min(64, meta)) // counts and lengths
		fallthrough
	case 2:
		for range 1 + r.IntN(3) {
			data[at] ^= 1 << r.IntN(8)
			at = r.IntN(meta)
		}
		return "some bits differ", data
	case 3:
		junk := make([]byte, 1+r.IntN(200))
		for i := range junk {
			junk[i] = byte(r.Uint32())
		}
		return fmt.Sprintf("%d bytes more at %d", len(junk), at), append(append(bytes.Clone(data[:at]), junk...), data[at:]...)
	case 4:
		n := min(1+r.IntN(200), len(data)-at)
		return fmt.Sprintf("%d bytes less at %d", n, at), append(data[:at], data[at+n:]...)
	case 5:
		n := min(1+r.IntN(2000), meta-at)
		return fmt.Sprintf("%d bytes twice at %d", n, at), append(bytes.Clone(data[:at+n]), data[at:]...)
	case 6:
		return "something follows", append(data, bytes.Repeat([]byte{byte(r.Uint32())}, 1+r.IntN(5000))...)
	case 7:
		n := min(1+r.IntN(100), meta-at)
		clear(data[at : at+n])
		return fmt.Sprintf("%d zeros at %d", n, at), data
	}
	return f.number(r, name, data)
}

// extremes are numbers at the ends of what types hold.
var extremes = []uint64{0, 1, 7, 255, 65535, 1 << 20, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 40, 1<<53 + 1, 1<<63 - 1, 1 << 63, math.MaxUint64}

// number changes a number: a binary one, or something of the JSON.
func (f *form) number(r *rand.Rand, name string, data []byte) (string, []byte) {
	put := func(at int) (string, []byte) {
		v := pick(r, extremes)
		n := copy(data[at:], binary.LittleEndian.AppendUint64(nil, v)[:pick(r, []int{1, 2, 4, 8})])
		return fmt.Sprintf("%d as %d bytes at %d", v, n, at), data
	}
	switch filepath.Ext(name) {
	case ".gguf":
		return put(r.IntN(f.meta[name] - 8))
	case ".json":
		what, text := value(r, data)
		return what, text
	case ".safetensors":
		if r.IntN(10) == 0 {
			return put(0)
		}
		what, text := value(r, data[8:f.meta[name]])
		return what, append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), data[f.meta[name]:]...)
	}
	return put(r.IntN(len(data) - 8)) // a chunk
}

// value puts another value in the place of one in a JSON text, in the order in which it says them.
func value(r *rand.Rand, text []byte) (string, []byte) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var ends []int64 // of tokens
	for {
		if _, err := d.Token(); err != nil {
			break
		}
		ends = append(ends, d.InputOffset())
	}
	i := 1 + r.IntN(len(ends)-1)
	from := int(ends[i-1])
	for from < int(ends[i]) && strings.IndexByte(" \n\t:,", text[from]) >= 0 {
		from++
	}
	long := 1 << r.IntN(17)
	other := pick(r, []string{
		fmt.Sprint(pick(r, extremes)), "-1", "0.5", "1e308", "1e999", "null", "true", `""`, "[]", "{}", `"\u001b[2J"`, "NaN", "3.0",
		`"` + strings.Repeat("x", long) + `"`, "[" + strings.Repeat("1,", long) + "1]", strings.Repeat("[", long), strings.Repeat(`{"a":`, long),
		strings.Repeat("9", long), `"a":1,"b":2`, string(text[from:ends[i]]) + ", " + string(text[from:ends[i]]),
	})
	return fmt.Sprintf("%.60q in the place of %.60q", other, text[from:ends[i]]),
		append(append(bytes.Clone(text[:from]), other...), text[ends[i]:]...)
}

// TestLargeDamage: large files that say much, or claim much, are refused before they are read in full.
func TestLargeDamage(t *testing.T) {
	all := forms(t)
	byName := map[string]*form{}
	for i := range all {
		byName[all[i].name] = &all[i]
	}
	header := func(text string, data int64) func(path string) error {
		return func(path string) error {
			err := os.WriteFile(path, append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), 0o644)
			return errors.Join(err, growBy(path, data))
		}
	}
	text := func(parts ...string) func(path string) error {
		return func(path string) error { return os.WriteFile(path, []byte(strings.Join(parts, "")), 0o644) }
	}
	large := func(begin string, n int64) func(path string) error {
		return func(path string) error {
			return errors.Join(os.WriteFile(path, []byte(begin), 0o644), growBy(path, n))
		}
	}
	each := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	ggufStart := func(nTensors, nValues uint64) []byte {
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64([]byte("GGUF\x03\x00\x00\x00"), nTensors), nValues)
	}
	for _, c := range []struct {
		form, file string
		write      func(path string) error
	}{
		{"one file", "model.safetensors", header("{"+each(200_000, `"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},`)+`"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, 0)},
		{"one file", "model.safetensors", large("\x00\x00\xa0\x05\x00\x00\x00\x00{", 90<<20)},
		{"one file", "model.safetensors", header(`{"x":{"dtype":"U8","shape":[1`+strings.Repeat(",1", 7<<20)+`],"data_offsets":[0,1]}}`, 1)},
		{"one file", "model.safetensors", header(`{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1`+strings.Repeat(",1", 7<<20)+`]}}`, 1)},
		{"one file", "model.safetensors", header(`{"__metadata__":`+strings.Repeat("[", 15<<20)+`}`, 1)},
		{"one file", "model.safetensors", header(`{"x":{"dtype":"U8","shape":[2199023255552],"data_offsets":[0,2199023255552]}}`, 2<<40)},
		{"one file", "config.json", large(`{"model_type":"gpt_oss","architectures":["x"`, 60<<20)},
		{"one file", "config.json", text(`{"architectures":["x"`, strings.Repeat(`,"x"`, 1<<18-20), "]}")},
		{"one file", "config.json", text(`{"model_type":"gpt_oss","layer_types":[""`, strings.Repeat(`,""`, 300_000), "]}")},
		{"one file", "config.json", text(`{"model_type":"gpt_oss","eos_token_id":[1`, strings.Repeat(",1", 500_000), "]}")},
		{"one file", "config.json", text(strings.Repeat("[", 1<<20))},
		{"one file", "generation_config.json", text(`{"eos_token_id":[1`, each(150_000, ",%d"), "]}")},
		{"shards", "model.safetensors.index.json", large(`{"weight_map":{"x":"y"`, 60<<20)},
		{"shards", "model.safetensors.index.json", text(`{"weight_map":{"x":"y"`, each(200_000, `,"%d":"%[1]d"`), "}}")},
		{"packed", "manifest.json", text(`{"format":"gossamer-manifest","version":1,"chunks":[{}`, strings.Repeat(",{}", 2_500_000), "]}")},
		{"packed", "manifest.json", text(`{"format":"gossamer-manifest","version":1,"chunks":[{"url":"x","bytes":1}`, strings.Repeat(`,{"bytes":1111111111111}`, 300_000), "]}")},
		{"packed", "manifest.json", text(`{"format":"gossamer-manifest","version":1,"tensors":[{"shape":[1`, strings.Repeat(",1", 4_000_000), "]}]}")},
		{"packed", "manifest.json", text(`{"format":"gossamer-manifest","version":1,"tensors":[{"shape":[1`, strings.Repeat(",1111111", 1_000_000), "]}]}")},
		{"packed", "manifest.json", text(`{"format":"gossamer-manifest","version":1,"config":`, strings.Repeat("[", 8_000_000), "}")},
		{"gguf", "model.gguf", text(string(ggufStart(1<<40, 1<<40)))},
		{"gguf", "model.gguf", large(string(ggufStart(0, 1))+ // empty texts without end
			"\x01\x00\x00\x00\x00\x00\x00\x00x\x09\x00\x00\x00\x08\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\x7f", 1<<40)},
		{"gguf", "model.gguf", large(string(ggufStart(1<<16, 0)), 1<<40)}, // tensors without name and dimension
		{"gguf", "model.gguf", text(string(ggufStart(1<<16, 0)), each(1<<16, // many tensors
			"\x10\x00\x00\x00\x00\x00\x00\x00%016d\x01\x00\x00\x00\x20\x00\x00\x00\x00\x00\x00\x00\x63\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))},
		{"gguf", "model.gguf", text(string(ggufStart(0, 1<<12)), each(1<<12, // large texts
			"\x04\x00\x00\x00\x00\x00\x00\x00%04d\x08\x00\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00"+strings.Repeat("x", 1<<15)))},
	} {
		dir := t.TempDir()
		f := byName[c.form]
		f.write(t, dir)
		path := filepath.Join(dir, c.file)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := c.write(path); err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 100)
		if file, err := os.Open(path); err == nil {
			n, _ := file.Read(head)
			head = head[:n]
			file.Close()
		}
		d := damagedCase{*f, fmt.Sprintf("%s: %q", c.file, head), dir}
		took, err := d.check(t)
		if err == nil {
			t.Errorf("%s: accepted", d.what)
		}
		t.Logf("%v, %s: %.200v", took, d.what, err)
	}
}
