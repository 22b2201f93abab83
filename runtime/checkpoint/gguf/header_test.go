package gguf

import (
	"bytes"
	"fmt"
	"testing"
)

// FuzzHeader: no header makes the reader panic or claim bytes outside the file.
func FuzzHeader(f *testing.F) {
	file := readRaw(f)
	data := file.encode()
	tensors := 0
	for _, t := range file.tensors {
		tensors += len(t.data) // whole multiples of the alignment
	}
	f.Add(data[:len(data)-tensors], int64(len(data)))
	f.Add(data[:24], int64(24))
	f.Add(fmt.Appendf(nil, "GGUF\x03\x00\x00\x00%s", make([]byte, 16)), int64(100))
	f.Fuzz(func(t *testing.T, data []byte, size int64) {
		size = max(size, int64(len(data)))
		h, err := readHeader(bytes.NewReader(data), size, maxHeader)
		if err != nil {
			return
		}
		for _, g := range h.tensors {
			if g.off < 0 || g.n < 0 || g.off+g.n > size {
				t.Errorf("%+v in a file of %d bytes", g, size)
			}
		}
		d, err := h.describe(nil, []string{"model.gguf"})
		if err == nil && len(d.Segments) != len(d.Config.Tensors()) {
			t.Errorf("%d segments of %d tensors", len(d.Segments), len(d.Config.Tensors()))
		}
	})
}
