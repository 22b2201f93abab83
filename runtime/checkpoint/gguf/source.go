package gguf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"gossamer/runtime/checkpoint"
)

// source reads GGUF files. What it opens by name are tensors of Hugging Face's layout, made while they are read.
type source struct {
	fsys    fs.FS
	files   []string // of the model
	recipes map[string]recipe
}

func (s *source) open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := &tensorReader{recipe: s.recipes[name], pos: off, end: off + n}
	for _, row := range r.recipe.rows {
		if err := r.open(s.fsys, s.files[row.tensor.file]); err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	return r, nil
}

// tensorReader makes a tensor's bytes from pos to end.
type tensorReader struct {
	files    []fs.File // of each rowSource, all of which are an io.ReaderAt
	recipe   recipe
	pos, end int64
	made     []byte // rows that are not yet taken, from pos on
	rows     []byte // memory of made
	in, out  []byte // of makeRows
}

// open opens the file of the next rowSource.
func (r *tensorReader) open(fsys fs.FS, name string) error {
	f, err := fsys.Open(name)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	r.files = append(r.files, f)
	if _, ok := f.(io.ReaderAt); !ok {
		return fmt.Errorf("checkpoint: %s: the file system cannot read at an offset", name)
	}
	return nil
}

func (r *tensorReader) Close() error {
	var errs []error
	for _, f := range r.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

func (r *tensorReader) Read(p []byte) (int, error) {
	if r.pos == r.end {
		return 0, io.EOF
	}
	if len(r.made) == 0 {
		if err := r.makeRows(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.made[:min(int64(len(r.made)), r.end-r.pos)])
	r.made = r.made[n:]
	r.pos += int64(n)
	return n, nil
}

// makeRows makes about a megabyte of rows, beginning with the one that holds pos.
func (r *tensorReader) makeRows() error {
	k, ways := &r.recipe, int64(len(r.recipe.rows))
	first := r.pos / k.outRow / ways // of each rowSource
	last := (r.end + k.outRow*ways - 1) / (k.outRow * ways)
	last = min(last, first+max(1, 1<<20/(k.outRow*ways)))
	count := last - first
	r.rows = checkpoint.Sized(r.rows, count*ways*k.outRow)
	for w, s := range k.rows {
		r.in = checkpoint.Sized(r.in, count*s.rowBytes)
		if err := s.read(r.files[w].(io.ReaderAt), first, last, r.in); err != nil {
			return err
		}
		if ways == 1 {
			k.convert(r.rows, r.in)
			break
		}
		r.out = checkpoint.Sized(r.out, count*k.outRow)
		k.convert(r.out, r.in)
		for i := range count {
			copy(r.rows[(i*ways+int64(w))*k.outRow:][:k.outRow], r.out[i*k.outRow:])
		}
	}
	r.made = r.rows[r.pos-first*ways*k.outRow:]
	return nil
}

// read reads rows first to last-1.
func (s *rowSource) read(at io.ReaderAt, first, last int64, dst []byte) error {
	for first < last {
		expert := first / s.per
		n := min(last, (expert+1)*s.per) - first
		row := expert*s.stride + s.base + first%s.per
		p := dst[:n*s.rowBytes]
		if got, err := at.ReadAt(p, s.tensor.off+row*s.rowBytes); got < len(p) {
			return err
		}
		dst = dst[len(p):]
		first += n
	}
	return nil
}
