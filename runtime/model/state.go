package model

import (
	"errors"
	"slices"

	"gossamer/runtime/kv"
)

// state is that of a sequence: its tokens and what was computed of them.
type state struct {
	kv     *kv.Sequence
	tokens []int32 // [Len]
	ahead  []int32 // that come next if the text goes on as before: full layers hold their keys and values, sliding layers don't
	seat   int     // row of the decode buffers that has the logits of the last token; noSeat: they are not available
	rests  bool    // it takes no part in steps, until Truncate wakes it
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

// awake is usable for what takes part in steps.
func (seq *state) awake() error {
	if err := seq.usable(); err != nil || !seq.rests {
		return err
	}
	return errors.New("model: the sequence rests: truncate it first")
}

// append notes tokens whose keys and values are written.
func (seq *state) append(tokens ...int32) {
	seq.kv.Advance(len(tokens))
	seq.tokens = append(seq.tokens, tokens...)
	seq.ahead = seq.ahead[min(len(tokens), len(seq.ahead)):]
}

// back goes back to at most n tokens, from which the text can be computed on: where its pages allow that at once, or, if that is less,
// by the pass tokens from which sliding layers are made exact for the n-th. See Sequence.Truncate.
func (seq *state) back(n, pass int) {
	at, start := seq.kv.Resume(n), max(0, n-1-pass)
	if at >= start {
		seq.kv.Truncate(at)
		seq.tokens, seq.ahead = seq.tokens[:at], nil
		return
	}
	seq.ahead = slices.Clone(seq.tokens[start:n])
	seq.kv.Rewind(start, n)
	seq.tokens = seq.tokens[:start]
}

// goesOn reports whether tokens may be appended: behind a pass that is not over only those that it is made of, of which a row can be given
// the last.
func (seq *state) goesOn(tokens []int32, row bool) bool {
	n := min(len(tokens), len(seq.ahead))
	if row && len(seq.ahead) > 1 {
		return false
	}
	return slices.Equal(tokens[:n], seq.ahead[:n])
}
