package weights

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/klauspost/compress/zstd"
)

// store brings chunks as they are stored, from a directory, a server or a cache. Each platform has its own: this file's
// fsStore works everywhere, servers and their cache are in *_native.go.
type store interface {
	// fetch returns the bytes of c, checked against its size and, where it has one, its hash. It may use buf's memory.
	fetch(ctx context.Context, c *Chunk, buf []byte) ([]byte, error)
}

// hashError is a chunk with other bytes than the manifest's.
type hashError struct{ name, want, got string }

func (e *hashError) Error() string {
	return fmt.Sprintf("weights: chunk %s: sha256 mismatch, want %s, got %s", e.name, e.want, e.got)
}

// hashOf is the SHA-256 of p as manifests write it.
func hashOf(p []byte) string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}

// checkHash compares p with the hash of c, if it has one.
func checkHash(c *Chunk, p []byte) error {
	if c.SHA256 == "" {
		return nil
	}
	if got := hashOf(p); got != c.SHA256 {
		return &hashError{c.name(), c.SHA256, got}
	}
	return nil
}

// fsStore has chunks in files.
type fsStore struct{ fsys fs.FS }

func (s fsStore) fetch(ctx context.Context, c *Chunk, buf []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fail := func(err error) ([]byte, error) {
		return nil, fmt.Errorf("weights: chunk %s: %w", c.name(), err)
	}
	if c.remote() {
		return fail(errors.New("this is on a web server, and only files can be read here"))
	}
	info, err := fs.Stat(s.fsys, c.URL)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(errors.New("the file is missing: copy or download it again"))
	case err != nil:
		return fail(err)
	case !info.Mode().IsRegular(): // opening a pipe would wait for ever
		return fail(errors.New("this is not a regular file"))
	case info.Size() < c.start()+c.Bytes:
		return fail(fmt.Errorf("the file has %d bytes, %d are needed: copy or download it again", info.Size(), c.start()+c.Bytes))
	}
	r, err := fsSource(s).Open(ctx, c.URL, c.start(), c.Bytes)
	if err != nil {
		return nil, err
	}
	p := sized(buf, c.Bytes)
	_, err = io.ReadFull(r, p)
	if err := errors.Join(err, r.Close()); err != nil {
		return fail(err)
	}
	if err := checkHash(c, p); err != nil {
		return nil, fmt.Errorf("%w: copy or download the file again", err)
	}
	return p, nil
}

// sized is a slice of n bytes, in buf's memory if that suffices.
func sized(buf []byte, n int64) []byte {
	if int64(cap(buf)) >= n {
		return buf[:n]
	}
	return make([]byte, n)
}

// unpack undoes the codec of a chunk.
func unpack(d *zstd.Decoder, c *Chunk, p, buf []byte) ([]byte, error) {
	if c.Codec == None {
		return p, nil
	}
	raw, err := d.DecodeAll(p, sized(buf, c.raw())[:0])
	if err != nil {
		return nil, fmt.Errorf("weights: chunk %s: unpack: %w", c.name(), err)
	}
	if int64(len(raw)) != c.raw() {
		return nil, fmt.Errorf("weights: chunk %s: has %d bytes when unpacked, want %d: pack the model again", c.name(), len(raw), c.raw())
	}
	return raw, nil
}

// chunkSource is the Source of a packed model: files are chunks, their bytes unpacked.
type chunkSource struct {
	store  store
	chunks map[string]*Chunk // by name
	zstd   *zstd.Decoder     // DecodeAll may be called concurrently
}

func newChunkSource(m *Manifest, s store) (*chunkSource, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(parallel), zstd.WithDecoderMaxMemory(MaxChunkBytes))
	if err != nil {
		return nil, fmt.Errorf("weights: zstd: %w", err)
	}
	src := &chunkSource{s, make(map[string]*Chunk, len(m.Chunks)), d}
	for i := range m.Chunks {
		src.chunks[m.Chunks[i].name()] = &m.Chunks[i]
	}
	return src, nil
}

// Open reads the whole chunk.
func (s *chunkSource) Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	src, stop := s.ahead(ctx, []string{name})
	defer stop()
	return src.Open(ctx, name, off, n)
}

// parallel is how many chunks are fetched, hashed and unpacked at a time.
const parallel = 4

// ahead fetches the chunks of these names in order, some at a time. Besides them, the one that was opened last is in memory.
func (s *chunkSource) ahead(ctx context.Context, names []string) (Source, func()) {
	ctx, cancel := context.WithCancel(ctx)
	a := &aheadSource{queue: make(chan fetched, parallel-1), spare: make(chan []byte, 2*(parallel+2))}
	workers := make(chan struct{}, parallel)
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
	return a, func() { cancel(); <-done }
}

// get fetches and unpacks a chunk.
func (s *chunkSource) get(ctx context.Context, c *Chunk, a *aheadSource) ([]byte, error) {
	p, err := s.store.fetch(ctx, c, a.buffer())
	if err != nil || c.Codec == None {
		return p, err
	}
	raw, err := unpack(s.zstd, c, p, a.buffer())
	a.release(p)
	return raw, err
}

// aheadSource hands out chunks that are fetched ahead.
type aheadSource struct {
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

func (a *aheadSource) Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
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
			return nil, fmt.Errorf("weights: chunk %s was not announced", name)
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

func (a *aheadSource) buffer() []byte {
	select {
	case b := <-a.spare:
		return b
	default:
		return nil
	}
}

func (a *aheadSource) release(b []byte) {
	if cap(b) == 0 {
		return
	}
	select {
	case a.spare <- b:
	default:
	}
}
