//go:build !js

package weights

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Options of OpenURL. The zero value is useful.
type Options struct {
	// CacheDir is the directory that keeps models. "": DefaultCacheDir.
	CacheDir string
	// NoCache keeps nothing on disk; every Load downloads the model.
	NoCache bool
	// Client sends requests. nil: one that honours the environment's proxies.
	Client *http.Client
	// StallTimeout is how long a connection may bring nothing before another is made. 0: 30 s.
	StallTimeout time.Duration
	// Logger hears of retries and of what could not be kept; nil: nobody does.
	Logger *slog.Logger
}

func (o *Options) client() *client {
	c := &client{http: o.Client, stall: cmp.Or(o.StallTimeout, 30*time.Second), log: o.Logger, sleep: sleep}
	if c.http == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = parallel
		c.http = &http.Client{Transport: t}
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c
}

func (o *Options) cacheDir() (string, error) {
	if o.NoCache || o.CacheDir != "" {
		return o.CacheDir, nil
	}
	return DefaultCacheDir()
}

// OpenURL opens a packed model on a web server: url is the place of its manifest.json, without ? and #. Only the manifest is
// read; Load and ReadTensor fetch chunks, some at a time, keep them in the cache and check every one. A download that breaks off
// is continued where it ended, now or by the next program that opens the model. Without the network, a model is opened from the
// cache.
//
// Where there is no manifest.json but a repository in Hugging Face's layout (config.json and safetensors files; its page on
// huggingface.co will do as url), chunks are ranges of its files. Nothing is known of their bytes: they are hashed when they
// are first seen, later downloads must agree, and Verified is false.
func OpenURL(ctx context.Context, url string, o Options) (*Checkpoint, error) {
	return openURL(ctx, url, o, o.client())
}

func openURL(ctx context.Context, url string, o Options, c *client) (*Checkpoint, error) {
	base, err := modelURL(url)
	if err != nil {
		return nil, err
	}
	dir, err := o.cacheDir()
	if err != nil {
		return nil, err
	}
	if o.NoCache {
		dir = ""
	} else {
		dir = modelDir(dir, base)
	}
	m, from, err := fetchManifest(ctx, c, base, dir)
	if err != nil {
		return nil, err
	}
	s, err := openCache(c, base, dir, from.ETags)
	if err != nil {
		return nil, err
	}
	if err := s.saveModel(m, from); err != nil {
		return nil, err
	}
	return openManifest(m, s)
}

// fetchManifest gets a model's manifest from the server, or makes it of a repository, or takes the one in the cache.
func fetchManifest(ctx context.Context, c *client, base, dir string) (*Manifest, origin, error) {
	cached, from, cacheErr := cachedManifest(dir)
	failures := maxFailures
	if cacheErr == nil {
		failures = 2 // there is a way out
	}
	data, err := c.small(ctx, base+ManifestName, maxManifestBytes, failures)
	if err == nil {
		var m *Manifest
		if m, err = ParseManifest(data); !errors.Is(err, errOtherFormat) {
			return m, origin{URL: base}, err
		}
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errOtherFormat) { // no manifest
		m, derived, why := derive(ctx, c, base, failures)
		if why == nil {
			return m, derived, nil
		}
		err = fmt.Errorf("%w (%w)", why, err)
	}
	if cacheErr == nil && errors.As(err, new(*unreachableError)) {
		c.log.WarnContext(ctx, "the server cannot be reached, using the cache", "url", base, "reason", err)
		return cached, from, nil
	}
	if ctx.Err() == nil && !strings.HasPrefix(err.Error(), "weights: ") {
		err = fmt.Errorf("weights: %w", err)
	}
	return nil, from, err
}

// dirStore finds the chunks of a manifest in a directory: beside it, or on a server with the default options.
func dirStore(m *Manifest, fsys fs.FS) (store, error) {
	i := slices.IndexFunc(m.Chunks, func(c Chunk) bool { return c.remote() })
	if i < 0 {
		return fsStore{fsys}, nil
	}
	o := Options{}
	dir, err := o.cacheDir()
	if err != nil {
		return nil, err
	}
	url := m.Chunks[i].URL
	base := url[:strings.LastIndex(url, "/")+1]
	s, err := openCache(o.client(), base, modelDir(dir, base), nil)
	if err != nil {
		return nil, err
	}
	return splitStore{fsStore{fsys}, s}, s.saveModel(m, origin{URL: base})
}

// splitStore has some chunks in a directory and some on a server.
type splitStore struct {
	fsStore
	*cacheStore
}

func (s splitStore) fetch(ctx context.Context, c *Chunk, buf []byte) ([]byte, error) {
	if c.remote() {
		return s.cacheStore.fetch(ctx, c, buf)
	}
	return s.fsStore.fetch(ctx, c, buf)
}

// cachedManifest is what saveModel saved.
func cachedManifest(dir string) (*Manifest, origin, error) {
	if dir == "" {
		return nil, origin{}, fs.ErrNotExist
	}
	from, err := readOrigin(dir)
	if err != nil {
		return nil, from, err
	}
	data, err := readSmall(os.DirFS(dir), ManifestName)
	if err != nil {
		return nil, from, err
	}
	m, err := parseManifest(data, len(from.ETags) == 0)
	return m, from, err
}

// derive makes the manifest of a repository with safetensors files, without hashes.
func derive(ctx context.Context, c *client, base string, failures int) (*Manifest, origin, error) {
	from := origin{URL: base, ETags: map[string]string{}}
	fsys := &httpFS{ctx: ctx, client: c, base: base, failures: failures, etags: map[string]string{}}
	ck, err := open(fsys, base)
	if err != nil {
		return nil, from, err
	}
	chunks, tensors := ranges(ck.files, ck.tensors)
	for i := range chunks {
		k := &chunks[i]
		k.URL = path.Join(ck.folder, k.URL)
		from.ETags[k.URL] = fsys.etags[k.URL] // perhaps "", but there
	}
	m, err := newManifest(ck.config, tensors, chunks)
	if err != nil {
		return nil, from, err
	}
	if err := m.check(false); err != nil {
		return nil, from, fmt.Errorf("weights: %s: %w", base, err)
	}
	return m, from, nil
}

// httpFS shows files below a URL, as far as reading the headers of a repository needs them. It lists no directories.
type httpFS struct {
	ctx      context.Context // of the one call of OpenURL that uses it
	client   *client
	base     string
	failures int
	etags    map[string]string
}

// headBytes is how much of a file is fetched at a time: most headers fit.
const headBytes = 256 << 10

func (s *httpFS) Open(name string) (fs.File, error) {
	if err := checkURL(name); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	f := &httpFile{fsys: s, name: name, url: s.base + name}
	err := s.client.retry(s.ctx, f.url, s.failures, func(ctx context.Context) (int64, error) {
		b, err := s.client.do(ctx, f.url, http.Header{"Range": {fmt.Sprintf("bytes=0-%d", headBytes-1)}})
		if err != nil {
			return 0, err
		}
		defer b.close()
		f.size = b.ContentLength
		if b.StatusCode == http.StatusPartialContent {
			_, f.size = contentRange(b.Header)
		}
		if f.size < 0 {
			return 0, finalf("%s: the server does not say how large the file is: use another host, or pack the model into chunks", f.url)
		}
		s.etags[name] = strongTag(b.Header)
		head := make([]byte, min(headBytes, f.size))
		n, err := io.ReadFull(b, head)
		f.have.Reset(head)
		return int64(n), unexpected(err)
	})
	if err != nil {
		return nil, &fs.PathError{Op: "fetch", Path: name, Err: err}
	}
	return f, nil
}

// Sub keeps the folder original/ in the same file system.
func (s *httpFS) Sub(dir string) (fs.FS, error) {
	return &httpSub{s, dir}, nil
}

type httpSub struct {
	*httpFS
	dir string
}

func (s *httpSub) Open(name string) (fs.File, error) { return s.httpFS.Open(path.Join(s.dir, name)) }

// httpFile reads a file on a server, its beginning from memory.
type httpFile struct {
	fsys      *httpFS
	name, url string
	size      int64
	have      bytes.Reader // fetched and not yet read
	read      int64
}

func (f *httpFile) Read(p []byte) (int, error) {
	if f.have.Len() == 0 && f.read < f.size {
		n := min(f.size-f.read, 16*headBytes)
		next, err := f.fsys.client.fetch(f.fsys.ctx, span{url: f.url, off: f.read, n: n, etag: f.fsys.etags[f.name]}, nil, func([]byte, int64) {})
		if err != nil {
			return 0, err
		}
		f.have.Reset(next)
	}
	n, err := f.have.Read(p)
	f.read += int64(n)
	return n, err
}

func (f *httpFile) Close() error               { return nil }
func (f *httpFile) Stat() (fs.FileInfo, error) { return httpInfo{f}, nil }

type httpInfo struct{ f *httpFile }

func (i httpInfo) Name() string       { return filepath.Base(i.f.name) }
func (i httpInfo) Size() int64        { return i.f.size }
func (i httpInfo) Mode() fs.FileMode  { return 0o444 }
func (i httpInfo) ModTime() time.Time { return time.Time{} }
func (i httpInfo) IsDir() bool        { return false }
func (i httpInfo) Sys() any           { return nil }
