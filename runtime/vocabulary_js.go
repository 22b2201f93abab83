package runtime

import (
	"errors"

	"gossamer/runtime/tokenizer"
)

// loadTokenizer has nothing to unpack: the page fetches the vocabulary, so that the program stays small.
func loadTokenizer() (*tokenizer.Tokenizer, error) {
	return nil, errors.New("runtime: this build carries no vocabulary: set Options.Tokenizer")
}
