package engine

import (
	"context"
	"errors"

	"gossamer/runtime/sample"
)

// Greedy appends n tokens to each of seqs, which are Ready and at most as many as a step has rows: always the most likely one. It is for
// measurements and comparisons of backends, which no Engine uses meanwhile.
func Greedy(ctx context.Context, b Backend, seqs []Sequence, n int) ([][]int32, error) {
	step := &Step{Rows: make([]Row, len(seqs))}
	for i, s := range seqs {
		sampler, err := sample.New(sample.Params{}, b.Config().Vocab, nil)
		if err != nil {
			return nil, err
		}
		step.Rows[i] = Row{Seq: s, Given: Draw, Sampler: sampler, Logprobs: -1}
	}
	ids := make([][]int32, len(seqs))
	for len(ids[0]) < n {
		step.Draws = min(n-len(ids[0]), b.Limits().Draws)
		p, err := b.Step(ctx, step)
		if err != nil {
			return nil, err
		}
		out, err := p.Wait(ctx)
		if err != nil {
			return nil, err
		}
		for i, d := range out.Rows {
			for _, t := range d.Tokens {
				ids[i] = append(ids[i], t.ID)
			}
			err = errors.Join(err, d.Err)
		}
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}
