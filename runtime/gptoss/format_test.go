package gptoss

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFormatConfig: every published configuration, and one unlike them, survive the way through JSON.
func TestFormatConfig(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata: %v, %d files", err, len(files))
	}
	var configs []*Config
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ParseConfig(data)
		if err != nil {
			t.Fatal(err)
		}
		configs = append(configs, c)
	}
	odd := *configs[0]
	odd.Layers, odd.Sliding = 3, []bool{false, true, true}
	odd.NormEps, odd.SwiGLUAlpha, odd.MaxPositions, odd.EOS, odd.Pad = 1e-6, 1.5, 1000, []int32{200002, 7}, -1
	for _, c := range append(configs, &odd) {
		data, err := FormatConfig(c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseConfig(data)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
	odd.TopK = 0
	if _, err := FormatConfig(&odd); err == nil {
		t.Error("formatted an invalid configuration")
	}
}
