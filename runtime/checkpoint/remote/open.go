// Package remote opens models on web servers and keeps what it downloads in a cache directory. Browsers have package page instead.
package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/packed"
)

// Options of Open. The zero value is useful.
type Options struct {
	// CacheDir is the directory that keeps models. "": DefaultCacheDir.
	CacheDir string
	// NoCache keeps nothing on disk; every Load downloads the model.
	NoCache bool
	// Logger receives retries and what could not be stored; nil: nothing is logged.
	Logger *slog.Logger

	http  *http.Client  // nil: one that honours the environment's proxies
	stall time.Duration // how long a connection may bring nothing before another is made; 0: 30 s
}

func (o *Options) client() *client {
	c := &client{http: o.http, stall: cmp.Or(o.stall, 30*time.Second), log: o.Logger, sleep: sleep}
	if c.http == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = packed.Parallel
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

// Open opens a packed model on a web server: url names its directory, see modelURL. Only the manifest is read; Load and ReadAt
// fetch chunks, some at a time, keep them in the cache and check every one. A download that breaks off is continued where it ended,
// now or by the next program that opens the model. Without the network, a model is opened from the cache.
//
// Where there is no manifest.json but a repository in Hugging Face's layout (config.json and safetensors files; its page on
// huggingface.co will do as url), chunks are ranges of its files. Nothing is known of their bytes: they are hashed when they
// are first seen, later downloads must agree, and Verified is false.
func Open(ctx context.Context, url string, o Options) (*packed.Model, error) {
	return open(ctx, url, o, o.client())
}

func open(ctx context.Context, url string, o Options, c *client) (*packed.Model, error) {
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
	return packed.Open(m, s)
}

// fetchManifest gets a model's manifest from the server, or makes it of a repository, or takes the one in the cache.
func fetchManifest(ctx context.Context, c *client, base, dir string) (*packed.Manifest, origin, error) {
	cached, from, cacheErr := cachedManifest(dir)
	failures := maxFailures
	if cacheErr == nil {
		failures = 2 // there is a way out
	}
	m, err := c.manifest(ctx, base, failures)
	if err == nil {
		return m, origin{URL: base}, nil
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, packed.ErrOtherFormat) {
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
	return nil, from, err
}

// manifest fetches a manifest. An error that is fs.ErrNotExist or packed.ErrOtherFormat says that there is none.
func (c *client) manifest(ctx context.Context, base string, failures int) (*packed.Manifest, error) {
	data, err := c.small(ctx, base+packed.ManifestName, packed.MaxManifestBytes, failures)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	return packed.ParseManifest(data)
}

// cachedManifest is what saveModel saved.
func cachedManifest(dir string) (*packed.Manifest, origin, error) {
	if dir == "" {
		return nil, origin{}, fs.ErrNotExist
	}
	from, err := readOrigin(dir)
	if err != nil {
		return nil, from, err
	}
	data, err := checkpoint.ReadSmall(os.DirFS(dir), packed.ManifestName)
	if err != nil {
		return nil, from, err
	}
	parse := packed.ParseManifest
	if len(from.ETags) > 0 {
		parse = packed.ParseDerived
	}
	m, err := parse(data)
	return m, from, err
}

// derive makes the manifest of a repository with safetensors files, without hashes.
func derive(ctx context.Context, c *client, base string, failures int) (*packed.Manifest, origin, error) {
	from := origin{URL: base, ETags: map[string]string{}}
	etags := map[string]string{} // by name
	m, err := packed.Derive(func(name string, off, n int64) ([]byte, int64, error) {
		if off == 0 {
			data, size, etag, err := c.head(ctx, base+name, n, failures)
			etags[name] = etag
			return data, size, err
		}
		data, err := c.fetch(ctx, byteRange{url: base + name, off: off, n: n, etag: etags[name]}, nil, func([]byte, int64) {})
		return data, off + n, err
	}, base)
	if err != nil {
		return nil, from, err
	}
	for i := range m.Chunks {
		from.ETags[m.Chunks[i].URL] = etags[m.Chunks[i].URL] // perhaps "", but there
	}
	return m, from, nil
}

// Beside is near, but for the chunks of m that are on web servers: those come from there, by way of the user's cache directory.
func Beside(m *packed.Manifest, near packed.Store) (packed.Store, error) {
	i := slices.IndexFunc(m.Chunks, func(c packed.Chunk) bool { return c.Remote() })
	if i < 0 {
		return near, nil
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
	return splitStore{near, s}, s.saveModel(m, origin{URL: base})
}

// splitStore has some chunks in a directory and some on a server.
type splitStore struct {
	near packed.Store
	far  *cacheStore
}

func (s splitStore) Fetch(ctx context.Context, c *packed.Chunk, buf []byte) ([]byte, error) {
	if c.Remote() {
		return s.far.Fetch(ctx, c, buf)
	}
	return s.near.Fetch(ctx, c, buf)
}

func (s splitStore) Missing(chunks []packed.Chunk) bool {
	return slices.ContainsFunc(chunks, func(c packed.Chunk) bool {
		one := []packed.Chunk{c}
		return c.Remote() && s.far.Missing(one) || !c.Remote() && s.near.Missing(one)
	})
}
