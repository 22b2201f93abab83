package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// SampleConfig is the shape of sampling on the device.
type SampleConfig struct {
	Rows  int // of the batch
	Vocab int
	Ring  int // draws that are kept for the host
}

// NoToken is what sampling chooses where no logit is finite and allowed.
const NoToken = 0xffffffff

// Sample chooses the next token of each row, by two dispatches: the best of each tile of the logits, then the best tile. The law is
// package sample's: the largest logit + temperature * sample.Noise(seed, position, id), the lowest id on ties; logits that aren't
// finite are never chosen.
type Sample struct {
	partial, final *pipeline
	c              SampleConfig
}

// SampleArgs are the buffers of Sample.
type SampleArgs struct {
	Step       *gpu.Buffer // in and out: token and position of each row
	Logits     *gpu.Buffer // f32 [Rows][Vocab]
	Masks      *gpu.Buffer // bit sets [masks][(Vocab+31)/32], of which rows with stepMasked name theirs; see StepMask
	Candidates *gpu.Buffer // scratch of CandidateWords words
	Tokens     *gpu.Buffer // out: u32 [Ring][Rows], draw d since the host wrote Step at d % Ring; NoToken for an error; given ones are not there
}

// sampleTile is the number of logits of a workgroup.
const sampleTile = 1024

func (c SampleConfig) tiles() int { return ceilDiv(c.Vocab, sampleTile) }

// CandidateWords is the size of SampleArgs.Candidates in words.
func (c SampleConfig) CandidateWords() int { return 2 * c.Rows * c.tiles() }

type (
	samplePartialConfig SampleConfig
	sampleFinalConfig   SampleConfig
)

func (c SampleConfig) check(name string) error {
	return checkShape(name,
		check{c.Rows >= 1 && c.Rows <= maxGrid, "Rows from 1 to 65535"},
		check{c.Vocab >= 1 && c.tiles() <= maxGrid, "Vocab from 1 to 2^25"},
		check{c.Ring >= 1, "a Ring"},
	)
}

func (c samplePartialConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := SampleConfig(c).check("sample_partial"); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("sample_partial", v, map[string]int{"VOCAB": c.Vocab, "TILE": sampleTile, "WG": 128})
}

func (c sampleFinalConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := SampleConfig(c).check("sample_final"); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("sample_final", v, map[string]int{"TILES": SampleConfig(c).tiles(), "RING": c.Ring, "WG": 128})
}

// NewSample compiles the kernels.
func NewSample(dev *gpu.Device, c SampleConfig) (*Sample, error) {
	partial, err := newPipeline(dev, samplePartialConfig(c))
	if err != nil {
		return nil, err
	}
	final, err := newPipeline(dev, sampleFinalConfig(c))
	if err != nil {
		partial.Release()
		return nil, err
	}
	return &Sample{partial, final, c}, nil
}

// Release frees the kernels; see the other kernels' Release.
func (k *Sample) Release() {
	k.partial.Release()
	k.final.Release()
}

// Record appends the choice for all rows.
func (k *Sample) Record(p *gpu.Program, a SampleArgs) error {
	if err := k.partial.record(p, [3]int{k.c.tiles(), k.c.Rows, 1}, nil, a.Step, a.Logits, a.Masks, a.Candidates); err != nil {
		return err
	}
	return k.final.record(p, [3]int{k.c.Rows, 1, 1}, nil, a.Candidates, a.Step, a.Tokens)
}
