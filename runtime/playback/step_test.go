package playback_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gossamer/runtime/chat"
	"gossamer/runtime/engine"
	"gossamer/runtime/playback"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/tokenizertest"
)

// row is a reply that a test drives without an engine.
type row struct {
	seq     engine.Sequence
	sampler *sample.Sampler
	tokens  []int32 // the prompt and the reply so far
	prompt  int
	drawn   []engine.Token
	allowed func(reply []int32) []uint32 // nil: all
}

func newRow(t interface{ Fatal(...any) }, m *playback.Model, prompt []int32) *row {
	seq, err := m.NewSequence()
	if err != nil {
		t.Fatal(err)
	}
	sampler, err := sample.New(sample.Params{}, tokenizertest.Vocabulary().Vocab(), prompt)
	if err != nil {
		t.Fatal(err)
	}
	return &row{seq: seq, sampler: sampler, tokens: slices.Clone(prompt), prompt: len(prompt)}
}

// step draws at most n tokens for a row, which is computed as far as it is missing.
func (r *row) step(ctx context.Context, m *playback.Model, n int) error {
	if r.seq.Len() == len(r.tokens) && !r.seq.Ready() { // its row was taken: the last token is given again
		if _, err := r.seq.Truncate(ctx, len(r.tokens)-1); err != nil {
			return err
		}
	}
	s := &engine.Step{Draws: n}
	if missing := r.tokens[r.seq.Len():]; len(missing) > 1 {
		s.Prefill = engine.Piece{Seq: r.seq, Tokens: missing[:min(len(missing)-1, 512)]}
	} else {
		row := engine.Row{Seq: r.seq, Given: engine.Draw, Sampler: r.sampler, Logprobs: 3}
		if len(missing) == 1 {
			row.Given = missing[0]
		}
		if r.allowed != nil {
			s.Draws, row.Allowed = min(n, 1+len(missing)), r.allowed(r.tokens[r.prompt:])
		}
		s.Rows = []engine.Row{row}
	}
	pending, err := m.Step(ctx, s)
	if err != nil {
		return err
	}
	out, err := pending.Wait(ctx)
	if err != nil || s.Rows == nil {
		return err
	}
	for _, token := range out.Rows[0].Tokens {
		r.drawn = append(r.drawn[:len(r.tokens)-r.prompt], token)
		r.tokens = append(r.tokens, token.ID)
	}
	return out.Rows[0].Err
}

// finish draws until the reply ends, and returns it without the marker that ends it.
func (r *row) finish(ctx context.Context, m *playback.Model) (string, error) {
	for {
		for i, id := range r.tokens[r.prompt:] {
			if id == tokenizer.Return || id == tokenizer.Call {
				r.tokens = r.tokens[:r.prompt+i+1]
				return string(tokenizertest.Vocabulary().Decode(r.tokens[r.prompt : r.prompt+i])), nil
			}
		}
		if err := r.step(ctx, m, 8); err != nil {
			return string(tokenizertest.Vocabulary().Decode(r.tokens[r.prompt:])), err
		}
	}
}

// prompt is a conversation of one message.
func prompt(text string) []int32 {
	return tokenizertest.Encode("<|start|>user<|message|>" + text + "<|end|><|start|>assistant")
}

// Whatever becomes of a text between two steps, and however many tokens a step yields: the reply is the play.
func TestReplyFollowsFromTheTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var reply []object
		for range rapid.IntRange(1, 5).Draw(t, "segments") {
			reply = append(reply, rapid.SampledFrom([]object{
				text("<|channel|>analysis<|message|>Let me see.<|end|><|start|>assistant"),
				text("<|channel|>final<|message|>It is 4 🎉"), text("<|start|>user<|message|>And you?<|end|>"), text(" {user} "),
				{"repeat": object{"times": 3, "of": []object{text("a b"), {"wait_ms": 0}}}},
				{"close": true}, {"wait_ms": 0.01}, {"tokens": []int{5, 6, 7}},
				{"logprobs": []object{{"p": 0.5, "alternatives": object{"Lyon": 0.25}}, {"p": 1}}},
			}).Draw(t, "segment"))
		}
		low := rapid.IntRange(1, 8).Draw(t, "low")
		draws := []int{low, rapid.IntRange(low, 8).Draw(t, "high")}
		plays := []object{play("other", object{"user": "other"}, final("other")), play("it", nil, reply...)}
		load := func(draws []int) *playback.Model {
			m, err := playback.Load(fileOf(object{"draws": draws}, plays...), tokenizertest.Vocabulary(), playback.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		ctx := context.Background()
		m := load([]int{1, 1})
		want := newRow(t, m, prompt("hello"))
		if _, err := want.finish(ctx, m); err != nil {
			t.Fatal(err)
		}

		m = load(draws)
		got := newRow(t, m, prompt("hello"))
		others := []*row{}
		for n := 0; len(got.tokens) < len(want.tokens); n++ {
			what := 5 // in the end nothing but steps, so that there is an end
			if n < 40 {
				what = rapid.IntRange(0, 8).Draw(t, "what")
			}
			switch what {
			case 0: // as where a row is lost: the last token is given again
				if _, err := got.seq.Truncate(ctx, len(got.tokens)-1); err != nil {
					t.Fatal(err)
				}
			case 1: // put aside, computed again
				if err := got.seq.Close(); err != nil {
					t.Fatal(err)
				}
				var err error
				if got.seq, err = m.NewSequence(); err != nil {
					t.Fatal(err)
				}
			case 2: // on with a fork
				fork, err := got.seq.Fork(rapid.IntRange(0, len(got.tokens)).Draw(t, "fork"))
				if err != nil {
					t.Fatal(err)
				}
				if err := got.seq.Close(); err != nil {
					t.Fatal(err)
				}
				got.seq = fork
			case 3: // back
				if n := rapid.IntRange(min(got.prompt, got.seq.Len()), got.seq.Len()).Draw(t, "back"); n < len(got.tokens) {
					if _, err := got.seq.Truncate(ctx, n); err != nil {
						t.Fatal(err)
					}
					got.tokens = got.tokens[:max(n, got.prompt)]
				}
			case 4: // the same request a second time, and another one
				if len(others) < 10 {
					others = append(others, newRow(t, m, prompt(rapid.SampledFrom([]string{"hello", "other"}).Draw(t, "text"))))
				}
			default:
				for _, o := range others {
					if len(o.tokens) > 200 {
						continue // long over
					}
					if err := o.step(ctx, m, 3); err != nil {
						t.Fatal(err)
					}
				}
				if err := got.step(ctx, m, rapid.IntRange(1, 8).Draw(t, "draws")); err != nil {
					t.Fatal(err)
				}
			}
		}
		n := len(want.tokens)
		if d := cmp.Diff(want.tokens, got.tokens[:n]); d != "" {
			t.Fatalf("reply: %s", d)
		}
		if d := cmp.Diff(want.drawn, got.drawn[:n-want.prompt]); d != "" {
			t.Fatalf("log probabilities: %s", d)
		}
	})
}

// More texts than rows take turns; a play that fills the context makes the engine put replies aside; each gets its own play.
func TestTurnsOfManyTexts(t *testing.T) {
	var plays []object
	want := map[string]string{}
	for i := range 20 {
		user := fmt.Sprintf("number %d.", i)
		content := strings.Repeat(fmt.Sprintf("%d and ", i), 40+i)
		reply := []object{text("<|channel|>analysis<|message|>{user}<|end|><|start|>assistant<|channel|>final<|message|>"), text(content)}
		if i%7 == 3 {
			reply = append(reply, object{"fail": "context_full"})
		}
		plays = append(plays, play(user, object{"user": regexp.QuoteMeta(user)}, reply...))
		want[user] = content
	}
	b := load(t, nil, plays...)
	e := newEngine(t, b, engine.Options{MaxSequences: 30})
	c, err := chat.New(e, tokenizertest.Vocabulary(), chat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var calls sync.WaitGroup
	for user, content := range want {
		for range 2 {
			calls.Go(func() {
				got, err := chat.Collect(c.Stream(t.Context(), ask(user)))
				if err != nil {
					t.Error(user, err)
					return
				}
				full := got.Reason == chat.FinishLength
				if got.Message.Content != content || got.Message.Reasoning != user || full != (slices.Contains([]string{"number 3.", "number 10.", "number 17."}, user)) {
					t.Errorf("%s: %q, reasoning %q, %v", user, got.Message.Content, got.Message.Reasoning, got.Reason)
				}
			})
		}
	}
	calls.Wait()
	if l := e.Load(); l.Preemptions == 0 {
		t.Error("no reply was put aside")
	}
}

// A reply that pauses holds up no other one, and its caller may go at any time.
func TestPause(t *testing.T) {
	tokenizertest.Vocabulary()
	synctest.Test(t, func(t *testing.T) {
		c := completer(t, load(t, nil,
			play("long", object{"user": "long"}, text("<|channel|>final<|message|>before "), object{"wait_ms": 60_000}, text("after")),
			play("short", nil, final("short"))))
		start := time.Now()
		var calls sync.WaitGroup
		calls.Go(func() {
			if got := says(t, c, ask("long")); got != "before after" || time.Since(start) < time.Minute || time.Since(start) > time.Minute+time.Second {
				t.Errorf("%q after %v", got, time.Since(start))
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		calls.Go(func() {
			got, err := chat.Collect(c.Stream(ctx, ask("long")))
			if err != nil || got.Reason != chat.FinishCancelled || got.Message.Content != "before " || time.Since(start) > 11*time.Second {
				t.Errorf("%+v, %v after %v", got, err, time.Since(start))
			}
		})
		time.Sleep(5 * time.Second)
		if got := says(t, c, ask("hello")); got != "short" || time.Since(start) > 6*time.Second {
			t.Errorf("%q after %v", got, time.Since(start))
		}
		calls.Wait()
	})
}

// A step that nobody wants any more ends at once.
func TestCancelledStep(t *testing.T) {
	tokenizertest.Vocabulary()
	synctest.Test(t, func(t *testing.T) {
		m := load(t, object{"prefill_tokens_per_second": 1}, play("it", nil, final("x")))
		r := newRow(t, m, prompt("a text of some length"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := r.step(ctx, m, 1); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second || r.seq.Len() != 0 {
			t.Errorf("%v after %v, %d tokens", err, time.Since(start), r.seq.Len())
		}
	})
}

func TestRates(t *testing.T) {
	tokenizertest.Vocabulary()
	synctest.Test(t, func(t *testing.T) {
		const tokens = 200
		m := load(t, object{"tokens_per_second": 50, "prefill_tokens_per_second": 100}, play("it", nil,
			text("<|channel|>final<|message|>"), object{"repeat": object{"times": tokens, "of": []object{text(" a")}}}))
		e := newEngine(t, m, engine.Options{MaxSequences: 8})
		var calls sync.WaitGroup
		for range 4 { // those that run together cost no more time
			calls.Go(func() {
				long := prompt(strings.Repeat("word ", 300))
				start := time.Now()
				var first time.Duration
				result, err := e.Generate(t.Context(), engine.Request{Tokens: long, Stop: []int32{tokenizer.Return}}, func(engine.Token) bool {
					if first == 0 {
						first = time.Since(start)
					}
					return true
				})
				if err != nil || result.Finish != engine.FinishStop {
					t.Errorf("%v, %v", result.Finish, err)
				}
				// A token before the first one arrives, and the prompt but for what the engine gives with it.
				prefill, decode := float64(len(long)-1)/100, float64(tokens+3)/50
				if s := first.Seconds(); s < prefill || s > prefill+0.5 {
					t.Errorf("the first token after %v s, want %v", s, prefill)
				}
				if s := time.Since(start).Seconds(); s < prefill+decode || s > prefill+decode+0.5 {
					t.Errorf("the last token after %v s, want %v", s, prefill+decode)
				}
			})
		}
		calls.Wait()
	})
}

func TestFailures(t *testing.T) {
	begun := text("<|channel|>final<|message|>well")
	m := load(t, nil,
		play("error", object{"user": "error"}, begun, object{"fail": "error"}),
		play("full", object{"user": "full"}, begun, object{"fail": "context_full"}),
		play("lost", object{"user": "lost"}, begun, object{"fail": "device_lost"}),
		play("else", nil, final("fine")))
	c := completer(t, m)
	said := func(r chat.Request) (text string, err error) {
		for e, err := range c.Stream(t.Context(), r) {
			if err != nil {
				return text, err
			}
			if d, ok := e.(chat.ContentDelta); ok {
				text += d.Text
			}
		}
		return text, nil
	}
	if got, err := said(ask("error")); got != "well" || err == nil || !strings.Contains(err.Error(), `play "error" fails`) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := chat.Collect(c.Stream(t.Context(), ask("full"))); err != nil || got.Message.Content != "well" || got.Reason != chat.FinishLength {
		t.Errorf("%+v, %v", got, err)
	}
	isLost := func(err error) bool {
		lost, ok := errors.AsType[interface {
			error
			DeviceLost() bool
		}](err)
		return ok && lost.DeviceLost()
	}
	if got, err := said(ask("lost")); got != "well" || !isLost(err) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := said(ask("x")); !isLost(err) {
		t.Errorf("afterwards: %v", err)
	}
	m.Reset()
	if got, err := said(ask("x")); got != "fine" || err != nil {
		t.Errorf("after Reset: %q, %v", got, err)
	}
}

func TestContextIsFull(t *testing.T) {
	m, err := playback.Load(fileOf(nil, play("it", nil, text("<|channel|>final<|message|>"), object{"repeat": object{"times": 1000, "of": []object{text(" a")}}})),
		tokenizertest.Vocabulary(), playback.Options{Context: 50})
	if err != nil {
		t.Fatal(err)
	}
	r := newRow(t, m, prompt("x"))
	if _, err := r.finish(t.Context(), m); !errors.Is(err, engine.ErrContextFull) || len(r.tokens) != 50 {
		t.Errorf("%d tokens, %v", len(r.tokens), err)
	}
	r = newRow(t, m, prompt(strings.Repeat(" a", 100)))
	if err := r.step(t.Context(), m, 1); !errors.Is(err, engine.ErrContextFull) && err != nil {
		t.Error(err)
	}
	for range 70 { // the engine closes those that nobody uses
		if _, err = m.NewSequence(); err != nil {
			break
		}
	}
	if err == nil {
		t.Error("there is no bound on sequences")
	}
}
