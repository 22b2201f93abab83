package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gossamer/runtime/weights/weightstest"
)

// defaultModel is the name of the built-in model.
const defaultModel = "random"

// embeddedModels returns the built-in model by its name, if that is what is asked for. The random model has the full vocabulary
// and seeded weights; it is made in the user's cache directory the first time.
func embeddedModels(name string) (map[string]fs.FS, error) {
	if name != defaultModel {
		return nil, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "gossamer", "random-1")
	if _, err := os.Stat(filepath.Join(dir, "config.json")); err == nil {
		return map[string]fs.FS{name: os.DirFS(dir)}, nil
	}
	c, err := weightstest.Preset("default")
	if err != nil {
		return nil, err
	}
	c.Vocab = 201088
	c.EOS, c.Pad = []int32{200002, 199999, 200012}, 199999
	tmp := dir + fmt.Sprintf(".%d", os.Getpid())
	defer os.RemoveAll(tmp)
	if err := weightstest.Write(tmp, c, 1, weightstest.Options{}); err != nil {
		return nil, err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return nil, err
	}
	return map[string]fs.FS{name: os.DirFS(dir)}, nil
}
