package detect

import (
	"context"
	"errors"

	"gossamer/runtime/checkpoint/packed"
)

// url refuses: in a browser the page fetches, caches and checks.
func url(context.Context, string, Options) (*packed.Model, error) {
	return nil, errors.New("checkpoint: a browser's models are opened by the page, not by name")
}

// beside finds the chunks of a manifest beside it. Chunks on servers are the page's business.
func beside(_ context.Context, _ *packed.Manifest, near packed.Store, _ Options) (packed.Store, error) {
	return near, nil
}
