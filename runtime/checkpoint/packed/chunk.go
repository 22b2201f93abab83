package packed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/klauspost/compress/zstd"

	"gossamer/runtime/checkpoint"
)

// Store provides chunks as they are stored, from a directory, a server, a cache or a web page.
type Store interface {
	// Fetch returns the bytes of c, checked against its size and, where it has one, its hash. It may use buf's memory.
	Fetch(ctx context.Context, c *Chunk, buf []byte) ([]byte, error)
	// Missing says whether any of these chunks must come over a network.
	Missing(chunks []Chunk) bool
}

// HashError is a chunk with other bytes than the manifest's.
type HashError struct{ Chunk, Want, Got string }

func (e *HashError) Error() string {
	return fmt.Sprintf("checkpoint: chunk %s: sha256 mismatch, want %s, got %s", e.Chunk, e.Want, e.Got)
}

// HashOf is the SHA-256 of p as manifests write it.
func HashOf(p []byte) string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}

// checkHash compares p with the hash of c, if it has one.
func checkHash(c *Chunk, p []byte) error {
	if c.SHA256 == "" {
		return nil
	}
	if got := HashOf(p); got != c.SHA256 {
		return &HashError{c.Name(), c.SHA256, got}
	}
	return nil
}

// Files is a Store of chunks in the files of a directory.
func Files(fsys fs.FS) Store { return fileStore{fsys} }

type fileStore struct{ fsys fs.FS }

func (s fileStore) Missing([]Chunk) bool { return false }

func (s fileStore) Fetch(ctx context.Context, c *Chunk, buf []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fail := func(err error) ([]byte, error) {
		return nil, fmt.Errorf("checkpoint: chunk %s: %w", c.Name(), err)
	}
	if c.Remote() {
		return fail(errors.New("this is on a web server, and only files can be read here"))
	}
	if err := checkFile(s.fsys, c); err != nil {
		return fail(err)
	}
	r, err := checkpoint.FromFS(s.fsys).Open(ctx, c.URL, c.Start(), c.Bytes)
	if err != nil {
		return nil, err
	}
	p := checkpoint.Sized(buf, c.Bytes)
	_, err = io.ReadFull(r, p)
	if err := errors.Join(err, r.Close()); err != nil {
		return fail(err)
	}
	if err := checkHash(c, p); err != nil {
		return nil, fmt.Errorf("%w: copy or download the file again", err)
	}
	return p, nil
}

// checkFile says what is wrong with the file of a chunk, before it is opened or memory is taken for its bytes.
func checkFile(fsys fs.FS, c *Chunk) error {
	info, err := fs.Stat(fsys, c.URL)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("the file is missing: copy or download it again")
	case err != nil:
		return err
	case !info.Mode().IsRegular(): // opening a pipe would wait for ever
		return errors.New("this is not a regular file")
	case info.Size() < c.Start()+c.Bytes:
		return fmt.Errorf("the file has %d bytes, %d are needed: copy or download it again", info.Size(), c.Start()+c.Bytes)
	}
	return nil
}

// CheckFiles says what is wrong with the first chunk that should be beside the manifest, in fsys, and is not there whole.
func (m *Manifest) CheckFiles(fsys fs.FS) error {
	for i := range m.Chunks {
		c := &m.Chunks[i]
		if c.Remote() {
			continue
		}
		if err := checkFile(fsys, c); err != nil {
			return fmt.Errorf("checkpoint: chunk %s: %w", c.Name(), err)
		}
	}
	return nil
}

// Decoder undoes the codecs of chunks. Its methods may be called concurrently.
type Decoder struct{ zstd *zstd.Decoder }

// NewDecoder returns a Decoder.
func NewDecoder() (*Decoder, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(Parallel), zstd.WithDecoderMaxMemory(maxChunkBytes))
	if err != nil {
		return nil, fmt.Errorf("checkpoint: zstd: %w", err)
	}
	return &Decoder{d}, nil
}

// Unpack undoes the codec of a chunk with the bytes p. It may use buf's memory, or return p.
func (d *Decoder) Unpack(c *Chunk, p, buf []byte) ([]byte, error) {
	if c.Codec == None {
		return p, nil
	}
	raw, err := d.zstd.DecodeAll(p, checkpoint.Sized(buf, c.raw())[:0])
	if err != nil {
		return nil, fmt.Errorf("checkpoint: chunk %s: unpack: %w", c.Name(), err)
	}
	if int64(len(raw)) != c.raw() {
		return nil, fmt.Errorf("checkpoint: chunk %s: has %d bytes when unpacked, want %d: pack the model again", c.Name(), len(raw), c.raw())
	}
	return raw, nil
}
