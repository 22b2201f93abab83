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
)

// openCheckpoint finds a model by name, URL or directory.
func openCheckpoint(ctx context.Context, model string, o *Options) (*checkpoint.Checkpoint, error) {
	if fsys, ok := o.Embedded[model]; ok {
		return detect.OpenFS(fsys)
	}
	options := detect.Options{CacheDir: o.CacheDir, Logger: o.Logger}
	if strings.Contains(model, "://") {
		return detect.Open(ctx, model, options)
	}
	if _, err := os.Stat(model); errors.Is(err, fs.ErrNotExist) {
		also := ""
		if names := slices.Sorted(maps.Keys(o.Embedded)); len(names) > 0 {
			also = ", nor the name of an embedded model (" + strings.Join(names, ", ") + ")"
		}
		return nil, fmt.Errorf("runtime: model %q is not a directory%s: give one that holds a published checkpoint or a packed model, or a GGUF file", model, also)
	}
	return detect.Open(ctx, filepath.Clean(model), options)
}
