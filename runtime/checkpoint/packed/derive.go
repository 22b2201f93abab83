package packed

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	"gossamer/runtime/checkpoint/safetensors"
)

// ReadFunc reads up to n bytes of a file of a repository from off on, and says how large the file is. An error that is
// fs.ErrNotExist says that there is no such file.
type ReadFunc func(name string, off, n int64) (data []byte, size int64, err error)

// Derive makes the manifest of a repository with safetensors files, in whichever layout they are published. Nothing is known of
// their bytes, so that its chunks, ranges of the files, have no hashes. It reads the beginnings of the files only, each once. where
// names the repository in messages.
func Derive(read ReadFunc, where string) (*Manifest, error) {
	c, err := safetensors.Open(&headFS{read, map[string]head{}}, where)
	if err != nil {
		return nil, err
	}
	d := c.Description()
	chunks, segments := inPlace(d)
	m, err := newManifest(d.Config, segments, chunks)
	if err == nil {
		err = m.check(false)
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %s: %w", where, err)
	}
	return m, nil
}

// How much of a file is read at a time: most headers fit into the first.
const (
	headBytes = 256 << 10
	moreBytes = 16 * headBytes
)

// headFS shows the files of a repository as far as their headers need it. It lists no directories.
type headFS struct {
	read  ReadFunc
	heads map[string]head // by name: that files are there is asked for before they are read
}

// head is the beginning of a file.
type head struct {
	data []byte
	size int64 // of the file
}

func (s *headFS) Open(name string) (fs.File, error) {
	if checkURL(name) != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	h, ok := s.heads[name]
	if !ok {
		var err error
		if h.data, h.size, err = s.read(name, 0, headBytes); err != nil {
			return nil, &fs.PathError{Op: "fetch", Path: name, Err: err}
		}
		s.heads[name] = h
	}
	return &headFile{s, name, h.size, h.data, int64(len(h.data))}, nil
}

// ReadDir finds nothing, without asking for a file that is called like the directory.
func (s *headFS) ReadDir(name string) ([]fs.DirEntry, error) {
	return nil, &fs.PathError{Op: "list", Path: name, Err: fs.ErrNotExist}
}

// headFile reads a file from its beginning.
type headFile struct {
	fsys *headFS
	name string
	size int64
	have []byte // read ahead
	next int64  // where that ends
}

func (f *headFile) Read(p []byte) (int, error) {
	if len(f.have) == 0 && f.next < f.size {
		var err error
		if f.have, _, err = f.fsys.read(f.name, f.next, min(f.size-f.next, moreBytes)); err != nil {
			return 0, err
		}
		f.next += int64(len(f.have))
	}
	if len(f.have) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.have)
	f.have = f.have[n:]
	return n, nil
}

func (f *headFile) Close() error               { return nil }
func (f *headFile) Stat() (fs.FileInfo, error) { return headInfo{f}, nil }

type headInfo struct{ f *headFile }

func (i headInfo) Name() string       { return path.Base(i.f.name) }
func (i headInfo) Size() int64        { return i.f.size }
func (i headInfo) Mode() fs.FileMode  { return 0o444 }
func (i headInfo) ModTime() time.Time { return time.Time{} }
func (i headInfo) IsDir() bool        { return false }
func (i headInfo) Sys() any           { return nil }
