package hub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/hub/hubtest"
)

// largest is the weights' file that the tests of interruptions look at.
const largest = "model-00001-of-00002.safetensors"

// interrupt pulls the small model until n bytes have come, and ends the pull then as Ctrl-C does.
func (l *lab) interrupt(t *testing.T, n int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := l.plan(t, small)
	var here atomic.Int64
	here.Store(-1)
	err := p.Pull(ctx, func(w checkpoint.Progress) {
		if w.Phase != checkpoint.PhaseDownload {
			return
		}
		if here.CompareAndSwap(-1, w.BytesDone); w.BytesDone-here.Load() >= n {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want that the pull was ended", err)
	}
}

// TestResume: what was downloaded before an interruption is not downloaded again, also by another process.
func TestResume(t *testing.T) {
	l := newLab(t)
	total := l.plan(t, small).Bytes
	l.Requests()
	l.Set(func(s *hubtest.Server) { s.Before = l.slowly })
	for range 3 {
		l.interrupt(t, total/5)
		l.missing(t, small, "openai/gpt-oss-20b is not complete: run gossamer pull openai/gpt-oss-20b")
		models, err := l.hub.List()
		if err != nil || len(models) != 1 || models[0].Complete || models[0].Bytes <= 0 || models[0].TotalBytes != total || models[0].Name != small {
			t.Errorf("listed as %+v, %v", models, err)
		}
		l.reopen(t)
	}
	l.move(t)
	p := l.plan(t, small)
	if p.Left > total-3*(total/5) || p.Left <= 0 {
		t.Errorf("%d of %d bytes are left after three fifths", p.Left, total)
	}
	l.Requests()
	left := p.Left
	var phases []string
	err := p.Pull(t.Context(), func(w checkpoint.Progress) {
		if len(phases) == 0 || phases[len(phases)-1] != w.Phase {
			phases = append(phases, w.Phase)
		}
		if w.Phase == checkpoint.PhaseDownload && w.BytesHere != total-left {
			t.Errorf("the progress says that %d bytes were here, of %d", w.BytesHere, total-left)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := fmt.Sprint(phases); d != "[verify download]" {
		t.Errorf("phases %s", d)
	}
	sent := int64(0)
	for _, r := range l.Requests() {
		sent += r.Sent
	}
	if sent != left {
		t.Errorf("%d bytes were sent, %d were missing", sent, left)
	}
	l.holds(t, l.find(t, small), l.Repos[small])
}

// slowly sends large files in pieces, so that a pull can be interrupted within one.
func (l *lab) slowly(w http.ResponseWriter, r *http.Request, cdn bool) bool {
	if cdn {
		l.ServeCDN(flusher{w}, r)
	}
	return cdn
}

type flusher struct{ http.ResponseWriter }

func (f flusher) Write(p []byte) (int, error) {
	for n := 0; n < len(p); {
		m, err := f.ResponseWriter.Write(p[n:min(len(p), n+1000)])
		http.NewResponseController(f.ResponseWriter).Flush()
		if n += m; err != nil {
			return n, err
		}
	}
	return len(p), nil
}

// onCDN answers requests for one large file in the lab's order: the first function answers the first request, and so on; then it is
// served as usual.
func (l *lab) onCDN(name string, answers ...func(w http.ResponseWriter, r *http.Request)) {
	sum := fmt.Sprintf("%x", sha256.Sum256(l.Repos[small].Files[name]))
	var n atomic.Int64
	l.Set(func(s *hubtest.Server) {
		s.Before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
			if !cdn || !strings.HasSuffix(r.URL.Path, sum) {
				return false
			}
			i := int(n.Add(1)) - 1
			if i < len(answers) {
				answers[i](w, r)
			}
			return i < len(answers)
		}
	})
}

func (l *lab) cut(n int64) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) { l.ServeCDN(hubtest.Cut(w, n), r) }
}

func status(code int, header ...string) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

// TestBrokenConnections: cut connections and passing failures of the host are got over, told, and cost no byte twice.
func TestBrokenConnections(t *testing.T) {
	l := newLab(t)
	size := int64(len(l.Repos[small].Files[largest]))
	l.onCDN(largest, l.cut(size/3), status(http.StatusServiceUnavailable), l.cut(size/3), status(http.StatusTooManyRequests, "Retry-After", "1"))
	l.pull(t, small)
	l.holds(t, l.find(t, small), l.Repos[small])
	sent, asked := int64(0), 0
	for _, r := range l.Requests() {
		if r.CDN && strings.HasSuffix(r.Path, fmt.Sprintf("%x", sha256.Sum256(l.Repos[small].Files[largest]))) {
			sent += r.Sent
			asked++
		}
	}
	if sent != size || asked != 5 {
		t.Errorf("%d bytes of %d were sent to %d requests", sent, size, asked)
	}
	if n := strings.Count(l.told.String(), "trying again"); n != 4 {
		t.Errorf("told of %d retries: %s", n, l.told)
	}
}

// TestWrongBytes: bytes that are not the published ones are fetched once more, then refused and removed; the other files stay.
func TestWrongBytes(t *testing.T) {
	l := newLab(t)
	wrong := func(w http.ResponseWriter, r *http.Request) {
		data := bytes.Clone(l.Repos[small].Files[largest])
		data[len(data)/2] ^= 1
		w.Write(data)
	}
	l.onCDN(largest, wrong, wrong)
	l.fail(t, small, `hub: openai/gpt-oss-20b: `+largest+` has other bytes than 127.0.0.1:\d+ published, twice, and was removed \(hash [0-9a-f]{64}, want [0-9a-f]{64}\): run this again later, or tell its owner`)
	if names := checkpointtest.ListFiles(t, filepath.Join(l.dir, "hub", "openai--gpt-oss-20b")); names[largest] != 0 || names[largest+checkpoint.PartExt] != 0 {
		t.Errorf("left %v", names)
	}
	l.missing(t, small, ".* is not complete: .*")
	l.onCDN(largest, wrong)
	l.pull(t, small)
	l.holds(t, l.find(t, small), l.Repos[small])
	if !strings.Contains(l.told.String(), "other bytes than published") {
		t.Errorf("told: %s", l.told)
	}
	l.Set(func(s *hubtest.Server) { // a small file, which has git's hash
		s.Before = func(w http.ResponseWriter, r *http.Request, _ bool) bool {
			wrong := strings.HasSuffix(r.URL.Path, "/generation_config.json")
			if wrong {
				w.Write(bytes.Repeat([]byte(" "), len(s.Repos[small].Files["generation_config.json"])))
			}
			return wrong
		}
	})
	if err := l.hub.Remove(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	l.fail(t, small, `hub: openai/gpt-oss-20b: generation_config.json has other bytes .*\(hash [0-9a-f]{40}, want [0-9a-f]{40}\).*`)
}

// TestNothingCame: of a pull that is refused before a byte of it is good, nothing is left to list or to go on with.
func TestNothingCame(t *testing.T) {
	l := newLab(t)
	files := t.TempDir()
	writeGGUF(t, filepath.Join(files, "a.gguf"))
	repo := l.Add("a/gguf", os.DirFS(files))
	delete(repo.Files, "original/config.json")
	size := len(repo.Files["a.gguf"])
	for want, answer := range map[string]func(w http.ResponseWriter){
		`hub: a/gguf: a.gguf has other bytes than .* published, twice, and was removed .*`: func(w http.ResponseWriter) { w.Write(make([]byte, size)) },
		`hub: a/gguf: a.gguf has 5 bytes on .* now, and not \d+ .*`:                        func(w http.ResponseWriter) { w.Write(make([]byte, 5)) },
	} {
		l.Set(func(s *hubtest.Server) {
			s.Before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
				lies := cdn && r.Header.Get("Range") != "bytes=0-511"
				if lies {
					answer(w)
				}
				return lies
			}
		})
		l.fail(t, "a/gguf", want)
		if models, err := l.hub.List(); err != nil || len(models) > 0 {
			t.Errorf("listed %+v, %v", models, err)
		}
	}
}

// TestChangedBetweenPulls: when the repository has changed since a pull was interrupted, nothing of the old file is in the new one; what
// has not changed is not downloaded again.
func TestChangedBetweenPulls(t *testing.T) {
	for _, versions := range []bool{true, false} {
		t.Run(fmt.Sprintf("ETags=%v", versions), func(t *testing.T) {
			l := newLab(t)
			l.Set(func(s *hubtest.Server) { s.NoVersions, s.Before = !versions, l.slowly })
			l.interrupt(t, l.plan(t, small).Bytes/2)
			l.Set(func(s *hubtest.Server) {
				data := bytes.Clone(s.Repos[small].Files[largest])
				data[len(data)-1] ^= 1
				s.Repos[small].Files[largest] = data
			})
			l.pull(t, small)
			l.holds(t, l.find(t, small), l.Repos[small])
		})
	}
}

// TestChangedDuringPull: a file that changes while it is downloaded is begun again, because the request says which bytes it goes on with,
// and its hash is wrong then.
func TestChangedDuringPull(t *testing.T) {
	l := newLab(t)
	data := l.Repos[small].Files[largest]
	other := bytes.Repeat([]byte("x"), len(data))
	l.onCDN(largest, l.cut(int64(len(data)/2)), func(w http.ResponseWriter, r *http.Request) {
		if got, want := r.Header.Get("If-Range"), fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(data))[:32]); got != want {
			t.Errorf("If-Range %s, want %s", got, want)
		}
		w.Header().Set("ETag", `"other"`)
		w.Write(other)
	})
	l.pull(t, small) // the third request is answered properly
	l.holds(t, l.find(t, small), l.Repos[small])
}

// TestUpdate: a model that has changed on the hub is pulled again by its name, as far as it has changed, and can be used meanwhile.
func TestUpdate(t *testing.T) {
	l := newLab(t)
	l.pull(t, small)
	l.Set(func(s *hubtest.Server) {
		data := bytes.Clone(s.Repos[small].Files[largest])
		data[len(data)-1] ^= 1
		s.Repos[small].Files[largest] = data
	})
	p := l.plan(t, small)
	size := int64(len(l.Repos[small].Files[largest]))
	if p.Left != size || p.Replaces.IsZero() || p.Complete() {
		t.Errorf("%d of %d bytes to do, replaces %v", p.Left, size, p.Replaces)
	}
	old := l.find(t, small)
	l.onCDN(largest, status(http.StatusNotFound))
	l.fail(t, small, `hub: openai/gpt-oss-20b: the host that .* sends on to does not give the file: run this again \(404 Not Found\)`)
	if again := l.find(t, small); again.Revision != old.Revision {
		t.Errorf("after an update that failed the model is %+v", again)
	}
	l.pull(t, small)
	l.holds(t, l.find(t, small), l.Repos[small])
	if m := l.find(t, small); m.Revision == old.Revision {
		t.Errorf("after an update the model is %+v", m)
	}
}

// TestOtherHashesOfACommit: a hub that says other hashes of the same commit than before is not believed.
func TestOtherHashesOfACommit(t *testing.T) {
	l := newLab(t)
	commit := l.Repos[small].Commit()
	l.pull(t, small)
	l.Set(func(s *hubtest.Server) {
		s.Repos[small].Files[largest] = []byte("something else")
		s.Before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
			if strings.Contains(r.URL.Path, "/revision/") {
				fmt.Fprintf(w, `{"sha": %q}`, commit)
				return true
			}
			r.URL.Path = strings.ReplaceAll(r.URL.Path, commit, "main")
			return false
		}
	})
	l.fail(t, small, `hub: openai/gpt-oss-20b: .* publishes another hash of `+largest+` than when it was downloaded on .*`)
}

// TestNoRanges: a server that does not know ranges sends all again.
func TestNoRanges(t *testing.T) {
	l := newLab(t)
	l.Set(func(s *hubtest.Server) { s.NoRanges, s.Before = true, l.slowly })
	l.interrupt(t, l.plan(t, small).Bytes/2)
	l.pull(t, small)
	l.holds(t, l.find(t, small), l.Repos[small])
}

// TestInterruptedAtTheEnd: a pull that ends while files get their names is completed by the next one, without the network's bytes.
func TestInterruptedAtTheEnd(t *testing.T) {
	l := newLab(t)
	l.pull(t, small)
	dir := filepath.Join(l.dir, "hub", "openai--gpt-oss-20b")
	err := errors.Join(os.Rename(filepath.Join(dir, recordName), filepath.Join(dir, pendingName)),
		os.Rename(filepath.Join(dir, largest), filepath.Join(dir, largest+checkpoint.PartExt)))
	if err != nil {
		t.Fatal(err)
	}
	l.missing(t, small, ".* is not complete: .*")
	p := l.plan(t, small)
	l.Requests()
	if err := p.Pull(t.Context(), nil); err != nil || p.Left != 0 {
		t.Fatal(p.Left, err)
	}
	if asked := l.Requests(); len(asked) > 0 {
		t.Errorf("asked %v", asked)
	}
	l.holds(t, l.find(t, small), l.Repos[small])
}

// TestDamagedModel: a model that lost a file or a part of one is not used, listed with the reason, and mended by a pull.
func TestDamagedModel(t *testing.T) {
	l := newLab(t)
	dir := filepath.Join(l.dir, "hub", "openai--gpt-oss-20b")
	for what, damage := range map[string]func() error{
		largest + ` is missing`:             func() error { return os.Remove(filepath.Join(dir, largest)) },
		largest + ` has 5 bytes instead of`: func() error { return os.Truncate(filepath.Join(dir, largest), 5) },
		`hub: unexpected end of JSON input`: func() error { return os.WriteFile(filepath.Join(dir, recordName), nil, 0o644) },
		`hub: the record names the file "..`: func() error {
			return os.WriteFile(filepath.Join(dir, recordName), []byte(`{"name":"a/b","files":[{"path":"../x"}]}`), 0o644)
		},
	} {
		l.pull(t, small)
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		models, err := l.hub.List()
		if err != nil || len(models) != 1 || models[0].Complete || !strings.HasPrefix(models[0].Damaged, what) {
			t.Errorf("%s: listed as %+v, %v", what, models, err)
		}
		n, _ := ParseName(small)
		if _, err := l.hub.Find(n); err == nil {
			t.Errorf("%s: it is found", what)
		}
		l.pull(t, small)
		l.holds(t, l.find(t, small), l.Repos[small])
	}
}

// TestTwoPulls: of two programs that pull the same model at the same time one waits for the other, and nothing is downloaded twice.
func TestTwoPulls(t *testing.T) {
	l := newLab(t)
	first, second := l.plan(t, small), l.plan(t, small)
	l.Requests()
	l.Set(func(s *hubtest.Server) { s.Before = l.slowly })
	done := make(chan error, 2)
	for _, p := range []*Plan{first, second} {
		go func() { done <- p.Pull(t.Context(), nil) }()
	}
	if err := errors.Join(<-done, <-done); err != nil {
		t.Fatal(err)
	}
	sent := int64(0)
	for _, r := range l.Requests() {
		sent += r.Sent
	}
	if sent != first.Bytes {
		t.Errorf("%d bytes were sent, the model has %d", sent, first.Bytes)
	}
	l.holds(t, l.find(t, small), l.Repos[small])
}

// TestRemoveWhileItIsPulled: it is refused.
func TestRemoveWhileItIsPulled(t *testing.T) {
	l := newLab(t)
	p := l.plan(t, small)
	unlock, err := l.hub.lock(t.Context(), p.Dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.record().write(mustDir(t, p.Dir), pendingName); err != nil {
		t.Fatal(err)
	}
	wantMatch(t, l.hub.Remove(t.Context(), small), "hub: another program is downloading this model: wait for it, or end it")
	unlock()
	if err := l.hub.Remove(t.Context(), small); err != nil {
		t.Error(err)
	}
}

func mustDir(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}
