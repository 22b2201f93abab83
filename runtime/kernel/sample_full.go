package kernel

import (
	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// SampleFull chooses the next token of each row as Sample does, after logit bias, penalties, mask, top_k, top_p and min_p, by four
// dispatches. The law is package sample's, and the token is the one that it draws from the same logits, unless
//
//   - the sum of a logit and its noise is within the error of the largest such sum: the noise is two logarithms, which WGSL rounds coarsely
//     (2^-17 of a temperature), and the division by a repetition penalty may be off by 2.5 units in the last place;
//   - an id is at an edge: the relative difference of its probability from the one there, or of the mass before it from top_p's, is less than
//     1e-5. WGSL's exp is not exact, sums are f32, and package sample orders by quotients, of which close ones may be equal.
//
// All else is the CPU's to the bit, but subnormals, which may count as 0. Rows whose SampleParams ask for nothing draw what Sample draws. A
// temperature of less than 1e-4 turns top_k, top_p and min_p off; package sample's choice is then the largest logit, and so is the
// device's at temperature 0, which StepRow has to have for sample.Params that are Greedy.
type SampleFull struct {
	adjust, filter, partial, final *pipeline
	c                              SampleConfig
}

// SampleFullArgs are the buffers of SampleFull. Of Counts and Bias the rows whose SampleParams don't ask for them are not read. A drawn token is
// counted, once; a given one is not: the host has written what it wants counted.
type SampleFullArgs struct {
	Step       *gpu.Buffer // in and out: token and position of each row
	Params     *gpu.Buffer // SampleParams [Rows]
	Logits     *gpu.Buffer // f32 [Rows][Vocab]
	Masks      *gpu.Buffer // bit sets [masks][(Vocab+31)/32], of which rows with stepMasked name theirs; see StepMask
	Counts     *gpu.Buffer // in and out: CountWords words, u16 [Rows][Vocab, made even]: times in the reply, + CountPrompt if in the prompt
	Bias       *gpu.Buffer // BiasWords words, {id u32, bias f32} [Rows][MaxBiases]: the first Biases of a row, in any order, each id once
	Keys       *gpu.Buffer // scratch of KeyWords words
	List       *gpu.Buffer // scratch of ListWords words
	Edges      *gpu.Buffer // scratch of EdgeWords words
	Candidates *gpu.Buffer // scratch of CandidateWords words
	Tokens     *gpu.Buffer // out: u32 [Ring][Rows], as SampleArgs.Tokens
}

// CountPrompt is the bit of an id's count that says that it occurs in the prompt. The bits below count it in the reply, up to 32767.
const CountPrompt = 1 << 15

// listLanes is the workgroup size of the kernels that list ids, lane by lane.
const listLanes = denseLanes

// CountWords is the size of SampleFullArgs.Counts in words; a row begins at a whole one.
func (c SampleConfig) CountWords() int { return c.Rows * ceilDiv(c.Vocab, 2) }

// BiasWords is the size of SampleFullArgs.Bias in words.
func (c SampleConfig) BiasWords() int { return 2 * c.Rows * MaxBiases }

// KeyWords is the size of SampleFullArgs.Keys in words.
func (c SampleConfig) KeyWords() int { return c.Rows * c.Vocab }

// ListWords is the size of SampleFullArgs.List and LogprobsArgs.List in words.
func (c SampleConfig) ListWords() int { return c.Rows * ceilDiv(c.Vocab, listLanes) * listLanes }

// EdgeWords is the size of SampleFullArgs.Edges in words.
func (c SampleConfig) EdgeWords() int { return 2 * c.Rows }

type (
	sampleAdjustConfig      SampleConfig
	sampleFilterConfig      SampleConfig
	samplePartialFullConfig SampleConfig
	sampleFinalFullConfig   SampleConfig
)

func (c SampleConfig) checkFull(name string) error {
	if err := c.check(name); err != nil {
		return err
	}
	return checkShape(name, check{c.Vocab <= 1<<24, "Vocab from 1 to 2^24"}) // f32 counts that far
}

func (c sampleAdjustConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := SampleConfig(c).checkFull("sample_adjust"); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("sample_adjust", v, map[string]int{"VOCAB": c.Vocab, "TILE": sampleTile, "MAX_BIASES": MaxBiases, "WG": 128})
}

func (c sampleFilterConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := SampleConfig(c).checkFull("sample_filter"); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("sample_filter", v, map[string]int{"VOCAB": c.Vocab, "TILES": SampleConfig(c).tiles(), "WG": listLanes})
}

func (c samplePartialFullConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := SampleConfig(c).checkFull("sample_partial_full"); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("sample_partial_full", v, map[string]int{"VOCAB": c.Vocab, "TILE": sampleTile, "WG": 128})
}

func (c sampleFinalFullConfig) shader(v shaders.Variant) (shaders.Shader, error) {
	if err := SampleConfig(c).checkFull("sample_final_full"); err != nil {
		return shaders.Shader{}, err
	}
	return shaders.Build("sample_final_full", v, map[string]int{"VOCAB": c.Vocab, "TILES": SampleConfig(c).tiles(), "RING": c.Ring, "WG": 128})
}

// NewSampleFull compiles the kernels.
func NewSampleFull(dev *gpu.Device, c SampleConfig) (*SampleFull, error) {
	k := &SampleFull{c: c}
	for _, part := range []struct {
		p **pipeline
		c config
	}{
		{&k.adjust, sampleAdjustConfig(c)},
		{&k.filter, sampleFilterConfig(c)},
		{&k.partial, samplePartialFullConfig(c)},
		{&k.final, sampleFinalFullConfig(c)},
	} {
		p, err := newPipeline(dev, part.c)
		if err != nil {
			k.Release()
			return nil, err
		}
		*part.p = p
	}
	return k, nil
}

// Release frees the kernels; see the other kernels' Release.
func (k *SampleFull) Release() {
	for _, p := range []*pipeline{k.adjust, k.filter, k.partial, k.final} {
		if p != nil { // nil: it was not compiled
			p.Release()
		}
	}
}

// Record appends the choice for all rows.
func (k *SampleFull) Record(p *gpu.Program, a SampleFullArgs) error {
	tiles, rows := [3]int{k.c.tiles(), k.c.Rows, 1}, [3]int{k.c.Rows, 1, 1}
	if err := k.adjust.record(p, tiles, nil, a.Step, a.Params, a.Logits, a.Masks, a.Counts, a.Bias, a.Keys, a.Candidates); err != nil {
		return err
	}
	if err := k.filter.record(p, rows, nil, a.Step, a.Params, a.Keys, a.Candidates, a.List, a.Edges); err != nil {
		return err
	}
	if err := k.partial.record(p, tiles, nil, a.Step, a.Keys, a.Edges, a.Candidates); err != nil {
		return err
	}
	return k.final.record(p, rows, nil, a.Candidates, a.Params, a.Step, a.Tokens, a.Counts)
}
