package ref

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gossamer/runtime/engine"
	"gossamer/runtime/tensor"
)

// Sequence is the keys and values of one text. All layers keep all positions, so that Truncate is free. It implements
// engine.HostSequence and engine.RowReader.
type Sequence struct {
	model  *Model
	length int
	k, v   [][]float32 // [Layers][at least length][KVHeads][HeadDim], keys rotated
	last   []float64   // [Hidden] residual stream of the last token, nil where there is none
	closed bool
}

// Len is the number of tokens held.
func (s *Sequence) Len() int { return s.length }

// Ready says that the residual stream of the last token is there, from which Logits computes.
func (s *Sequence) Ready() bool { return s.last != nil }

// Extend appends tokens. It fails before the first one if one is outside the vocabulary or they don't all fit.
func (s *Sequence) Extend(ctx context.Context, tokens []int32) error {
	return s.ExtendRows(ctx, tokens, nil, nil)
}

// ExtendRows is Extend that calls row with the logits, [Vocab], after tokens[i] for each i in at (ascending). The slice is
// reused. An error of row ends the run and is returned.
func (s *Sequence) ExtendRows(ctx context.Context, tokens []int32, at []int, row func(i int, logits []float32) error) error {
	m := s.model
	p := m.params.Load()
	if p == nil || s.closed {
		return errClosed
	}
	if err := s.check(tokens, at); err != nil {
		return err
	}
	for done := 0; done < len(tokens); {
		n := min(m.options.Chunk, len(tokens)-done)
		inChunk, _ := slices.BinarySearch(at, done+n)
		if err := s.extendChunk(ctx, p, tokens[done:done+n], done, at[:inChunk], row); err != nil {
			return err
		}
		done, at = done+n, at[inChunk:]
	}
	return nil
}

// check verifies what ExtendRows is asked for.
func (s *Sequence) check(tokens []int32, at []int) error {
	for i, token := range tokens {
		if token < 0 || int(token) >= s.model.config.Vocab {
			return fmt.Errorf("ref: token %d at index %d is outside the vocabulary of %d", token, i, s.model.config.Vocab)
		}
	}
	if limit := s.model.options.Context; len(tokens) > limit-s.length {
		return fmt.Errorf("ref: %w: of %d tokens %d are held, and %d more were given: shorten the text or load the model with a larger context",
			engine.ErrContextFull, limit, s.length, len(tokens))
	}
	for j, i := range at {
		if i < 0 || i >= len(tokens) || j > 0 && i <= at[j-1] {
			return fmt.Errorf("ref: logits after token %d asked for: want ascending indices into %d tokens", i, len(tokens))
		}
	}
	return nil
}

// Logits of so many rows are computed together.
const unembedRows = 16

// extendChunk appends one chunk. Its first token is number offset of the run that at and row speak of.
func (s *Sequence) extendChunk(ctx context.Context, p *params, tokens []int32, offset int, at []int, row func(int, []float32) error) error {
	f := s.model.newPass(p, s, tokens)
	defer f.release()
	if err := f.forward(ctx); err != nil {
		return err
	}
	hidden := s.model.config.Hidden
	s.length += len(tokens)
	s.last = append(s.last[:0], f.x[len(f.x)-hidden:]...)

	if s.model.options.Trace != nil {
		f.norm(f.t, f.x, p.finalNorm)
		f.trace(-1, "final_norm", f.t)
	}
	for rows := range slices.Chunk(at, unembedRows) {
		if err := ctx.Err(); err != nil {
			return err
		}
		f.t = f.t[:0]
		for _, i := range rows {
			f.t = append(f.t, f.x[(i-offset)*hidden:][:hidden]...)
		}
		f.unembed(f.t)
		for j, i := range rows {
			if err := row(i, f.row(j)); err != nil {
				return err
			}
		}
	}
	return nil
}

// row is row j of the logits as float32; valid until the next call.
func (f *pass) row(j int) []float32 {
	vocab := f.config.Vocab
	resize(&f.logits32, vocab)
	for i, v := range f.logits[j*vocab:][:vocab] {
		f.logits32[i] = float32(v)
	}
	return f.logits32
}

// store appends a chunk's keys and values to the cache of a layer, behind the sequence's length, and returns the whole.
func (s *Sequence) store(layer int, k, v []float64) (keys, values []float32) {
	held := s.length * s.model.config.KVDim()
	s.k[layer] = s.appendRounded(s.k[layer][:held], k)
	s.v[layer] = s.appendRounded(s.v[layer][:held], v)
	return s.k[layer], s.v[layer]
}

func (s *Sequence) appendRounded(cache []float32, values []float64) []float32 {
	cache = slices.Grow(cache, len(values))
	for _, v := range values {
		f := float32(v)
		if s.model.options.KVF16 {
			f = tensor.FromF16(tensor.ToF16(f))
		}
		cache = append(cache, f)
	}
	return cache
}

// Truncate keeps the first n tokens, or all if there are fewer.
func (s *Sequence) Truncate(_ context.Context, n int) (kept int, err error) {
	if s.closed {
		return 0, errClosed
	}
	if n < 0 {
		return s.length, fmt.Errorf("ref: truncate to %d tokens", n)
	}
	if n < s.length {
		s.length, s.last = n, nil
	}
	return s.length, nil
}

// Fork returns a sequence with a copy of the first n tokens, or of all if there are fewer.
func (s *Sequence) Fork(n int) (engine.Sequence, error) {
	if s.closed || s.model.params.Load() == nil {
		return nil, errClosed
	}
	if n < 0 {
		return nil, fmt.Errorf("ref: fork of %d tokens", n)
	}
	fork := s.model.newSequence()
	fork.length = min(n, s.length)
	held := fork.length * s.model.config.KVDim()
	for l := range s.k {
		fork.k[l] = slices.Clone(s.k[l][:held])
		fork.v[l] = slices.Clone(s.v[l][:held])
	}
	return fork, nil
}

// MarkResume does nothing: Truncate is free everywhere.
func (s *Sequence) MarkResume() error { return nil }

// Rest does nothing: there is nothing to give up but what the text needs.
func (s *Sequence) Rest() error { return nil }

// Logits computes the row that follows the last token: dst [Vocab].
func (s *Sequence) Logits(ctx context.Context, dst []float32) error {
	p := s.model.params.Load()
	switch {
	case p == nil || s.closed:
		return errClosed
	case s.last == nil:
		return errors.New("ref: no logits: extend the sequence first")
	case len(dst) != s.model.config.Vocab:
		return fmt.Errorf("ref: logits into a slice of %d: the vocabulary has %d", len(dst), s.model.config.Vocab)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	f := s.model.newPass(p, s, nil)
	defer f.release()
	f.unembed(s.last)
	for i, v := range f.logits {
		dst[i] = float32(v)
	}
	return nil
}

// Close frees the sequence's memory.
func (s *Sequence) Close() error {
	*s = Sequence{model: s.model, closed: true}
	return nil
}
