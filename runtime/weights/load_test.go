package weights

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

	"gossamer/runtime/gptoss"
	"gossamer/runtime/weights/random"
	"gossamer/runtime/weights/weightstest"
)

type sinkFunc func(t gptoss.TensorSpec, off int64, p []byte) error

func (f sinkFunc) Put(_ context.Context, t gptoss.TensorSpec, off int64, p []byte) error {
	return f(t, off, p)
}

var discard = sinkFunc(func(gptoss.TensorSpec, int64, []byte) error { return nil })

// writeLarge makes a checkpoint with an embedding of three pieces and returns its directory.
func writeLarge(t testing.TB) string {
	t.Helper()
	c, err := weightstest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	c.Vocab = 2*PieceBytes/(2*c.Hidden) + 100
	dir := t.TempDir()
	if err := weightstest.Write(dir, c, 1, weightstest.Options{Shards: 2}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func openDir(t testing.TB, dir string) *Checkpoint {
	t.Helper()
	c, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestLoadRandom loads several files and tensors of several pieces, and compares with the generator, which computes them anew.
func TestLoadRandom(t *testing.T) {
	c := openDir(t, writeLarge(t))
	got := load(t, c)
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
	c := openDir(t, writeLarge(t))
	at := map[string]located{}
	for _, l := range c.tensors {
		at[l.Name] = l
	}
	buffers := map[*byte]bool{}
	file, end := 0, int64(0)
	err := c.Load(t.Context(), sinkFunc(func(s gptoss.TensorSpec, off int64, p []byte) error {
		l := at[s.Name]
		g := l.segments[0]
		if g.file < file || g.file == file && g.off+off < end {
			return fmt.Errorf("%s at %d of file %d after byte %d of file %d", s.Name, g.off+off, g.file, end, file)
		}
		file, end = g.file, g.off+off+int64(len(p))
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
	c := openDir(t, writeLarge(t))
	ctx, cancel := context.WithCancel(t.Context())
	pieces := 0
	err := c.Load(ctx, sinkFunc(func(gptoss.TensorSpec, int64, []byte) error {
		pieces++
		cancel()
		return nil
	}), nil)
	if !errors.Is(err, context.Canceled) || pieces != 1 {
		t.Errorf("error %v after %d pieces, want context.Canceled after 1", err, pieces)
	}
	if err := c.Load(ctx, discard, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of a cancelled context, want context.Canceled", err)
	}
	if _, err := c.ReadTensor(ctx, "lm_head.weight"); !errors.Is(err, context.Canceled) {
		t.Errorf("ReadTensor: error %v of a cancelled context, want context.Canceled", err)
	}
}

func TestLoadSinkError(t *testing.T) {
	c := openDir(t, writeLarge(t))
	full := errors.New("device is full")
	pieces := 0
	err := c.Load(t.Context(), sinkFunc(func(gptoss.TensorSpec, int64, []byte) error {
		if pieces++; pieces == 3 {
			return full
		}
		return nil
	}), nil)
	if !errors.Is(err, full) || pieces != 3 {
		t.Errorf("error %v after %d pieces, want %v after 3", err, pieces, full)
	}
}

// poke changes bytes of a tensor in its file.
func poke(t *testing.T, c *Checkpoint, dir, name string, off int64, p []byte) {
	t.Helper()
	i := slices.IndexFunc(c.tensors, func(l located) bool { return l.Name == name })
	g := c.tensors[i].segments[0]
	f, err := os.OpenFile(filepath.Join(dir, c.files[g.file]), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(p, g.off+off); err != nil {
		t.Fatal(err)
	}
}

func TestLoadNaN(t *testing.T) {
	dir := writeLarge(t)
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
		{"BF16NaNInSecondPiece", "model-00001-of-00001.safetensors", "lm_head.weight", PieceBytes/2 + 77, []byte{0, 0}, []byte{0xc1, 0xff}},
		{"Scale", "model-00001-of-00001.safetensors", "model.layers.2.mlp.experts.down_proj_scales", 1001, []byte{254}, []byte{255}},
	} {
		t.Run(c.name, func(t *testing.T) {
			off := c.element * int64(len(c.bad))
			poke(t, ckpt, dir, c.tensor, off, c.bad)
			wantError(t, ckpt.Load(t.Context(), discard, nil), fmt.Sprintf(
				"weights: %s: tensor %q has a NaN or infinity at element %d: the file is damaged, download it again", c.file, c.tensor, c.element))
			poke(t, ckpt, dir, c.tensor, off, c.good)
		})
	}
	// Every byte is a pair of MXFP4 codes.
	poke(t, ckpt, dir, "model.layers.0.mlp.experts.down_proj_blocks", 0, []byte{255, 255, 255, 255})
	if err := ckpt.Load(t.Context(), discard, nil); err != nil {
		t.Error(err)
	}
}

// TestFileChanged: files that shrink or vanish between opening and loading.
func TestFileChanged(t *testing.T) {
	dir := writeLarge(t)
	c := openDir(t, dir)
	last := filepath.Join(dir, "model-00001-of-00001.safetensors")
	if err := os.Truncate(last, 1<<20); err != nil {
		t.Fatal(err)
	}
	const want = "weights: model-00001-of-00001.safetensors: ends inside tensor \"…\": the file was changed after it was opened"
	wantError(t, c.Load(t.Context(), discard, nil), want)
	_, err := c.ReadTensor(t.Context(), "lm_head.weight")
	wantError(t, err, want)
	if err := os.Remove(last); err != nil {
		t.Fatal(err)
	}
	if err := c.Load(t.Context(), discard, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want os.ErrNotExist", err)
	}
	_, err = c.ReadTensor(t.Context(), "lm_head.bias")
	wantError(t, err, `weights: the model has no tensor "lm_head.bias"`)
}

// failingSource fails while it is read or closed.
type failingSource struct{ read, close error }

func (s failingSource) Open(context.Context, string, int64, int64) (io.ReadCloser, error) {
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
	c := openDir(t, filepath.Join(golden, "gqa_window8/model"))
	network, leftover := errors.New("connection reset"), errors.New("cannot close")
	c.src = failingSource{read: network}
	wantError(t, c.Load(t.Context(), discard, nil), `weights: model.safetensors: tensor "model.embed_tokens.weight": connection reset`)
	c.src = failingSource{close: leftover}
	if err := c.Load(t.Context(), discard, nil); !errors.Is(err, leftover) {
		t.Errorf("error %v, want %v", err, leftover)
	}
}

func TestRandomIsReproducible(t *testing.T) {
	c, err := weightstest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []weightstest.Options{{Shards: 3}, {Original: true}, {Original: true, Shards: 2}} {
		dir := t.TempDir()
		if err := weightstest.Write(dir, c, 7, o); err != nil {
			t.Fatal(err)
		}
		got := load(t, openDir(t, dir))
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
		if err := weightstest.Write(dir, c, 7, o); err == nil {
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
		dir = writeLarge(b)
	}
	c := openDir(b, dir)
	var total int64
	for b.Loop() {
		if err := c.Load(b.Context(), discard, func(p Progress) { total = p.BytesTotal }); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(total)
}
