package packed

import (
	"fmt"
	"strings"
	"testing"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/gptoss"
)

// TestLayout checks the chunks of the published configurations, and of one whose experts are larger than a chunk.
func TestLayout(t *testing.T) {
	wide, err := checkpointtest.Preset("20b")
	if err != nil {
		t.Fatal(err)
	}
	wide.Hidden, wide.Intermediate, wide.Layers, wide.Experts = 8192+32, 8192, 2, 5
	checkpointtest.SetLayers(wide, 2)
	for _, name := range []string{"default", "20b", "120b", "wide"} {
		c := wide
		if name != "wide" {
			if c, err = checkpointtest.Preset(name); err != nil {
				t.Fatal(err)
			}
		}
		specs := c.Tensors()
		at := make([]int64, len(specs))
		plan := layout(c)
		expertChunks := 0
		for i, segments := range plan {
			size, experts := int64(0), map[string]bool{}
			for _, it := range segments {
				s := specs[it.Tensor]
				if it.File != i || it.Off != size {
					t.Errorf("%s: chunk %d has %s at %d of chunk %d, want %d", name, i, s.Name, it.Off, it.File, size)
				}
				if it.At != at[it.Tensor] || it.N <= 0 {
					t.Fatalf("%s: chunk %d has %s at %d, want %d", name, i, s.Name, it.At, at[it.Tensor])
				}
				at[it.Tensor] += it.N
				size += it.N
				if at[it.Tensor] < s.Bytes() && it.N%16 != 0 {
					t.Errorf("%s: chunk %d has %d bytes of %s, no multiple of 16", name, i, it.N, s.Name)
				}
				if isExpert(s.Kind) {
					experts[fmt.Sprint(s.Layer, it.At/(s.Bytes()/int64(c.Experts)))] = true
				} else if len(experts) > 0 {
					t.Errorf("%s: chunk %d mixes experts with %s", name, i, s.Name)
				}
			}
			if size > maxChunkBytes {
				t.Errorf("%s: chunk %d has %d bytes", name, i, size)
			}
			if len(experts) > 0 {
				expertChunks++
			}
			if strings.HasSuffix(name, "0b") && len(experts) > 1 {
				t.Errorf("%s: chunk %d has %d experts", name, i, len(experts))
			}
		}
		for i, s := range specs {
			if at[i] != s.Bytes() {
				t.Errorf("%s: %d bytes of %s, want %d", name, at[i], s.Name, s.Bytes())
			}
		}
		// One expert of the published models fills half a chunk, so that each has its own.
		want := map[string]int{"default": 3, "20b": 24 * 32, "120b": 36 * 128}[name]
		if want > 0 && expertChunks != want {
			t.Errorf("%s: %d chunks of experts, want %d", name, expertChunks, want)
		}
		t.Logf("%s: %d chunks", name, len(plan))
		checkRanges(t, c)
	}
}

// checkRanges divides a file with the tensors of c, one after the other and a gap in the middle.
func checkRanges(t *testing.T, c *gptoss.Config) {
	t.Helper()
	d := checkpoint.Description{Config: c, Files: []string{"f"}}
	off := int64(1000)
	for i, s := range c.Tensors() {
		if i == 20 {
			off += 10
		}
		d.Segments = append(d.Segments, checkpoint.Segment{Tensor: i, Off: off, N: s.Bytes()})
		off += s.Bytes()
	}
	chunks, segments := inPlace(d)
	if len(chunks) > int(off/maxChunkBytes)*5/4+4 {
		t.Errorf("%d chunks for %d bytes", len(chunks), off)
	}
	for i := range chunks {
		chunks[i].SHA256 = strings.Repeat("0", 64)
	}
	m, err := newManifest(c, segments, chunks)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.check(true); err != nil {
		t.Fatal(err)
	}
	for _, s := range segments {
		if got, want := chunks[s.File].Start()+s.Off, d.Segments[s.Tensor].Off+s.At; got != want {
			t.Errorf("tensor %d: segment at %d of the file, want %d", s.Tensor, got, want)
		}
	}
}
