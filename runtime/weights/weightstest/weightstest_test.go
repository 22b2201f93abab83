package weightstest

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/gptoss"
	"gossamer/runtime/tensor"
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
	if _, err := Preset("70b"); err == nil || err.Error() != `weightstest: no preset "70b", want default, 20b or 120b` {
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
	if _, err := OriginalConfigJSON(odd); err == nil || !strings.HasPrefix(err.Error(), "weightstest: this form of config.json cannot express the configuration") {
		t.Errorf("odd layers in the original form: error %v", err)
	}
}

func TestWriteErrors(t *testing.T) {
	c := preset(t, "default")
	if err := Write(t.TempDir(), c, 1, Options{Shards: 1000}); err == nil || err.Error() != "weightstest: 1000 shards for 60 tensors: ask for fewer" {
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

// TestDistribution estimates mean and deviation of tensors that are large enough: n values give the mean to deviation/sqrt(n)
// and the deviation to 1/sqrt(2n) of itself; the limits are five times that.
func TestDistribution(t *testing.T) {
	c := preset(t, "20b")
	c.Experts = 1
	const n = 1 << 16
	for _, spec := range c.Tensors()[:20] {
		var values []float32
		var mean, deviation float64
		switch spec.Kind {
		case gptoss.GateUpBlocks, gptoss.DownBlocks:
			blocks, scales := make([]byte, n/2), make([]byte, n/32)
			Fill(blocks, c, spec, 1, 0)
			scale := spec
			scale.Kind++
			scale.Name = strings.Replace(spec.Name, "blocks", "scales", 1)
			Fill(scales, c, scale, 1, 0)
			values = make([]float32, n)
			tensor.MXFP4ToF32(values, blocks, scales)
			s := stats(values)
			want := 2 / math.Sqrt(2880)
			if spec.Kind == gptoss.DownBlocks {
				want = 0.5 / math.Sqrt(2880)
			}
			// A scale is a power of two, rounded down, and half of them are halved or doubled.
			if s[1] < 0.5*want || s[1] > 2*want {
				t.Errorf("%s: deviation %.4g, want about %.4g", spec.Name, s[1], want)
			}
			continue
		case gptoss.GateUpScales, gptoss.DownScales:
			continue
		}
		if spec.Elements() < n {
			continue
		}
		mean, deviation = distribution(c, spec.Kind)
		p := make([]byte, 2*n)
		values = make([]float32, n)
		Fill(p, c, spec, 1, 0)
		tensor.BF16ToF32(values, p)
		s := stats(values)
		if math.Abs(s[0]-mean) > 5*deviation/math.Sqrt(n) || math.Abs(s[1]/deviation-1) > 5/math.Sqrt(2*n) {
			t.Errorf("%s: mean %.4g and deviation %.4g, want %.4g and %.4g", spec.Name, s[0], s[1], mean, deviation)
		}
	}
}

// stats returns mean and standard deviation.
func stats(values []float32) [2]float64 {
	var sum, squares float64
	for _, v := range values {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	mean := sum / float64(len(values))
	return [2]float64{mean, math.Sqrt(squares/float64(len(values)) - mean*mean)}
}

// TestTensorsDiffer: neighbours, layers and seeds have their own numbers.
func TestTensorsDiffer(t *testing.T) {
	c := preset(t, "default")
	seen := map[string]string{}
	for _, seed := range []uint64{1, 2} {
		for _, spec := range c.Tensors() {
			p := make([]byte, min(32, spec.Bytes()))
			Fill(p, c, spec, seed, 0)
			if len(p) < 16 || spec.DType == gptoss.U8 && !strings.HasSuffix(spec.Name, "blocks") {
				continue // too few bits to be sure
			}
			if other, ok := seen[string(p)]; ok {
				t.Errorf("%s with seed %d equals %s", spec.Name, seed, other)
			}
			seen[string(p)] = spec.Name
		}
	}
}
