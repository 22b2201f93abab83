package weights

import (
	"context"
	"errors"
	"sync"
)

// Verify fetches every chunk of a packed model, compares it with its hash and unpacks it. It goes on after bad chunks and returns
// all errors. report, if not nil, hears of each chunk as it is done, never concurrently.
func (c *Checkpoint) Verify(ctx context.Context, report func(Chunk, error), progress func(Progress)) error {
	src, ok := c.src.(*chunkSource)
	if !ok || !c.Verified() {
		return errors.New("weights: verify: there are no hashes to compare with: only packed models have them")
	}
	chunks := c.manifest.Chunks
	m := meter{Progress: Progress{Phase: PhaseVerify}}
	for _, k := range chunks {
		m.BytesTotal += k.Bytes
	}
	var mu sync.Mutex // guards bad, m and the calls of report
	var bad []error
	err := eachParallel(ctx, len(chunks), func(ctx context.Context, i int) error {
		k := &chunks[i]
		p, err := src.store.fetch(ctx, k, nil)
		if err == nil {
			_, err = unpack(src.zstd, k, p, nil)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			bad = append(bad, err)
		}
		if report != nil {
			report(*k, err)
		}
		m.add(k.Bytes, progress)
		return nil
	})
	return errors.Join(append(bad, err)...)
}
