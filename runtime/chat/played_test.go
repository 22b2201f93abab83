package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"gossamer/runtime/engine"
	"gossamer/runtime/playback"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer/tokenizertest"
)

// script returns a Completer whose model always writes the given text, then <|return|>.
func script(t testing.TB, text string) *Completer {
	t.Helper()
	return scripts(t, "{}", text)
}

// scripts returns a Completer whose model writes the text behind the first condition of a play that holds; see docs/playback.md.
func scripts(t testing.TB, whenAndText ...string) *Completer {
	t.Helper()
	return completer(t, played(t, whenAndText...))
}

// played is the backend of scripts, with a context of 10,000 tokens.
func played(t testing.TB, whenAndText ...string) *playback.Model {
	t.Helper()
	type object = map[string]any
	plays := []object{}
	for i := 0; i < len(whenAndText); i += 2 {
		plays = append(plays, object{
			"name": fmt.Sprint(i), "when": json.RawMessage(whenAndText[i]), "reply": []object{{"text": whenAndText[i+1]}, {"text": "<|return|>"}},
		})
	}
	data, err := json.Marshal(object{"version": 1, "plays": plays})
	if err != nil {
		t.Fatal(err)
	}
	m, err := playback.Load(data, tokenizertest.Vocabulary(), playback.Options{Context: 10000})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// completer makes a Completer on a fixed day that counts the calls of tools.
func completer(t testing.TB, b engine.Backend) *Completer {
	t.Helper()
	e, err := engine.New(b, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	c, err := New(e, tokenizertest.Vocabulary(), Options{
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

func ask(text string) Request {
	return Request{Messages: []Message{{Role: User, Content: text}}, Sampling: &sample.Params{}}
}
