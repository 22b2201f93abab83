package grammar

import (
	"context"
	"encoding/json"
)

func (r *rules) schema(ctx context.Context, text json.RawMessage, o Options) (root term, ignored []string, err error) {
	return nothing, nil, &UnsupportedError{}
}
