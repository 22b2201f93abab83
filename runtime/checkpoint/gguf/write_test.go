package gguf

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/gptoss"
)

// TestWrite writes files from both layouts and reads them back; tensors are those of the reference's file.
func TestWrite(t *testing.T) {
	small, err := checkpointtest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	random := t.TempDir()
	if err := checkpointtest.Write(random, small, 5, checkpointtest.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(golden, "gqa_window8/model"), filepath.Join(golden, "gqa_window8/model_original"), random} {
		src := openDir(t, dir)
		path := filepath.Join(t.TempDir(), "x.gguf")
		var last checkpoint.Progress
		if err := Write(t.Context(), src, path, Options{Name: "test"}, func(p checkpoint.Progress) { last = p }); err != nil {
			t.Fatal(err)
		}
		if last.BytesDone != last.BytesTotal || last.BytesTotal == 0 {
			t.Errorf("last progress %+v", last)
		}
		got := openFile(t, path)
		if !maps.EqualFunc(checkpointtest.Load(t, src), checkpointtest.Load(t, got), bytes.Equal) {
			t.Errorf("%s: other bytes after writing", dir)
		}
		want := *src.Config()
		want.EOS = want.EOS[:min(1, len(want.EOS))] // the metadata has room for one
		if d := cmp.Diff(&want, got.Config()); d != "" {
			t.Errorf("%s: config (-written +read):\n%s", dir, d)
		}
		if dir == random {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		h, err := readHeader(bytes.NewReader(data), int64(len(data)), maxHeader)
		if err != nil {
			t.Fatal(err)
		}
		reference := readRaw(t)
		for _, r := range reference.tensors {
			g := h.tensors[r.name]
			if g.typ != r.typ || !slices.Equal(g.dims, r.dims) || !bytes.Equal(data[g.off:g.off+g.n], r.data) {
				t.Errorf("%s: tensor %s is %s%v, want %s%v, or its bytes differ", dir, r.name, g.typ, g.dims, r.typ, r.dims)
			}
		}
		if len(h.tensors) != len(reference.tensors) {
			t.Errorf("%s: %d tensors, want %d", dir, len(h.tensors), len(reference.tensors))
		}
	}
}

func TestWriteErrors(t *testing.T) {
	src := openDir(t, filepath.Join(golden, "gqa_window8/model"))
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	err := Write(ctx, src, filepath.Join(dir, "x.gguf"), Options{}, func(checkpoint.Progress) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if files := checkpointtest.ListFiles(t, dir); len(files) > 0 {
		t.Errorf("left %v", files)
	}
	err = Write(t.Context(), src, filepath.Join(dir, "no/x.gguf"), Options{}, nil)
	checkpointtest.WantError(t, err, "checkpoint: write "+filepath.Join(dir, "no/x.gguf")+": …")
	err = Write(t.Context(), src, filepath.Join(dir, "x.gguf"), Options{Vocabulary: Vocabulary{Tokens: []string{"a"}}}, nil)
	checkpointtest.WantError(t, err, "checkpoint: gguf: 1 tokens of 0 types, the model has 256")
	for _, c := range []struct {
		change func(c *gptoss.Config)
		want   string
	}{
		{func(c *gptoss.Config) { c.SwiGLULimit = 6 }, "checkpoint: gguf: swiglu_limit is 6 and swiglu_alpha 1.702, llama.cpp has 7 and 1.702 built in"},
		{func(c *gptoss.Config) { c.Rope.BetaFast = 31 }, "checkpoint: gguf: rope_scaling has beta_fast 31 and beta_slow 1, llama.cpp has 32 and 1 built in"},
		{func(c *gptoss.Config) { c.Sliding = []bool{true, true} }, "checkpoint: gguf: layer 1 is not as llama.cpp has it: even layers slide there"},
	} {
		d, config := src.Description(), *src.Config()
		c.change(&config)
		d.Config = &config
		checkpointtest.WantError(t, Write(t.Context(), checkpoint.New(d), filepath.Join(dir, "x.gguf"), Options{}, nil), c.want)
	}
}
