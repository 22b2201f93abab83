package weights

import (
	"context"
	"io"
	"io/fs"
	"path"
	"syscall/js"
	"time"

	"gossamer/runtime/promise"
)

// DerivePage makes the manifest, without hashes, of a repository in Hugging Face's layout. read(name, offset, bytes) is the page's: a
// promise of {size, data}, the file's length and a Uint8Array of up to that many bytes of it, or of undefined where there is no
// such file.
func DerivePage(ctx context.Context, read js.Value) ([]byte, error) {
	ck, err := open(pageFS{ctx, read, "", make(map[string]pageFile)}, "the repository")
	if err != nil {
		return nil, err
	}
	chunks, tensors := ranges(ck.files, ck.tensors)
	for i := range chunks {
		chunks[i].URL = path.Join(ck.folder, chunks[i].URL)
	}
	m, err := newManifest(ck.config, tensors, chunks)
	if err != nil {
		return nil, err
	}
	if err := m.check(false); err != nil {
		return nil, err
	}
	return m.Encode()
}

// pageFS shows the files that a page reads for us, as far as the headers of a repository need it. It lists no directories.
type pageFS struct {
	ctx  context.Context // of the one call of DerivePage that uses it
	read js.Value
	dir  string
	seen map[string]pageFile // files as they were opened first: that they are there is asked for before they are read
}

// pageReadBytes is how much of a file is asked for at a time: most headers fit.
const pageReadBytes = 256 << 10

func (s pageFS) Open(name string) (fs.File, error) {
	f := pageFile{fsys: s, name: path.Join(s.dir, name)}
	if checkURL(f.name) != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if seen, ok := s.seen[f.name]; ok {
		return &seen, nil
	}
	if err := f.more(); err != nil {
		return nil, &fs.PathError{Op: "fetch", Path: name, Err: err}
	}
	s.seen[f.name] = f
	return &f, nil
}

// Sub keeps the folder original/ in the same file system.
func (s pageFS) Sub(dir string) (fs.FS, error) { return pageFS{s.ctx, s.read, dir, s.seen}, nil }

// pageFile reads a file from its beginning.
type pageFile struct {
	fsys       pageFS
	name       string
	have       []byte // read ahead
	next, size int64  // where that ends; of the file
}

// more reads ahead.
func (f *pageFile) more() error {
	answer, err := promise.Await(f.fsys.ctx, f.fsys.read.Invoke(f.name, f.next, pageReadBytes))
	if err != nil {
		return err
	}
	if answer.IsUndefined() {
		return fs.ErrNotExist
	}
	data := answer.Get("data")
	f.size = int64(answer.Get("size").Float())
	f.have = make([]byte, data.Length())
	f.next += int64(js.CopyBytesToGo(f.have, data))
	return nil
}

func (f *pageFile) Read(p []byte) (int, error) {
	if len(f.have) == 0 && f.next < f.size {
		if err := f.more(); err != nil {
			return 0, err
		}
	}
	if len(f.have) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.have)
	f.have = f.have[n:]
	return n, nil
}

func (f *pageFile) Close() error               { return nil }
func (f *pageFile) Stat() (fs.FileInfo, error) { return pageInfo{f}, nil }

type pageInfo struct{ f *pageFile }

func (i pageInfo) Name() string       { return path.Base(i.f.name) }
func (i pageInfo) Size() int64        { return i.f.size }
func (i pageInfo) Mode() fs.FileMode  { return 0o444 }
func (i pageInfo) ModTime() time.Time { return time.Time{} }
func (i pageInfo) IsDir() bool        { return false }
func (i pageInfo) Sys() any           { return nil }
