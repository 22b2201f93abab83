//go:build !js

package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/detect"
	"gossamer/runtime/checkpoint/gguf"
	"gossamer/runtime/hub"
)

// openCheckpoint finds a model by name, URL or directory.
func openCheckpoint(ctx context.Context, model string, o *Options) (*checkpoint.Checkpoint, error) {
	if fsys, ok := o.Embedded[model]; ok {
		return detect.OpenFS(fsys)
	}
	options := detect.Options{CacheDir: o.CacheDir, Logger: o.Logger}
	if _, err := os.Stat(model); !errors.Is(err, fs.ErrNotExist) {
		return detect.Open(ctx, filepath.Clean(model), options)
	}
	n, err := hub.ParseName(model)
	switch {
	case err == nil && n.Packed():
		return detect.Open(ctx, model, options)
	case err != nil && strings.Contains(model, "://"):
		return nil, err
	case err != nil && strings.ContainsAny(model, `/\`) || gguf.Named(model) && n.URL == "" && n.Choice == "":
		return nil, fmt.Errorf("runtime: there is no directory and no file %s, nor is this OWNER/REPO of Hugging Face", checkpoint.Printable(model))
	case err != nil:
		return nil, unknown(model, o)
	}
	h, err := hub.Open(o.CacheDir, o.Logger)
	if err != nil {
		return nil, err
	}
	found, err := h.Find(n)
	if errors.As(err, new(*hub.NotPulledError)) && model == n.Owner+"/"+n.Repo {
		err = fmt.Errorf("%w (there is no such directory either)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	if found.Foreign {
		o.Logger.InfoContext(ctx, "the model is in the cache of Hugging Face's tools", "path", found.Path)
	}
	return detect.Open(ctx, found.Path, options)
}

// unknown is the error of a name that stands for nothing.
func unknown(model string, o *Options) error {
	also := ""
	if names := slices.Sorted(maps.Keys(o.Embedded)); len(names) > 0 {
		also = ", or " + strings.Join(names, " or ") + ", which the program carries"
	}
	return fmt.Errorf("runtime: there is no model %.200q: give gpt-oss-20b, gpt-oss-120b, or OWNER/REPO of another repository of Hugging Face; %s%s",
		model, "a directory with a checkpoint or a packed model; a GGUF file; the URL of one", also)
}
