package sample

import (
	"fmt"
	"math/rand/v2"
)

// Params says how tokens are drawn. The zero value is greedy: always the token with the largest logit. The steps are applied in
// the order of the fields LogitBias, penalties, Temperature, TopK, TopP, MinP.
type Params struct {
	// Temperature divides the logits, 0 or more. Below 0.0001 the choice is greedy, and TopK, TopP and MinP have no
	// effect. OpenAI recommends 1 for gpt-oss, and nothing else.
	Temperature float32
	// TopK keeps the k most likely tokens. 0 keeps all.
	TopK int
	// TopP keeps the smallest set of the most likely tokens that together have at least this probability, 0 to 1. 0 and 1 keep
	// all. At least one token stays.
	TopP float32
	// MinP keeps tokens at least this fraction as likely as the most likely one, 0 to 1. 0 keeps all.
	MinP float32

	// RepetitionPenalty divides positive and multiplies negative logits of tokens that occur in the prompt or the reply
	// (arXiv 1909.05858), above 0. 0 and 1 are off.
	RepetitionPenalty float32
	// PresencePenalty is subtracted once from the logits of tokens that occur in the reply, -2 to 2.
	PresencePenalty float32
	// FrequencyPenalty is subtracted for each occurrence in the reply, -2 to 2.
	FrequencyPenalty float32
	// PenaltyVocab exempts ids at and above it from the three penalties: markers must be free to repeat. 0 exempts none.
	PenaltyVocab int32
	// LogitBias is added to the logits of single tokens, -100 to 100; of at most MaxBiases.
	LogitBias map[int32]float32

	// Seed selects the noise. The same logits, parameters and seed give the same tokens. 0 is a seed like any other.
	Seed uint64
}

// MaxBiases is the largest number of tokens in Params.LogitBias: what a device has room for.
const MaxBiases = 1024

// minTemperature is the smallest temperature at which noise is added. Below it the noise could not lift a token over one whose
// logit is 0.003 larger.
const minTemperature = 1e-4

// Recommended is what OpenAI recommends for gpt-oss: temperature 1 and nothing else; with a random seed.
func Recommended() Params { return Params{Temperature: 1, Seed: rand.Uint64()} }

// Validate checks every range; the error names the field. vocab is the number of logits in a row.
func (p *Params) Validate(vocab int) error {
	for _, f := range []struct {
		name     string
		value    float32
		min, max float32
	}{
		{"Temperature", p.Temperature, 0, 100},
		{"TopP", p.TopP, 0, 1},
		{"MinP", p.MinP, 0, 1},
		{"RepetitionPenalty", p.RepetitionPenalty, 0, 100},
		{"PresencePenalty", p.PresencePenalty, -2, 2},
		{"FrequencyPenalty", p.FrequencyPenalty, -2, 2},
	} {
		if !(f.value >= f.min && f.value <= f.max) { // so that NaN fails
			return fmt.Errorf("sample: %s is %v, want %v to %v", f.name, f.value, f.min, f.max)
		}
	}
	if p.TopK < 0 {
		return fmt.Errorf("sample: TopK is %d, want 0 or more", p.TopK)
	}
	if p.PenaltyVocab < 0 {
		return fmt.Errorf("sample: PenaltyVocab is %d, want 0 or more", p.PenaltyVocab)
	}
	if len(p.LogitBias) > MaxBiases {
		return fmt.Errorf("sample: LogitBias has %d tokens, want at most %d", len(p.LogitBias), MaxBiases)
	}
	for id, bias := range p.LogitBias {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("sample: LogitBias has token %d, the vocabulary ends at %d", id, vocab-1)
		}
		if !(bias >= -100 && bias <= 100) {
			return fmt.Errorf("sample: LogitBias[%d] is %v, want -100 to 100", id, bias)
		}
	}
	return nil
}

// Greedy reports whether no noise is added.
func (p *Params) Greedy() bool { return p.Temperature < minTemperature }

// TemperatureOnly reports whether greedy choice or noise at a temperature is all there is to do. A device that can do that
// chooses the same tokens.
func (p *Params) TemperatureOnly() bool {
	filters := p.TopK > 0 || p.TopP > 0 && p.TopP < 1 || p.MinP > 0
	return len(p.LogitBias) == 0 && !p.repetition() && !p.additive() && (p.Greedy() || !filters)
}

// Penalized reports whether what is drawn depends on how often tokens have occurred.
func (p *Params) Penalized() bool { return p.repetition() || p.additive() }

func (p *Params) repetition() bool { return p.RepetitionPenalty != 0 && p.RepetitionPenalty != 1 }
func (p *Params) additive() bool   { return p.PresencePenalty != 0 || p.FrequencyPenalty != 0 }

// finite reports whether x can be the logit of a token that is chosen.
func finite(x float32) bool { return x-x == 0 }
