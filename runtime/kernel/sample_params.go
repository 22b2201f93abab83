package kernel

import (
	"encoding/binary"
	"math"
)

// SampleParams is one row of the params buffer of SampleFull and Logprobs: what they want to know of a row of the batch beside its StepRow,
// which has temperature, seed and the flag of the mask. The fields mean what package sample says. The zero value asks for nothing: such a
// row draws what Sample draws. shaders/lib/sample_params.wgsl reads it.
type SampleParams struct {
	TopK                                                 uint32  // 0: all
	TopP                                                 float32 // 0 and 1: all
	MinP                                                 float32 // 0: all
	RepetitionPenalty, PresencePenalty, FrequencyPenalty float32 // 0 (and 1 for RepetitionPenalty): none
	PenaltyVocab                                         uint32  // ids from here on are exempt from the penalties; 0: none is
	Biases                                               uint32  // pairs of the row in SampleFullArgs.Bias, at most MaxBiases
	Logprobs                                             bool    // log probabilities are wanted
}

// SampleParamsBytes is the size of a row of the params buffer.
const SampleParamsBytes = 64

// MaxBiases is the number of ids of a row whose logits can be biased.
const MaxBiases = 1024

// Flags of a row of the params buffer.
const (
	paramCounted uint32 = 1 << iota
	paramLogprobs
)

// noMinP is the logarithm that stands for no MinP: below the reach of package sample, so that no candidate is that unlikely.
const noMinP = -100

// Counted says that the row has penalties: its counts are read and written.
func (p SampleParams) Counted() bool {
	return p.repetition() != 1 || p.PresencePenalty != 0 || p.FrequencyPenalty != 0
}

func (p SampleParams) repetition() float32 {
	if p.RepetitionPenalty == 0 {
		return 1
	}
	return p.RepetitionPenalty
}

// Append appends the row's words to b, in little endian.
func (p SampleParams) Append(b []byte) []byte {
	for _, w := range p.words() {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

func (p SampleParams) words() [SampleParamsBytes / 4]uint32 {
	var flags uint32
	if p.Counted() {
		flags |= paramCounted
	}
	if p.Logprobs {
		flags |= paramLogprobs
	}
	penaltyVocab := p.PenaltyVocab
	if penaltyVocab == 0 {
		penaltyVocab = math.MaxUint32
	}
	topP := p.TopP
	if topP > 0 {
		topP = max(topP, 0x1p-126) // a device may take a subnormal for 0, which is all; both are fewer than any id has
	}
	logMinP := max(float32(math.Log(float64(p.MinP))), noMinP) // of 0: -infinity
	bits := math.Float32bits
	return [...]uint32{
		flags, p.TopK, bits(topP), bits(logMinP), bits(p.repetition()), bits(p.PresencePenalty), bits(p.FrequencyPenalty), penaltyVocab, p.Biases,
		15: 0, // the words between are 0 as well: shaders rely on it
	}
}
