package openai

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gossamer/runtime/chat"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/detect"
	"gossamer/runtime/engine"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/ref"
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
		id, ok := tok.Special(text[at[0]:at[1]])
		if !ok {
			panic("no marker " + text[at[0]:at[1]])
		}
		tokens = append(append(tokens, tok.Encode(text[:at[0]])...), id)
		text = text[at[1]:]
	}
	return tokens
}

// random returns a real model with random weights and the whole vocabulary, on the reference backend.
func random(t *testing.T) *ref.Model {
	t.Helper()
	config, err := checkpointtest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	checkpointtest.SetLayers(config, 2)
	config.Hidden, config.Intermediate, config.Heads, config.KVHeads, config.HeadDim = 32, 32, 2, 1, 16
	config.Vocab = vocabulary().Vocab()
	config.EOS, config.Pad = []int32{tokenizer.Return, tokenizer.Call, tokenizer.EndOfText}, tokenizer.EndOfText
	dir := t.TempDir()
	if err := checkpointtest.Write(dir, config, 1, checkpointtest.Options{}); err != nil {
		t.Fatal(err)
	}
	ck, err := detect.Open(t.Context(), dir, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := ref.Load(t.Context(), ck, ref.Options{Context: 2048})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// scripted is a backend that writes what a test wants: no model does that. Its logits are large for the next token of a script,
// which it finds by how much of the script stands at the end of the text.
type scripted []script

// script is what the model writes once the conversation contains a text.
type script struct {
	after  string
	tokens []int32
	failed error // nil: <|return|> follows the tokens
}

type scriptedSequence struct {
	scripts scripted
	tokens  []int32
}

func (b scripted) Config() *gptoss.Config                { return &gptoss.Config{Vocab: vocabulary().Vocab()} }
func (b scripted) Context() int                          { return 10000 }
func (b scripted) Limits() engine.Limits                 { return engine.Limits{Rows: 2, Draws: 1, Chunk: 512} }
func (b scripted) FreePages() int                        { return 0 }
func (b scripted) Close() error                          { return nil }
func (b scripted) NewSequence() (engine.Sequence, error) { return &scriptedSequence{scripts: b}, nil }
func (s *scriptedSequence) Len() int                     { return len(s.tokens) }
func (s *scriptedSequence) Ready() bool                  { return len(s.tokens) > 0 }
func (s *scriptedSequence) MarkResume() error            { return nil }
func (s *scriptedSequence) Close() error                 { return nil }

func (b scripted) Step(ctx context.Context, s *engine.Step) (engine.Pending, error) {
	return new(engine.Host).Step(ctx, b.Config().Vocab, s)
}

func (s *scriptedSequence) Fork(n int) (engine.Sequence, error) {
	return &scriptedSequence{s.scripts, slices.Clone(s.tokens[:min(n, len(s.tokens))])}, nil
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
	text := string(vocabulary().Decode(s.tokens))
	for _, script := range slices.Backward(s.scripts) {
		if !strings.Contains(text, script.after) {
			continue
		}
		next := append(slices.Clone(script.tokens), tokenizer.Return)
		for n := len(next) - 1; n >= 0; n-- {
			if len(s.tokens) < n || !slices.Equal(s.tokens[len(s.tokens)-n:], next[:n]) {
				continue
			}
			if n == len(script.tokens) && script.failed != nil {
				return script.failed
			}
			dst[next[n]] = 30
			return nil
		}
	}
	return errors.New("no script for this conversation")
}

// completer makes a Completer on a fixed day that counts the calls of tools.
func completer(t testing.TB, b engine.Backend) *chat.Completer {
	t.Helper()
	e, err := engine.New(b, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	c, err := chat.New(e, vocabulary(), chat.Options{
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
