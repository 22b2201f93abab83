package weights_test

import (
	"context"
	"os"
	"testing"

	"gossamer/runtime/gptoss"
	"gossamer/runtime/weights"
	"gossamer/runtime/weights/weightstest"
)

type discard struct{}

func (discard) Put(context.Context, gptoss.TensorSpec, int64, []byte) error { return nil }

// BenchmarkLoad reads the checkpoint in the directory GOSSAMER_MODEL, or a small one that fits the file cache.
func BenchmarkLoad(b *testing.B) {
	dir := os.Getenv("GOSSAMER_MODEL")
	if dir == "" {
		dir = b.TempDir()
		c, err := weightstest.Preset("20b")
		if err != nil {
			b.Fatal(err)
		}
		weightstest.SetLayers(c, 1)
		c.Vocab, c.EOS, c.Pad = 1024, nil, -1
		if err := weightstest.Write(dir, c, 1, weightstest.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	c, err := weights.OpenDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var total int64
		if err := c.Load(b.Context(), discard{}, func(p weights.Progress) { total = p.BytesTotal }); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(total)
	}
}
