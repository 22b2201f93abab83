// Package remote opens models on web servers and keeps what it downloads in a cache directory. Browsers have package page instead.
package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
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

	// For tests; nil or 0: as usual.
	transport http.RoundTripper                                // in place of one that honours the environment's proxies
	resolver  *net.Resolver                                    // of names
	stall     time.Duration                                    // see client; stallTimeout
	sleep     func(ctx context.Context, d time.Duration) error // between attempts
}

func (o *Options) log() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}

// client makes the client of a model at base; nil: of a manifest in a directory.
func (o *Options) client(base *url.URL) (*Client, error) {
	g := &guard{base: base, next: o.transport}
	if base != nil && base.Scheme == "https" {
		var err error
		if g.login, err = loginFor(base.Hostname()); err != nil {
			return nil, err
		}
	}
	if g.next == nil {
		g.next = newTransport(base, false, o.resolver)
	}
	return newClient(g, o), nil
}

// newClient makes a client that asks by way of g.
func newClient(g *guard, o *Options) *Client {
	c := &Client{http: &http.Client{Transport: g, CheckRedirect: checkRedirect}, stall: cmp.Or(o.stall, stallTimeout), log: o.log(), sleep: o.sleep}
	if c.sleep == nil {
		c.sleep = sleep
	}
	return c
}

// ClientOptions of NewClient.
type ClientOptions struct {
	// Token is shown to the host itself, and to no other that it sends on to. "": none.
	Token string
	// Near says that the user has named the host: where it is in a private network, it may send on to other hosts there, and by http
	// where it is asked by http.
	Near bool
	// Logger receives retries; nil: nothing is logged.
	Logger *slog.Logger
}

// NewClient makes a client for the files of one host, that of base. Without a token, the login of .netrc is used, as Open does.
func NewClient(base *url.URL, o ClientOptions) (*Client, error) {
	g := &guard{base: base, token: o.Token, near: o.Near, next: newTransport(base, o.Near, nil)}
	if o.Token == "" && base.Scheme == "https" {
		var err error
		if g.login, err = loginFor(base.Hostname()); err != nil {
			return nil, err
		}
	}
	return newClient(g, &Options{Logger: o.Logger}), nil
}

// cacheDir is the directory that keeps models; "": nothing is kept.
func (o *Options) cacheDir(ctx context.Context) string {
	if o.NoCache || o.CacheDir != "" {
		return o.CacheDir
	}
	dir, err := DefaultCacheDir()
	if err != nil {
		o.log().WarnContext(ctx, "the model is loaded, but not kept", "reason", err)
	}
	return dir
}

// Open opens a packed model on a web server: url names its directory, see modelURL. Only the manifest is read; Load and ReadAt
// fetch chunks, some at a time, keep them in the cache and check every one. A download that breaks off is continued where it ended,
// now or by the next program that opens the model. Without the network, a model is opened from the cache.
//
// Where there is no manifest.json but a repository in Hugging Face's layout (config.json and safetensors files; its page on
// huggingface.co will do as url), chunks are ranges of its files. Nothing is known of their bytes: they are hashed when they
// are first seen, later downloads must agree, and Verified is false.
func Open(ctx context.Context, name string, o Options) (*packed.Model, error) {
	base, err := modelURL(name)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: URL: %w", err)
	}
	c, err := o.client(u)
	if err != nil {
		return nil, err
	}
	dir := ""
	if cache := o.cacheDir(ctx); cache != "" && !o.NoCache {
		dir = modelDir(cache, base)
	}
	m, from, err := fetchManifest(ctx, c, base, dir)
	if err != nil {
		return nil, err
	}
	if err := checkChunks(u, m); err != nil {
		return nil, err
	}
	s := openCache(ctx, c, dir, from)
	s.saveModel(ctx, m)
	return packed.Open(m, s)
}

// checkChunks refuses a manifest that names files where a model must not ask.
func checkChunks(base *url.URL, m *packed.Manifest) error {
	for i := range m.Chunks {
		if err := checkChunk(base, &m.Chunks[i]); err != nil {
			return fmt.Errorf("checkpoint: %s: chunk %d: %w", packed.ManifestName, i, err)
		}
	}
	return nil
}

func checkChunk(base *url.URL, c *packed.Chunk) error {
	if err := c.CheckURL(); err != nil || !c.Remote() {
		return err
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return err
	}
	return mayAsk(base, u)
}

// fetchManifest gets a model's manifest from the server, or makes it of a repository, or takes the one in the cache.
func fetchManifest(ctx context.Context, c *Client, base, dir string) (*packed.Manifest, origin, error) {
	cached, from, cacheErr := cachedManifest(dir)
	failures := OpenFailures
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
			tellChanges(ctx, c.log, from, derived)
			return m, derived, nil
		}
		err = fmt.Errorf("%w (%w)", why, err)
	}
	if cacheErr == nil && errors.As(err, new(*unreachableError)) {
		c.log.WarnContext(ctx, "the server cannot be reached, using the cache", "url", shownURL(base), "reason", err)
		return cached, from, nil
	}
	return nil, from, err
}

// tellChanges says which files of a repository are not what they were when they were opened before.
func tellChanges(ctx context.Context, log *slog.Logger, before, now origin) {
	for _, name := range slices.Sorted(maps.Keys(now.Files)) {
		if old, ok := before.Files[name]; ok && old != now.Files[name] {
			log.WarnContext(ctx, "a file of the model has changed on the server: it is downloaded again", "file", checkpoint.Printable(name))
		}
	}
}

// manifest fetches a manifest. An error that is fs.ErrNotExist or packed.ErrOtherFormat says that there is none.
func (c *Client) manifest(ctx context.Context, base string, failures int) (*packed.Manifest, error) {
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
		return nil, origin{}, err
	}
	m, err := readManifest(dir, from)
	return m, from, err
}

// derive makes the manifest of a repository with safetensors files, without hashes.
func derive(ctx context.Context, c *Client, base string, failures int) (*packed.Manifest, origin, error) {
	from := origin{URL: base, Files: map[string]fileState{}}
	states := map[string]fileState{} // by name
	m, err := packed.Derive(func(name string, off, n int64) ([]byte, int64, error) {
		if off == 0 {
			data, v, err := c.head(ctx, base+name, n, failures)
			states[name] = newState(v, data)
			return data, v.Bytes, err
		}
		data, err := c.fetch(ctx, byteRange{url: base + name, off: off, n: n, version: states[name].version}, nil, func([]byte, int64) {})
		states[name] = states[name].more(data)
		return data, off + n, err
	}, base)
	if err != nil {
		return nil, from, err
	}
	for i := range m.Chunks {
		from.Files[m.Chunks[i].URL] = states[m.Chunks[i].URL]
	}
	return m, from, nil
}

// Beside is near, but for the chunks of m that are on web servers: those come from there, and are kept in a folder of this manifest
// alone in the cache directory.
func Beside(ctx context.Context, m *packed.Manifest, near packed.Store, o Options) (packed.Store, error) {
	i := slices.IndexFunc(m.Chunks, func(c packed.Chunk) bool { return c.Remote() })
	if i < 0 {
		return near, nil
	}
	if err := checkChunks(nil, m); err != nil {
		return nil, fmt.Errorf("%w: open a manifest from the server that has its files", err)
	}
	c, err := o.client(nil)
	if err != nil {
		return nil, err
	}
	text, err := m.Encode()
	if err != nil {
		return nil, err
	}
	far := m.Chunks[i].URL
	from := origin{URL: far[:strings.LastIndex(far, "/")+1] + "#" + packed.HashOf(text)[:16]} // no model's URL has a #
	dir := ""
	if cache := o.cacheDir(ctx); cache != "" && !o.NoCache {
		dir = modelDir(cache, from.URL)
	}
	s := openCache(ctx, c, dir, from)
	s.saveModel(ctx, m)
	return splitStore{near, s}, nil
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
