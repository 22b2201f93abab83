//go:build !js

package runtime

import (
	"context"

	"gossamer/runtime/weights"
)

// openURL opens a model on a web server; what is downloaded stays in the cache directory.
func openURL(ctx context.Context, url string, o *Options) (*weights.Checkpoint, error) {
	return weights.OpenURL(ctx, url, weights.Options{CacheDir: o.CacheDir, Logger: o.Logger})
}
