//go:build !js

package runtime

import (
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/o200k"
)

// loadTokenizer unpacks the vocabulary that the program carries.
func loadTokenizer() (*tokenizer.Tokenizer, error) { return o200k.Load() }
