package chat

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"gossamer/runtime/engine"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/o200k"
)

// vocabulary is loaded once for all tests.
var vocabulary = sync.OnceValue(func() *tokenizer.Tokenizer {
	tok, err := o200k.Load()
	if err != nil {
		panic(err)
	}
	return tok
})

// encode turns text with markers into tokens.
func encode(text string) []int32 {
	tok := vocabulary()
	var tokens []int32
	marker := regexp.MustCompile(`<\|[a-z]+\|>`)
	for text != "" {
		at := marker.FindStringIndex(text)
		if at == nil {
			return append(tokens, tok.Encode(text)...)
		}
		tokens = append(tokens, tok.Encode(text[:at[0]])...)
		id, ok := tok.Special(text[at[0]:at[1]])
		if !ok {
			panic("no marker " + text[at[0]:at[1]])
		}
		tokens = append(tokens, id)
		text = text[at[1]:]
	}
	return tokens
}

// scripted is a backend that writes what a test wants: no model does that. Its logits are large for the next token of the script,
// which it finds by how much of the script stands at the end of the text.
type scripted struct {
	script []int32
	host   engine.Host
}

type scriptedSequence struct {
	b      *scripted
	tokens []int32
}

func (b *scripted) Config() *gptoss.Config                { return &gptoss.Config{Vocab: vocabulary().Vocab()} }
func (b *scripted) Context() int                          { return 10000 }
func (b *scripted) Limits() engine.Limits                 { return engine.Limits{Rows: 2, Draws: 4, Chunk: 512} }
func (b *scripted) FreePages() int                        { return 0 }
func (b *scripted) Close() error                          { return nil }
func (b *scripted) NewSequence() (engine.Sequence, error) { return &scriptedSequence{b: b}, nil }
func (s *scriptedSequence) Len() int                      { return len(s.tokens) }
func (s *scriptedSequence) Ready() bool                   { return len(s.tokens) > 0 }
func (s *scriptedSequence) MarkResume() error             { return nil }
func (s *scriptedSequence) Close() error                  { return nil }

func (b *scripted) Step(ctx context.Context, s *engine.Step) (engine.Pending, error) {
	return b.host.Step(ctx, b.Config().Vocab, s)
}

func (s *scriptedSequence) Fork(n int) (engine.Sequence, error) {
	return &scriptedSequence{s.b, slices.Clone(s.tokens[:min(n, len(s.tokens))])}, nil
}

func (s *scriptedSequence) Extend(ctx context.Context, tokens []int32) error {
	s.tokens = append(s.tokens, tokens...)
	return ctx.Err()
}

func (s *scriptedSequence) Truncate(_ context.Context, n int) (int, error) {
	s.tokens = s.tokens[:n]
	return n, nil
}

func (s *scriptedSequence) Logits(_ context.Context, dst []float32) error {
	clear(dst)
	script := append(slices.Clone(s.b.script), tokenizer.Return)
	for n := len(script) - 1; n >= 0; n-- {
		if len(s.tokens) >= n && slices.Equal(s.tokens[len(s.tokens)-n:], script[:n]) {
			dst[script[n]] = 30
			return nil
		}
	}
	return nil
}

// script returns a Completer whose model writes the given text, then <|return|>.
func script(t *testing.T, text string) (*Completer, *scripted) {
	t.Helper()
	b := &scripted{script: encode(text)}
	return completer(t, b), b
}

// completer makes a Completer on a fixed day that counts the calls of tools.
func completer(t testing.TB, b engine.Backend) *Completer {
	t.Helper()
	e, err := engine.New(b, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	c, err := New(e, vocabulary(), Options{
		Clock: func() time.Time { return time.Date(2025, 6, 28, 0, 0, 0, 0, time.UTC) },
		CallID: func() string {
			calls++
			return fmt.Sprintf("call_%d", calls)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(e.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// read returns the events of a reply, deltas of the same kind put together, without usage.
func read(t *testing.T, c *Completer, r Request) []Event {
	t.Helper()
	var events []Event
	for e, err := range c.Stream(t.Context(), r) {
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := e.(Done); ok {
			d.Usage = Usage{}
			e = d
		}
		if n := len(events); n > 0 {
			switch last := events[n-1].(type) {
			case ReasoningDelta:
				if d, ok := e.(ReasoningDelta); ok {
					events[n-1] = ReasoningDelta{last.Text + d.Text}
					continue
				}
			case ContentDelta:
				if d, ok := e.(ContentDelta); ok {
					events[n-1] = ContentDelta{last.Text + d.Text, append(last.Logprobs, d.Logprobs...)}
					continue
				}
			case ToolCallDelta:
				if d, ok := e.(ToolCallDelta); ok && d.Index == last.Index {
					events[n-1] = ToolCallDelta{d.Index, last.Arguments + d.Arguments}
					continue
				}
			}
		}
		events = append(events, e)
	}
	return events
}

func ask(text string) Request {
	return Request{Messages: []Message{{Role: User, Content: text}}, Sampling: &sample.Params{}}
}
