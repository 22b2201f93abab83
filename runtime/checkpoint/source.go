package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// OpenFunc returns a reader of the n bytes of the file name that start at off. Reading fewer than n bytes before io.EOF means
// that the file ends early. Cancelling ctx may end reads early with ctx's error.
type OpenFunc func(ctx context.Context, name string, off, n int64) (io.ReadCloser, error)

// Source is where the bytes of files come from. Only Open must be there.
type Source struct {
	Open OpenFunc
	// Ahead returns an OpenFunc for the files of these names, to be opened in this order, each any number of times before the
	// next, so that the source can work ahead. stop ends that work and waits for its end.
	Ahead func(ctx context.Context, names []string) (open OpenFunc, stop func())
	// Missing says how many of the files' bytes have yet to come over a network, of how many in all.
	Missing func() (bytes, total int64)
	// Move brings all tensors to their places, in any order, without handing them to Put. progress may be nil.
	Move func(ctx context.Context, to Placer, progress func(Progress)) error
}

// ahead is Ahead, or Open where there is none.
func (s *Source) ahead(ctx context.Context, names []string) (open OpenFunc, stop func()) {
	if s.Ahead == nil {
		return s.Open, func() {}
	}
	return s.Ahead(ctx, names)
}

// meter measures loading n bytes from this source.
func (s *Source) meter(n int64) Meter {
	m := Meter{Progress: Progress{Phase: phaseWeights, BytesTotal: n}}
	if s.Missing == nil {
		return m
	}
	if missing, total := s.Missing(); missing > 0 {
		m.Phase, m.missing, m.left, m.last = PhaseDownload, s.Missing, missing, time.Now()
		m.BytesHere = int64(float64(n) * (1 - float64(missing)/float64(total)))
	}
	return m
}

// FromFS reads from a file system, a directory on disk or files inside the program.
func FromFS(fsys fs.FS) Source {
	return Source{Open: func(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f, err := fsys.Open(name)
		if err != nil {
			return nil, fmt.Errorf("checkpoint: %w", err)
		}
		var r io.Reader
		if at, ok := f.(io.ReaderAt); ok {
			r = io.NewSectionReader(at, off, n)
		} else {
			r = io.LimitReader(f, n)
			if err := skip(f, off); err != nil {
				return nil, errors.Join(fmt.Errorf("checkpoint: %s: seek to byte %d: %w", name, off, err), f.Close())
			}
		}
		return struct {
			io.Reader
			io.Closer
		}{r, f}, nil
	}}
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
