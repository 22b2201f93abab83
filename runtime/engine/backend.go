// Package engine turns a model into replies: it owns sequences, prefills prompts, samples tokens one after the other, and keeps
// the key/value caches of earlier conversations for the next turn. It knows token ids and nothing of text.
package engine

import (
	"context"
	"errors"

	"gossamer/runtime/gptoss"
)

// ErrContextFull is returned by a Sequence that has no room for more tokens: its own positions are taken, or the memory that
// sequences share is. Closing an idle sequence helps in the second case.
var ErrContextFull = errors.New("the context is full")

// Backend runs one model. model.Model is the GPU's, ref.Model the specification in plain Go.
// Its methods may be called from several goroutines.
type Backend interface {
	Config() *gptoss.Config
	// Context is the number of positions that one sequence can hold.
	Context() int
	// NewSequence returns an empty sequence. Memory is taken as it grows.
	NewSequence() (Sequence, error)
	// Close frees the model and every sequence made from it.
	Close() error
}

// Sequence is the key/value cache of one text, and the logits that follow its last token. It is used by one goroutine at a time.
type Sequence interface {
	// Len is the number of tokens held.
	Len() int
	// Extend appends tokens. The logits of the last one become available. If it fails or ctx ends, the sequence holds a prefix
	// of what was asked for (Len tells) and stays usable.
	Extend(ctx context.Context, tokens []int32) error
	// Truncate keeps at most the first n tokens and returns how many it kept: fewer than n where computing the difference again
	// is cheaper than resuming exactly at n. Logits are not available until the next Extend.
	Truncate(ctx context.Context, n int) (kept int, err error)
	// MarkResume makes the present length a resume point, where Truncate resumes at no cost.
	MarkResume() error
	// Logits writes the row that follows the last token to dst, [Vocab].
	Logits(ctx context.Context, dst []float32) error
	// Close frees the sequence's memory.
	Close() error
}

// Decoder is a Sequence that chooses tokens without moving logits to the CPU.
type Decoder interface {
	// Decode samples a token from the logits that follow the last token, appends it, and repeats, at most n times. Each token
	// is passed to emit once it is known; false ends the run. When Decode returns, exactly the emitted tokens are appended, and
	// the logits that follow them are available unless emit returned false or an error occurred: then after the next Extend.
	Decode(ctx context.Context, n int, s DeviceSampling, emit func(token int32) bool) error
}

// DeviceSampling is what a Decoder can do by itself.
type DeviceSampling struct {
	Temperature float32  // 0 is greedy: the largest logit, the lowest id on ties
	Seed        uint64   // noise is a function of (Seed, position, id) alone
	Allowed     []uint32 // bit set of ids that may be drawn, [(Vocab+31)/32]; nil allows all
}

// Forker is a Sequence that can share its beginning with a new one.
type Forker interface {
	// Fork returns a sequence that shares the first tokens of this one, at most n of them, without computing anything; its Len
	// tells how many. Its logits are available after an Extend.
	Fork(n int) (Sequence, error)
}

// RowReader is a Sequence that can show the logits of every position it appends; for comparison with other implementations.
type RowReader interface {
	// ExtendRows is Extend that calls row with the logits after tokens[i] for each i in at (ascending). The slice is reused.
	ExtendRows(ctx context.Context, tokens []int32, at []int, row func(i int, logits []float32) error) error
}
