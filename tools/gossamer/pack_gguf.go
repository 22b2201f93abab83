package main

import (
	"slices"
	"strings"

	"gossamer/runtime/checkpoint/gguf"
	"gossamer/runtime/tokenizer"
)

// Token types of GGUF files.
const (
	ggufNormal  int32 = 1
	ggufControl int32 = 3
	ggufUnused  int32 = 5
)

// lastNamed is the last special token that Hugging Face's tokenizer.json has; the rows after it have no token there.
const lastNamed = 200018

// ggufVocabulary writes the vocabulary as llama.cpp reads it: tokens in GPT-2's printable characters, and the merges that the
// ranks imply. Those are all ways in which two tokens make a third, the ones that make a lower rank first: then merging by pairs
// does what merging by ranks does.
func ggufVocabulary(tok *tokenizer.Tokenizer) gguf.Vocabulary {
	v := gguf.Vocabulary{Pre: "gpt-4o", BOS: tokenizer.StartOfText, EOS: tokenizer.Return, Pad: tokenizer.EndOfText}
	printable := gpt2Bytes()
	text := func(b []byte) string {
		var s strings.Builder
		for _, c := range b {
			s.WriteRune(printable[c])
		}
		return s.String()
	}
	ids := map[string]int32{}
	for id := range int32(tok.Vocab()) {
		b := tok.Bytes(id)
		if b != nil {
			ids[string(b)] = id
			v.Tokens = append(v.Tokens, text(b))
			v.Types = append(v.Types, ggufNormal)
			continue
		}
		name, _ := tok.SpecialText(id)
		v.Tokens = append(v.Tokens, name)
		if id <= lastNamed {
			v.Types = append(v.Types, ggufControl)
		} else {
			v.Types = append(v.Types, ggufUnused)
		}
	}
	type pair struct{ left, right int32 }
	for id := range int32(tok.Vocab()) {
		b := tok.Bytes(id)
		var pairs []pair
		for i := 1; i < len(b); i++ {
			left, ok := ids[string(b[:i])]
			right, ok2 := ids[string(b[i:])]
			if ok && ok2 {
				pairs = append(pairs, pair{left, right})
			}
		}
		slices.SortFunc(pairs, func(a, b pair) int { return int(a.left) - int(b.left) })
		for _, p := range pairs {
			v.Merges = append(v.Merges, v.Tokens[p.left]+" "+v.Tokens[p.right])
		}
	}
	return v
}

// gpt2Bytes gives every byte a character that can be seen: printable Latin-1 is itself, the others follow from U+0100 on
// (openai/gpt-2, encoder.py, bytes_to_unicode).
func gpt2Bytes() (r [256]rune) {
	next := rune(256)
	for b := range rune(256) {
		switch {
		case '!' <= b && b <= '~', '¡' <= b && b <= '¬', '®' <= b && b <= 'ÿ':
			r[b] = b
		default:
			r[b] = next
			next++
		}
	}
	return r
}
