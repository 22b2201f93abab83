package kernel

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gossamer/shaders"
)

// TestStepRowIsWhatShadersRead compares the flags, the size and the order of a row with the constants and accesses in WGSL.
func TestStepRowIsWhatShadersRead(t *testing.T) {
	number := func(code, pattern string) uint32 {
		t.Helper()
		m := regexp.MustCompile(pattern).FindStringSubmatch(code)
		if m == nil {
			t.Fatalf("no match of %s in the shader", pattern)
		}
		n, err := strconv.ParseUint(m[1], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		return uint32(n)
	}
	source := func(c config) string {
		t.Helper()
		s, err := c.shader(shaders.Variant{})
		if err != nil {
			t.Fatal(err)
		}
		return s.Source
	}
	sample := source(samplePartialConfig{Rows: 1, Vocab: 3, Ring: 1})
	attn := source(AttnConfig{Rows: 1, Heads: 1, KVHeads: 1, HeadDim: 8, Splits: 1, Window: 1})
	for name, want := range map[string]uint32{
		"ROW_WORDS": StepRowBytes / 4, "ROW_KEEP_FULL": StepKeepFull, "ROW_UNUSED": StepUnused, "ROW_MASKED": stepMasked, "ROW_GIVEN": StepGiven,
		"ROW_DRAW": 1 << stepDrawShift, "ROW_MASK_SHIFT": stepMaskShift, "ROW_MASK_BITS": MaxMasks - 1,
	} {
		if got := number(sample, `const `+name+`: u32 = (\d+)u;`); got != want {
			t.Errorf("%s is %d in WGSL, %d in Go", name, got, want)
		}
	}

	// A word's index in the row, where the shader reads it.
	const row = `step\[\(?row \* ROW_WORDS\)? \+ (\d+)u`
	words := StepRow{Token: 10, Position: 11, FullTable: 12, SlidingTable: 13, Flags: 14, Seed: 16<<32 | 15, Temperature: 1}.words()
	for _, k := range []struct {
		code, pattern string
		want          uint32
	}{
		{sample, `fn rowPosition.*` + row, 11},
		{attn, `TABLES \+ ` + row + ` \+ SLIDING\]`, 12},
		{sample, `fn rowFlags.*` + row, 14},
		{sample, `noiseKey\(` + row, 15},
		{sample, `noiseKey\(step.*` + row, 16},
		{sample, `bitcast<f32>\(` + row, math.Float32bits(1)},
	} {
		if at := number(k.code, k.pattern); words[at] != k.want {
			t.Errorf("%s reads word %d, which is %d in Go, want %d", k.pattern, at, words[at], k.want)
		}
	}
	if !strings.Contains(sample, "fn rowToken(row: u32) -> u32 { return step[row * ROW_WORDS]; }") || words[0] != 10 || words[3] != 13 {
		t.Errorf("a row is %v: its token is not the first word, or the sliding layers' table not behind the full ones'", words)
	}
	if got := (StepRow{Position: 1 << 8}).Append([]byte{7}); len(got) != 1+StepRowBytes || got[0] != 7 || got[6] != 1 {
		t.Errorf("appended %v", got)
	}
}
