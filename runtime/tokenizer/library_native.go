//go:build !js

package tokenizer

import (
	"context"
	"fmt"

	"github.com/pkoukk/tiktoken-go"
)

// libraryMax is the longest text in bytes that goes through tiktoken-go, the implementation that other Go programs use and
// test. Its merge takes time quadratic in the length of a piece: here 2 ms at worst (10 ms in a browser), for 100,000 spaces
// 7 s. What is longer goes through encodePieces, which takes n log n; the tests hold the two against each other.
const libraryMax = 2048

// library is tiktoken-go's encoder.
type library = tiktoken.Tiktoken

// newLibrary makes tiktoken-go's encoder over the same ranks, with its own maps of them (22 MB).
//
// Of that library only NewCoreBPE and EncodeOrdinary are used. GetEncoding downloads vocabularies, and would link net/http.
// Encode, with special tokens, reads markers that were not allowed, and never returns if there are none to look for
// (library_test.go shows both).
func (t *Tokenizer) newLibrary() *library {
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

// rest is of use in browsers only: here goroutines have threads.
type rest struct{}

// pause returns ctx's error once that has ended.
func (rest) pause(ctx context.Context) error { return ctx.Err() }
