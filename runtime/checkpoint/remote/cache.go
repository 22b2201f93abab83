package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/packed"
)

// A cache directory has a folder for each model: originName says where it comes from, manifest.json is its manifest, chunks
// are files named by their hash. A chunk of a repository without hashes is named by its key and the hash that it had when it
// was first seen. The name of an incomplete chunk ends with ".part". Chunks are checked whenever they are read, so several programs may
// use a cache at a time: they write the same bytes to the same files.
const originName = "origin.json"

// origin says where a cached model comes from.
type origin struct {
	URL   string            `json:"url"`
	ETags map[string]string `json:"etags,omitempty"` // of the files of a repository without hashes
}

// DefaultCacheDir is the directory for models inside the user's cache directory.
func DefaultCacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("checkpoint: cache: %w: give a directory", err)
	}
	return filepath.Join(dir, "gossamer", "models"), nil
}

// modelDir is a model's folder in a cache directory: a readable name, and a hash that makes it unique.
func modelDir(cache, url string) string {
	name := strings.Trim(regexp.MustCompile(`[^A-Za-z0-9._]+`).ReplaceAllString(path.Base(path.Clean(strings.TrimSuffix(url, "/resolve/main/"))), "-"), "-.")
	return filepath.Join(cache, name+"-"+packed.HashOf([]byte(url))[:16])
}

// cacheStore has chunks on a web server, and keeps them in a directory.
type cacheStore struct {
	client *client
	base   string            // URL of the manifest's directory, with a slash at its end
	dir    string            // "": keep nothing
	etags  map[string]string // by Chunk.URL
	log    *slog.Logger

	full atomic.Bool // the disk has no room: go on without it

	mu   sync.Mutex
	pins map[string]string // hashes at first sight, by key
}

// openCache prepares the folder of a model.
func openCache(c *client, base, dir string, etags map[string]string) (*cacheStore, error) {
	s := &cacheStore{client: c, base: base, dir: dir, etags: etags, log: c.log, pins: map[string]string{}}
	if dir == "" {
		return s, nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("checkpoint: cache: %w: choose another cache directory", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: cache: %w", err)
	}
	for _, e := range entries {
		if key, hash, ok := strings.Cut(e.Name(), "-"); ok && isHash(hash) {
			s.pins[key] = hash
		}
	}
	return s, nil
}

func isHash(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

// url is where a chunk's file is.
func (s *cacheStore) url(c *packed.Chunk) string {
	if c.Remote() {
		return c.URL
	}
	return s.base + c.URL
}

// key names a chunk without a hash: by where it comes from.
func (s *cacheStore) key(c *packed.Chunk) string {
	return packed.HashOf(fmt.Appendf(nil, "%s\n%s\n%d\n%d", s.url(c), s.etags[c.URL], c.Start(), c.Bytes))[:32]
}

// expect is a chunk's hash: published, or seen first; "" if it is neither. path is where it is kept, if it is known.
func (s *cacheStore) expect(c *packed.Chunk) (hash, path, part string) {
	if c.SHA256 != "" {
		path = filepath.Join(s.dir, c.SHA256)
		return c.SHA256, path, path + checkpoint.PartExt
	}
	key := s.key(c)
	s.mu.Lock()
	hash = s.pins[key]
	s.mu.Unlock()
	return hash, filepath.Join(s.dir, key+"-"+hash), filepath.Join(s.dir, key+checkpoint.PartExt)
}

// Missing says whether any of these chunks must be downloaded.
func (s *cacheStore) Missing(chunks []packed.Chunk) bool {
	return s.dir == "" || slices.ContainsFunc(chunks, func(c packed.Chunk) bool { return !s.has(&c) })
}

func (s *cacheStore) has(c *packed.Chunk) bool {
	hash, path, _ := s.expect(c)
	info, err := os.Stat(path)
	return hash != "" && err == nil && info.Size() == c.Bytes
}

// Fetch takes a chunk from the cache, or downloads and keeps it.
func (s *cacheStore) Fetch(ctx context.Context, c *packed.Chunk, buf []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	want, path, part := s.expect(c)
	if s.dir != "" && s.has(c) {
		p, err := readStart(path, checkpoint.Sized(buf, c.Bytes))
		if err == nil && packed.HashOf(p) == want {
			return p, nil
		}
		s.log.WarnContext(ctx, "a cached chunk is damaged, fetching it again", "file", path)
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("checkpoint: cache: %w", err)
		}
	}
	var got string
	for attempt := range 2 {
		p, err := s.download(ctx, c, part, checkpoint.Sized(buf, c.Bytes)[:0], attempt > 0)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, fmt.Errorf("checkpoint: chunk %s: %w", c.Name(), err)
		}
		if got = packed.HashOf(p); want == "" || got == want {
			return p, s.commit(c, got, part)
		}
		s.log.WarnContext(ctx, "a chunk has the wrong hash", "chunk", c.Name(), "want", want, "got", got)
		s.discard(part)
	}
	err := &packed.HashError{Chunk: c.Name(), Want: want, Got: got}
	if c.SHA256 == "" {
		return nil, fmt.Errorf("%w, twice: the server has other bytes now: remove the model from the cache and load it again", err)
	}
	return nil, fmt.Errorf("%w, twice: the server has other bytes than the manifest says: tell its owner", err)
}

// readStart reads the bytes of a file into p, as many as there are.
func readStart(path string, p []byte) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readPrefix(f, p)
}

func readPrefix(f *os.File, p []byte) ([]byte, error) {
	n, err := io.ReadFull(f, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return p[:n], err
}

// download fetches a chunk, from where an earlier download ended, and writes what comes to the file part.
func (s *cacheStore) download(ctx context.Context, c *packed.Chunk, part string, p []byte, fresh bool) ([]byte, error) {
	r := byteRange{url: s.url(c), off: c.Start(), n: c.Bytes, whole: c.Offset == nil, etag: s.etags[c.URL], fresh: fresh}
	if s.dir == "" || s.full.Load() {
		return s.client.fetch(ctx, r, p, func([]byte, int64) {})
	}
	// One open file to read and write: another program may give this one its final name between the two.
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		s.giveUp(ctx, part, err)
		return s.download(ctx, c, part, p, fresh)
	}
	defer f.Close() // what it holds is checked when it is read
	if p, err = readPrefix(f, p[:c.Bytes]); err != nil {
		return nil, err
	}
	keep := func(q []byte, off int64) {
		if s.full.Load() {
			return
		}
		if _, err := f.WriteAt(q, off); err != nil {
			s.giveUp(ctx, part, err)
		}
	}
	return s.client.fetch(ctx, r, p, keep)
}

// giveUp goes on without the cache, because the model can be loaded all the same.
func (s *cacheStore) giveUp(ctx context.Context, part string, err error) {
	s.full.Store(true)
	s.discard(part)
	reason := "the cache cannot be written"
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		reason = "the disk is full"
	}
	s.log.WarnContext(ctx, reason+": the rest of the model is loaded, but not kept", "error", err)
}

func (s *cacheStore) discard(part string) {
	if s.dir != "" {
		os.Remove(part) // if it stays, its hash is wrong again and it is overwritten
	}
}

// commit gives a complete chunk its name.
func (s *cacheStore) commit(c *packed.Chunk, hash, part string) error {
	if c.SHA256 == "" {
		s.mu.Lock()
		s.pins[s.key(c)] = hash
		s.mu.Unlock()
	}
	if s.dir == "" {
		return nil
	}
	if s.full.Load() || s.has(c) { // the latter: another program was faster
		s.discard(part)
		return nil
	}
	_, path, _ := s.expect(c)
	if err := os.Rename(part, path); err != nil && !errors.Is(err, fs.ErrNotExist) { // as before
		return fmt.Errorf("checkpoint: cache: %w", err)
	}
	return nil
}

// CachedModel is a model in a cache directory.
type CachedModel struct {
	URL        string    `json:"url"`
	Dir        string    `json:"dir"`
	Bytes      int64     `json:"bytes"`      // in the cache
	TotalBytes int64     `json:"totalBytes"` // of all chunks
	Verified   bool      `json:"verified"`   // against published hashes
	Used       time.Time `json:"used"`       // opened last
}

// ListCache lists the models of a cache directory, the one used last first. A directory that does not exist is empty.
func ListCache(dir string) ([]CachedModel, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("checkpoint: cache: %w", err)
	}
	var models []CachedModel
	for _, e := range entries {
		if m, err := readCached(filepath.Join(dir, e.Name())); err == nil {
			models = append(models, m)
		} else if !errors.Is(err, fs.ErrNotExist) { // not one of ours
			return nil, fmt.Errorf("checkpoint: cache: %w", err)
		}
	}
	slices.SortFunc(models, func(a, b CachedModel) int { return b.Used.Compare(a.Used) })
	return models, nil
}

func readCached(dir string) (CachedModel, error) {
	o, err := readOrigin(dir)
	if err != nil {
		return CachedModel{}, err
	}
	m := CachedModel{URL: o.URL, Dir: dir, Verified: len(o.ETags) == 0}
	if info, err := os.Stat(filepath.Join(dir, originName)); err == nil {
		m.Used = info.ModTime()
	}
	if data, err := os.ReadFile(filepath.Join(dir, packed.ManifestName)); err == nil {
		if manifest, err := packed.ParseDerived(data); err == nil {
			for _, c := range manifest.Chunks {
				m.TotalBytes += c.Bytes
			}
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return m, err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.Name() != originName && e.Name() != packed.ManifestName {
			m.Bytes += info.Size()
		}
	}
	return m, nil
}

func readOrigin(dir string) (origin, error) {
	var o origin
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return o, fs.ErrNotExist
	}
	data, err := checkpoint.ReadSmall(os.DirFS(dir), originName)
	if err == nil {
		err = json.Unmarshal(data, &o)
	}
	return o, err
}

// RemoveCached deletes the model of a URL from a cache directory.
func RemoveCached(cache, rawURL string) error {
	base, err := modelURL(rawURL)
	if err != nil {
		return err
	}
	dir := modelDir(cache, base)
	if _, err := readOrigin(dir); err != nil {
		return fmt.Errorf("checkpoint: cache: %s is not in %s", rawURL, cache)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("checkpoint: cache: %w", err)
	}
	return nil
}

// saveModel remembers a model's manifest and where it comes from, and removes chunks of an earlier manifest.
func (s *cacheStore) saveModel(m *packed.Manifest, o origin) error {
	if s.dir == "" {
		return nil
	}
	data, err := m.Encode()
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(filepath.Join(s.dir, packed.ManifestName)); err != nil || string(old) != string(data) {
		if err := checkpoint.SaveFile(filepath.Join(s.dir, packed.ManifestName), data); err != nil {
			return err
		}
	}
	text, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("checkpoint: cache: %w", err)
	}
	if err := checkpoint.SaveFile(filepath.Join(s.dir, originName), text); err != nil {
		return err
	}
	used := make(map[string]bool, len(m.Chunks))
	for i := range m.Chunks {
		_, path, part := s.expect(&m.Chunks[i])
		used[filepath.Base(path)], used[filepath.Base(part)] = true, true
	}
	return checkpoint.RemoveFiles(s.dir, func(name string) bool { return !used[name] && cachedChunk.MatchString(name) })
}

// cachedChunk matches the names of chunks: by hash, by key and hash, and incomplete.
var cachedChunk = regexp.MustCompile(`^([0-9a-f]{64}|[0-9a-f]{32}(-[0-9a-f]{64})?)(\.part)?$`)
