package model

import (
	"errors"

	"gossamer/runtime/kv"
)

// state is that of a sequence: its tokens and what was computed of them.
type state struct {
	kv     *kv.Sequence
	tokens []int32 // [Len]
	slot   int     // row of buffers.hidden, where the residual stream after the last token is while the sequence has no row of the batch
	ready  bool    // logits of the last token are available
	closed bool
}

func (seq *state) usable() error {
	if seq.closed {
		return errors.New("model: the sequence is closed")
	}
	return nil
}

// append notes tokens whose keys and values are written.
func (seq *state) append(tokens ...int32) {
	seq.kv.Advance(len(tokens))
	seq.tokens = append(seq.tokens, tokens...)
}
