package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/checkpoint/safetensors"
)

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
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	o.sleep = func(ctx context.Context, d time.Duration) error {
		if p != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.d = append(p.d, d)
		}
		return ctx.Err()
	}
	return Open(t.Context(), url, o)
}

func mustOpenAt(t *testing.T, url string, o Options) *packed.Model {
	t.Helper()
	c, err := openAt(t, url, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
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
func openAway(t testing.TB, dir string, o Options) *packed.Model {
	t.Helper()
	m, err := packed.ReadManifest(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Beside(t.Context(), m, packed.Files(os.DirFS(dir)), o)
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
	return openAway(t, dir, Options{})
}

func storedBytes(m *packed.Manifest) (n int64) {
	for _, c := range m.Chunks {
		n += c.Bytes
	}
	return n
}

// TestLoadFromServerThenCache loads a model from a server, then from the cache, then without the server, and removes it.
func TestLoadFromServerThenCache(t *testing.T) {
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
	checkpointtest.WantError(t, RemoveCached(cache, s.URL+"/model"), "checkpoint: cache: http://…/model/ is not in "+cache)
	_, err = openAt(t, s.URL+"/model", Options{CacheDir: cache}, nil)
	checkpointtest.WantError(t, err, "checkpoint: gave up after 3 attempts: …: run this again to go on from here")
	if models, err := ListCache(filepath.Join(cache, "none")); err != nil || len(models) != 0 {
		t.Errorf("of no directory: %+v, %v", models, err)
	}
}

func TestLoadWithoutCache(t *testing.T) {
	s, local := servePacked(t)
	c := mustOpenAt(t, s.URL+"/model", Options{NoCache: true})
	if !maps.EqualFunc(collect(t, local), collect(t, c), bytes.Equal) {
		t.Error("other bytes")
	}
	if err := c.Verify(t.Context(), nil, nil); err != nil {
		t.Error(err)
	}
}

// TestOpenErrors: what cannot be opened.
func TestOpenErrors(t *testing.T) {
	s, _ := servePacked(t)
	for url, want := range map[string]string{
		"ftp://host/x":       `checkpoint: URL "ftp://host/x": want http:// or https:// and a host`,
		"https://":           `checkpoint: URL "https://": want http:// or https:// and a host`,
		"https://host/x?a=1": `checkpoint: URL "https://host/x?a=1": a model is a directory, whose URL has neither ? nor #`,
		"http://[::1":        `checkpoint: URL "http://[::1": this is not one`,
		s.URL + "/none":      "checkpoint: no .safetensors file in http://…/none/: give a directory with config.json and the published weights (checkpoint: http://…/none/manifest.json: the server replies 404 Not Found: check the URL)",
	} {
		_, err := openAt(t, url, Options{}, nil)
		checkpointtest.WantError(t, err, want)
	}
	for _, c := range []struct{ name, body, want string }{
		{"HTML", "<html>", "checkpoint: manifest.json: …: this is not a packed model, or it is damaged"},
		{"Huge", strings.Repeat(" ", packed.MaxManifestBytes+1), "checkpoint: http://…/manifest.json is larger than 8388608 bytes: this is not the published file"},
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

// TestUnpackedRepository opens repositories that nobody has packed: chunks are ranges of their files, hashed at first sight.
func TestUnpackedRepository(t *testing.T) {
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

// TestUnpackedRepositoryChanges: bytes that differ from those first seen, and files that change while they are in use.
func TestUnpackedRepositoryChanges(t *testing.T) {
	dir := checkpointtest.WriteSmall(t)
	s := serve(t, dir)
	cache := t.TempDir()
	c := mustOpenAt(t, s.URL, Options{CacheDir: cache})
	collect(t, c)

	file := filepath.Join(dir, "model-00000-of-00001.safetensors")
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	checkpointtest.Poke(t, openDir(t, dir), dir, "model.layers.0.input_layernorm.weight", 0, []byte{0, 0})
	if err := os.Chtimes(file, time.Time{}, before.ModTime()); err != nil { // a change that nothing but the hash tells
		t.Fatal(err)
	}
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

// TestManifestOfChunksOnServer: a manifest in a directory, its chunks ranges of files on a server.
func TestManifestOfChunksOnServer(t *testing.T) {
	dir := checkpointtest.WriteSmall(t)
	src := openDir(t, dir)
	s := servePublic(t, dir)
	cache := t.TempDir()
	o := Options{CacheDir: cache, transport: s.Client().Transport}
	away := t.TempDir()
	if _, err := packed.PackInPlace(t.Context(), src, away, "https://files.example.com/", nil); err != nil {
		t.Fatal(err)
	}
	want := checkpointtest.Collect(t, src)
	for range 2 {
		c := openAway(t, away, o)
		if !maps.EqualFunc(want, collect(t, c), bytes.Equal) || !c.Verified() {
			t.Error("other bytes, or not verified")
		}
	}
	models, err := ListCache(cache)
	if err != nil || len(models) != 1 || !strings.HasPrefix(models[0].URL, "https://files.example.com/#") || models[0].Damaged != "" {
		t.Fatalf("models %+v, %v", models, err)
	}
	if err := RemoveCached(cache, models[0].URL); err != nil {
		t.Error(err)
	}
	// The same chunks serve when the manifest is opened from a server, and from the one that has them.
	if !maps.EqualFunc(want, collect(t, mustOpenAt(t, serve(t, away).URL, o)), bytes.Equal) {
		t.Error("other bytes from two servers")
	}
	s = serve(t, dir)
	if _, err := packed.PackInPlace(t.Context(), src, dir, s.URL, nil); err != nil {
		t.Fatal(err)
	}
	if c := mustOpenAt(t, s.URL, Options{}); !maps.EqualFunc(want, collect(t, c), bytes.Equal) || !c.Verified() {
		t.Error("other bytes from a manifest with whole URLs, or not verified")
	}
}

// TestUnrelatedManifest: a manifest.json of something else does not hide a repository.
func TestUnrelatedManifest(t *testing.T) {
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

// TestMissingFilesReportedAsForbidden: object stores call files that are missing forbidden, and have repositories all the same.
func TestMissingFilesReportedAsForbidden(t *testing.T) {
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
