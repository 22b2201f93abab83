package checkpoint_test

import (
	"bytes"
	"fmt"
	"testing"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/random"
	"gossamer/runtime/gptoss"
)

func TestGenerated(t *testing.T) {
	config, err := checkpointtest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	c := checkpoint.Generated(config, func(p []byte, s gptoss.TensorSpec, off int64) { random.Fill(p, config, s, 1, off) })
	seen := map[string]int64{}
	err = c.Load(t.Context(), checkpointtest.SinkFunc(func(s gptoss.TensorSpec, off int64, p []byte) error {
		want := make([]byte, s.Bytes())
		random.Fill(want, config, s, 1, 0)
		if !bytes.Equal(p, want[off:off+int64(len(p))]) {
			return fmt.Errorf("%s has other bytes at %d", s.Name, off)
		}
		seen[s.Name] += int64(len(p))
		return nil
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range config.Tensors() {
		if seen[s.Name] != s.Bytes() {
			t.Errorf("%s: %d of %d bytes", s.Name, seen[s.Name], s.Bytes())
		}
	}
}
