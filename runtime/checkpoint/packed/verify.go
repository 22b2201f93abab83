package packed

import (
	"context"
	"errors"
	"sync"

	"gossamer/runtime/checkpoint"
)

// Verify fetches every chunk, compares it with its hash and unpacks it. It goes on after bad chunks and returns all errors. report,
// if not nil, is called for each chunk when it is done, never concurrently.
func (m *Model) Verify(ctx context.Context, report func(Chunk, error), progress func(checkpoint.Progress)) error {
	if !m.Verified() {
		return ErrNoHashes
	}
	chunks := m.Manifest.Chunks
	meter := checkpoint.Meter{Progress: checkpoint.Progress{Phase: checkpoint.PhaseVerify}}
	for _, k := range chunks {
		meter.BytesTotal += k.Bytes
	}
	var mu sync.Mutex // guards bad, meter and the calls of report
	var bad []error
	err := checkpoint.EachParallel(ctx, len(chunks), func(ctx context.Context, i int) error {
		k := &chunks[i]
		p, err := m.source.store.Fetch(ctx, k, nil)
		if err == nil {
			_, err = m.source.decoder.Unpack(k, p, nil)
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
		meter.Add(k.Bytes, progress)
		return nil
	})
	return errors.Join(append(bad, err)...)
}

// ErrNoHashes says that a model cannot be verified.
var ErrNoHashes = errors.New("checkpoint: verify: there are no hashes to compare with: only packed models have them")
