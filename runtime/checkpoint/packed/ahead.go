package packed

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"gossamer/runtime/checkpoint"
)

// chunkSource reads a packed model: files are chunks, their bytes unpacked.
type chunkSource struct {
	store   Store
	chunks  map[string]*Chunk // by name
	decoder *Decoder
}

// open reads the whole chunk.
func (s *chunkSource) open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	open, stop := s.ahead(ctx, []string{name})
	defer stop()
	return open(ctx, name, off, n)
}

// missing adds up the chunks that the store has to fetch from elsewhere.
func (s *chunkSource) missing() (bytes, total int64) {
	for _, c := range s.chunks {
		if total += c.Bytes; s.store.Missing([]Chunk{*c}) {
			bytes += c.Bytes
		}
	}
	return bytes, total
}

// Parallel is how many chunks are fetched, hashed and unpacked at a time.
const Parallel = 4

// ahead fetches the chunks of these names in order, some at a time. Besides them, the one that was opened last is in memory.
func (s *chunkSource) ahead(ctx context.Context, names []string) (checkpoint.OpenFunc, func()) {
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{queue: make(chan fetched, Parallel-1), spare: make(chan []byte, 2*(Parallel+2))}
	workers := make(chan struct{}, Parallel)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { // joins the workers
			for range cap(workers) {
				workers <- struct{}{}
			}
		}()
		defer close(a.queue)
		for _, name := range names {
			f := fetched{name, make(chan result, 1)}
			select {
			case workers <- struct{}{}:
			case <-ctx.Done():
				return
			}
			go func() {
				p, err := s.get(ctx, s.chunks[name], a)
				f.result <- result{p, err}
				<-workers
			}()
			select {
			case a.queue <- f:
			case <-ctx.Done():
				return
			}
		}
	}()
	return a.open, func() { cancel(); <-done }
}

// get fetches and unpacks a chunk.
func (s *chunkSource) get(ctx context.Context, c *Chunk, a *ahead) ([]byte, error) {
	p, err := s.store.Fetch(ctx, c, a.buffer())
	if err != nil || c.Codec == None {
		return p, err
	}
	raw, err := s.decoder.Unpack(c, p, a.buffer())
	a.release(p)
	return raw, err
}

// ahead hands out chunks that are fetched ahead.
type ahead struct {
	queue   chan fetched // in the order of the names
	spare   chan []byte  // memory to use again
	current string
	data    []byte // of current
}

type fetched struct {
	name   string
	result chan result // of capacity 1
}

type result struct {
	data []byte
	err  error
}

func (a *ahead) open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	for a.current != name {
		var f fetched
		var ok bool
		select {
		case f, ok = <-a.queue:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("checkpoint: chunk %s was not announced", name)
		}
		a.release(a.data)
		a.current, a.data = "", nil
		select {
		case r := <-f.result:
			if r.err != nil {
				return nil, r.err
			}
			a.current, a.data = f.name, r.data
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return io.NopCloser(bytes.NewReader(a.data[off : off+n])), nil
}

func (a *ahead) buffer() []byte {
	select {
	case b := <-a.spare:
		return b
	default:
		return nil
	}
}

func (a *ahead) release(b []byte) {
	if cap(b) == 0 {
		return
	}
	select {
	case a.spare <- b:
	default:
	}
}
