package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"gossamer/runtime/goldentest"
	"gossamer/runtime/hub/hubtest"
	"gossamer/runtime/nano"
)

// newHub serves the built-in model as the 20b, and a small one, and points the environment there.
func newHub(t *testing.T) *hubtest.Server {
	t.Helper()
	s := hubtest.New(t)
	fsys, err := nano.FS()
	if err != nil {
		t.Fatal(err)
	}
	s.Add("openai/gpt-oss-20b", fsys)
	s.Add("someone/small", os.DirFS(goldentest.Load(t, "gqa_window8").ModelDir(t)))
	for _, name := range []string{"HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"} {
		t.Setenv(name, "")
	}
	t.Setenv("HF_HOME", t.TempDir())
	t.Setenv("GOSSAMER_MODELS", t.TempDir())
	t.Setenv("HF_ENDPOINT", s.URL)
	return s
}

// TestModelByName: a name is refused with what to do, pulled, listed, used by run, chat and others, and removed.
func TestModelByName(t *testing.T) {
	s := newHub(t)
	host := strings.TrimPrefix(s.URL, "http://")
	for _, args := range [][]string{
		{"generate", "--model", "gpt-oss:20b", "--tokens", "1"}, {"bench", "--model", "gpt-oss-20b"}, {"serve", "--port", "0", "--model", "openai/gpt-oss-20b"},
		{"chat", "--model", "gpt-oss-20b", "hi"}, {"run", "gpt-oss-20b", "hi"}, {"pack", "gpt-oss-20b", filepath.Join(t.TempDir(), "x")},
	} {
		r := gossamerCommand(t, "", args...)
		if r.code != exitFailure || !strings.Contains(r.stderr, "openai/gpt-oss-20b is not on this machine: run gossamer pull openai/gpt-oss-20b") {
			t.Errorf("%v: exit status %d, %s", args, r.code, r.stderr)
		}
	}
	r := gossamerCommand(t, "", "run", "llama", "hi")
	if r.code != exitFailure || !strings.Contains(r.stderr, `there is no model "llama": give gpt-oss-20b, gpt-oss-120b, or OWNER/REPO`) {
		t.Errorf("an unknown name: %+v", r)
	}
	if asked := s.Requests(); len(asked) > 0 {
		t.Errorf("asked %v", asked)
	}

	r = gossamerCommand(t, "", "pull", "gpt-oss-20b")
	for _, want := range []string{"openai/gpt-oss-20b from " + host + ", revision ", "  download  ", "  disk      ", "  memory    ", "is complete, ", "hashes of " + host} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("pull says %q, want %q in it", r.stderr, want)
		}
	}
	if r.code != exitOK || r.stdout != "" {
		t.Fatalf("%+v", r)
	}
	if r := gossamerCommand(t, "", "pull", "--yes", "gpt-oss"); r.code != exitOK || !strings.Contains(r.stderr, "is here already") {
		t.Errorf("again: %+v", r)
	}
	list := mustRun(t, "", "models")
	if !strings.Contains(list, "openai/gpt-oss-20b  ") || !strings.Contains(list, "checked: hashes of "+host+", pulled ") {
		t.Errorf("models:\n%s", list)
	}
	s.Requests()
	if !testing.Short() { // the CPU computes a reply of the full vocabulary in seconds
		for _, args := range [][]string{{"run", "gpt-oss:20b"}, {"chat", "--model", "openai/gpt-oss-20b"}} {
			reply := mustRun(t, "What is 17 + 25?", append(args, "--backend", "cpu", "--temperature", "0", "--ctx", "512")...)
			if !strings.Contains(reply, "42") {
				t.Errorf("%v: %q", args, reply)
			}
		}
	}
	out := mustRun(t, "", "generate", "--model", "gpt-oss-20b", "--backend", "cpu", "--ctx", "64", "--tokens", "200006", "--max-tokens", "2", "--json")
	var generated struct{ Tokens []int32 }
	if err := json.Unmarshal([]byte(out), &generated); err != nil || len(generated.Tokens) == 0 {
		t.Errorf("generate: %s, %v", out, err)
	}
	if asked := s.Requests(); len(asked) > 0 {
		t.Errorf("using it asked %v", asked)
	}
	mustRun(t, "", "models", "rm", "gpt-oss-20b")
	if list := mustRun(t, "", "models", "--json"); list != "[]\n" {
		t.Errorf("models: %s", list)
	}
	if r := gossamerCommand(t, "", "models", "rm", "gpt-oss-20b"); r.code != exitFailure || !strings.Contains(r.stderr, "it is not on this machine") {
		t.Errorf("rm again: %+v", r)
	}
}

// TestRunPullsWithYes: without a terminal nobody is asked, and --yes pulls.
func TestRunPullsWithYes(t *testing.T) {
	if testing.Short() {
		t.Skip("the cpu computes a reply of the full vocabulary in seconds")
	}
	newHub(t)
	reply := mustRun(t, "What is 17 + 25?", "run", "--yes", "gpt-oss-20b", "--backend", "cpu", "--temperature", "0", "--ctx", "512")
	if !strings.Contains(reply, "42") {
		t.Errorf("the reply is %q", reply)
	}
	if list := mustRun(t, "", "models"); !strings.Contains(list, "openai/gpt-oss-20b  ") {
		t.Errorf("models:\n%s", list)
	}
}

// TestPullTellsRetries in a sentence each.
func TestPullTellsRetries(t *testing.T) {
	s := newHub(t)
	cut := true
	s.Set(func(s *hubtest.Server) {
		s.Before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
			if !cdn || !cut {
				return false
			}
			cut = false
			s.ServeCDN(hubtest.Cut(w, 1000), r)
			return true
		}
	})
	r := gossamerCommand(t, "", "pull", "someone/small")
	if r.code != exitOK || !regexp.MustCompile(`(?m)^gossamer: download interrupted, trying again: .*EOF.* \(in \d+ms\)$`).MatchString(r.stderr) {
		t.Errorf("%+v", r)
	}
}

// TestPullRefusesWhatCannotRun before the weights are downloaded, unless it is forced.
func TestPullRefusesWhatCannotRun(t *testing.T) {
	s := newHub(t)
	s.Set(func(s *hubtest.Server) {
		s.Repos["someone/huge"] = &hubtest.Repo{Files: map[string][]byte{
			"config.json": fmt.Appendf(nil, publishedConfig, 36, 2000), "model.safetensors": []byte("weights"),
		}}
	})
	r := process(t, "", noDriver(t), "pull", "someone/huge")
	if r.code == exitFailure && strings.Contains(r.stderr, "cannot run it") {
		t.Skip("this system does not say how much memory is free")
	}
	if r.code != exitFailure || !regexp.MustCompile(`the model takes 9\d\d\.\d\d GB of memory, and .* are free .*--force`).MatchString(r.stderr) {
		t.Errorf("%+v", r)
	}
	r = process(t, "", noDriver(t), "pull", "--force", "someone/huge")
	if r.code != exitFailure || !strings.Contains(r.stderr, "is complete, but gossamer cannot run it: ") {
		t.Errorf("forced: %+v", r)
	}
}

// TestPullOfURLs: a packed model elsewhere is fetched in full, with its hashes, and used by its URL without the network.
func TestPullOfURLs(t *testing.T) {
	newHub(t)
	dir := t.TempDir()
	mustPack(t, goldentest.Load(t, "gqa_window8").ModelDir(t), filepath.Join(dir, "small"))
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	url := server.URL + "/small/"
	r := gossamerCommand(t, "", "pull", url)
	if r.code != exitOK || !strings.Contains(r.stderr, "is complete, ") || !strings.Contains(r.stderr, "checked: hashes of its manifest") {
		t.Fatalf("%+v", r)
	}
	list := mustRun(t, "", "models")
	if !strings.Contains(list, url+"  ") || !strings.Contains(list, "checked: hashes of its manifest, used ") {
		t.Errorf("models:\n%s", list)
	}
	server.Close()
	mustRun(t, "", "generate", "--model", url, "--backend", "cpu", "--tokens", "1", "--max-tokens", "2", "--json")
	mustRun(t, "", "models", "rm", url)
	if list := mustRun(t, "", "models"); !strings.HasPrefix(list, "no models in ") {
		t.Errorf("models:\n%s", list)
	}
}

// TestServersThatSendTooMuch are closed without a word: no line of net/http's own reaches the user.
func TestServersThatSendTooMuch(t *testing.T) {
	s := newHub(t)
	closed := make(chan struct{})
	var asked atomic.Int64
	s.Set(func(s *hubtest.Server) {
		s.Before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
			if asked.Add(1) > 1 {
				<-closed // so that the client has noticed before it ends
				return false
			}
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return true
			}
			body := fmt.Sprintf(`{"sha": %q}`, s.Repos["someone/small"].Commit())
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%sand more", len(body), body)
			go func() {
				io.Copy(io.Discard, conn)
				conn.Close()
				close(closed)
			}()
			return true
		}
	})
	r := process(t, "", nil, "pull", "someone/small")
	if r.code != exitOK || strings.Contains(r.stderr, "nsolicited") {
		t.Errorf("%+v", r)
	}
}

// TestUnreachableHub: a pull fails at once, in a sentence.
func TestUnreachableHub(t *testing.T) {
	newHub(t)
	t.Setenv("HF_ENDPOINT", "https://nobody.invalid")
	r := gossamerCommand(t, "", "pull", "gpt-oss-20b")
	if r.code != exitFailure || !strings.Contains(r.stderr, "nobody.invalid cannot be reached: ") || strings.Contains(r.stderr, "again") {
		t.Errorf("%+v", r)
	}
}
