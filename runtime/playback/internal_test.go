package playback

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/o200k"
	"gossamer/runtime/tokenizer/tokenizertest"
)

// What is known of a reply goes with its sampler.
func TestRepliesAreForgotten(t *testing.T) {
	tok, err := o200k.Load()
	if err != nil {
		t.Fatal(err)
	}
	m, err := Load([]byte(`{"version": 1, "plays": [{"name": "a", "when": {}, "reply": []}]}`), tok, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		sampler, err := sample.New(sample.Params{}, tok.Vocab(), nil)
		if err != nil {
			t.Fatal(err)
		}
		seq, err := m.NewSequence()
		if err != nil {
			t.Fatal(err)
		}
		step, err := m.Step(t.Context(), &engine.Step{Draws: 2, Rows: []engine.Row{{Seq: seq, Given: tokenizer.Start, Sampler: sampler, Logprobs: -1}}})
		if err != nil {
			t.Fatal(err)
		}
		if out, err := step.Wait(t.Context()); err != nil || len(out.Rows[0].Tokens) != 1 {
			t.Fatal(out, err)
		}
		if err := seq.Close(); err != nil {
			t.Fatal(err)
		}
	}
	left := func() int {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.replies)
	}
	for range 100 { // cleanups run some time after a collection
		if runtime.GC(); left() < 5 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d replies are still known", left())
}

// A template can name a long value very often: what no context holds is not made.
func TestValuesDoNotTakeAllMemory(t *testing.T) {
	tok := tokenizertest.Vocabulary()
	p := &parser{tok: tok, special: newSpecial()}
	long := values{user: strings.Repeat("a ", 300_000)}
	for _, tt := range []struct {
		text        string
		least, most int
	}{
		{strings.Repeat("{user}", 1000), maxContext, (maxTextBytes + len(long.user))},
		{strings.Repeat("{user}<|end|>", 1000), maxContext, maxSteps + len(long.user) + 1},
	} {
		raw, err := json.Marshal(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		template := p.template(node{raw: raw})
		if p.err != nil {
			t.Fatal(p.err)
		}
		if n := len(template.encode(tok, long)); n < tt.least || n > tt.most {
			t.Errorf("%d tokens, want %d to %d", n, tt.least, tt.most)
		}
	}
}
