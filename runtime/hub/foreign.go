package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/detect"
	"gossamer/runtime/checkpoint/gguf"
	"gossamer/runtime/checkpoint/safetensors"
)

// Hugging Face's tools keep a repository in the folder models--OWNER--REPO: refs/BRANCH has the commit of a branch, and
// snapshots/COMMIT the files, which are links where the system has them.

var commitName = regexp.MustCompile(`^[0-9a-f]{40}$`)

// findForeign looks for a model among the downloads of Hugging Face's tools. Only one whose files are all there counts.
func (h *Hub) findForeign(n Name) (Model, bool) {
	if n.URL != "" {
		return Model{}, false
	}
	for _, cache := range h.caches {
		repo := filepath.Join(cache, "models--"+n.Owner+"--"+n.Repo)
		for _, commit := range snapshots(repo, n.Revision) {
			if path, ok := openable(filepath.Join(repo, "snapshots", commit), n); ok {
				size := folderBytesOf(path)
				return Model{Name: n.String(), Path: path, Bytes: size, TotalBytes: size, Complete: true, Revision: commit, Foreign: true}, true
			}
		}
	}
	return Model{}, false
}

// snapshots are the commits of a revision that are there. Of the branch main, an older one will do where the newest was not downloaded.
func snapshots(repo, revision string) []string {
	var commits []string
	if ref, err := os.ReadFile(filepath.Join(repo, "refs", filepath.FromSlash(cmp.Or(revision, mainRevision)))); err == nil {
		if commit := strings.TrimSpace(string(ref)); commitName.MatchString(commit) {
			commits = append(commits, commit)
		}
	}
	list, err := os.ReadDir(filepath.Join(repo, "snapshots"))
	if err != nil {
		return nil
	}
	for _, d := range list {
		switch name := d.Name(); {
		case !commitName.MatchString(name) || slices.Contains(commits, name):
		case revision == "" || len(revision) >= 7 && strings.HasPrefix(name, revision):
			commits = append(commits, name)
		}
	}
	return commits
}

// openable returns what to open of a snapshot, if that opens.
func openable(dir string, n Name) (string, bool) {
	path := dir
	if n.Choice != "" {
		var files []File
		for _, pattern := range []string{"*.gguf", "*/*.gguf"} {
			names, _ := filepath.Glob(filepath.Join(escapeGlob(dir), filepath.FromSlash(pattern))) // the pattern is in order
			for _, name := range names {
				if rel, err := filepath.Rel(dir, name); err == nil {
					files = append(files, File{Path: filepath.ToSlash(rel)})
				}
			}
		}
		parts, err := chooseGGUF(files, n)
		if err != nil {
			return "", false
		}
		path = filepath.Join(dir, filepath.FromSlash(parts[0].Path))
	}
	if _, err := detect.Open(context.Background(), path, detect.Options{NoCache: true}); err != nil {
		return "", false
	}
	return path, true
}

// folderBytesOf is the size of what is opened at a path, links followed.
func folderBytesOf(path string) (n int64) {
	names := []string{path}
	if gguf.Named(path) {
		if part := partNumber.FindString(path); part != "" {
			names, _ = filepath.Glob(escapeGlob(strings.TrimSuffix(path, part)) + "-*.gguf") // the pattern is in order
		}
	} else {
		names, _ = filepath.Glob(filepath.Join(escapeGlob(path), "*")) // as before
	}
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
	}
	return n
}

// listForeign lists the gpt-oss models among the downloads of Hugging Face's tools.
func (h *Hub) listForeign() []Model {
	var models []Model
	for _, cache := range h.caches {
		folders, _ := filepath.Glob(filepath.Join(escapeGlob(cache), "models--*--*")) // the pattern is in order
		for _, dir := range folders {
			owner, repo, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), "models--"), "--")
			n, err := Name{Owner: owner, Repo: repo}.check("")
			if err != nil || !slices.ContainsFunc(snapshots(dir, ""), func(commit string) bool { return ofOurKind(filepath.Join(dir, "snapshots", commit)) }) {
				continue
			}
			if m, ok := h.findForeign(n); ok {
				models = append(models, m)
			}
		}
	}
	return models
}

// ofOurKind says whether a folder may have a gpt-oss model, without reading much.
func ofOurKind(dir string) bool {
	fsys := os.DirFS(dir)
	var config struct {
		Type string `json:"model_type"`
	}
	if data, err := checkpoint.ReadSmall(fsys, safetensors.ConfigName); err == nil && json.Unmarshal(data, &config) == nil {
		return config.Type == "gpt_oss"
	}
	names, _ := filepath.Glob(filepath.Join(escapeGlob(dir), "*.gguf")) // the pattern is in order
	return len(names) > 0
}
