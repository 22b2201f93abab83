package packed

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
)

// TestDamagedChunks: a packed model in which a chunk is missing, short, changed, no file, or no zstd.
func TestDamagedChunks(t *testing.T) {
	src := openDir(t, checkpointtest.WriteSmall(t))
	for _, c := range []struct {
		name   string
		change func(path string) error
		want   string
	}{
		{"Missing", os.Remove, "checkpoint: chunk chunks/…: the file is missing: copy or download it again"},
		{"Short", func(p string) error { return os.Truncate(p, 77) }, "checkpoint: chunk chunks/…: the file has 77 bytes, …are needed: copy or download it again"},
		{"Directory", func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o777)) }, "checkpoint: chunk chunks/…: this is not a regular file"},
		{"Changed", func(p string) error {
			data, err := os.ReadFile(p)
			data[5] ^= 0x40
			return errors.Join(err, os.WriteFile(p, data, 0o644))
		}, "checkpoint: chunk chunks/…: sha256 mismatch, want …, got …: copy or download the file again"},
	} {
		dir := t.TempDir()
		packed, _ := packTo(t, src, dir)
		k := packed.Manifest.Chunks[2]
		if err := c.change(filepath.Join(dir, k.URL)); err != nil {
			t.Fatal(err)
		}
		checkpointtest.WantError(t, packed.Load(t.Context(), checkpointtest.Discard(), nil), c.want)
		results := map[bool]int{}
		err := packed.Verify(t.Context(), func(_ Chunk, err error) { results[err == nil]++ }, nil)
		checkpointtest.WantError(t, err, c.want)
		if d := cmp.Diff(map[bool]int{true: len(packed.Manifest.Chunks) - 1, false: 1}, results); d != "" {
			t.Errorf("%s: good and bad chunks (-want +got):\n%s", c.name, d)
		}
	}
	// A manifest that says zstd of other bytes, hash and all.
	dir := t.TempDir()
	packed, _ := packTo(t, src, dir)
	i := slices.IndexFunc(packed.Manifest.Chunks, func(k Chunk) bool { return k.Codec == None })
	k := &packed.Manifest.Chunks[i]
	k.Codec, k.RawBytes = Zstd, k.Bytes
	checkpointtest.WantError(t, packed.Load(t.Context(), checkpointtest.Discard(), nil), "checkpoint: chunk chunks/…: unpack: …")
}

func TestVerify(t *testing.T) {
	hf := openDir(t, filepath.Join(golden, "gqa_window8/model"))
	packed, _ := packTo(t, hf, t.TempDir())
	var last checkpoint.Progress
	if err := packed.Verify(t.Context(), nil, func(p checkpoint.Progress) { last = p }); err != nil {
		t.Error(err)
	}
	if last.Phase != checkpoint.PhaseVerify || last.BytesDone == 0 || last.BytesDone != last.BytesTotal {
		t.Errorf("last progress %+v", last)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := packed.Verify(ctx, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}
