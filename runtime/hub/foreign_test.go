package hub

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/detect"
)

// cacheOf writes a repository as Hugging Face's tools keep it: files are links to blobs.
func cacheOf(t *testing.T, cache, name, commit, from string) (snapshot string) {
	t.Helper()
	repo := filepath.Join(cache, "models--"+strings.ReplaceAll(name, "/", "--"))
	snapshot = mustDir(t, filepath.Join(repo, "snapshots", commit))
	blobs := mustDir(t, filepath.Join(repo, "blobs"))
	refs := mustDir(t, filepath.Join(repo, "refs"))
	if err := os.WriteFile(filepath.Join(refs, "main"), []byte(commit), 0o644); err != nil {
		t.Fatal(err)
	}
	for file := range checkpointtest.ListFiles(t, from) {
		data, err := os.ReadFile(filepath.Join(from, file))
		blob := commit[:4] + file
		err = errors.Join(err, os.WriteFile(filepath.Join(blobs, blob), data, 0o644), os.Symlink("../../blobs/"+blob, filepath.Join(snapshot, file)))
		if err != nil {
			t.Fatal(err)
		}
	}
	return snapshot
}

// TestHuggingFaceCache: a model that their tools have downloaded is found without a download, where each of their variables says,
// and their cache is not written.
func TestHuggingFaceCache(t *testing.T) {
	l := newLab(t)
	cache := t.TempDir()
	old, commit := strings.Repeat("a", 40), strings.Repeat("b", 40)
	model := smallModel(t)
	snapshot := cacheOf(t, cache, small, commit, model)
	cacheOf(t, cache, "meta/llama", old, t.TempDir())
	for _, set := range []func(){
		func() { t.Setenv("HF_HUB_CACHE", cache) },
		func() { t.Setenv("HF_HUB_CACHE", ""); t.Setenv("HUGGINGFACE_HUB_CACHE", cache) },
		func() {
			t.Setenv("HUGGINGFACE_HUB_CACHE", "")
			home := t.TempDir()
			t.Setenv("HF_HOME", home)
			if err := os.Symlink(cache, filepath.Join(home, "hub")); err != nil {
				t.Fatal(err)
			}
		},
		func() {
			t.Setenv("HF_HOME", "")
			home := t.TempDir()
			t.Setenv("XDG_CACHE_HOME", home)
			if err := os.Symlink(cache, filepath.Join(mustDir(t, filepath.Join(home, "huggingface")), "hub")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		set()
		l.reopen(t)
		m := l.find(t, "gpt-oss-20b")
		if !m.Foreign || m.Revision != commit || !sameFile(t, m.Path, snapshot) || m.Bytes < 100_000 {
			t.Errorf("found %+v", m)
		}
		c, err := detect.Open(t.Context(), m.Path, detect.Options{})
		if err != nil {
			t.Fatal(err)
		}
		checkpointtest.Load(t, c)
		models, err := l.hub.List()
		if err != nil || len(models) != 1 || models[0].Name != small || !models[0].Foreign {
			t.Errorf("listed %+v, %v", models, err)
		}
		wantMatch(t, l.hub.Remove(t.Context(), small), `hub: openai/gpt-oss-20b is in the cache of Hugging Face's tools, which gossamer leaves as it is: .*`)
	}
	if asked := l.Requests(); len(asked) > 0 {
		t.Errorf("asked %v", asked)
	}
	if m := l.find(t, small+"@"+commit[:8]); m.Revision != commit {
		t.Errorf("by its commit: %+v", m)
	}
	l.missing(t, small+"@"+old[:8], ".*is not on this machine.*")

	// A newer commit of which not all files are there: the older one is used.
	newer := cacheOf(t, cache, small, old, model)
	if err := os.Remove(filepath.Join(newer, largest)); err != nil {
		t.Fatal(err)
	}
	if m := l.find(t, small); m.Revision != commit {
		t.Errorf("beside an incomplete snapshot: %+v", m)
	}
	l.pull(t, small) // and what gossamer has itself comes first
	if m := l.find(t, small); m.Foreign {
		t.Errorf("found %+v", m)
	}
}

func sameFile(t *testing.T, a, b string) bool {
	t.Helper()
	x, err := os.Stat(a)
	y, errY := os.Stat(b)
	if err != nil || errY != nil {
		t.Fatal(err, errY)
	}
	return os.SameFile(x, y)
}
