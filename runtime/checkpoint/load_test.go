package checkpoint_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/random"
	"gossamer/runtime/checkpoint/safetensors"
	"gossamer/runtime/gptoss"
)

func openDir(t testing.TB, dir string) *checkpoint.Checkpoint {
	t.Helper()
	c, err := safetensors.Open(os.DirFS(dir), dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestLoadRandom loads several files and tensors of several pieces, and compares with the generator, which computes them anew.
func TestLoadRandom(t *testing.T) {
	c := openDir(t, checkpointtest.WriteLarge(t))
	got := checkpointtest.Load(t, c)
	for _, spec := range c.Config().Tensors() {
		want := make([]byte, spec.Bytes())
		random.Fill(want, c.Config(), spec, 1, 0)
		if !slices.Equal(got[spec.Name], want) {
			t.Errorf("%s differs from the generator", spec.Name)
		}
	}
}

// TestLoadPieces: the pieces come in the order of the files and share two buffers.
func TestLoadPieces(t *testing.T) {
	c := openDir(t, checkpointtest.WriteLarge(t))
	at := map[string]checkpoint.Segment{}
	for _, g := range c.Description().Segments {
		at[c.Config().Tensors()[g.Tensor].Name] = g
	}
	buffers := map[*byte]bool{}
	file, end := 0, int64(0)
	err := c.Load(t.Context(), checkpointtest.SinkFunc(func(s gptoss.TensorSpec, off int64, p []byte) error {
		g := at[s.Name]
		if g.File < file || g.File == file && g.Off+off < end {
			return fmt.Errorf("%s at %d of file %d after byte %d of file %d", s.Name, g.Off+off, g.File, end, file)
		}
		file, end = g.File, g.Off+off+int64(len(p))
		buffers[&p[0]] = true
		return nil
	}), nil)
	if err != nil {
		t.Error(err)
	}
	if len(buffers) > 2 {
		t.Errorf("%d buffers, want 2", len(buffers))
	}
}

func TestLoadCancel(t *testing.T) {
	c := openDir(t, checkpointtest.WriteLarge(t))
	ctx, cancel := context.WithCancel(t.Context())
	pieces := 0
	err := c.Load(ctx, checkpointtest.SinkFunc(func(gptoss.TensorSpec, int64, []byte) error {
		pieces++
		cancel()
		return nil
	}), nil)
	if !errors.Is(err, context.Canceled) || pieces != 1 {
		t.Errorf("error %v after %d pieces, want context.Canceled after 1", err, pieces)
	}
	if err := c.Load(ctx, checkpointtest.Discard(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of a cancelled context, want context.Canceled", err)
	}
	if _, err := checkpointtest.ReadTensor(ctx, c, "lm_head.weight"); !errors.Is(err, context.Canceled) {
		t.Errorf("ReadTensor: error %v of a cancelled context, want context.Canceled", err)
	}
}

func TestLoadSinkError(t *testing.T) {
	c := openDir(t, checkpointtest.WriteLarge(t))
	full := errors.New("device is full")
	pieces := 0
	err := c.Load(t.Context(), checkpointtest.SinkFunc(func(gptoss.TensorSpec, int64, []byte) error {
		if pieces++; pieces == 3 {
			return full
		}
		return nil
	}), nil)
	if !errors.Is(err, full) || pieces != 3 {
		t.Errorf("error %v after %d pieces, want %v after 3", err, pieces, full)
	}
}

func TestLoadNaN(t *testing.T) {
	dir := checkpointtest.WriteLarge(t)
	ckpt := openDir(t, dir)
	for _, c := range []struct {
		name    string
		file    string
		tensor  string
		element int64
		good    []byte
		bad     []byte
	}{
		{"BF16Infinity", "model-00000-of-00001.safetensors", "model.layers.1.self_attn.sinks", 5, []byte{0, 0}, []byte{0x80, 0x7f}},
		{"BF16NaNInSecondPiece", "model-00001-of-00001.safetensors", "lm_head.weight", checkpoint.PieceBytes/2 + 77, []byte{0, 0}, []byte{0xc1, 0xff}},
		{"Scale", "model-00001-of-00001.safetensors", "model.layers.2.mlp.experts.down_proj_scales", 1001, []byte{254}, []byte{255}},
	} {
		t.Run(c.name, func(t *testing.T) {
			off := c.element * int64(len(c.bad))
			checkpointtest.Poke(t, ckpt, dir, c.tensor, off, c.bad)
			checkpointtest.WantError(t, ckpt.Load(t.Context(), checkpointtest.Discard(), nil), fmt.Sprintf(
				"checkpoint: %s: tensor %q has a NaN or infinity at element %d: the file is damaged, download it again", c.file, c.tensor, c.element))
			checkpointtest.Poke(t, ckpt, dir, c.tensor, off, c.good)
		})
	}
	// Every byte is a pair of MXFP4 codes.
	checkpointtest.Poke(t, ckpt, dir, "model.layers.0.mlp.experts.down_proj_blocks", 0, []byte{255, 255, 255, 255})
	if err := ckpt.Load(t.Context(), checkpointtest.Discard(), nil); err != nil {
		t.Error(err)
	}
}

// TestFileChanged: files that shrink or vanish between opening and loading.
func TestFileChanged(t *testing.T) {
	dir := checkpointtest.WriteLarge(t)
	c := openDir(t, dir)
	last := filepath.Join(dir, "model-00001-of-00001.safetensors")
	if err := os.Truncate(last, 1<<20); err != nil {
		t.Fatal(err)
	}
	const want = "checkpoint: model-00001-of-00001.safetensors: ends inside tensor \"…\": the file was changed after it was opened"
	checkpointtest.WantError(t, c.Load(t.Context(), checkpointtest.Discard(), nil), want)
	_, err := checkpointtest.ReadTensor(t.Context(), c, "lm_head.weight")
	checkpointtest.WantError(t, err, want)
	if err := os.Remove(last); err != nil {
		t.Fatal(err)
	}
	if err := c.Load(t.Context(), checkpointtest.Discard(), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want os.ErrNotExist", err)
	}
	_, err = checkpointtest.ReadTensor(t.Context(), c, "lm_head.bias")
	checkpointtest.WantError(t, err, `checkpoint: the model has no tensor "lm_head.bias"`)
}

// failingSource fails while it is read or closed.
type failingSource struct{ read, close error }

func (s failingSource) open(context.Context, string, int64, int64) (io.ReadCloser, error) {
	return s, nil
}
func (s failingSource) Read(p []byte) (int, error) {
	if s.read != nil {
		return 0, s.read
	}
	clear(p)
	return len(p), nil
}
func (s failingSource) Close() error { return s.close }

func TestSourceErrors(t *testing.T) {
	c := openDir(t, filepath.Join("../../testdata/golden", "gqa_window8/model"))
	network, leftover := errors.New("connection reset"), errors.New("cannot close")
	d := c.Description()
	d.Source.Open = failingSource{read: network}.open
	c = checkpoint.New(d)
	checkpointtest.WantError(t, c.Load(t.Context(), checkpointtest.Discard(), nil), `checkpoint: model.safetensors: tensor "model.embed_tokens.weight": connection reset`)
	d.Source.Open = failingSource{close: leftover}.open
	c = checkpoint.New(d)
	if err := c.Load(t.Context(), checkpointtest.Discard(), nil); !errors.Is(err, leftover) {
		t.Errorf("error %v, want %v", err, leftover)
	}
}

func TestRandomIsReproducible(t *testing.T) {
	c, err := checkpointtest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []checkpointtest.Options{{Shards: 3}, {Original: true}, {Original: true, Shards: 2}} {
		dir := t.TempDir()
		if err := checkpointtest.Write(dir, c, 7, o); err != nil {
			t.Fatal(err)
		}
		got := checkpointtest.Load(t, openDir(t, dir))
		for _, spec := range c.Tensors() {
			// From any offset the same bytes follow: fill backwards in odd parts.
			want := make([]byte, spec.Bytes())
			for end := len(want); end > 0; {
				start := max(0, end-1000) &^ 7
				random.Fill(want[start:end], c, spec, 7, int64(start))
				end = start
			}
			if !slices.Equal(got[spec.Name], want) {
				t.Errorf("%+v: %s differs", o, spec.Name)
			}
		}
		if err := checkpointtest.Write(dir, c, 7, o); err == nil {
			t.Errorf("%+v: overwrote a checkpoint", o)
		}
	}
	// The first values of one tensor, so that the generator cannot change unnoticed between machines or versions.
	p := make([]byte, 16)
	random.Fill(p, c, c.Tensors()[0], 1, 0)
	if got, want := binary.LittleEndian.Uint64(p), uint64(0x3eda3dc23e213f6a); got != want {
		t.Errorf("first four values of the embedding %#x, want %#x", got, want)
	}
}

// BenchmarkLoad reads the checkpoint in the directory GOSSAMER_MODEL, or a small one that fits the file cache.
func BenchmarkLoad(b *testing.B) {
	dir := os.Getenv("GOSSAMER_MODEL")
	if dir == "" {
		dir = checkpointtest.WriteLarge(b)
	}
	c := openDir(b, dir)
	var total int64
	for b.Loop() {
		if err := c.Load(b.Context(), checkpointtest.Discard(), func(p checkpoint.Progress) { total = p.BytesTotal }); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(total)
}
