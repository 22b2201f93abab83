package model

import (
	"context"
	"errors"
	"fmt"

	"gossamer/runtime/engine"
	"gossamer/runtime/gpu"
	"gossamer/runtime/kv"
)

// pages divides the key/value cache among sequences.
type pages struct {
	*sizes
	dev   *gpu.Device
	buf   *buffers
	cache *kv.Cache
}

// reserve makes room for n more positions of seq, in sliding layers alone unless full is set.
func (p *pages) reserve(seq *state, n int, full bool) error {
	reserve := seq.kv.ReserveSliding
	if full {
		reserve = seq.kv.Reserve
	}
	copies, err := reserve(n)
	if errors.Is(err, kv.ErrFull) {
		return fmt.Errorf("model: %w: %w", engine.ErrContextFull, err)
	}
	if err != nil {
		return err
	}
	return p.copy(copies)
}

// reserveRun makes room for k more positions of each sequence, or for fewer where pages are short; it returns for how many.
func (p *pages) reserveRun(seqs []*state, k int) (int, error) {
	for _, seq := range seqs {
		err := p.reserve(seq, k, true)
		for k > 1 && errors.Is(err, engine.ErrContextFull) {
			k /= 2
			err = p.reserve(seq, k, true)
		}
		if err != nil {
			return 0, err
		}
	}
	return k, nil
}

// copy executes the copies that the page allocator asks for. They can't be cancelled: the page tables name the new pages already.
func (p *pages) copy(copies []kv.Copy) error {
	if len(copies) == 0 {
		return nil
	}
	prog := p.dev.NewProgram("copy pages")
	defer prog.Release()
	n := p.pageBytes()
	for _, c := range copies {
		for _, l := range p.buf.layers {
			if (l.kind == slidingLayer) != c.Sliding {
				continue
			}
			for _, b := range []*gpu.Buffer{l.keys, l.values} {
				// WebGPU has no copy inside one buffer.
				if err := prog.Copy(p.buf.page, 0, b, int64(c.From)*n, n); err != nil {
					return err
				}
				if err := prog.Copy(b, int64(c.To)*n, p.buf.page, 0, n); err != nil {
					return err
				}
			}
		}
	}
	return p.dev.Submit(context.Background(), prog)
}
