package chat

import (
	"context"
	"iter"
	"slices"
	"testing"

	"gossamer/runtime/engine"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/tokenizertest"
)

// What the tests outside the package need.

func Encode(text string) []int32 { return tokenizertest.Encode(text) }

func NewTestCompleter(t testing.TB) *Completer { return script(t, "") }

// Play answers requests as Stream does, with given tokens instead of an engine's, up to the first one that stops an engine.
func (c *Completer) Play(tokens []int32) func(context.Context, Request) iter.Seq2[Event, error] {
	return func(_ context.Context, r Request) iter.Seq2[Event, error] {
		return func(yield func(Event, error) bool) {
			p, _, _, err := c.conversation(context.Background(), &r)
			if err != nil {
				yield(nil, err)
				return
			}
			reader := c.newReader(&r, p, false, func(e Event) bool { return yield(e, nil) })
			result := engine.Result{Finish: engine.FinishLength}
			for _, id := range tokens {
				if slices.Contains(stopIDs(), id) {
					result = engine.Result{Finish: engine.FinishStop, StopID: id}
					break
				}
				if !reader.push(engine.Token{ID: id}) {
					result = engine.Result{Finish: engine.FinishCaller}
					break
				}
			}
			if reason := reader.finish(&result); !reader.silent {
				yield(Done{Reason: reason, Stop: reader.stop.found}, nil)
			}
		}
	}
}

// Check is Prompt without the tokens, which take the most time.
func (c *Completer) Check(r Request) error {
	_, _, _, err := c.conversation(context.Background(), &r)
	return err
}

func Vocabulary() *tokenizer.Tokenizer { return tokenizertest.Vocabulary() }
