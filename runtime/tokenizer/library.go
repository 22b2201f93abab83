package tokenizer

import (
	"fmt"

	"github.com/pkoukk/tiktoken-go"
)

// libraryMax is the longest text in bytes that goes through tiktoken-go. Its merge takes time quadratic in the length of a
// piece; up to here even the worst text costs it milliseconds only.
const libraryMax = 4096

// newLibrary makes tiktoken-go's encoder over the same ranks.
//
// Of that library only NewCoreBPE and EncodeOrdinary are used. GetEncoding downloads vocabularies, and would link net/http.
// Encode with special tokens takes markers for tokens that were not allowed, and does not return if there are none to look for
// (library_test.go shows both).
func (t *Tokenizer) newLibrary() *tiktoken.Tiktoken {
	ranks := make(map[string]int, numText)
	text := string(t.text) // one string that all keys are part of
	for id := range numText {
		ranks[text[t.starts[id]:t.starts[id+1]]] = id
	}
	core, err := tiktoken.NewCoreBPE(ranks, nil, pattern)
	if err != nil {
		panic(fmt.Sprintf("tokenizer: the o200k pattern: %v", err)) // the pattern is a constant
	}
	return tiktoken.NewTiktoken(core, nil, nil)
}

// encodeLibrary encodes valid UTF-8 with tiktoken-go.
func (t *Tokenizer) encodeLibrary(text string) []int32 {
	ids := t.library().EncodeOrdinary(text)
	tokens := make([]int32, len(ids))
	for i, id := range ids {
		tokens[i] = int32(id)
	}
	return tokens
}
