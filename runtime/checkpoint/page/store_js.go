// Package page opens packed models whose bytes a web page provides. It exists in builds for browsers only.
package page

import (
	"context"
	"fmt"
	"sync"
	"syscall/js"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/promise"
)

// Open opens a packed model whose chunks a web page provides: store is a ChunkStore of web/src/shared/engine.ts, which fetches, keeps and
// verifies them. Chunks without a published hash are the store's to judge.
func Open(manifest []byte, store js.Value) (*checkpoint.Checkpoint, error) {
	m, err := packed.ParseDerived(manifest)
	if err != nil {
		return nil, err
	}
	s := pageStore{store}
	c, err := packed.Open(m, s)
	if err != nil {
		return nil, err
	}
	decoder, err := packed.NewDecoder()
	if err != nil {
		return nil, err
	}
	d := c.Description()
	mover := &mover{chunks: m.Chunks, segments: d.Segments, tensors: d.Config.Tensors(), page: s, decoder: decoder}
	d.Source.Move = mover.move
	return checkpoint.New(d), nil
}

// pageStore has the chunks of a ChunkStore.
type pageStore struct{ store js.Value }

// get returns a chunk as it is stored, to be released: a Uint8Array, or where asFile allows that a StoredFile, whose bytes are not verified
// now.
func (s pageStore) get(ctx context.Context, c *packed.Chunk, asFile bool) (js.Value, error) {
	abort := js.Global().Get("AbortController").New()
	defer context.AfterFunc(ctx, func() { abort.Call("abort") })()
	chunk := map[string]any{"url": c.URL, "bytes": c.Bytes}
	if c.Offset != nil {
		chunk["offset"] = *c.Offset
	}
	if c.SHA256 != "" {
		chunk["sha256"] = c.SHA256
	}
	data, err := promise.Await(ctx, s.store.Call("get", chunk, abort.Get("signal"), asFile))
	if err != nil {
		return data, fmt.Errorf("checkpoint: chunk %s: %w", c.Name(), err)
	}
	if n := int64(data.Length()); n != c.Bytes {
		s.release(data)
		return data, fmt.Errorf("checkpoint: chunk %s: has %d bytes, want %d", c.Name(), n, c.Bytes)
	}
	return data, nil
}

// release frees a chunk's memory at once, or closes its file: js.Value would keep it until Go's next collection.
func (s pageStore) release(data js.Value) { s.store.Call("release", data) }

// Fetch copies a chunk into Go's memory.
func (s pageStore) Fetch(ctx context.Context, c *packed.Chunk, buf []byte) ([]byte, error) {
	data, err := s.get(ctx, c, false)
	if err != nil {
		return nil, err
	}
	defer s.release(data)
	p := checkpoint.Sized(buf, c.Bytes)
	js.CopyBytesToGo(p, data)
	return p, nil
}

// Missing is always true: only the page knows what it has stored.
func (s pageStore) Missing([]packed.Chunk) bool { return true }

// mover writes chunks to their places. Only the bytes of chunks with a codec pass through Go.
type mover struct {
	chunks   []packed.Chunk
	segments []checkpoint.Segment // by tensor
	tensors  []gptoss.TensorSpec
	page     pageStore
	decoder  *packed.Decoder

	// Chunks with a codec are unpacked one at a time, which is all that the only thread can do, in memory that is used again.
	unpacking   sync.Mutex
	packed, raw []byte
}

// move brings every tensor to its place, several chunks at a time, in any order.
func (s *mover) move(ctx context.Context, to checkpoint.Placer, progress func(checkpoint.Progress)) error {
	byChunk := make([][]checkpoint.Segment, len(s.chunks))
	m := checkpoint.Meter{Progress: checkpoint.Progress{Phase: checkpoint.PhaseDownload}}
	for _, g := range checkpoint.ByFile(s.segments) {
		byChunk[g.File] = append(byChunk[g.File], g)
		m.BytesTotal += g.N
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	var mu sync.Mutex // guards m
	next := make(chan []checkpoint.Segment)
	for range max(1, s.page.store.Get("parallel").Int()) {
		group.Go(func() {
			for segments := range next {
				if err := s.moveChunk(ctx, &s.chunks[segments[0].File], to, segments); err != nil {
					cancel(err)
					continue
				}
				n := int64(0)
				for _, g := range segments {
					n += g.N
				}
				mu.Lock()
				m.Add(n, progress)
				mu.Unlock()
			}
		})
	}
	for _, segments := range byChunk {
		if len(segments) > 0 && ctx.Err() == nil {
			next <- segments
		}
	}
	close(next)
	group.Wait()
	s.packed, s.raw = nil, nil
	return context.Cause(ctx)
}

// moveChunk brings the segments of one chunk to their places.
func (s *mover) moveChunk(ctx context.Context, c *packed.Chunk, to checkpoint.Placer, segments []checkpoint.Segment) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	data, err := s.page.get(ctx, c, c.Codec == packed.None)
	if err != nil {
		return err
	}
	err = s.writeChunk(c, data, to, segments)
	s.page.release(data)
	if err == nil || data.InstanceOf(js.Global().Get("Uint8Array")) {
		return err
	}
	if data, err = s.page.get(ctx, c, false); err != nil { // the file cannot be read
		return err
	}
	defer s.page.release(data)
	return s.writeChunk(c, data, to, segments)
}

// writeChunk writes the segments of a chunk to their places.
func (s *mover) writeChunk(c *packed.Chunk, data js.Value, to checkpoint.Placer, segments []checkpoint.Segment) error {
	if c.Codec != packed.None {
		return s.unpackChunk(c, data, to, segments)
	}
	return s.eachPlace(to, segments, func(p checkpoint.Place, from int64) error {
		return p.Memory.WriteFrom(p.Off, data, from, p.Bytes)
	})
}

// unpackChunk is writeChunk for a chunk with a codec, which only Go undoes.
func (s *mover) unpackChunk(c *packed.Chunk, data js.Value, to checkpoint.Placer, segments []checkpoint.Segment) (err error) {
	s.unpacking.Lock()
	defer s.unpacking.Unlock()
	s.packed = checkpoint.Sized(s.packed, c.Bytes)
	js.CopyBytesToGo(s.packed, data)
	if s.raw, err = s.decoder.Unpack(c, s.packed, s.raw); err != nil {
		return err
	}
	return s.eachPlace(to, segments, func(p checkpoint.Place, from int64) error {
		return p.Memory.Write(p.Off, s.raw[from:from+p.Bytes])
	})
}

// eachPlace calls write for every place that bytes of a chunk go to, with the offset in the chunk where they begin.
func (s *mover) eachPlace(to checkpoint.Placer, segments []checkpoint.Segment, write func(p checkpoint.Place, from int64) error) error {
	for _, g := range segments {
		places, err := to.Place(s.tensors[g.Tensor], g.At, g.N)
		if err != nil {
			return err
		}
		from := g.Off
		for _, p := range places {
			if err := write(p, from); err != nil {
				return err
			}
			from += p.Bytes
		}
	}
	return nil
}
