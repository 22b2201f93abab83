package hub

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/hub/hubtest"
)

const token = "hf_secret"

// TestToken: the token opens a private repository, and only the hub itself is shown it.
func TestToken(t *testing.T) {
	l := newLab(t)
	l.Set(func(s *hubtest.Server) { s.Repos[small].Token = token })
	host := strings.TrimPrefix(l.URL, "http://")
	l.fail(t, small, `hub: openai/gpt-oss-20b: `+host+` has no such repository for the public: check the name, or put a token of an account that may read it into HF_TOKEN \(401 Unauthorized\)`)
	t.Setenv("HF_TOKEN", "hf_wrong")
	l.reopen(t)
	l.fail(t, small, `hub: openai/gpt-oss-20b: either the token in HF_TOKEN is not valid any more, or `+host+` has no such repository: check both .*`)
	for _, set := range []func(){
		func() { t.Setenv("HF_TOKEN", token) },
		func() { // as their tools keep it
			t.Setenv("HF_TOKEN", "")
			if err := os.WriteFile(filepath.Join(os.Getenv("HF_HOME"), "token"), []byte(token+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		set()
		l.reopen(t)
		l.Requests()
		l.pull(t, small)
		for _, r := range l.Requests() {
			if want := map[bool]string{true: "", false: "Bearer " + token}[r.CDN]; r.Authorization != want {
				t.Errorf("%+v: want the authorization %q", r, want)
			}
		}
		if err := l.hub.Remove(t.Context(), small); err != nil {
			t.Fatal(err)
		}
	}
	for name := range checkpointtest.ListFiles(t, l.dir) {
		if data, err := os.ReadFile(filepath.Join(l.dir, name)); err != nil || strings.Contains(string(data), token) {
			t.Errorf("%s has the token, %v", name, err)
		}
	}
	if strings.Contains(l.told.String(), token) {
		t.Error("the token is told")
	}
	t.Setenv("HF_TOKEN", "a b")
	l.pull(t, small)
	l.reopen(t)
	l.find(t, small) // what is here can be used
	l.fail(t, small, "hub: HF_TOKEN holds no token: .*")
	t.Setenv("HF_TOKEN", token)
	t.Setenv("HF_ENDPOINT", "http://mirror.example")
	l.reopen(t)
	l.fail(t, small, "hub: HF_ENDPOINT is http, where anybody on the way can read the token: .*")
}

// TestRefusals: each refusal is a sentence of its own.
func TestRefusals(t *testing.T) {
	l := newLab(t)
	host := strings.TrimPrefix(l.URL, "http://")
	answer := func(code int, header ...string) {
		l.Set(func(s *hubtest.Server) {
			s.Before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
				if !cdn {
					status(code, header...)(w, r)
				}
				return !cdn
			}
		})
	}
	for _, c := range []struct {
		code   int
		header []string
		want   string
	}{
		{404, []string{"X-Error-Code", "RepoNotFound"}, `hub: openai/gpt-oss-20b: ` + host + ` has no such repository: check the name \(404 Not Found\)`},
		{404, []string{"X-Error-Code", "RevisionNotFound"}, `hub: openai/gpt-oss-20b: it has no branch, tag or commit main \(.*`},
		{404, nil, `hub: openai/gpt-oss-20b: .* has no such repository: check the name \(.*`},
		{403, []string{"X-Error-Code", "GatedRepo"}, `hub: openai/gpt-oss-20b: its owner wants to know who downloads it: ask for access on https://` + host + `/openai/gpt-oss-20b, and put a token .*`},
		{429, []string{"Retry-After", "3600"}, `hub: openai/gpt-oss-20b: ` + host + ` has had too many requests and wants to be left alone for 1h0m0s: run this again then; .*`},
		{451, nil, `hub: openai/gpt-oss-20b: ` + host + ` may not give it out, for legal reasons: .* \(451 Unavailable For Legal Reasons\)`},
	} {
		answer(c.code, c.header...)
		l.Requests()
		l.fail(t, small, c.want)
		if n := len(l.Requests()); n > 2 {
			t.Errorf("%d: asked %d times", c.code, n)
		}
	}
	l.Set(func(s *hubtest.Server) {
		s.Before = func(w http.ResponseWriter, r *http.Request, _ bool) bool {
			w.Write([]byte("<html>Log in to the hotel's network"))
			return true
		}
	})
	l.fail(t, small, `hub: .* does not speak Hugging Face's language: check HF_ENDPOINT`)
	l.Set(func(s *hubtest.Server) { s.Before, s.Repos[small].Gated = nil, true })
	l.fail(t, small, `hub: openai/gpt-oss-20b: its owner wants to know .*`)
	l.fail(t, "a/nothing", `hub: a/nothing: `+host+` has no such repository for the public: .*`)
	l.fail(t, small+"@v9", `hub: openai/gpt-oss-20b@v9: it has no branch, tag or commit v9 \(.*`)
	if names := checkpointtest.ListFiles(t, l.dir); len(names) > 0 {
		t.Errorf("wrote %v", names)
	}
}

// TestTooManyRequests: a short Retry-After is waited for, and told.
func TestTooManyRequests(t *testing.T) {
	l := newLab(t)
	first := true
	l.Set(func(s *hubtest.Server) {
		s.Before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
			if !first {
				return false
			}
			first = false
			status(http.StatusTooManyRequests, "Retry-After", "1")(w, r)
			return true
		}
	})
	l.pull(t, small)
	if !strings.Contains(l.told.String(), "429 Too Many Requests") || !strings.Contains(l.told.String(), "wait=1s") {
		t.Errorf("told: %s", l.told)
	}
}

// TestUnreachable: where nobody listens, and where there is no host, a pull fails at the first attempt.
func TestUnreachable(t *testing.T) {
	l := newLab(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	for endpoint, want := range map[string]string{
		"http://" + address:            `hub: ` + address + ` cannot be reached: http://.*connection refused: check the connection, or name a mirror in HF_ENDPOINT`,
		"https://nobody.invalid":       `hub: nobody.invalid cannot be reached: .*: check the connection, or name a mirror in HF_ENDPOINT`,
		"https://nobody.invalid/a/b/c": `hub: nobody.invalid cannot be reached: .*`,
	} {
		t.Setenv("HF_ENDPOINT", endpoint)
		l.reopen(t)
		l.fail(t, small, want)
	}
	if l.told.String() != "" {
		t.Errorf("told of retries: %s", l.told)
	}
	l.fail(t, "http://"+address+"/model.gguf", `hub: `+address+` cannot be reached: .*: check the connection`)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	t.Setenv("HF_ENDPOINT", secure.URL)
	l.reopen(t)
	l.fail(t, small, `hub: 127.0.0.1:\d+ cannot be trusted: .*: check the machine's clock and certificates, and HF_ENDPOINT`)
	t.Setenv("HF_HUB_OFFLINE", "1")
	l.reopen(t)
	l.fail(t, small, `hub: HF_HUB_OFFLINE forbids to ask .*: unset it to download models`)
	for _, endpoint := range []string{"mirror.example", "ftp://mirror.example", "https://user:pass@mirror.example", "https://"} {
		t.Setenv("HF_ENDPOINT", endpoint)
		l.reopen(t)
		l.fail(t, small, `hub: HF_ENDPOINT is "(ftp://|…@)?(mirror.example|https://)": want the URL of Hugging Face or of a mirror, such as https://huggingface.co, without a password`)
	}
}

// TestNoHostOfModels: what answers otherwise than a web server is named at the first attempt, both before a pull and within one.
func TestNoHostOfModels(t *testing.T) {
	l := newLab(t)
	host := strings.TrimPrefix(l.URL, "http://")
	raw := func(answer string) func(w http.ResponseWriter, r *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			io.WriteString(conn, answer)
		}
	}
	circle := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.Host+r.URL.Path, http.StatusFound)
	}
	for _, c := range []struct {
		answer func(w http.ResponseWriter, r *http.Request)
		want   string
	}{
		{circle, ` redirects in circles \(10 times\): check HF_ENDPOINT`},
		{raw("HTTP/1.1 200 OK\r\nno header\r\n\r\n"), ` does not answer by HTTP \(malformed MIME header.*\): check HF_ENDPOINT`},
		{raw("220 mail.example ESMTP\r\n"), ` does not answer by HTTP \(malformed HTTP .*\): check HF_ENDPOINT`},
		{raw("HTTP/1.1 200 OK\r\nContent-Length: all\r\n\r\n"), ` does not answer by HTTP \(bad Content-Length "all"\): check HF_ENDPOINT`},
	} {
		l.Set(func(s *hubtest.Server) {
			s.Before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
				c.answer(w, r)
				return true
			}
		})
		l.fail(t, small, `hub: `+host+c.want)
		l.onCDN(largest, slices.Repeat([]func(w http.ResponseWriter, r *http.Request){c.answer}, 12)...) // as many as a circle has
		l.fail(t, small, `hub: `+strings.TrimPrefix(l.CDN, "http://")+c.want)
	}
	secure := strings.Replace(l.URL, "http://", "https://", 1)
	t.Setenv("HF_ENDPOINT", secure)
	l.reopen(t)
	l.fail(t, small, `hub: `+host+` does not answer by TLS, as https has it \(http: server gave HTTP response to HTTPS client\): check HF_ENDPOINT`)
	l.fail(t, secure+"/model.gguf", `hub: `+host+` does not answer by TLS, .*: check the URL`)
	for _, answer := range []string{"", "<html>What?"} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		go func() {
			for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
				conn.Read(make([]byte, 1<<16))
				io.WriteString(conn, answer)
				conn.Close()
			}
		}()
		t.Setenv("HF_ENDPOINT", "https://"+listener.Addr().String())
		l.reopen(t)
		l.fail(t, small, `hub: 127.0.0.1:\d+ (does not answer by TLS, .*|cannot be reached: .*hangs up where TLS should begin, .*): check .*HF_ENDPOINT`)
	}
	if l.told.String() != "" {
		t.Errorf("told of retries: %s", l.told)
	}
}

// TestMirrorMayNotKnowCommits: files of the branch are taken then.
func TestMirrorMayNotKnowCommits(t *testing.T) {
	l := newLab(t)
	l.Set(func(s *hubtest.Server) {
		s.Before = func(w http.ResponseWriter, r *http.Request, _ bool) bool {
			unknown := strings.Contains(r.URL.Path, "/revision/")
			if unknown {
				http.NotFound(w, r)
			}
			return unknown
		}
	})
	l.pull(t, small)
	m := l.find(t, small)
	l.holds(t, m, l.Repos[small])
	if m.Revision != "" {
		t.Errorf("the revision is %q", m.Revision)
	}
}

// TestURL: a GGUF file elsewhere is downloaded, goes on where it was interrupted unless it has changed, and its hash is kept, which
// nobody publishes.
func TestURL(t *testing.T) {
	l := newLab(t)
	dir := t.TempDir()
	writeGGUF(t, filepath.Join(dir, "model.gguf"))
	files := http.FileServer(http.Dir(dir))
	cuts := 1
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "bytes=0-511" && cuts > 0 {
			cuts--
			w = hubtest.Cut(w, 100_000)
		}
		files.ServeHTTP(w, r)
	}))
	defer s.Close()
	name := s.URL + "/model.gguf"
	l.pull(t, name)
	m := l.find(t, name)
	if m.Name != name || m.Checked != "no published hash, pinned at first sight" || filepath.Base(m.Path) != "model.gguf" {
		t.Errorf("found %+v", m)
	}
	want, err := os.ReadFile(filepath.Join(dir, "model.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(m.Path); err != nil || string(got) != string(want) {
		t.Errorf("other bytes: %v", err)
	}
	if p := l.plan(t, name); !p.Complete() {
		t.Error("it is not known as complete")
	}
	l.missing(t, s.URL+"/other.gguf", `http://.*/other.gguf is not on this machine: .*`)
	l.fail(t, s.URL+"/none.gguf", `http://.*/none.gguf: the server replies 404 Not Found: check the URL`)
	if err := l.hub.Remove(t.Context(), name); err != nil {
		t.Error(err)
	}
}
