package chat

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
)

// Options of New. The zero value is right but for tests.
type Options struct {
	Clock  func() time.Time // tells the date of requests that have none; nil: time.Now
	CallID func() string    // names calls of tools; nil: at random
	// Record is called with the tokens of each reply that came to its end, with the one that ended it, and of its prompt; nil: nothing is
	// recorded. It may be called from several goroutines, and keep the tokens.
	Record func(prompt, reply []int32)
}

// Completer answers requests with an engine. It is safe for concurrent use.
type Completer struct {
	engine *engine.Engine
	tok    *tokenizer.Tokenizer
	vocab  *vocabulary
	clock  func() time.Time
	callID func() string
	record func(prompt, reply []int32) // may be nil
}

// New returns a Completer. The engine's model must have a row of logits for each id of the tokenizer.
func New(e *engine.Engine, tok *tokenizer.Tokenizer, o Options) (*Completer, error) {
	vocab := e.Config().Vocab
	if vocab < tok.Vocab() {
		return nil, fmt.Errorf("chat: the model has %d ids, the tokenizer %d: this is no gpt-oss for conversations", vocab, tok.Vocab())
	}
	c := &Completer{engine: e, tok: tok, vocab: newVocabulary(tok, vocab), clock: o.Clock, callID: o.CallID, record: o.Record}
	if c.clock == nil {
		c.clock = time.Now
	}
	if c.callID == nil {
		c.callID = func() string { return fmt.Sprintf("call_%016x", rand.Uint64()) }
	}
	return c, nil
}

// Prompt returns the tokens that a request becomes. Errors are a *FieldError, or ctx's.
func (c *Completer) Prompt(ctx context.Context, r Request) ([]int32, error) {
	p, err := c.render(ctx, &r)
	if err != nil {
		return nil, err
	}
	return p.tokens, nil
}

// Prepare does what Stream begins with: it returns the error that Stream would, and names what is not enforced of schemas that are not
// Strict, such as "Tools[0].Parameters/properties/a/format".
func (c *Completer) Prepare(ctx context.Context, r Request) (ignored []string, err error) {
	_, ignored, err = c.Constraint(ctx, r)
	return ignored, err
}

// Constraint returns what Stream restricts the reply to a request to, nil if it may be anything, for replies that are asked of the engine
// itself; and what Prepare returns.
func (c *Completer) Constraint(ctx context.Context, r Request) (_ engine.Constraint, ignored []string, err error) {
	p, messages, leading, err := c.conversation(ctx, &r)
	if err != nil {
		return nil, nil, err
	}
	if _, err := c.tokens(ctx, &r, messages[:leading], p.begin); err != nil { // of the others there is no error
		return nil, nil, err
	}
	return c.constraint(ctx, &r, p)
}

func (c *Completer) constraint(ctx context.Context, r *Request, p *prompt) (engine.Constraint, []string, error) {
	protocol, ignored, err := c.newProtocol(ctx, r, p)
	if protocol == nil || err != nil {
		return nil, nil, err
	}
	constraint := newConstraint(protocol)
	for _, id := range p.begun {
		if constraint.Accept(id) != nil {
			return nil, nil, refuse(fmt.Sprintf("Messages[%d]", len(r.Messages)-1), "begins no reply that Tools, ToolChoice and Format allow")
		}
	}
	return constraint, ignored, nil
}

// Stream answers a request. The reply is generated while the events are read; to stop reading ends it. The last event is a Done,
// also if ctx ends, or an error: a *FieldError if the request is wrong, an *engine.PromptError if it is too long.
func (c *Completer) Stream(ctx context.Context, r Request) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		start := time.Now()
		p, err := c.render(ctx, &r)
		switch {
		case err != nil && ctx.Err() != nil:
			yield(Done{Reason: FinishCancelled}, nil)
			return
		case err != nil:
			yield(nil, err)
			return
		}
		request := c.request(&r, p)
		request.Constraint, _, err = c.constraint(ctx, &r, p)
		if err != nil && ctx.Err() == nil { // else the engine says so
			yield(nil, err)
			return
		}
		var usage Usage
		var said []int32 // if it is to be recorded
		reader := c.newReader(&r, p, request.Constraint != nil, func(e Event) bool { return yield(e, nil) })
		result, err := c.engine.Generate(ctx, request, func(t engine.Token) bool {
			if usage.TimeToFirstToken == 0 {
				usage.TimeToFirstToken = time.Since(start)
			}
			if c.record != nil {
				said = append(said, t.ID)
			}
			if r.Heard != nil {
				r.Heard(t.ID)
			}
			return reader.push(t)
		})
		if err != nil && (ctx.Err() == nil || result.Finish != engine.FinishCancelled) {
			if !reader.silent {
				yield(nil, err)
			}
			return
		}

		done := Done{Reason: reader.finish(&result), Usage: usage}
		done.Stop = reader.stop.found
		if reader.silent {
			return
		}
		if c.record != nil && result.Finish != engine.FinishCancelled {
			if result.Finish == engine.FinishStop {
				said = append(said, result.StopID)
			}
			c.record(p.tokens, said)
		}
		stats := result.Stats
		done.Usage.Queued = stats.Queued
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
		Reply:        r.Reply,
		ResumePoints: []int{p.shared},
		Sampling:     sampling,
		MaxTokens:    r.MaxTokens,
		Stop:         stopIDs(),
		Allowed:      c.vocab.reply,
		Logprobs:     r.Logprobs,
		TopLogprobs:  r.TopLogprobs,
		Key:          r.Key,
		Group:        r.Group,
		Progress:     r.Progress,
	}
}
