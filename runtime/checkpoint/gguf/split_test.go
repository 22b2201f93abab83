package gguf

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"gossamer/runtime/checkpoint/checkpointtest"
)

// splitRaw divides a file as llama-gguf-split does: the metadata is in the first part, and sizes says how many tensors each has.
func splitRaw(f *raw, sizes ...int) []*raw {
	var parts []*raw
	next := 0
	for i, n := range sizes {
		p := &raw{tensors: f.tensors[next : next+n]}
		if i == 0 {
			p.values = append(p.values, f.values...)
		}
		p.values = append(p.values, "split.no", uint32(i), "split.count", uint32(len(sizes)), "split.tensors.count", uint32(len(f.tensors)))
		parts = append(parts, p)
		next += n
	}
	return parts
}

// writeParts writes parts of a model into a new directory and returns their paths.
func writeParts(t testing.TB, parts []*raw) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	for i, p := range parts {
		paths = append(paths, filepath.Join(dir, fmt.Sprintf("gpt-oss-%05d-of-%05d.gguf", i+1, len(parts))))
		if err := os.WriteFile(paths[i], p.encode(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

// TestSplit: a model in several files is the same whichever is named, also where gate and up lie in different ones, and where the
// first has no tensors.
func TestSplit(t *testing.T) {
	want := openFile(t, goldenGGUF)
	f := readRaw(t)
	gate := 0
	for f.tensors[gate].name != "blk.0.ffn_gate_exps.weight" {
		gate++
	}
	for _, sizes := range [][]int{{gate + 1, len(f.tensors) - gate - 1}, {0, 1, gate, len(f.tensors) - gate - 1}, {len(f.tensors), 0}} {
		paths := writeParts(t, splitRaw(f, sizes...))
		for _, path := range append(paths, "") {
			c, err := Open(path)
			if path == "" {
				c, err = OpenFolder(os.DirFS(filepath.Dir(paths[0])), "the folder")
			}
			if err != nil {
				t.Fatal(err)
			}
			if !maps.EqualFunc(checkpointtest.Load(t, want), checkpointtest.Load(t, c), bytes.Equal) {
				t.Errorf("%v: %q: the bytes differ", sizes, path)
			}
		}
	}
}

func TestSplitErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(parts []*raw, paths []string)
		want   string
	}{
		{"Missing", func(_ []*raw, paths []string) { os.Remove(paths[2]) },
			"checkpoint: …/gpt-oss-00003-of-00003.gguf: this part of the model is missing: download it into the directory of gpt-oss-00002-of-00003.gguf"},
		{"FirstMissing", func(_ []*raw, paths []string) { os.Remove(paths[0]) },
			"checkpoint: …/gpt-oss-00001-of-00003.gguf: this part of the model is missing: download it into the directory of gpt-oss-00002-of-00003.gguf"},
		{"Exchanged", func(parts []*raw, _ []string) { parts[0], parts[2] = parts[2], parts[0] },
			"checkpoint: …/gpt-oss-00001-of-00003.gguf: by its contents this is not part 1 of 3: download it again, or give it the name that it was published with"},
		{"OfOtherCount", func(parts []*raw, _ []string) { parts[2].set("split.count", uint32(4)) },
			"checkpoint: …/gpt-oss-00003-of-00003.gguf: by its contents this is not part 3 of 3: download it again, or give it the name that it was published with"},
		{"OtherName", func(parts []*raw, _ []string) { parts[1].set("split.count", uint32(2)) },
			"checkpoint: …/gpt-oss-00002-of-00003.gguf: this is one of 2 files, which its name must say as it was published: MODEL-00001-of-00002.gguf"},
		{"ManyParts", func(parts []*raw, _ []string) { parts[1].set("split.count", uint32(1<<31)) },
			"checkpoint: …/gpt-oss-00002-of-00003.gguf: this is one of 2147483648 files, which its name must say as it was published: MODEL-00001-of-2147483648.gguf"},
		{"TwiceTheSame", func(parts []*raw, _ []string) { parts[2].tensors = append(parts[2].tensors, parts[1].tensors[0]) },
			`checkpoint: …/gpt-oss-00003-of-00003.gguf: tensor "…" is in another part, too: download all of them again`},
		{"Incomplete", func(parts []*raw, _ []string) { parts[2].tensors = parts[2].tensors[1:] },
			"checkpoint: …/gpt-oss-00001-of-00003.gguf: the model has 41 tensors, its parts have 40: download all of them again"},
		{"Damaged", func(parts []*raw, _ []string) { parts[2].tensors[0].dims = make([]int64, 5) },
			"checkpoint: …/gpt-oss-00003-of-00003.gguf: tensor …: 5 dimensions, at most 4 are possible: the file is damaged, download it again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			parts := splitRaw(readRaw(t), 10, 10, 21)
			paths := writeParts(t, parts)
			c.change(parts, paths)
			for i, p := range parts {
				if _, err := os.Stat(paths[i]); err != nil {
					continue // removed
				}
				if err := os.WriteFile(paths[i], p.encode(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Open(paths[1])
			checkpointtest.WantError(t, err, c.want)
		})
	}
}

func TestOpenFolder(t *testing.T) {
	dir := t.TempDir()
	_, err := OpenFolder(os.DirFS(dir), dir)
	checkpointtest.WantError(t, err, "checkpoint: no .gguf file in "+dir)
	data, err := os.ReadFile(goldenGGUF)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "b.GGUF"} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := OpenFolder(os.DirFS(dir), dir)
	if err != nil {
		t.Fatal(err)
	}
	checkpointtest.Load(t, c)
	for _, name := range []string{"a-00001-of-00002.gguf", "a-00002-of-00002.gguf"} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, err = OpenFolder(os.DirFS(dir), dir)
	checkpointtest.WantError(t, err, "checkpoint: "+dir+` holds 2 models: name the file of one of them: "a-00001-of-00002.gguf", "b.GGUF"`)
}
