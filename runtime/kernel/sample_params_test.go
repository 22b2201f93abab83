package kernel

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"gossamer/shaders"
)

// TestSampleParamsAreWhatShadersRead compares the flags, the size and the order of a row with the constants and accesses in WGSL.
func TestSampleParamsAreWhatShadersRead(t *testing.T) {
	s, err := sampleFilterConfig{Rows: 1, Vocab: 3, Ring: 1}.shader(shaders.Variant{})
	if err != nil {
		t.Fatal(err)
	}
	p := SampleParams{
		TopK: 1, TopP: 0.2, MinP: 0.3, RepetitionPenalty: 4, PresencePenalty: 0.5, FrequencyPenalty: 0.6, PenaltyVocab: 7, Biases: 8, Logprobs: true,
	}
	words := p.words()
	for _, want := range []string{
		fmt.Sprintf("const PARAM_WORDS: u32 = %du;", len(words)),
		fmt.Sprintf("const PARAM_COUNTED: u32 = %du;", paramCounted),
		fmt.Sprintf("const PARAM_LOGPROBS: u32 = %du;", paramLogprobs),
		"fn paramFlags(row: u32) -> u32 { return params[row * PARAM_WORDS]; }",
	} {
		if !strings.Contains(s.Source, want) {
			t.Errorf("WGSL does not have %q", want)
		}
	}
	for i, k := range []struct {
		name string
		want uint32
	}{
		{"TopK", 1},
		{"TopP", math.Float32bits(0.2)},
		{"LogMinP", math.Float32bits(float32(math.Log(float64(float32(0.3)))))},
		{"Repetition", math.Float32bits(4)},
		{"Presence", math.Float32bits(0.5)},
		{"Frequency", math.Float32bits(0.6)},
		{"PenaltyVocab", 7},
		{"Biases", 8},
		{"Zero", 0},
	} {
		_, read, _ := strings.Cut(s.Source, "fn param"+k.name+"(row: u32) -> ")
		read, _, _ = strings.Cut(read, "\n")
		if at := fmt.Sprintf("params[(row * PARAM_WORDS) + %du]", i+1); !strings.Contains(read, at) || words[i+1] != k.want {
			t.Errorf("%s is word %d, %#x, in Go, want %#x; WGSL reads %s", k.name, i+1, words[i+1], k.want, read)
		}
	}
	if words[0] != paramCounted|paramLogprobs {
		t.Errorf("flags are %d", words[0])
	}
	if got := p.Append([]byte{7}); len(got) != 1+SampleParamsBytes || got[0] != 7 || got[5] != 1 {
		t.Errorf("appended %v", got)
	}
}

// What is off is written as the value that changes nothing.
func TestSampleParamsOfNothing(t *testing.T) {
	zero := SampleParams{}.words()
	want := [SampleParamsBytes / 4]uint32{3: math.Float32bits(noMinP), 4: math.Float32bits(1), 7: math.MaxUint32}
	if zero != want {
		t.Errorf("words are %v, want %v", zero, want)
	}
	if one := (SampleParams{RepetitionPenalty: 1}).words(); one != want {
		t.Errorf("with a repetition penalty of 1 words are %v, want %v", one, want)
	}
	if tiny := (SampleParams{TopP: math.SmallestNonzeroFloat32}).words(); tiny[2] != math.Float32bits(0x1p-126) {
		t.Errorf("a subnormal top_p is written as %#x, want a number that no device takes for 0", tiny[2])
	}
	for _, p := range []SampleParams{{RepetitionPenalty: 1.1}, {PresencePenalty: -1}, {FrequencyPenalty: 1}} {
		if !p.Counted() {
			t.Errorf("%+v: not counted", p)
		}
	}
}
