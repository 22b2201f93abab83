package engine

import (
	"context"
	"errors"

	"gossamer/runtime/sample"
)

// Give appends a token to each of seqs, at most as many as a step has rows, so that they are Ready. It is for measurements and comparisons of
// backends, which no Engine uses meanwhile.
func Give(ctx context.Context, b Backend, seqs []Sequence, token int32) error {
	step, err := greedyStep(b, seqs, token)
	if err != nil {
		return err
	}
	step.Draws = 1
	return do(ctx, b, step, func(int, []Token) {})
}

// Greedy appends n tokens to each of seqs, which are Ready: always the most likely one. See Give.
func Greedy(ctx context.Context, b Backend, seqs []Sequence, n int) ([][]int32, error) {
	step, err := greedyStep(b, seqs, Draw)
	if err != nil {
		return nil, err
	}
	ids := make([][]int32, len(seqs))
	for len(ids[0]) < n {
		step.Draws = min(n-len(ids[0]), b.Limits().Draws)
		if err := do(ctx, b, step, func(row int, tokens []Token) {
			for _, t := range tokens {
				ids[row] = append(ids[row], t.ID)
			}
		}); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func greedyStep(b Backend, seqs []Sequence, given int32) (*Step, error) {
	step := &Step{Rows: make([]Row, len(seqs))}
	for i, s := range seqs {
		sampler, err := sample.New(sample.Params{}, b.Config().Vocab, nil)
		if err != nil {
			return nil, err
		}
		step.Rows[i] = Row{Seq: s, Given: given, Sampler: sampler, Logprobs: -1}
	}
	return step, nil
}

func do(ctx context.Context, b Backend, step *Step, got func(row int, tokens []Token)) error {
	p, err := b.Step(ctx, step)
	if err != nil {
		return err
	}
	out, err := p.Wait(ctx)
	if err != nil {
		return err
	}
	for i, d := range out.Rows {
		got(i, d.Tokens)
		err = errors.Join(err, d.Err)
	}
	return err
}
