package weights

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Source hands out byte ranges of named files.
type Source interface {
	// Open returns a reader of the n bytes of the file name that start at off. Reading fewer than n bytes before io.EOF means
	// that the file ends early. Cancelling ctx may end reads early with ctx's error.
	Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error)
}

// fsSource reads from a file system, a directory on disk or files inside the program.
type fsSource struct{ fsys fs.FS }

func (s fsSource) Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := s.fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	var r io.Reader
	if at, ok := f.(io.ReaderAt); ok {
		r = io.NewSectionReader(at, off, n)
	} else {
		r = io.LimitReader(f, n)
		if err := skip(f, off); err != nil {
			return nil, errors.Join(fmt.Errorf("weights: %s: seek to byte %d: %w", name, off, err), f.Close())
		}
	}
	return struct {
		io.Reader
		io.Closer
	}{r, f}, nil
}

// skip moves f forward by n bytes, by seeking if it can.
func skip(f fs.File, n int64) error {
	if s, ok := f.(io.Seeker); ok {
		_, err := s.Seek(n, io.SeekStart)
		return err
	}
	_, err := io.CopyN(io.Discard, f, n)
	return err
}
