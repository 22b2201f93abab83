package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// topLogprobs is the number of ids that Logprobs lists.
const topLogprobs = 20

// LogprobsBytes is what Logprobs says of one position: the pair {id u32, log probability f32} of the token that was drawn, then those of the
// topLogprobs most likely ids, most likely first, the lower id on ties. A token without a finite logit has -infinity, and unused places
// are {NoToken, -infinity}.
const LogprobsBytes = 8 * (1 + topLogprobs)

// Logprobs computes log probabilities of the model's own distribution, before bias, penalties, mask and temperature, for the rows whose
// SampleParams ask for them. It is recorded behind Sample or SampleFull, whose tokens it looks up, and before what overwrites the logits. The
// law is package sample's LogProbs: the same ids; the values differ by the rounding of sums, exp and log, less than 1e-4.
type Logprobs struct {
	*pipeline
	c SampleConfig
}

type logprobsConfig SampleConfig

// LogprobsArgs are the buffers of Logprobs.
type LogprobsArgs struct {
	Step     *gpu.Buffer // token and position of each row, as drawn
	Params   *gpu.Buffer // SampleParams [Rows]
	Logits   *gpu.Buffer // f32 [Rows][Vocab]
	List     *gpu.Buffer // scratch of ListWords words
	Logprobs *gpu.Buffer // out: LogprobsBytes [Ring][Rows], those of draw d since the host wrote Step at d % Ring
}

// LogprobWords is the size of LogprobsArgs.Logprobs in words.
func (c SampleConfig) LogprobWords() int { return c.Rows * c.Ring * LogprobsBytes / 4 }

func (c logprobsConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := SampleConfig(c).check("logprobs"); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("logprobs", v, map[string]int{"VOCAB": c.Vocab, "RING": c.Ring, "TOP": topLogprobs, "WG": listLanes})
}

// NewLogprobs compiles the kernel.
func NewLogprobs(dev *gpu.Device, c SampleConfig) (*Logprobs, error) {
	p, err := newPipeline(dev, logprobsConfig(c))
	return &Logprobs{p, c}, err
}

// Record appends the log probabilities of all rows.
func (k *Logprobs) Record(p *gpu.Program, a LogprobsArgs) error {
	return k.record(p, [3]int{k.c.Rows, 1, 1}, nil, a.Step, a.Params, a.Logits, a.List, a.Logprobs)
}
