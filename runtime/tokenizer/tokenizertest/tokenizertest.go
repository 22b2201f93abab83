// Package tokenizertest has the vocabulary for tests, and texts with markers as tokens.
package tokenizertest

import (
	"regexp"
	"sync"

	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/o200k"
)

// Vocabulary is loaded once for all tests.
var Vocabulary = sync.OnceValue(func() *tokenizer.Tokenizer {
	tok, err := o200k.Load()
	if err != nil {
		panic(err)
	}
	tok.Encode("some text") // what is made at the first use is made here
	return tok
})

var marker = regexp.MustCompile(`<\|[a-z]+\|>`)

// Encode turns text with markers into tokens.
func Encode(text string) []int32 {
	tok := Vocabulary()
	var tokens []int32
	for text != "" {
		at := marker.FindStringIndex(text)
		if at == nil {
			return append(tokens, tok.Encode(text)...)
		}
		id, ok := tok.Special(text[at[0]:at[1]])
		if !ok {
			panic("no marker " + text[at[0]:at[1]])
		}
		tokens = append(append(tokens, tok.Encode(text[:at[0]])...), id)
		text = text[at[1]:]
	}
	return tokens
}
