//go:build !js

package detect

import (
	"context"

	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/checkpoint/remote"
)

// url opens a model on a web server.
func url(ctx context.Context, name string, o Options) (*packed.Model, error) {
	return remote.Open(ctx, name, remote.Options{CacheDir: o.CacheDir, NoCache: o.NoCache, Logger: o.Logger})
}

// beside finds the chunks of a manifest beside it, or on the servers that it names.
func beside(m *packed.Manifest, near packed.Store) (packed.Store, error) {
	return remote.Beside(m, near)
}
