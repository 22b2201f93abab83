package runtime

import (
	"context"
	"errors"

	"gossamer/runtime/weights"
)

// openURL refuses: in a browser the page fetches, caches and checks.
func openURL(context.Context, string, *Options) (*weights.Checkpoint, error) {
	return nil, errors.New("runtime: a browser's models are opened by the page, not by name")
}
