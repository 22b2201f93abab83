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

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/packed"
)

// A cache directory has a folder for each model: originName says where it comes from, manifest.json is its manifest, chunks
// are files named by their hash. A chunk of a repository without hashes is named by its key and the hash that it had when it
// was first seen. The name of an incomplete chunk ends with ".part". Chunks are checked whenever they are read, so several programs may
// use a cache at a time: they write the same bytes to the same files.
const originName = "origin.json"

// origin says where a cached model comes from. Only what comes from there is written into its folder.
type origin struct {
	URL   string               `json:"url"`
	Files map[string]fileState `json:"files,omitempty"` // of a repository without hashes, by Chunk.URL
}

// fileState is what identifies the bytes of a file without a published hash: the server's word where that is certain, else also the
// beginning of the file.
type fileState struct {
	version
	Head string `json:"head,omitempty"` // SHA-256 of what was read to open the model
}

func newState(v version, head []byte) fileState {
	if v.ETag != "" {
		return fileState{version: version{ETag: v.ETag}}
	}
	return fileState{v, packed.HashOf(head)}
}

// more is the state once more of the file's beginning was read.
func (s fileState) more(head []byte) fileState {
	if s.Head != "" {
		s.Head = packed.HashOf(fmt.Append(nil, s.Head, packed.HashOf(head)))
	}
	return s
}

// DefaultCacheDir is the directory for models: the one that the environment variable GOSSAMER_MODELS names, else one inside the user's
// cache directory.
func DefaultCacheDir() (string, error) {
	if dir := os.Getenv("GOSSAMER_MODELS"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("checkpoint: cache: %w: name a directory in GOSSAMER_MODELS", err)
	}
	return filepath.Join(dir, "gossamer", "models"), nil
}

// modelDir is the folder of the model at a URL in a cache directory: a readable name, and a hash that makes it unique.
func modelDir(cache, url string) string {
	place, _, _ := strings.Cut(strings.TrimSuffix(url, "/resolve/main/"), "#")
	name := strings.Trim(regexp.MustCompile(`[^A-Za-z0-9._]+`).ReplaceAllString(path.Base(path.Clean(place)), "-"), "-.")
	return filepath.Join(cache, name+"-"+packed.HashOf([]byte(url))[:16])
}

// cacheStore has chunks on a web server, and keeps them in a directory.
type cacheStore struct {
	client *Client
	from   origin
	dir    string // "": keep nothing
	log    *slog.Logger

	full atomic.Bool // nothing more can be written: go on without it

	mu   sync.Mutex
	pins map[string]string // hashes at first sight, by key
}

// openCache prepares the folder of a model. What cannot be read or written there is not kept.
func openCache(ctx context.Context, c *Client, dir string, from origin) *cacheStore {
	s := &cacheStore{client: c, from: from, dir: dir, log: c.log, pins: map[string]string{}}
	if dir == "" {
		return s
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		s.giveUp(ctx, err)
		s.dir = ""
		return s
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		s.giveUp(ctx, err)
		s.dir = ""
		return s
	}
	for _, e := range entries {
		if key, hash, ok := strings.Cut(e.Name(), "-"); ok && isHash(hash) {
			s.pins[key] = hash
		}
	}
	return s
}

func isHash(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

// url is where a chunk's file is.
func (s *cacheStore) url(c *packed.Chunk) string {
	if c.Remote() {
		return c.URL
	}
	return s.from.URL + c.URL
}

// key names a chunk without a hash: by where it comes from.
func (s *cacheStore) key(c *packed.Chunk) string {
	f := s.from.Files[c.URL]
	return packed.HashOf(fmt.Appendf(nil, "%s\n%s\n%s\n%d\n%s\n%d\n%d", s.url(c), f.ETag, f.Modified, f.version.Bytes, f.Head, c.Start(), c.Bytes))[:32]
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
			s.giveUp(ctx, err)
		}
	}
	var got string
	for attempt := range 2 {
		p, err := s.download(ctx, c, part, checkpoint.Sized(buf, c.Bytes)[:0], attempt > 0)
		if attempt == 0 && errors.As(err, new(*lengthError)) { // perhaps an old copy in a cache on the way
			s.discard(part)
			continue
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, fmt.Errorf("checkpoint: chunk %s: %w", c.Name(), err)
		}
		if got = packed.HashOf(p); want == "" || got == want {
			s.commit(ctx, c, got, part)
			return p, nil
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
	state := s.from.Files[c.URL]
	r := byteRange{url: s.url(c), off: c.Start(), n: c.Bytes, whole: c.Offset == nil, version: state.version, fresh: fresh}
	if s.dir == "" || s.full.Load() {
		return s.client.fetch(ctx, r, p, func([]byte, int64) {})
	}
	// One open file to read and write: another program may give this one its final name between the two.
	f, err := openPart(part)
	if err != nil {
		s.giveUp(ctx, err)
		return s.download(ctx, c, part, p, fresh)
	}
	defer f.Close()                        // what it holds is checked when it is read
	if c.SHA256 != "" || state.certain() { // else nobody could tell whether what is there belongs to the file of today
		if p, err = readPrefix(f, p[:c.Bytes]); err != nil {
			return nil, err
		}
	}
	keep := func(q []byte, off int64) {
		if s.full.Load() {
			return
		}
		if _, err := f.WriteAt(q, off); err != nil {
			s.giveUp(ctx, err)
			s.discard(part)
		}
	}
	return s.client.fetch(ctx, r, p, keep)
}

// openPart opens the file of an incomplete chunk, which must be one: reading from a pipe would wait for ever.
func openPart(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, f.Close(), fmt.Errorf("%s is not a regular file", name))
	}
	return f, nil
}

// giveUp goes on without writing to the cache, because the model can be loaded all the same.
func (s *cacheStore) giveUp(ctx context.Context, err error) {
	if s.full.Swap(true) {
		return
	}
	reason := "the cache cannot be written"
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		reason = "the disk is full"
	}
	s.log.WarnContext(ctx, reason+": what is not there yet is loaded, but not kept", "error", err)
}

func (s *cacheStore) discard(part string) {
	if s.dir != "" {
		os.Remove(part) // if it stays, its hash is wrong again and it is overwritten
	}
}

// commit gives a complete chunk its name.
func (s *cacheStore) commit(ctx context.Context, c *packed.Chunk, hash, part string) {
	if c.SHA256 == "" {
		s.mu.Lock()
		s.pins[s.key(c)] = hash
		s.mu.Unlock()
	}
	if s.dir == "" {
		return
	}
	if s.full.Load() || s.has(c) { // the latter: another program was faster
		s.discard(part)
		return
	}
	_, path, _ := s.expect(c)
	if err := os.Rename(part, path); err != nil && !errors.Is(err, fs.ErrNotExist) { // as before
		s.giveUp(ctx, err)
	}
}

// saveModel remembers a model's manifest and where it comes from, and removes chunks of an earlier manifest. Without that, the model
// can be used all the same.
func (s *cacheStore) saveModel(ctx context.Context, m *packed.Manifest) {
	if s.dir == "" {
		return
	}
	if err := s.writeModel(m); err != nil {
		s.giveUp(ctx, err)
	}
}

func (s *cacheStore) writeModel(m *packed.Manifest) error {
	data, err := m.Encode()
	if err != nil {
		return err
	}
	if old, err := checkpoint.ReadSmall(os.DirFS(s.dir), packed.ManifestName); err != nil || string(old) != string(data) {
		if err := checkpoint.SaveFile(filepath.Join(s.dir, packed.ManifestName), data); err != nil {
			return err
		}
	}
	text, err := json.Marshal(s.from)
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
