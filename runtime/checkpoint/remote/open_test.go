package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/checkpoint/safetensors"
	"gossamer/runtime/gptoss"
)

// fileServer serves a directory and counts what it sends.
type fileServer struct {
	*httptest.Server
	dir string

	mu     sync.Mutex
	before func(w http.ResponseWriter, r *http.Request) (done bool) // may answer a request itself; nil: does not
	bytes  map[string]int64                                         // sent, by path
	ranges map[string][]string
}

func serve(t *testing.T, dir string) *fileServer {
	s := &fileServer{dir: dir, bytes: map[string]int64{}, ranges: map[string][]string{}}
	files := http.FileServer(http.Dir(dir))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.ranges[r.URL.Path] = append(s.ranges[r.URL.Path], r.Header.Get("Range"))
		before := s.before
		s.mu.Unlock()
		if before != nil && before(w, r) {
			return
		}
		files.ServeHTTP(&countingWriter{w, s, r.URL.Path}, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// answer sets before.
func (s *fileServer) answer(before func(w http.ResponseWriter, r *http.Request) (done bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = before
}

// chunkBytes is how many bytes of chunks were sent.
func (s *fileServer) chunkBytes() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, b := range s.bytes {
		if strings.Contains(path, "/"+"chunks"+"/") {
			n += b
		}
	}
	return n
}

type countingWriter struct {
	http.ResponseWriter
	s    *fileServer
	path string
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.s.mu.Lock() // counted first: the client may be done before Write returns
	w.s.bytes[w.path] += int64(len(p))
	w.s.mu.Unlock()
	return w.ResponseWriter.Write(p)
}

// cutWriter breaks the connection after n bytes.
type cutWriter struct {
	http.ResponseWriter
	n int
}

func (w *cutWriter) Write(p []byte) (int, error) {
	if len(p) <= w.n {
		w.n -= len(p)
		return w.ResponseWriter.Write(p)
	}
	w.ResponseWriter.Write(p[:w.n])
	w.ResponseWriter.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// pauses are what a test's client would have waited.
type pauses struct {
	mu sync.Mutex
	d  []time.Duration
}

// openAt opens a URL with a client that does not wait between attempts.
func openAt(t *testing.T, url string, o Options, p *pauses) (*packed.Model, error) {
	t.Helper()
	if o.CacheDir == "" && !o.NoCache {
		o.CacheDir = t.TempDir()
	}
	o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	c := o.client()
	c.sleep = func(ctx context.Context, d time.Duration) error {
		if p != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.d = append(p.d, d)
		}
		return ctx.Err()
	}
	return open(t.Context(), url, o, c)
}

func mustOpenAt(t *testing.T, url string, o Options) *packed.Model {
	t.Helper()
	c, err := openAt(t, url, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// servePacked serves a small packed model and returns what it holds.
func servePacked(t *testing.T) (*fileServer, *packed.Model) {
	t.Helper()
	dir := t.TempDir()
	return serve(t, dir), packTo(t, openDir(t, checkpointtest.WriteSmall(t)), filepath.Join(dir, "model"))
}

// collect loads all tensors.
func collect(t *testing.T, m *packed.Model) checkpointtest.Collector {
	t.Helper()
	return checkpointtest.Collect(t, m.Checkpoint)
}

// openDir opens published files.
func openDir(t testing.TB, dir string) *checkpoint.Checkpoint {
	t.Helper()
	c, err := safetensors.Open(os.DirFS(dir), dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// openAway opens a manifest in a directory, whose chunks may be on a server.
func openAway(t testing.TB, dir string) *packed.Model {
	t.Helper()
	m, err := packed.ReadManifest(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Beside(m, packed.Files(os.DirFS(dir)))
	if err != nil {
		t.Fatal(err)
	}
	c, err := packed.Open(m, s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// packTo packs a checkpoint and opens the result.
func packTo(t testing.TB, c *checkpoint.Checkpoint, dir string) *packed.Model {
	t.Helper()
	if _, err := packed.Pack(t.Context(), c, dir, nil); err != nil {
		t.Fatal(err)
	}
	return openAway(t, dir)
}

func storedBytes(m *packed.Manifest) (n int64) {
	for _, c := range m.Chunks {
		n += c.Bytes
	}
	return n
}

// cachedBytes is the size of the chunks in a cache, finished or not.
func cachedBytes(t *testing.T, cache string) (n int64) {
	t.Helper()
	for name, size := range checkpointtest.ListFiles(t, cache) {
		if base := filepath.Base(name); base != originName && base != packed.ManifestName {
			n += size
		}
	}
	return n
}

// TestURL loads a model from a server, then from the cache, then without the server, and removes it.
func TestURL(t *testing.T) {
	s, local := servePacked(t)
	want := collect(t, local)
	cache := t.TempDir()
	for i, suffix := range []string{"/model", "/model/", "/model/manifest.json"} {
		c := mustOpenAt(t, s.URL+suffix, Options{CacheDir: cache})
		phases := map[string]bool{}
		got := checkpointtest.Collector{}
		if err := c.Load(t.Context(), got, func(p checkpoint.Progress) { phases[p.Phase] = true }); err != nil {
			t.Fatal(err)
		}
		if !maps.EqualFunc(want, got, bytes.Equal) {
			t.Errorf("%s: other bytes", suffix)
		}
		if !c.Verified() {
			t.Errorf("%s: not verified", suffix)
		}
		wantPhase := map[string]bool{checkpoint.PhaseDownload: true}
		if i > 0 {
			wantPhase = map[string]bool{"weights": true}
		}
		if d := cmp.Diff(wantPhase, phases); d != "" {
			t.Errorf("%s: phases (-want +got):\n%s", suffix, d)
		}
		if d := cmp.Diff(local.Config(), c.Config()); d != "" {
			t.Errorf("config (-want +got):\n%s", d)
		}
	}
	if got, want := s.chunkBytes(), storedBytes(local.Manifest); got != want {
		t.Errorf("the server sent %d bytes for three loads, want each chunk once: %d", got, want)
	}
	if got, want := cachedBytes(t, cache), storedBytes(local.Manifest); got != want {
		t.Errorf("%d bytes in the cache, want %d", got, want)
	}
	models, err := ListCache(cache)
	if err != nil {
		t.Fatal(err)
	}
	total := storedBytes(local.Manifest)
	if len(models) != 1 || models[0].URL != s.URL+"/model/" || models[0].Bytes != total || models[0].TotalBytes != total || !models[0].Verified {
		t.Errorf("models %+v, want one of %d bytes", models, total)
	}

	s.Close()
	c := mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache})
	if !maps.EqualFunc(want, collect(t, c), bytes.Equal) {
		t.Error("other bytes without the server")
	}
	if err := RemoveCached(cache, s.URL+"/model"); err != nil {
		t.Fatal(err)
	}
	if models, err := ListCache(cache); err != nil || len(models) != 0 {
		t.Errorf("after removal: %+v, %v", models, err)
	}
	checkpointtest.WantError(t, RemoveCached(cache, s.URL+"/model"), "checkpoint: cache: http://…/model is not in "+cache)
	_, err = openAt(t, s.URL+"/model", Options{CacheDir: cache}, nil)
	checkpointtest.WantError(t, err, "checkpoint: gave up after 8 attempts: …: run this again to go on from here")
	if models, err := ListCache(filepath.Join(cache, "none")); err != nil || len(models) != 0 {
		t.Errorf("of no directory: %+v, %v", models, err)
	}
}

func TestURLNoCache(t *testing.T) {
	s, local := servePacked(t)
	c := mustOpenAt(t, s.URL+"/model", Options{NoCache: true})
	if !maps.EqualFunc(collect(t, local), collect(t, c), bytes.Equal) {
		t.Error("other bytes")
	}
	if err := c.Verify(t.Context(), nil, nil); err != nil {
		t.Error(err)
	}
}

// TestURLCuts breaks 20 connections after a random number of bytes; with and without ranges.
func TestURLCuts(t *testing.T) {
	s, local := servePacked(t)
	want := collect(t, local)
	for _, ranges := range []bool{true, false} {
		random := rand.New(rand.NewPCG(1, 2))
		var mu sync.Mutex
		cuts, per := 0, map[string]int{} // without ranges, a cut may bring nothing, and 8 of these in a row are the end
		files := http.FileServer(http.Dir(s.dir))
		s.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if !ranges {
				r.Header.Del("Range")
			}
			mu.Lock()
			n := random.IntN(40_000)
			if !ranges {
				n *= 5
			}
			cut := cuts < 20 && (ranges || per[r.URL.Path] < 5) && strings.Contains(r.URL.Path, "chunks")
			if cut {
				cuts++
				per[r.URL.Path]++
			}
			mu.Unlock()
			if cut {
				files.ServeHTTP(&cutWriter{w, n}, r)
			}
			return cut
		})
		cache := t.TempDir()
		c := mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache})
		if !maps.EqualFunc(want, collect(t, c), bytes.Equal) {
			t.Errorf("ranges %v: other bytes", ranges)
		}
		if ranges && cuts != 20 {
			t.Errorf("ranges %v: %d cuts, want 20", ranges, cuts)
		}
		for name := range checkpointtest.ListFiles(t, cache) {
			if strings.HasSuffix(name, checkpoint.PartExt) {
				t.Errorf("ranges %v: left %s", ranges, name)
			}
		}
	}
}

// TestURLWrongBytes: a chunk that is wrong once is fetched again, past caches; wrong twice, it is an error.
func TestURLWrongBytes(t *testing.T) {
	s, local := servePacked(t)
	bad := local.Manifest.Chunks[2]
	for _, times := range []int{1, 2} {
		var mu sync.Mutex
		n, fresh := 0, 0
		s.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, bad.URL) {
				return false
			}
			mu.Lock()
			defer mu.Unlock()
			if r.Header.Get("Cache-Control") == "no-cache" {
				fresh++
			}
			if n++; n > times {
				return false
			}
			w.Write(make([]byte, bad.Bytes))
			return true
		})
		cache := t.TempDir()
		c := mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache})
		err := c.Load(t.Context(), checkpointtest.Discard(), nil)
		if times == 1 && err != nil {
			t.Error(err)
		}
		if times == 2 {
			checkpointtest.WantError(t, err, "checkpoint: chunk "+bad.URL+": sha256 mismatch, want "+bad.SHA256+", got …, twice: the server has other bytes than the manifest says: tell its owner")
			for name := range checkpointtest.ListFiles(t, cache) {
				if strings.Contains(name, bad.SHA256) {
					t.Errorf("kept %s", name)
				}
			}
		}
		if n != 2 || fresh != 1 {
			t.Errorf("%d requests, %d of them past caches; want 2 and 1", n, fresh)
		}
	}
}

// TestURLCacheDamage: chunks that were changed in the cache are fetched again.
func TestURLCacheDamage(t *testing.T) {
	s, local := servePacked(t)
	cache := t.TempDir()
	c := mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache})
	want := collect(t, c)
	sent := s.chunkBytes()
	k, part := local.Manifest.Chunks[1], local.Manifest.Chunks[3]
	dir := modelDir(cache, s.URL+"/model/")
	if err := os.WriteFile(filepath.Join(dir, k.SHA256), make([]byte, k.Bytes), 0o644); err != nil {
		t.Fatal(err)
	}
	// A damaged beginning of a chunk, too.
	if err := errors.Join(os.Remove(filepath.Join(dir, part.SHA256)), os.WriteFile(filepath.Join(dir, part.SHA256+checkpoint.PartExt), make([]byte, 1000), 0o644)); err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(want, collect(t, c), bytes.Equal) {
		t.Error("other bytes")
	}
	if got, want := s.chunkBytes()-sent, k.Bytes+part.Bytes-1000+part.Bytes; got != want {
		t.Errorf("the server sent %d bytes, want %d", got, want)
	}
}

// TestURLStatus: what the server replies, how often it is asked, and what is waited for.
func TestURLStatus(t *testing.T) {
	s, local := servePacked(t)
	k := local.Manifest.Chunks[0]
	for _, c := range []struct {
		status     int
		retryAfter string
		times      int
		requests   int
		wait       time.Duration // at least
		want       string
	}{
		{404, "", 1, 1, 0, "checkpoint: chunk " + k.URL + ": http://…: the server replies 404 Not Found: check the URL"},
		{403, "", 1, 1, 0, "checkpoint: chunk " + k.URL + ": http://…: the server replies 403 Forbidden: the server wants a login or the link has expired"},
		{400, "", 1, 1, 0, "checkpoint: chunk " + k.URL + ": http://…: the server replies 400 Bad Request"},
		{503, "", 1, 2, 0, ""},
		{500, "", 3, 4, 0, ""},
		{429, "7", 2, 3, 7 * time.Second, ""},
		{503, time.Now().Add(3 * time.Minute).UTC().Format(http.TimeFormat), 1, 2, 2 * time.Minute, ""},
		{503, "86400", 1, 1, 0, "checkpoint: chunk " + k.URL + ": http://…: the server replies 503 Service Unavailable: it asks to wait for 24h0m0s: run this again then"},
		{502, "", 100, 8, 0, "checkpoint: chunk " + k.URL + ": gave up after 8 attempts: http://…: the server replies 502 Bad Gateway: run this again to go on from here"},
	} {
		t.Run(fmt.Sprint(c.status, c.retryAfter), func(t *testing.T) {
			var mu sync.Mutex
			n := 0
			s.answer(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, k.URL) {
					return false
				}
				mu.Lock()
				defer mu.Unlock()
				if n++; n > c.times {
					return false
				}
				if c.retryAfter != "" {
					w.Header().Set("Retry-After", c.retryAfter)
				}
				w.WriteHeader(c.status)
				return true
			})
			var p pauses
			ck, err := openAt(t, s.URL+"/model", Options{}, &p)
			if err != nil {
				t.Fatal(err)
			}
			err = ck.Load(t.Context(), checkpointtest.Discard(), nil)
			if c.want != "" {
				checkpointtest.WantError(t, err, c.want)
			} else if err != nil {
				t.Error(err)
			}
			if n != c.requests {
				t.Errorf("%d requests, want %d", n, c.requests)
			}
			for _, d := range p.d {
				if d < c.wait || d < firstPause/2 {
					t.Errorf("waited %v, want at least %v", d, c.wait)
				}
			}
		})
	}
}

// TestURLCancel cancels after every number of pieces; what has arrived is not fetched again.
func TestURLCancel(t *testing.T) {
	s, local := servePacked(t)
	total := storedBytes(local.Manifest)
	cache := t.TempDir()
	for n := 1; n < 12; n++ {
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		sent, limit := 0, n*60_000
		s.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "chunks") {
				return false
			}
			files := http.FileServer(http.Dir(s.dir))
			files.ServeHTTP(writerFunc{w, func(p []byte) (int, error) {
				mu.Lock()
				sent += len(p)
				over := sent > limit
				mu.Unlock()
				if over {
					cancel()
				}
				return w.Write(p)
			}}, r)
			return true
		})
		c := mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache})
		if err := c.Load(ctx, checkpointtest.Discard(), nil); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled after %d bytes: %v", limit, err)
		}
		cancel()
		if n%4 != 0 {
			continue
		}
		have := cachedBytes(t, cache)
		s.answer(nil)
		count := &countingTransport{}
		c = mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache, http: &http.Client{Transport: count}})
		if !maps.EqualFunc(collect(t, local), collect(t, c), bytes.Equal) {
			t.Error("other bytes")
		}
		if got, want := count.bytes.Load(), total-have; got != want {
			t.Errorf("with %d bytes in the cache, %d more were fetched, want %d", have, got, want)
		}
		cache = t.TempDir()
	}
}

// countingTransport counts the bytes of chunks that arrive.
type countingTransport struct{ bytes atomic.Int64 }

func (c *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && strings.Contains(r.URL.Path, "/"+"chunks"+"/") {
		resp.Body = countingBody{resp.Body, &c.bytes}
	}
	return resp, err
}

type countingBody struct {
	io.ReadCloser
	bytes *atomic.Int64
}

func (b countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.bytes.Add(int64(n))
	return n, err
}

type writerFunc struct {
	http.ResponseWriter
	write func(p []byte) (int, error)
}

func (w writerFunc) Write(p []byte) (int, error) { return w.write(p) }

// TestURLStall: a connection that stays open and silent is given up.
func TestURLStall(t *testing.T) {
	s, local := servePacked(t)
	k := local.Manifest.Chunks[1]
	var once sync.Once
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		stalled := false
		if strings.HasSuffix(r.URL.Path, k.URL) {
			once.Do(func() {
				stalled = true
				w.Header().Set("Content-Length", fmt.Sprint(k.Bytes))
				w.WriteHeader(http.StatusOK)
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			})
		}
		return stalled
	})
	c := mustOpenAt(t, s.URL+"/model", Options{stall: 50 * time.Millisecond})
	if !maps.EqualFunc(collect(t, local), collect(t, c), bytes.Equal) {
		t.Error("other bytes")
	}
}

// TestURLOpenErrors: what cannot be opened.
func TestURLOpenErrors(t *testing.T) {
	s, _ := servePacked(t)
	for url, want := range map[string]string{
		"ftp://host/x":       `checkpoint: URL "ftp://host/x": want http:// or https:// and a host`,
		"https://":           `checkpoint: URL "https:": want http:// or https:// and a host`,
		"https://host/x?a=1": `checkpoint: URL "https://host/x?a=1": a model is a directory, whose URL has neither ? nor #`,
		"http://[::1":        "checkpoint: URL: …",
		s.URL + "/none":      "checkpoint: no .safetensors file in http://…/none/: give a directory with config.json and the published weights (checkpoint: http://…/none/manifest.json: the server replies 404 Not Found: check the URL)",
	} {
		_, err := openAt(t, url, Options{}, nil)
		checkpointtest.WantError(t, err, want)
	}
	for _, c := range []struct{ name, body, want string }{
		{"HTML", "<html>", "checkpoint: manifest.json: …: this is not a packed model, or it is damaged"},
		{"Huge", strings.Repeat(" ", packed.MaxManifestBytes+1), "checkpoint: http://…/manifest.json is larger than 16777216 bytes: this is not the published file"},
	} {
		s.answer(func(w http.ResponseWriter, r *http.Request) bool {
			fmt.Fprint(w, c.body)
			return true
		})
		_, err := openAt(t, s.URL+"/model", Options{}, nil)
		checkpointtest.WantError(t, err, c.want)
	}
	s.answer(nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, s.URL+"/model", Options{CacheDir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	// A new manifest with other chunks takes the place of the old one in the cache.
	cache := t.TempDir()
	collect(t, mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache}))
	dir := filepath.Join(s.dir, "model")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	next := packTo(t, openDir(t, filepath.Join("../../../testdata/golden", "gqa_window8/model")), dir)
	collect(t, mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache}))
	if got, want := cachedBytes(t, cache), storedBytes(next.Manifest); got != want {
		t.Errorf("%d bytes in the cache, want %d of the new model", got, want)
	}
}

// TestRepository opens repositories that nobody has packed: chunks are ranges of their files, hashed at first sight.
func TestRepository(t *testing.T) {
	for _, original := range []bool{false, true} {
		root := t.TempDir()
		dir := root
		if original {
			dir = filepath.Join(root, "original")
		}
		config, err := checkpointtest.Preset("default")
		if err != nil {
			t.Fatal(err)
		}
		if err := checkpointtest.Write(dir, config, 1, checkpointtest.Options{Shards: 2, Original: original}); err != nil {
			t.Fatal(err)
		}
		s := serve(t, root)
		want := checkpointtest.Collect(t, openDir(t, root))
		cache := t.TempDir()
		c := mustOpenAt(t, s.URL, Options{CacheDir: cache})
		if c.Verified() {
			t.Error("verified without hashes")
		}
		if !maps.EqualFunc(want, collect(t, c), bytes.Equal) {
			t.Errorf("original %v: other bytes", original)
		}
		checkpointtest.WantError(t, c.Verify(t.Context(), nil, nil), "checkpoint: verify: there are no hashes to compare with: only packed models have them")
		models, err := ListCache(cache)
		if err != nil || len(models) != 1 || models[0].Verified || models[0].Bytes != models[0].TotalBytes {
			t.Errorf("models %+v, %v", models, err)
		}
		// The cache suffices the second time, and without the server.
		s.Close()
		c = mustOpenAt(t, s.URL, Options{CacheDir: cache})
		if !maps.EqualFunc(want, collect(t, c), bytes.Equal) || c.Verified() {
			t.Errorf("original %v: other bytes from the cache, or verified", original)
		}
	}
}

// TestRepositoryChanges: bytes that differ from those first seen, and files that change while they are in use.
func TestRepositoryChanges(t *testing.T) {
	dir := checkpointtest.WriteSmall(t)
	s := serve(t, dir)
	cache := t.TempDir()
	c := mustOpenAt(t, s.URL, Options{CacheDir: cache})
	collect(t, c)

	file := filepath.Join(dir, "model-00000-of-00001.safetensors")
	checkpointtest.Poke(t, openDir(t, dir), dir, "model.layers.0.input_layernorm.weight", 0, []byte{0, 0})
	for name := range checkpointtest.ListFiles(t, cache) { // the cache is lost, the program still runs
		if strings.Contains(filepath.Base(name), "-") {
			if err := os.Remove(filepath.Join(cache, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	checkpointtest.WantError(t, c.Load(t.Context(), checkpointtest.Discard(), nil),
		"checkpoint: chunk model-00000-of-00001.safetensors, bytes …: sha256 mismatch, want …, got …, twice: the server has other bytes now: remove the model from the cache and load it again")

	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("ETag", `"`+fileTime(t, file)+`"`)
		return false
	})
	c = mustOpenAt(t, s.URL, Options{CacheDir: t.TempDir()})
	if err := os.Chtimes(file, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	checkpointtest.WantError(t, c.Load(t.Context(), checkpointtest.Discard(), nil), "checkpoint: chunk …: http://…safetensors has changed on the server since the model was opened: open it again")
}

func fileTime(t *testing.T, name string) string {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Error(err)
		return ""
	}
	return fmt.Sprint(info.ModTime().UnixNano())
}

// TestManifestAway: a manifest in a directory, its chunks ranges of files on a server.
func TestManifestAway(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := checkpointtest.WriteSmall(t)
	src := openDir(t, dir)
	s := serve(t, dir)
	away := t.TempDir()
	if _, err := packed.PackInPlace(t.Context(), src, away, s.URL, nil); err != nil {
		t.Fatal(err)
	}
	want := checkpointtest.Collect(t, src)
	for range 2 {
		c := openAway(t, away)
		if !maps.EqualFunc(want, collect(t, c), bytes.Equal) || !c.Verified() {
			t.Error("other bytes, or not verified")
		}
	}
	cache, err := DefaultCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if models, err := ListCache(cache); err != nil || len(models) != 1 || models[0].URL != s.URL+"/" {
		t.Errorf("models %+v, %v", models, err)
	}
	// The same chunks serve when the manifest is opened from a server.
	other := serve(t, away)
	if !maps.EqualFunc(want, collect(t, mustOpenAt(t, other.URL, Options{})), bytes.Equal) {
		t.Error("other bytes from two servers")
	}
}

// TestRangeRequests: chunks are asked for by exact ranges where they are parts of files, and without where they are files.
func TestRangeRequests(t *testing.T) {
	s, local := servePacked(t)
	collect(t, mustOpenAt(t, s.URL+"/model", Options{}))
	for _, k := range local.Manifest.Chunks {
		if d := cmp.Diff([]string{""}, s.ranges["/model/"+k.URL]); d != "" {
			t.Errorf("%s (-want +got):\n%s", k.URL, d)
		}
	}
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "chunks") {
			return false
		}
		w.Header().Set("Content-Range", "bytes 5-9/100")
		w.WriteHeader(http.StatusPartialContent)
		return true
	})
	err := mustOpenAt(t, s.URL+"/model", Options{}).Load(t.Context(), checkpointtest.Discard(), nil)
	checkpointtest.WantError(t, err, `checkpoint: chunk chunks/…: …: the server sends the range "bytes 5-9/100" instead of the bytes from 0 on`)
}

// TestConcurrentCaches: several programs load the same model into one cache at the same time.
func TestConcurrentCaches(t *testing.T) {
	s, local := servePacked(t)
	want := collect(t, local)
	cache := t.TempDir()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			c, err := Open(t.Context(), s.URL+"/model", Options{CacheDir: cache})
			if err != nil {
				t.Error(err)
				return
			}
			got := checkpointtest.Collector{}
			if err := c.Load(t.Context(), got, nil); err != nil {
				t.Error(err)
			} else if !maps.EqualFunc(want, got, bytes.Equal) {
				t.Error("other bytes")
			}
		})
	}
	wg.Wait()
	if got, want := cachedBytes(t, cache), storedBytes(local.Manifest); got != want {
		t.Errorf("%d bytes in the cache, want %d", got, want)
	}
}

// TestSinkErrorStopsDownload: what a sink refuses ends the work ahead, too.
func TestSinkErrorStopsDownload(t *testing.T) {
	s, _ := servePacked(t)
	full := errors.New("device is full")
	err := mustOpenAt(t, s.URL+"/model", Options{}).Load(t.Context(), checkpointtest.SinkFunc(func(gptoss.TensorSpec, int64, []byte) error { return full }), nil)
	if !errors.Is(err, full) {
		t.Errorf("error %v, want %v", err, full)
	}
	s.Close() // waits for connections in use: there are none
}

func TestContentRange(t *testing.T) {
	if !slices.Equal([]int64{-1, -1}, pair(contentRange(http.Header{}))) || !slices.Equal([]int64{5, -1}, pair(contentRange(http.Header{"Content-Range": {"bytes 5-9/*"}}))) {
		t.Error("contentRange")
	}
}

func pair(a, b int64) []int64 { return []int64{a, b} }

// TestIgnoredRange: a server that sends whole files will do for the beginnings of files, and is refused for what lies far inside.
func TestIgnoredRange(t *testing.T) {
	dir := checkpointtest.WriteSmall(t)
	src := openDir(t, dir)
	s := serve(t, dir)
	s.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Range")
		return false
	})
	away := t.TempDir()
	if _, err := packed.PackInPlace(t.Context(), src, away, s.URL, nil); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	c := openAway(t, away)
	if !maps.EqualFunc(checkpointtest.Collect(t, src), collect(t, c), bytes.Equal) {
		t.Error("other bytes")
	}
	off := int64(1 << 30)
	c.Manifest.Chunks[0].Offset, c.Manifest.Chunks[0].SHA256 = &off, strings.Repeat("0", 64)
	checkpointtest.WantError(t, c.Load(t.Context(), checkpointtest.Discard(), nil), "checkpoint: chunk …: the server ignores Range, which files of this size need: use another host, or pack the model into chunks")
}

// TestOtherManifest: a manifest.json of something else does not hide a repository.
func TestOtherManifest(t *testing.T) {
	dir := checkpointtest.WriteSmall(t)
	want := checkpointtest.Collect(t, openDir(t, dir))
	if err := os.WriteFile(filepath.Join(dir, packed.ManifestName), []byte(`{"name": "an app", "icons": []}`), 0o644); err != nil {
		t.Fatal(err)
	}
	c := mustOpenAt(t, serve(t, dir).URL, Options{})
	if !maps.EqualFunc(want, collect(t, c), bytes.Equal) || c.Verified() {
		t.Error("other bytes from a server, or verified")
	}
}

// TestForbidden: object stores call files that are missing forbidden, and have repositories all the same.
func TestForbidden(t *testing.T) {
	dir := checkpointtest.WriteSmall(t)
	s := serve(t, dir)
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		_, err := os.Stat(filepath.Join(dir, r.URL.Path))
		if err != nil {
			w.WriteHeader(http.StatusForbidden)
		}
		return err != nil
	})
	c := mustOpenAt(t, s.URL, Options{})
	if !maps.EqualFunc(checkpointtest.Collect(t, openDir(t, dir)), collect(t, c), bytes.Equal) {
		t.Error("other bytes")
	}
	_, err := openAt(t, s.URL+"/none", Options{}, nil)
	checkpointtest.WantError(t, err, "checkpoint: no .safetensors file in http://…/none/: give a directory with config.json and the published weights "+
		"(checkpoint: http://…/none/manifest.json: the server replies 403 Forbidden: the server wants a login or the link has expired)")
}
