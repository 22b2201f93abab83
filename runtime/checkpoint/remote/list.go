package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/packed"
)

// CachedModel is a model in a cache directory.
type CachedModel struct {
	URL        string    `json:"url"` // RemoveCached takes it; of a damaged entry the folder's name
	Dir        string    `json:"dir"`
	Bytes      int64     `json:"bytes"`             // in the cache
	TotalBytes int64     `json:"totalBytes"`        // of all chunks
	Verified   bool      `json:"verified"`          // against published hashes
	Damaged    string    `json:"damaged,omitempty"` // why the entry cannot be used; opening the model again mends it
	Used       time.Time `json:"used"`              // opened last
}

// ListCache lists the models of a cache directory, the one used last first. A directory that does not exist is empty.
func ListCache(dir string) ([]CachedModel, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("checkpoint: cache: %w", err)
	}
	var models []CachedModel
	for _, e := range entries {
		if e.IsDir() && modelFolder.MatchString(e.Name()) {
			models = append(models, readCached(filepath.Join(dir, e.Name())))
		}
	}
	slices.SortFunc(models, func(a, b CachedModel) int { return b.Used.Compare(a.Used) })
	return models, nil
}

// modelFolder matches what modelDir makes.
var modelFolder = regexp.MustCompile(`^[A-Za-z0-9._-]*-[0-9a-f]{16}$`)

// readCached says what is known of an entry, which may be damaged in any way.
func readCached(dir string) CachedModel {
	m := CachedModel{URL: filepath.Base(dir), Dir: dir}
	o, err := readOrigin(dir)
	if err == nil {
		m.URL, m.Verified = o.URL, len(o.Files) == 0
		var manifest *packed.Manifest
		if manifest, err = readManifest(dir, o); err == nil {
			for _, c := range manifest.Chunks {
				m.TotalBytes += c.Bytes
			}
		}
	}
	if err != nil {
		m.Damaged, m.Verified = err.Error(), false
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		m.Damaged = err.Error()
	}
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case err != nil:
		case e.Name() == originName:
			m.Used = info.ModTime()
		case e.Name() != packed.ManifestName:
			m.Bytes += info.Size()
		}
	}
	return m
}

// readOrigin reads where the model in a folder comes from, and refuses an entry of another place.
func readOrigin(dir string) (origin, error) {
	var o origin
	data, err := checkpoint.ReadSmall(os.DirFS(dir), originName)
	if err != nil {
		return origin{}, err
	}
	if err := json.Unmarshal(data, &o); err != nil {
		return origin{}, fmt.Errorf("checkpoint: cache: %s: %w", originName, err)
	}
	if filepath.Base(modelDir("", o.URL)) != filepath.Base(dir) {
		return origin{}, fmt.Errorf("checkpoint: cache: %s names another model", originName)
	}
	return o, nil
}

// readManifest reads the manifest of a folder.
func readManifest(dir string, o origin) (*packed.Manifest, error) {
	data, err := checkpoint.ReadSmall(os.DirFS(dir), packed.ManifestName)
	if err != nil {
		return nil, err
	}
	if len(o.Files) > 0 {
		return packed.ParseDerived(data)
	}
	return packed.ParseManifest(data)
}

// RemoveCached deletes a model from a cache directory: by its URL, or by what ListCache calls it.
func RemoveCached(cache, name string) error {
	models, err := ListCache(cache)
	if err != nil {
		return err
	}
	base, urlErr := modelURL(name)
	i := slices.IndexFunc(models, func(m CachedModel) bool {
		return m.URL == name || filepath.Base(m.Dir) == name || urlErr == nil && m.Dir == modelDir(cache, base)
	})
	switch {
	case i < 0 && urlErr == nil:
		return fmt.Errorf("checkpoint: cache: %s is not in %s", shownURL(base), cache)
	case i < 0 && strings.Contains(name, "://"):
		return urlErr
	case i < 0:
		return fmt.Errorf("checkpoint: cache: %q is not in %s", checkpoint.WithoutLogin(name), cache)
	}
	if err := os.RemoveAll(models[i].Dir); err != nil {
		return fmt.Errorf("checkpoint: cache: %w", err)
	}
	return nil
}
