package hub

import (
	"bytes"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/detect"
	"gossamer/runtime/checkpoint/gguf"
	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/hub/hubtest"
)

// lab is a hub, a user's machine, and what the user is told.
type lab struct {
	*hubtest.Server
	hub  *Hub
	dir  string // that keeps models
	told *told
}

type told struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *told) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *told) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

const small = "openai/gpt-oss-20b" // the name of the small model there

// newLab serves a small model in three safetensors files.
func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{Server: hubtest.New(t), dir: t.TempDir(), told: &told{}}
	l.Add(small, os.DirFS(smallModel(t)))
	for _, name := range []string{"HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"} {
		t.Setenv(name, "")
	}
	t.Setenv("HF_HOME", t.TempDir())
	t.Setenv("HF_ENDPOINT", l.URL+"/")
	l.reopen(t)
	return l
}

// reopen reads the environment again.
func (l *lab) reopen(t *testing.T) {
	t.Helper()
	h, err := Open(l.dir, slog.New(slog.NewTextHandler(l.told, nil)))
	if err != nil {
		t.Fatal(err)
	}
	l.hub = h
}

// move makes a mirror of the hub the one that is asked, which requests of a pull that was ended cannot reach late.
func (l *lab) move(t *testing.T) {
	t.Helper()
	repos := l.Repos
	l.Server = hubtest.New(t)
	l.Set(func(s *hubtest.Server) { s.Repos = repos })
	t.Setenv("HF_ENDPOINT", l.URL)
	l.reopen(t)
}

// smallModel writes a checkpoint in several files.
func smallModel(t *testing.T) string {
	t.Helper()
	c, err := checkpointtest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	c.Hidden, c.Intermediate, c.Heads, c.KVHeads, c.HeadDim, c.Experts, c.TopK, c.Vocab, c.Window = 64, 256, 4, 2, 16, 8, 2, 2000, 128
	c.EOS, c.Pad = []int32{79}, 78
	checkpointtest.SetLayers(c, 2)
	dir := filepath.Join(t.TempDir(), "model")
	if err := checkpointtest.Write(dir, c, 1, checkpointtest.Options{Shards: 3}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func openModel(t *testing.T) *checkpoint.Checkpoint {
	t.Helper()
	c, err := detect.Open(t.Context(), smallModel(t), detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func writeGGUF(t *testing.T, path string) {
	t.Helper()
	if err := gguf.Write(t.Context(), openModel(t), path, gguf.Options{Name: "small"}, nil); err != nil {
		t.Fatal(err)
	}
}

func (l *lab) plan(t *testing.T, name string) *Plan {
	t.Helper()
	n, err := ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	p, err := l.hub.Plan(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (l *lab) pull(t *testing.T, name string) {
	t.Helper()
	if err := l.plan(t, name).Pull(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// fail pulls and wants an error.
func (l *lab) fail(t *testing.T, name, want string) {
	t.Helper()
	n, err := ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	p, err := l.hub.Plan(t.Context(), n)
	if err == nil {
		err = p.Pull(t.Context(), nil)
	}
	wantMatch(t, err, want)
}

// wantMatch wants an error of which a pattern matches all.
func wantMatch(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !regexp.MustCompile("^(?:"+want+")$").MatchString(err.Error()) {
		t.Errorf("error %q, want one that matches %s", err, want)
	}
}

// find looks a model up, and wants it.
func (l *lab) find(t *testing.T, name string) Model {
	t.Helper()
	n, err := ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	m, err := l.hub.Find(n)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// missing wants that a name is not found, for being not there.
func (l *lab) missing(t *testing.T, name, want string) {
	t.Helper()
	n, err := ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.hub.Find(n)
	wantMatch(t, err, want)
}

// holds wants that a model has the bytes that the hub has, and none that are not needed.
func (l *lab) holds(t *testing.T, m Model, repo *hubtest.Repo) {
	t.Helper()
	var names []string
	for name := range checkpointtest.ListFiles(t, m.Path) {
		if name == recordName {
			continue
		}
		names = append(names, name)
		data, err := os.ReadFile(filepath.Join(m.Path, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(data, repo.Files[name]) {
			t.Errorf("%s: other bytes than on the server", name)
		}
	}
	slices.Sort(names)
	want := []string{"config.json", "generation_config.json", "model-00000-of-00002.safetensors", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", indexName}
	if d := cmp.Diff(want, names); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	c, err := detect.Open(t.Context(), m.Path, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkpointtest.Load(t, c)
}

// TestLifeOfAModel: a name is resolved, pulled, checked, listed, found by each of its names, and removed.
func TestLifeOfAModel(t *testing.T) {
	l := newLab(t)
	repo := l.Repos[small]
	l.missing(t, "gpt-oss:20b", "openai/gpt-oss-20b is not on this machine: run gossamer pull openai/gpt-oss-20b")
	if asked := l.Requests(); len(asked) > 0 {
		t.Errorf("looking for a model asked %v", asked)
	}
	p := l.plan(t, "gpt-oss-20b")
	if p.Complete() || p.Left != p.Bytes || p.Bytes < 100_000 || p.Revision != repo.Commit() || p.Config == nil || p.Config.Layers != 2 {
		t.Errorf("the plan is %+v", p)
	}
	if names := checkpointtest.ListFiles(t, l.dir); len(names) > 0 {
		t.Errorf("a plan wrote %v", names)
	}
	l.Requests()
	var last checkpoint.Progress
	if err := p.Pull(t.Context(), func(w checkpoint.Progress) { last = w }); err != nil {
		t.Fatal(err)
	}
	if last.BytesDone != p.Bytes || last.BytesTotal != p.Bytes || last.BytesHere != 0 || last.Phase != checkpoint.PhaseDownload {
		t.Errorf("at its end the progress is %+v of %d bytes", last, p.Bytes)
	}
	sent := int64(0)
	for _, r := range l.Requests() {
		sent += r.Sent
		if strings.Contains(r.Path, "README") || strings.Contains(r.Path, "original") || strings.Contains(r.Path, "tokenizer") || strings.Contains(r.Path, "metal") {
			t.Errorf("asked for %s, which is not needed", r.Path)
		}
	}
	if sent != p.Bytes {
		t.Errorf("the server sent %d bytes for %d", sent, p.Bytes)
	}
	if l.told.String() != "" {
		t.Errorf("told: %s", l.told)
	}
	for _, name := range []string{"gpt-oss-20b", "GPT-OSS", "openai/gpt-oss-20b", "gpt-oss:20b", "hf.co/openai/gpt-oss-20b", "https://huggingface.co/openai/gpt-oss-20b/tree/main"} {
		l.holds(t, l.find(t, name), repo)
	}
	l.missing(t, "gpt-oss-120b", "openai/gpt-oss-120b is not .*")
	models, err := l.hub.List()
	if err != nil || len(models) != 1 {
		t.Fatal(models, err)
	}
	m := models[0]
	host := strings.TrimPrefix(l.URL, "http://")
	if m.Name != small || !m.Complete || m.Bytes != p.Bytes || m.TotalBytes != p.Bytes || m.Checked != "hashes of "+host || m.Revision != repo.Commit() || m.Pulled.IsZero() || m.Foreign {
		t.Errorf("listed as %+v", m)
	}
	if asked := l.Requests(); len(asked) > 0 {
		t.Errorf("finding and listing asked %v", asked)
	}
	if p := l.plan(t, small); !p.Complete() || p.Left != 0 {
		t.Errorf("pulled, the plan is %+v", p)
	}
	if err := l.hub.Remove(t.Context(), "gpt-oss"); err != nil {
		t.Fatal(err)
	}
	wantMatch(t, l.hub.Remove(t.Context(), "gpt-oss"), `hub: "gpt-oss": it is not on this machine`)
	l.missing(t, small, ".*is not on this machine.*")
	if models, err := l.hub.List(); err != nil || len(models) > 0 {
		t.Error(models, err)
	}
}

// TestPages: a list of several pages is read to its end, and a page of another host is not asked for.
func TestPages(t *testing.T) {
	l := newLab(t)
	l.Set(func(s *hubtest.Server) { s.PageSize = 4 })
	l.pull(t, small)
	l.holds(t, l.find(t, small), l.Repos[small])
	l.Set(func(s *hubtest.Server) {
		s.Before = func(w http.ResponseWriter, r *http.Request, _ bool) bool {
			if strings.Contains(r.URL.Path, "/tree/") {
				w.Header().Set("Link", `<https://example.com/next>; rel="next"`)
				w.Write([]byte(`[{"type":"file","oid":"` + strings.Repeat("0", 40) + `","size":1,"path":"a"}]`))
				return true
			}
			return false
		}
	})
	l.fail(t, small, `hub: openai/gpt-oss-20b: the list of files goes on elsewhere: "https://example.com/next"`)
}

// TestForms: a repository with a packed model, and GGUF files by their names.
func TestForms(t *testing.T) {
	l := newLab(t)
	dir := t.TempDir()
	if _, err := packed.Pack(t.Context(), openModel(t), dir, nil); err != nil {
		t.Fatal(err)
	}
	l.Add("someone/packed", os.DirFS(dir))
	l.pull(t, "someone/packed")
	c, err := detect.Open(t.Context(), l.find(t, "someone/packed").Path, detect.Options{})
	if err != nil || !c.Verified() {
		t.Fatal(err)
	}
	checkpointtest.Load(t, c)

	files := t.TempDir()
	writeGGUF(t, filepath.Join(files, "gpt-oss-20b-mxfp4.gguf"))
	writeGGUF(t, filepath.Join(files, "gpt-oss-20b-F16.gguf"))
	writeGGUF(t, filepath.Join(files, "gpt-oss-20b-Q4_K_M.gguf"))
	repo := l.Add("Someone/GGUF", os.DirFS(files))
	delete(repo.Files, "tokenizer.json")
	delete(repo.Files, "original/config.json")
	l.fail(t, "Someone/GGUF:Q8_0", `hub: Someone/GGUF has no GGUF model Q8_0: it has gpt-oss-20b-F16.gguf, gpt-oss-20b-Q4_K_M.gguf, gpt-oss-20b-mxfp4.gguf`)
	l.fail(t, "Someone/GGUF:Q4_K_M", `hub: gpt-oss-20b-Q4_K_M.gguf is quantised as Q4_K_M, which gossamer does not read: .*`)
	l.pull(t, "Someone/GGUF") // the published precision
	l.pull(t, "hf.co/Someone/GGUF:f16")
	for name, file := range map[string]string{
		"someone/gguf:mxfp4": "gpt-oss-20b-mxfp4.gguf", "Someone/GGUF:gpt-oss-20b-F16.gguf": "gpt-oss-20b-F16.gguf",
		"https://huggingface.co/Someone/GGUF/blob/main/gpt-oss-20b-F16.gguf": "gpt-oss-20b-F16.gguf",
	} {
		if m := l.find(t, name); filepath.Base(m.Path) != file {
			t.Errorf("%s is %s", name, m.Path)
		}
	}
	l.missing(t, "Someone/GGUF", "hub: Someone/GGUF may be any of Someone/GGUF:gpt-oss-20b-F16, Someone/GGUF:gpt-oss-20b-mxfp4: name one of them")
	if _, err := detect.Open(t.Context(), l.find(t, "someone/gguf:mxfp4").Path, detect.Options{}); err != nil {
		t.Error(err)
	}
}

// TestOtherModels: what gossamer does not run is refused before its weights are downloaded.
func TestOtherModels(t *testing.T) {
	l := newLab(t)
	other := l.Add("meta/llama", os.DirFS(smallModel(t)))
	other.Files["config.json"] = []byte(`{"model_type": "llama"}`)
	l.fail(t, "meta/llama", `hub: meta/llama is no model that gossamer runs: .*llama.*`)
	files := t.TempDir()
	writeGGUF(t, filepath.Join(files, "a.gguf"))
	repo := l.Add("meta/gguf", os.DirFS(files))
	delete(repo.Files, "original/config.json")
	repo.Files["a.gguf"] = bytes.Replace(repo.Files["a.gguf"], []byte("gpt-oss"), []byte("llama-4"), 1)
	l.fail(t, "meta/gguf", `hub: meta/gguf is no model that gossamer runs: its architecture is "llama-4", not gpt-oss`)
	repo.Files["a.gguf"] = bytes.Repeat([]byte("MZ\x90\x00"), 5000)
	l.fail(t, "meta/gguf", `hub: meta/gguf: a.gguf is no GGUF file, whatever its name says: its first bytes are "MZ\\x90\\x00", not GGUF`)
	repo.Files["a.gguf"] = []byte("GG")
	l.fail(t, "meta/gguf", `hub: meta/gguf: a.gguf is no GGUF file, .* "GG", not GGUF`)
	l.Set(func(s *hubtest.Server) {
		s.Repos["a/empty"] = &hubtest.Repo{Files: map[string][]byte{"README.md": nil}}
	})
	l.fail(t, "a/empty", `hub: a/empty has no weights that gossamer reads: .*`)
	for _, r := range l.Requests() {
		if r.Sent > 5000 {
			t.Errorf("%s sent %d bytes", r.Path, r.Sent)
		}
	}
	if names := checkpointtest.ListFiles(t, l.dir); len(names) > 0 {
		t.Errorf("wrote %v", names)
	}
}
