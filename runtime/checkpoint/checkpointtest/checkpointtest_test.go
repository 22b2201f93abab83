package checkpointtest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/gptoss"
)

func preset(t *testing.T, name string) *gptoss.Config {
	t.Helper()
	c, err := Preset(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPresets(t *testing.T) {
	for _, name := range []string{"default", "20b", "120b"} {
		c := preset(t, name)
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Preset("70b"); err == nil || err.Error() != `checkpointtest: no preset "70b", want default, 20b or 120b` {
		t.Errorf("70b: error %v", err)
	}
}

// TestConfigForms: Hugging Face's form keeps everything; OpenAI's form keeps what it can or fails.
func TestConfigForms(t *testing.T) {
	odd := preset(t, "default")
	odd.Sliding = []bool{false, true, true}
	odd.NormEps, odd.SwiGLUAlpha, odd.MaxPositions, odd.EOS, odd.Pad = 1e-6, 1.5, 1000, nil, -1
	for _, c := range []*gptoss.Config{preset(t, "default"), preset(t, "120b"), odd} {
		data, err := ConfigJSON(c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := gptoss.ParseConfig(data)
		if err != nil {
			t.Fatal(err)
		}
		if got.EOS != nil {
			got.EOS = c.EOS // the others are in generation_config.json
		}
		if d := cmp.Diff(c, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
	if _, err := OriginalConfigJSON(preset(t, "20b")); err != nil {
		t.Error(err)
	}
	if _, err := OriginalConfigJSON(odd); err == nil || !strings.HasPrefix(err.Error(), "checkpointtest: this form of config.json cannot express the configuration") {
		t.Errorf("odd layers in the original form: error %v", err)
	}
}

func TestWriteErrors(t *testing.T) {
	c := preset(t, "default")
	if err := Write(t.TempDir(), c, 1, Options{Shards: 1000}); err == nil || err.Error() != "checkpointtest: 1000 shards for 60 tensors: ask for fewer" {
		t.Errorf("error %v", err)
	}
	c.TopK = 99
	if err := Write(t.TempDir(), c, 1, Options{}); err == nil {
		t.Error("wrote an invalid configuration")
	}
}

// TestSplit: no shard is empty, tensors stay in order, sizes are near each other where tensors allow it.
func TestSplit(t *testing.T) {
	for _, original := range []bool{false, true} {
		ts := fileTensors(preset(t, "20b"), original)
		for _, n := range []int{1, 2, 3, 15, len(ts) - 1, len(ts)} {
			shards, err := split(ts, n)
			if err != nil {
				t.Fatal(err)
			}
			next := 0
			for i, s := range shards {
				if len(s) == 0 {
					t.Errorf("%d shards: shard %d is empty", n, i)
				}
				for _, x := range s {
					if x.name != ts[next].name {
						t.Fatalf("%d shards: shard %d has %s, want %s", n, i, x.name, ts[next].name)
					}
					next++
				}
			}
			if next != len(ts) {
				t.Errorf("%d shards: %d tensors, want %d", n, next, len(ts))
			}
		}
	}
}
