package chat

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"gossamer/runtime/engine"
	"gossamer/runtime/harmony"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
)

// Options of New. The zero value is right but for tests.
type Options struct {
	Clock  func() time.Time // tells the date of requests that have none; nil: time.Now
	CallID func() string    // names calls of tools; nil: at random
}

// Completer answers requests with an engine. It is safe for concurrent use.
type Completer struct {
	engine  *engine.Engine
	tok     *tokenizer.Tokenizer
	vocab   int      // logits of the model
	allowed []uint32 // ids that a reply may have
	clock   func() time.Time
	callID  func() string
}

// New returns a Completer. The engine's model must have a row of logits for each id of the tokenizer.
func New(e *engine.Engine, tok *tokenizer.Tokenizer, o Options) (*Completer, error) {
	vocab := e.Config().Vocab
	if vocab < tok.Vocab() {
		return nil, fmt.Errorf("chat: the model has %d ids, the tokenizer %d: this is no gpt-oss for conversations", vocab, tok.Vocab())
	}
	c := &Completer{engine: e, tok: tok, vocab: vocab, allowed: replyIDs(tok, vocab), clock: o.Clock, callID: o.CallID}
	if c.clock == nil {
		c.clock = time.Now
	}
	if c.callID == nil {
		c.callID = func() string { return fmt.Sprintf("call_%016x", rand.Uint64()) }
	}
	return c, nil
}

// stopIDs end a reply. <|end|> is not among them: it ends a message, and another one follows.
func stopIDs() []int32 { return []int32{tokenizer.Return, tokenizer.Call, tokenizer.EndOfText} }

// replyIDs is the set of ids that may occur in a reply: text, the markers of messages, and what ends the reply. The model was not
// trained to write any other.
func replyIDs(tok *tokenizer.Tokenizer, vocab int) []uint32 {
	set := make([]uint32, (vocab+31)/32)
	allow := func(id int32) { set[id/32] |= 1 << (id % 32) }
	for id := int32(0); tok.Bytes(id) != nil; id++ {
		allow(id)
	}
	markers := []int32{tokenizer.Start, tokenizer.Channel, tokenizer.Constrain, tokenizer.Message, tokenizer.End}
	for _, id := range append(markers, stopIDs()...) {
		allow(id)
	}
	return set
}

// Prompt returns the tokens that a request becomes. If the model is to choose which function it calls, they end where it chooses.
func (c *Completer) Prompt(r Request) ([]int32, error) {
	p, err := c.render(&r)
	if err != nil {
		return nil, err
	}
	return p.tokens, nil
}

// Stream answers a request. The reply is generated while the events are read; to stop reading ends it. The last event is a Done,
// also if ctx ends, or an error: a *FieldError if the request is wrong, an *engine.PromptError if it is too long.
func (c *Completer) Stream(ctx context.Context, r Request) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		start := time.Now()
		p, err := c.render(&r)
		if err != nil {
			yield(nil, err)
			return
		}
		request := c.request(&r, p)
		var usage Usage
		result, err := c.choose(ctx, p, &request)
		choosing := result.Stats

		reader := c.newReader(&r, p, func(e Event) bool { return yield(e, nil) })
		if err == nil {
			result, err = c.engine.Generate(ctx, request, func(t engine.Token) bool {
				if usage.TimeToFirstToken == 0 {
					usage.TimeToFirstToken = time.Since(start)
				}
				return reader.push(t)
			})
		}
		if err != nil && (ctx.Err() == nil || result.Finish != engine.FinishCancelled) {
			if !reader.silent {
				yield(nil, err)
			}
			return
		}

		done := Done{Reason: reader.finish(&result), Usage: usage}
		if reader.silent {
			return
		}
		stats := result.Stats
		if choosing.PromptTokens > 0 {
			stats.CachedTokens, stats.PrefilledTokens, stats.Prefill = choosing.CachedTokens, choosing.PrefilledTokens, choosing.Prefill
		}
		done.Usage.PromptTokens = stats.PromptTokens
		done.Usage.CachedTokens = stats.CachedTokens
		done.Usage.CompletionTokens = stats.GeneratedTokens
		done.Usage.ReasoningTokens = reader.reasoning
		done.Usage.PrefillRate = stats.PrefillRate()
		done.Usage.DecodeRate = stats.DecodeRate()
		yield(done, nil)
	}
}

// request is what the engine is asked.
func (c *Completer) request(r *Request, p *prompt) engine.Request {
	sampling := sample.Recommended()
	if r.Sampling != nil {
		sampling = *r.Sampling
	}
	if sampling.PenaltyVocab == 0 {
		sampling.PenaltyVocab = tokenizer.StartOfText // markers have to repeat
	}
	return engine.Request{
		Tokens:       p.tokens,
		ResumePoints: []int{p.shared},
		Sampling:     sampling,
		MaxTokens:    r.MaxTokens,
		Stop:         stopIDs(),
		Allowed:      c.allowed,
		Logprobs:     r.Logprobs,
		TopLogprobs:  r.TopLogprobs,
		Key:          r.Key,
		Progress:     r.Progress,
	}
}

// choose lets the model choose one of the calls that it may begin, and appends the beginning to the prompt: where the headers of
// the calls differ, the model draws one of their tokens. The result is that of the first draw.
func (c *Completer) choose(ctx context.Context, p *prompt, request *engine.Request) (first engine.Result, err error) {
	if p.begins == nil {
		return first, nil
	}
	start, err := harmony.Render(c.tok, nil, harmony.Options{})
	if err != nil {
		return first, err
	}
	headers := make([][]int32, len(p.begins)) // what follows <|start|>assistant
	for i, h := range p.begins {
		tokens, err := harmony.Render(c.tok, nil, harmony.Options{Begin: h})
		if err != nil {
			return first, err
		}
		headers[i] = tokens[len(start):]
	}
	open := make([]int, len(headers)) // headers that begin with what was drawn
	for i := range open {
		open[i] = i
	}
	draw := *request
	draw.MaxTokens, draw.Stop, draw.Logprobs, draw.TopLogprobs = 1, nil, false, 0
	for at := 0; len(open) > 1; at++ {
		next := headers[open[0]][at]
		draw.Allowed = make([]uint32, len(c.allowed))
		same := true
		for _, i := range open {
			id := headers[i][at]
			draw.Allowed[id/32] |= 1 << (id % 32)
			same = same && id == next
		}
		if !same {
			draw.Tokens = request.Tokens
			result, err := c.engine.Generate(ctx, draw, func(t engine.Token) bool {
				next = t.ID
				return true
			})
			if first.Stats.PromptTokens == 0 {
				first = result
			}
			if err != nil {
				return result, err
			}
			draw.Progress = nil
		}
		open = slices.DeleteFunc(open, func(i int) bool { return headers[i][at] != next })
		request.Tokens = append(slices.Clip(request.Tokens), next)
		if len(open) == 1 {
			request.Tokens = append(request.Tokens, headers[open[0]][at+1:]...)
		}
	}
	p.begin = p.begins[open[0]]
	request.Progress = nil
	return first, nil
}
