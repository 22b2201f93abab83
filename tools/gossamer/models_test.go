package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gossamer/runtime/checkpoint/detect"
	"gossamer/runtime/goldentest"
)

// TestModels: a damaged entry is listed beside the others and removed by the name that it is listed by.
func TestModels(t *testing.T) {
	t.Setenv("HF_HOME", t.TempDir())
	dir, cache := t.TempDir(), t.TempDir()
	mustPack(t, goldentest.Load(t, "gqa_window8").ModelDir(t), filepath.Join(dir, "a"))
	mustPack(t, goldentest.Load(t, "gqa_window8").ModelDir(t), filepath.Join(dir, "b"))
	s := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer s.Close()
	for _, name := range []string{"/a", "/b"} {
		if _, err := detect.Open(t.Context(), s.URL+name, detect.Options{CacheDir: cache}); err != nil {
			t.Fatal(err)
		}
	}
	origins, err := filepath.Glob(filepath.Join(cache, "a-*", "origin.json"))
	if err != nil || len(origins) != 1 {
		t.Fatal(origins, err)
	}
	if err := os.WriteFile(origins[0], nil, 0o644); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Base(filepath.Dir(origins[0]))
	list := mustRun(t, "", "models", "--cache-dir", cache)
	if lines := strings.Split(strings.TrimSpace(list), "\n"); len(lines) != 3 || !strings.HasPrefix(lines[1], s.URL+"/b/ ") && !strings.HasPrefix(lines[2], s.URL+"/b/ ") || !strings.Contains(list, damaged+" ") || !strings.Contains(list, " damaged: ") {
		t.Errorf("the list:\n%s", list)
	}
	mustRun(t, "", "models", "--cache-dir", cache, "rm", damaged)
	mustRun(t, "", "models", "--cache-dir", cache, "rm", s.URL+"/b")
	if list := mustRun(t, "", "models", "--cache-dir", cache); list != "no models in "+cache+"\n" {
		t.Errorf("the list: %s", list)
	}
	if r := gossamerCommand(t, "", "models", "--cache-dir", cache, "rm", "../x"); r.code != exitFailure {
		t.Errorf("exit status %d", r.code)
	}
}
