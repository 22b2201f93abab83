package chat

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"time"

	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
)

// Text asks for the continuation of tokens that need not be a conversation.
type Text struct {
	Prompt    []int32       // at least one
	MaxTokens int           // of the continuation
	Sampling  sample.Params // the zero value is greedy
	Stop      []string      // the continuation ends before the first of these
	Logprobs  bool          // of each token, markers included, and of the TopLogprobs most likely ones, 0 to 20
	// TopLogprobs, Key and Group are as in a Request.
	TopLogprobs int
	Key         string
	Group       *engine.Group
	// Echo makes the prompt the beginning of the text. With Logprobs it is computed token by token; the first one's is NaN.
	Echo bool
}

// BeginTogether makes texts, of which all are continued by one call of Together, begin together where they share a prompt.
func BeginTogether(texts []Text) {
	for i, g := range groups(len(texts)) {
		texts[i].Group = g
	}
}

// ParseMarkers encodes text in which the names of special tokens, such as "<|start|>", are these tokens. Once ctx has ended, it returns its
// error.
func ParseMarkers(ctx context.Context, tok *tokenizer.Tokenizer, text string) ([]int32, error) {
	var ids []int32
	var ended error
	add := func(text string) {
		more, err := tok.EncodeContext(ctx, text)
		ids, ended = append(ids, more...), cmp.Or(ended, err)
	}
	begin := 0 // of the text that is not encoded yet
	for i := 0; i < len(text); i++ {
		if text[i] != '<' {
			continue
		}
		const longest = len("<|reserved_200000|>")
		for end := i + len("<||>"); end <= min(len(text), i+longest); end++ {
			if id, ok := special(tok, text[i:end]); ok {
				add(text[begin:i])
				ids = append(ids, id)
				begin, i = end, end-1
				break
			}
		}
	}
	add(text[begin:])
	return ids, ended
}

func special(tok *tokenizer.Tokenizer, text string) (int32, bool) {
	if text[1] != '|' || text[len(text)-1] != '>' {
		return 0, false
	}
	return tok.Special(text)
}

// Continue continues tokens as text, in which special tokens have their names. The events are those of a reply with one answer: there is
// nothing to reason. Errors are a *FieldError or the engine's.
func (c *Completer) Continue(ctx context.Context, t Text) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if err := t.check(c.vocab.ids); err != nil {
			yield(nil, err)
			return
		}
		w := &textWriter{tok: c.tok, stream: c.tok.NewStream(), logprobs: t.Logprobs, stop: stopper{stops: t.Stop}, yield: yield}
		request := engine.Request{
			Tokens: t.Prompt, Sampling: t.Sampling, MaxTokens: t.MaxTokens, Stop: stopIDs(), Logprobs: t.Logprobs, TopLogprobs: t.TopLogprobs,
			Key: t.Key, Group: t.Group,
		}
		forced := 0 // tokens of the prompt that are drawn
		switch {
		case t.Echo && t.Logprobs:
			forced = len(t.Prompt) - 1
			request.Tokens, request.MaxTokens, request.Constraint = t.Prompt[:1], forced+t.MaxTokens, &given{ids: t.Prompt[1:], vocab: c.vocab}
			w.write(engine.Token{ID: t.Prompt[0], LogProb: float32(math.NaN())}, true)
		case t.Echo:
			for _, id := range t.Prompt {
				w.write(engine.Token{ID: id}, true)
			}
		}
		start := time.Now()
		result, first := engine.Result{Finish: engine.FinishLength, Stats: engine.Stats{PromptTokens: len(t.Prompt)}}, time.Duration(0)
		if request.MaxTokens > 0 && !w.silent {
			var err error
			n := 0
			result, err = c.engine.Generate(ctx, request, func(token engine.Token) bool {
				if n++; n == forced+1 {
					first = time.Since(start)
				}
				w.write(token, n <= forced)
				return !w.silent && !w.stopped
			})
			if err != nil && (ctx.Err() == nil || result.Finish != engine.FinishCancelled) {
				if !w.silent {
					yield(nil, err)
				}
				return
			}
		}
		w.end(result.Finish, usageOf(&result.Stats, forced, first))
	}
}

// usageOf is what a continuation has cost, of which some tokens are the prompt's.
func usageOf(s *engine.Stats, forced int, first time.Duration) Usage {
	return Usage{
		PromptTokens: s.PromptTokens + min(forced, s.GeneratedTokens), CachedTokens: s.CachedTokens, CompletionTokens: max(0, s.GeneratedTokens-forced),
		TimeToFirstToken: first, PrefillRate: s.PrefillRate(), DecodeRate: s.DecodeRate(),
	}
}

func (t *Text) check(vocab int) error {
	if len(t.Prompt) == 0 {
		return refuse("Prompt", "is empty")
	}
	for i, id := range t.Prompt {
		if id < 0 || int(id) >= vocab {
			return refuse(fmt.Sprintf("Prompt[%d]", i), "is %d, the model's ids end at %d", id, vocab-1)
		}
	}
	r := Request{MaxTokens: t.MaxTokens, Sampling: &t.Sampling, Stop: t.Stop, Logprobs: t.Logprobs, TopLogprobs: t.TopLogprobs}
	return r.check(vocab)
}

// given is a constraint to tokens that are known, after which everything is allowed.
type given struct {
	ids   []int32
	vocab *vocabulary
	mask  []uint32 // of the next one; nil: not made yet
}

// Mask implements engine.Constraint.
func (g *given) Mask(int) (ids []uint32, steady bool) {
	if len(g.ids) == 0 {
		return nil, true
	}
	if g.mask == nil {
		g.mask = g.vocab.with(g.vocab.empty(), g.ids[0])
	}
	return g.mask, false
}

// Accept implements engine.Constraint.
func (g *given) Accept(int32) error {
	if len(g.ids) > 0 {
		g.ids, g.mask = g.ids[1:], nil
	}
	return nil
}

// Forced implements engine.Constraint.
func (g *given) Forced(to []int32, left int) []int32 {
	return append(to, g.ids[:min(left, len(g.ids))]...)
}

// End implements engine.Constraint.
func (g *given) End() (int32, bool) { return 0, false }

// textWriter turns tokens into the events of one answer.
type textWriter struct {
	tok      *tokenizer.Tokenizer
	stream   *tokenizer.Stream
	stop     stopper
	logprobs bool
	yield    func(Event, error) bool

	claims  claims
	open    bool
	stopped bool // a stop string was found
	silent  bool // the consumer has stopped
}

// write takes a token, of the prompt or of what follows.
func (w *textWriter) write(t engine.Token, prompt bool) {
	text, isSpecial := w.tok.SpecialText(t.ID)
	if isSpecial {
		text = w.stream.Flush() + text
	} else {
		text = w.stream.Write(t.ID)
	}
	if w.logprobs {
		p := newTokenLogprob(w.tok, t)
		if isSpecial {
			p.Bytes = []byte(text)
		}
		w.claims.pending = append(w.claims.pending, p)
	}
	if prompt {
		w.say(text)
		return
	}
	out, done := w.stop.write(text)
	w.stopped = done
	w.say(out)
}

func (w *textWriter) say(text string) {
	if text == "" || w.silent {
		return
	}
	if !w.open {
		w.open = true
		w.emit(ItemStart{Kind: Answer})
	}
	w.emit(ContentDelta{text, w.claims.claim(len(text))})
}

func (w *textWriter) emit(e Event) { w.silent = w.silent || !w.yield(e, nil) }

// end ends the text.
func (w *textWriter) end(finish engine.Finish, u Usage) {
	if !w.stopped {
		out, done := w.stop.write(w.stream.Flush())
		if w.stopped = done; !done {
			out += w.stop.flush()
		}
		w.say(out)
	}
	reason := map[engine.Finish]FinishReason{engine.FinishStop: FinishStop, engine.FinishCancelled: FinishCancelled}[finish]
	switch {
	case w.stopped:
		reason = FinishStop
	case reason == "":
		reason = FinishLength
	}
	if w.open {
		w.emit(ItemEnd{Whole: reason == FinishStop})
	}
	w.emit(Done{Reason: reason, Stop: w.stop.found, Usage: u})
}
