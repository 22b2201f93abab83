package chat

import (
	"slices"
	"sync"

	"gossamer/runtime/grammar"
	"gossamer/runtime/tokenizer"
)

// vocabulary is the ids of a model as replies have them. Its sets are bit sets as engine.Request.Allowed, and never change.
type vocabulary struct {
	tok   *tokenizer.Tokenizer
	ids   int
	reply []uint32           // all that a reply may have: text, the markers of messages, and what ends it
	ends  map[int32]endMasks // by the token that ends a content
	// grammars compiles for these ids. It is made at the first use: that takes a moment.
	grammars func() *grammar.Cache
}

type endMasks struct{ only, text []uint32 }

func newVocabulary(tok *tokenizer.Tokenizer, ids int) *vocabulary {
	v := &vocabulary{tok: tok, ids: ids, ends: map[int32]endMasks{}}
	v.grammars = sync.OnceValue(func() *grammar.Cache {
		return grammar.NewCache(grammar.NewVocabulary(ids, tok.Bytes).WithEncoder(tok.Encode))
	})
	text := v.empty()
	for id := int32(0); tok.Bytes(id) != nil; id++ {
		set(text, id)
	}
	// The model was not trained to write any other marker.
	markers := []int32{tokenizer.Start, tokenizer.Channel, tokenizer.Constrain, tokenizer.Message, tokenizer.End}
	v.reply = v.with(text, append(markers, stopIDs()...)...)
	for _, end := range []int32{tokenizer.End, tokenizer.Return, tokenizer.Call} {
		v.ends[end] = endMasks{v.with(v.empty(), end), v.with(text, end)}
	}
	return v
}

// stopIDs end a reply. <|end|> is not among them: it ends a message, and another one follows.
func stopIDs() []int32 { return []int32{tokenizer.Return, tokenizer.Call, tokenizer.EndOfText} }

func (v *vocabulary) empty() []uint32 { return make([]uint32, (v.ids+31)/32) }

// with returns a copy of a set with more ids.
func (v *vocabulary) with(ids []uint32, more ...int32) []uint32 {
	ids = slices.Clone(ids)
	for _, id := range more {
		set(ids, id)
	}
	return ids
}

func set(ids []uint32, id int32) { ids[id/32] |= 1 << (id % 32) }

// only is the set of one token that ends a content.
func (v *vocabulary) only(end int32) []uint32 { return v.ends[end].only }

// textAnd is all text, and a token that ends it.
func (v *vocabulary) textAnd(end int32) []uint32 { return v.ends[end].text }
