package model

import (
	"errors"

	"gossamer/runtime/kv"
)

// state is that of a sequence: its tokens and what was computed of them.
type state struct {
	kv     *kv.Sequence
	tokens []int32 // [Len]
	seat   int     // row of the decode buffers that has the logits of the last token; noSeat: they are not available
	closed bool
}

const noSeat = -1

func (seq *state) ready() bool { return seq.seat != noSeat }

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
