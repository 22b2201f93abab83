package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gossamer/runtime/chat"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/detect"
	"gossamer/runtime/engine"
	"gossamer/runtime/playback"
	"gossamer/runtime/ref"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/tokenizertest"
)

// random returns a real model with random weights and the whole tokenizertest.Vocabulary, on the reference backend.
func random(t *testing.T) *ref.Model {
	t.Helper()
	config, err := checkpointtest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	checkpointtest.SetLayers(config, 2)
	config.Hidden, config.Intermediate, config.Heads, config.KVHeads, config.HeadDim = 32, 32, 2, 1, 16
	config.Vocab = tokenizertest.Vocabulary().Vocab()
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

// script is what the model writes where some conditions of a play hold; see docs/playback.md.
type script struct {
	when  string // "": always
	reply string // segments
}

// says is a segment of text.
func says(text string) string {
	data, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		panic(err)
	}
	return string(data)
}

// played is a backend that writes what a test wants: no model does that. Its context has 10,000 tokens.
func played(t testing.TB, scripts ...script) *playback.Model {
	t.Helper()
	var plays []string
	for i, s := range scripts {
		plays = append(plays, fmt.Sprintf(`{"name": "%d", "when": {%s}, "reply": [%s]}`, i, s.when, s.reply))
	}
	m, err := playback.Load([]byte(`{"version": 1, "plays": [`+strings.Join(plays, ",")+`]}`), tokenizertest.Vocabulary(), playback.Options{Context: 10000})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// completer makes a Completer on a fixed day that counts the calls of tools.
func completer(t testing.TB, b engine.Backend) *chat.Completer {
	t.Helper()
	e, err := engine.New(b, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	c, err := chat.New(e, tokenizertest.Vocabulary(), chat.Options{
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
