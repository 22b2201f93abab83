package safetensors

import (
	"bytes"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/testenv"
)

// TestLimits: files far larger than a model's are refused before they are read.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(m fstest.MapFS)
		want   string
	}{
		{"IndexTooLarge", func(m fstest.MapFS) {
			shard(t, m, "a", "b")
			m[indexName].Data = append(bytes.Repeat([]byte(" "), maxIndexBytes), m[indexName].Data...)
		}, "checkpoint: model.safetensors.index.json: it has … bytes, at most 4194304 are possible: this is not the published file"},
		{"IndexOfTooManyFiles", func(m fstest.MapFS) {
			index := map[string]string{}
			for i := range maxFiles + 1 {
				index[fmt.Sprintf("tensor %d", i)] = fmt.Sprintf("file %d", i)
			}
			writeIndex(t, m, index)
			delete(m, singleName)
		}, "checkpoint: model.safetensors.index.json: weight_map names 513 files, at most 512 are possible: download it again"},
		{"IndexNamesEscapeSequence", func(m fstest.MapFS) {
			shard(t, m, "a", "b")
			index := readIndex(t, m)
			index["lm_head.weight"] = "\x1b[2J"
			writeIndex(t, m, index)
		}, `checkpoint: model.safetensors.index.json: weight_map names "\x1b[2J", which is no file of the directory: download it again`},
		{"HeadersTooLarge", func(m fstest.MapFS) {
			shard(t, m, "a", "b", "c")
			for _, name := range []string{"a", "b"} { // either alone is within the limit
				header := safetensors(string(bytes.Repeat([]byte(" "), maxHeaderBytes*2/3))+"{}", 0)
				m[name].Data = header
			}
		}, "checkpoint: b: header length 11184812 is over the limit 5592396: this is not a safetensors file of gpt-oss"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := readFS(t, "gqa_window8/model")
			c.change(m)
			_, err := Open(m, "the root of the file system")
			checkpointtest.WantError(t, err, c.want)
		})
	}
}

// FuzzIndex: no index panics, and what it names are files of the directory, few enough to open.
func FuzzIndex(f *testing.F) {
	seeds := []string{
		`{"metadata": {"total_size": 13761264768}, "weight_map": {"lm_head.weight": "model-00002-of-00002.safetensors"}}`,
		`{"weight_map": {"a": "../x", "b": ""}}`,
	}
	testenv.Fuzz(f, seeds, func(t testing.TB, text string) {
		files, err := listFiles(fstest.MapFS{indexName: &fstest.MapFile{Data: []byte(text)}})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "checkpoint: "+indexName+": ") {
				t.Errorf("error %q names no file", err)
			}
			return
		}
		if len(files.names) == 0 || len(files.names) > maxFiles {
			t.Errorf("%d files", len(files.names))
		}
		for _, name := range files.names {
			if !fs.ValidPath(name) || name == "." {
				t.Errorf("file %q", name)
			}
		}
	})
}
