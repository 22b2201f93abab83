// Package detect opens a checkpoint from whatever holds one: a directory, a file system, a GGUF file or a URL.
package detect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/gguf"
	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/checkpoint/safetensors"
)

// Options are for models on web servers. The zero value is useful.
type Options struct {
	// CacheDir is the directory that keeps models. "": one inside the user's cache directory.
	CacheDir string
	// NoCache keeps nothing on disk; every Load downloads the model.
	NoCache bool
	// Logger receives retries and what could not be stored; nil: nothing is logged.
	Logger *slog.Logger
}

// Open opens what name means: with :// the URL of a model, else a directory or a GGUF file. No file stays open. If a manifest in a
// directory says that chunks are on a web server, they are fetched from it when they are needed and kept as those of a URL.
func Open(ctx context.Context, name string, o Options) (*checkpoint.Checkpoint, error) {
	if !strings.Contains(name, "://") {
		return openDir(ctx, name, o)
	}
	m, err := url(ctx, name, o)
	if err != nil {
		return nil, err
	}
	return m.Checkpoint, nil
}

// OpenPacked opens a packed model, or a repository on a web server as one.
func OpenPacked(ctx context.Context, name string, o Options) (*packed.Model, error) {
	if strings.Contains(name, "://") {
		return url(ctx, name, o)
	}
	m, err := packedFS(ctx, os.DirFS(name), o)
	if err == nil {
		return m, nil
	}
	if _, err := openDir(ctx, name, o); err != nil { // which says it better
		return nil, err
	}
	return nil, packed.ErrNoHashes
}

// openDir opens the checkpoint in a directory, or a GGUF file, or the model that it is a part of.
func openDir(ctx context.Context, dir string, o Options) (*checkpoint.Checkpoint, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	} else if !info.IsDir() && gguf.Named(dir) {
		return gguf.Open(dir)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("checkpoint: %s is a file: give the directory that holds it and %s", dir, safetensors.ConfigName)
	}
	return openFS(ctx, os.DirFS(dir), dir, o)
}

// OpenFS opens the checkpoint at the root of a file system, which must stay usable as long as the Checkpoint is used.
func OpenFS(fsys fs.FS) (*checkpoint.Checkpoint, error) {
	return openFS(context.Background(), fsys, "the root of the file system", Options{})
}

// openFS prefers a manifest to the files that it may stand beside, and safetensors to GGUF.
func openFS(ctx context.Context, fsys fs.FS, where string, o Options) (*checkpoint.Checkpoint, error) {
	m, err := packedFS(ctx, fsys, o)
	if err == nil {
		if err := m.Manifest.CheckFiles(fsys); err != nil { // nothing is loaded of a model that is not whole
			return nil, err
		}
		return m.Checkpoint, nil
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, packed.ErrOtherFormat) {
		return nil, err
	}
	c, why := safetensors.Open(fsys, where)
	if !errors.Is(why, safetensors.ErrNone) {
		return c, why
	}
	c, whyGGUF := gguf.OpenFolder(fsys, where)
	switch {
	case !errors.Is(whyGGUF, gguf.ErrNone):
		return c, whyGGUF
	case errors.Is(err, packed.ErrOtherFormat):
		return nil, err
	}
	return nil, fmt.Errorf("%w, or a GGUF file", why)
}

// packedFS opens the packed model whose manifest is in fsys.
func packedFS(ctx context.Context, fsys fs.FS, o Options) (*packed.Model, error) {
	m, err := packed.ReadManifest(fsys)
	if err != nil {
		return nil, err
	}
	s, err := beside(ctx, m, packed.Files(fsys), o)
	if err != nil {
		return nil, err
	}
	return packed.Open(m, s)
}
