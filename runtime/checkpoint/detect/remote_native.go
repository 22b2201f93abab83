//go:build !js

package detect

import (
	"context"

	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/checkpoint/remote"
)

// url opens a model on a web server.
func url(ctx context.Context, name string, o Options) (*packed.Model, error) {
	return remote.Open(ctx, name, o.remote())
}

// beside finds the chunks of a manifest beside it, or on the servers that it names.
func beside(ctx context.Context, m *packed.Manifest, near packed.Store, o Options) (packed.Store, error) {
	return remote.Beside(ctx, m, near, o.remote())
}

func (o Options) remote() remote.Options {
	return remote.Options{CacheDir: o.CacheDir, NoCache: o.NoCache, Logger: o.Logger}
}
