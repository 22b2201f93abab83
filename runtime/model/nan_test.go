package model

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
)

// poison overwrites a bf16 tensor of a checkpoint with one value.
func poison(t *testing.T, dir, tensor string, value uint16) {
	t.Helper()
	path := filepath.Join(dir, "model.safetensors")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(data)
	var header map[string]struct {
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(data[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	at, ok := header[tensor]
	if !ok {
		t.Fatalf("no tensor %s", tensor)
	}
	for i := 8 + int(n) + at.Offsets[0]; i < 8+int(n)+at.Offsets[1]; i += 2 {
		binary.LittleEndian.PutUint16(data[i:], value)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestNonFiniteLogitsAreAnError: weights that aren't numbers are not loaded, and where numbers overflow on the way, no token comes out.
func TestNonFiniteLogitsAreAnError(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	dir := writeTiny(t)
	poison(t, dir, "model.norm.weight", 0x7fc0)
	if m, err := Load(t.Context(), dev, open(t, dir), Options{Context: 256, Chunk: 64}); m != nil || err == nil || !strings.Contains(err.Error(), "model.norm.weight") {
		t.Errorf("a norm of NaN: error %v", err)
	}

	const largest = 0x7f7f // finite bf16
	poison(t, dir, "model.norm.weight", largest)
	poison(t, dir, "lm_head.weight", largest)
	m := loadDir(t, dev, dir, Options{Context: 256, Chunk: 64})
	s := newSequence(t, m)
	extend(t, s, []int32{1, 2, 3})
	for _, d := range []drawing{{}, {Temperature: 1}} {
		got, err := decodeRows(t.Context(), t, []*sequence{s}, 3, []drawing{d})
		const want = "model: after position 2: sample: no token has a finite logit: the weights or the device are faulty"
		if err == nil || err.Error() != want || s.Len() != 3 || len(got[0]) > 0 {
			t.Errorf("error %v, length %d, tokens %v\nwant %s", err, s.Len(), got[0], want)
		}
		if kept, err := s.Truncate(t.Context(), 2); kept != 2 || err != nil {
			t.Fatal(kept, err)
		}
		extend(t, s, []int32{3})
	}
}
