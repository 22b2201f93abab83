package runtime

import (
	"context"
	"errors"

	"gossamer/runtime/checkpoint"
)

// openCheckpoint has no files to look for a model in: the page gives it, and the readers of other formats than ours stay out of the program.
func openCheckpoint(context.Context, string, *Options) (*checkpoint.Checkpoint, error) {
	return nil, errors.New("runtime: this build opens no files: set Options.Checkpoint")
}
