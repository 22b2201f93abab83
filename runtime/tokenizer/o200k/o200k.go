// Package o200k carries the ranks of the o200k vocabulary, for programs that have no other place to take them from.
package o200k

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"

	"gossamer/runtime/tokenizer"
)

//go:generate go run gossamer/tools/vocab -out o200k.bin.gz

// packed is what tokenizer.New takes, under gzip: zstd would save a sixth, but browsers and the standard library unpack gzip.
//
//go:embed o200k.bin.gz
var packed []byte

// Load unpacks the ranks and makes a tokenizer of them. It takes tens of milliseconds: call it once and keep the tokenizer.
func Load() (*tokenizer.Tokenizer, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("o200k: unpack the ranks: %w", err)
	}
	ranks, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("o200k: unpack the ranks: %w", err)
	}
	return tokenizer.New(ranks)
}
