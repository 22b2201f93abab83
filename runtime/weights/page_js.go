package weights

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall/js"

	"gossamer/runtime/promise"
)

// OpenPage opens a packed model whose chunks a web page brings: store is a ChunkStore of web/src/engine.ts, which fetches, keeps and
// verifies them. Chunks without a published hash are the store's to judge.
func OpenPage(manifest []byte, store js.Value) (*Checkpoint, error) {
	m, err := parseManifest(manifest, false)
	if err != nil {
		return nil, err
	}
	s := pageStore{store}
	c, err := openManifest(m, s)
	if err != nil {
		return nil, err
	}
	c.src = &pageSource{chunkSource: c.src.(*chunkSource), page: s}
	return c, nil
}

// pageStore has chunks that a ChunkStore brings.
type pageStore struct{ store js.Value }

// get returns a chunk as it is stored, a Uint8Array, to be released.
func (s pageStore) get(ctx context.Context, c *Chunk) (js.Value, error) {
	abort := js.Global().Get("AbortController").New()
	defer context.AfterFunc(ctx, func() { abort.Call("abort") })()
	chunk := map[string]any{"url": c.URL, "bytes": c.Bytes}
	if c.Offset != nil {
		chunk["offset"] = *c.Offset
	}
	if c.SHA256 != "" {
		chunk["sha256"] = c.SHA256
	}
	data, err := promise.Await(ctx, s.store.Call("get", chunk, abort.Get("signal")))
	if err != nil {
		return data, fmt.Errorf("weights: chunk %s: %w", c.name(), err)
	}
	if n := int64(data.Length()); n != c.Bytes {
		return data, fmt.Errorf("weights: chunk %s: has %d bytes, want %d", c.name(), n, c.Bytes)
	}
	return data, nil
}

// release frees a chunk's memory at once: js.Value would keep it until Go's next collection.
func (s pageStore) release(data js.Value) { s.store.Call("release", data) }

// fetch copies a chunk into Go's memory.
func (s pageStore) fetch(ctx context.Context, c *Chunk, buf []byte) ([]byte, error) {
	data, err := s.get(ctx, c)
	if err != nil {
		return nil, err
	}
	defer s.release(data)
	p := sized(buf, c.Bytes)
	js.CopyBytesToGo(p, data)
	return p, nil
}

// pageSource is a chunkSource that moves chunks without looking at them.
type pageSource struct {
	*chunkSource
	page pageStore

	// Chunks with a codec are unpacked one at a time, which is all that the only thread can do, in memory that is used again.
	unpacking   sync.Mutex
	packed, raw []byte
}

// jsMemory is Memory that takes bytes from JavaScript's.
type jsMemory interface {
	WriteFrom(off int64, data js.Value, from, n int64) error
}

// move brings every tensor to its place, several chunks at a time, in any order.
func (s *pageSource) move(ctx context.Context, c *Checkpoint, sink Placer, progress func(Progress)) error {
	byChunk := make([][]part, len(c.files))
	m := meter{Progress: Progress{Phase: PhaseDownload}}
	for _, p := range parts(c.tensors) {
		byChunk[p.file] = append(byChunk[p.file], p)
		m.BytesTotal += p.n
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	var mu sync.Mutex // guards m
	next := make(chan []part)
	for range max(1, s.page.store.Get("parallel").Int()) {
		group.Go(func() {
			for ps := range next {
				if err := s.moveChunk(ctx, s.chunks[c.files[ps[0].file]], sink, ps); err != nil {
					cancel(err)
					continue
				}
				n := int64(0)
				for _, p := range ps {
					n += p.n
				}
				mu.Lock()
				m.add(n, progress)
				mu.Unlock()
			}
		})
	}
	for _, ps := range byChunk {
		if len(ps) > 0 && ctx.Err() == nil {
			next <- ps
		}
	}
	close(next)
	group.Wait()
	s.packed, s.raw = nil, nil
	return context.Cause(ctx)
}

// moveChunk brings the parts of one chunk to their places.
func (s *pageSource) moveChunk(ctx context.Context, c *Chunk, sink Placer, ps []part) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	data, err := s.page.get(ctx, c)
	if err != nil {
		return err
	}
	defer s.page.release(data)
	if c.Codec != None {
		return s.unpackChunk(c, data, sink, ps)
	}
	return eachPlace(sink, ps, func(to Place, from int64) error {
		memory, ok := to.Memory.(jsMemory)
		if !ok {
			return errors.New("weights: the page can't write to this memory")
		}
		return memory.WriteFrom(to.Off, data, from, to.Bytes)
	})
}

// unpackChunk is moveChunk for a chunk with a codec, which only Go undoes.
func (s *pageSource) unpackChunk(c *Chunk, data js.Value, sink Placer, ps []part) (err error) {
	s.unpacking.Lock()
	defer s.unpacking.Unlock()
	s.packed = sized(s.packed, c.Bytes)
	js.CopyBytesToGo(s.packed, data)
	if s.raw, err = unpack(s.zstd, c, s.packed, s.raw); err != nil {
		return err
	}
	return eachPlace(sink, ps, func(to Place, from int64) error {
		return to.Memory.Write(to.Off, s.raw[from:from+to.Bytes])
	})
}

// eachPlace calls write for every place that bytes of a chunk go to, with the offset in the chunk where they begin.
func eachPlace(sink Placer, ps []part, write func(to Place, from int64) error) error {
	for _, p := range ps {
		places, err := sink.Place(p.t.TensorSpec, p.at, p.n)
		if err != nil {
			return err
		}
		from := p.off
		for _, to := range places {
			if err := write(to, from); err != nil {
				return err
			}
			from += to.Bytes
		}
	}
	return nil
}
