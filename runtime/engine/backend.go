// Package engine turns a model into replies. One goroutine, the loop, owns the model and its sequences: it plans steps, in which many
// replies draw tokens and one prompt goes on, and keeps the key/value caches of earlier conversations for the next turn. It knows token
// ids and nothing of text.
package engine

import (
	"context"
	"errors"

	"gossamer/runtime/gptoss"
	"gossamer/runtime/sample"
)

// ErrContextFull is returned where there is no room for more tokens: a sequence's own positions are taken, or the memory that
// sequences share is. Closing an idle sequence helps in the second case.
var ErrContextFull = errors.New("the context is full")

// Backend runs one model. model.Model is the GPU's, ref.Model the specification in plain Go.
// Its methods may be called from several goroutines; the steps of one engine come from one.
type Backend interface {
	Config() *gptoss.Config
	// Context is the number of positions that one sequence can hold.
	Context() int
	// Limits are what a step may ask for.
	Limits() Limits
	// FreePages is the number of pages that no sequence holds; it counts only if there are Limits.Pages.
	FreePages() int
	// NewSequence returns an empty sequence. Memory is taken as it grows.
	NewSequence() (Sequence, error)
	// Ready reports whether a step like s, of sequences that have what its rows and its piece need, can be queued at once. If not, what it lacks,
	// as programs that have to be compiled, is prepared beside the steps that can be. Step does any step, and waits for what it lacks.
	Ready(s *Step) bool
	// Step queues a step. It fails as a whole, with ErrContextFull if memory is short: then each sequence holds a prefix of what it
	// held before (Len tells). A step that was queued must be waited for before the next one.
	Step(ctx context.Context, s *Step) (Pending, error)
	// Close frees the model and every sequence made from it.
	Close() error
}

// Limits of a backend, each at least 1 unless said otherwise.
type Limits struct {
	Rows      int // texts that a step draws for
	Draws     int // tokens of a text that a step draws
	Chunk     int // tokens of a prompt that a step computes
	Sequences int // that may be alive and not at rest; 0: any number

	// Memory is handed out in pages of PageTokens positions. Sequences that share a beginning share its pages. Pages 0: there is
	// no bound.
	PageTokens, Pages int

	// Deterministic says that a token has other bits as a part of a piece than as one of a row, and that this matters: the tokens behind a prompt,
	// and its last one, are then computed as those of rows only, also where they are computed again, and no other text shares them.
	Deterministic bool
}

// Step is what the device is asked for at a time: tokens for the texts in Rows, then a piece of a prompt.
type Step struct {
	Rows    []Row
	Draws   int   // tokens that each row gets, at most; the device may draw fewer, and none only where it has waited instead
	Prefill Piece // Seq nil: none
}

// Row is a text that gets tokens. Each is drawn from the logits behind the one before and appended to the sequence.
type Row struct {
	Seq     Sequence
	Given   int32 // the first token of the step; Draw: it is drawn, for which Seq must be Ready
	Sampler *sample.Sampler
	// Allowed is the bit set of the ids that may be drawn, [(Vocab+31)/32], bit id%32 of word id/32; nil allows all. It never changes: a
	// backend may know it by the address of its first word.
	Allowed []uint32
	// Logprobs asks for the log probability of each token and of that many alternatives, 0 to 20; -1: none.
	Logprobs int
}

// Draw as Row.Given says that the first token is drawn like the others.
const Draw int32 = -1

// Piece is a part of a prompt that is appended to a sequence.
type Piece struct {
	Seq    Sequence
	Tokens []int32
}

// Pending is a step that was queued.
type Pending interface {
	// Wait returns once the rows have their tokens, or the piece is computed where there are no rows. If ctx ends first the rows
	// hold a prefix of what was drawn.
	Wait(ctx context.Context) (*Outcome, error)
}

// Outcome is what became of a step.
type Outcome struct {
	Rows    []Drawn // by row of the step
	Prefill error   // of the piece; its sequence's Len tells how far it came
}

// Drawn are the tokens that a row got, without a given one. The row's sampler has accepted them. Err is why there are no more:
// sample.ErrNoToken, or ErrContextFull.
type Drawn struct {
	Tokens []Token
	Err    error
}

// Sequence is the key/value cache of one text, and perhaps the logits that follow its last token.
type Sequence interface {
	// Len is the number of tokens held.
	Len() int
	// Ready says that the logits behind the last token are there, so that a row may draw. They are there after a step, until
	// another sequence takes its row or the sequence is truncated.
	Ready() bool
	// Truncate keeps at most the first n tokens and returns how many it kept: fewer than n where computing the difference again
	// is cheaper than resuming exactly at n. The last 16 tokens that were appended one by one can always be taken back at no cost.
	Truncate(ctx context.Context, n int) (kept int, err error)
	// MarkResume makes the present length a resume point, where Truncate and Fork resume at no cost.
	MarkResume() error
	// Rest makes the present length a resume point, and gives up what a text needs only while tokens are added to it. Truncate comes before
	// the next step, even to the present length.
	Rest() error
	// Fork returns a sequence that shares the first tokens of this one, at most n of them, without computing anything; its Len
	// tells how many. It is not at rest, though this one may be.
	Fork(n int) (Sequence, error)
	// Close frees the sequence's memory.
	Close() error
}

// backtrack is how many tokens can always be taken back.
const backtrack = 16

// HostSequence is a Sequence that shows its logits to this program.
type HostSequence interface {
	Sequence
	// Extend appends tokens and makes the logits behind the last one available. If it fails or ctx ends, the sequence holds a prefix
	// of what was asked for (Len tells) and stays usable.
	Extend(ctx context.Context, tokens []int32) error
	// Logits writes the row that follows the last token to dst, [Vocab].
	Logits(ctx context.Context, dst []float32) error
}

// RowReader is a Sequence that can show the logits of every position it appends; for comparison with other implementations.
type RowReader interface {
	// ExtendRows is Extend that calls row with the logits after tokens[i] for each i in at (ascending). The slice is reused.
	ExtendRows(ctx context.Context, tokens []int32, at []int, row func(i int, logits []float32) error) error
}
