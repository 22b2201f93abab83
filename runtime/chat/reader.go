package chat

import (
	"strings"
	"unicode"

	"gossamer/runtime/engine"
	"gossamer/runtime/harmony"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
)

// reader turns the tokens of a reply into events.
type reader struct {
	tok      *tokenizer.Tokenizer
	parser   *harmony.Parser
	names    *toolNames
	callID   func() string
	logprobs bool
	exact    bool             // the answer has a format: white space counts
	headed   bool             // every message has a header: what seems to be the text of one without is the beginning of a header
	send     func(Event) bool // false: the consumer has stopped

	silent    bool // send has returned false
	stopped   bool // a stop string was found
	inMessage bool
	undecided bool            // the end of the message tells what it is: its text is held back
	kind      harmony.Kind    // of the message
	held      strings.Builder // text of the message that is not sent yet: undecided, or white space at its beginning
	marked    bool            // the last token was <|message|>
	begun     bool            // it is known where the message's text begins
	said      bool            // text of the message is out
	separator string          // that goes before the message's text
	joined    bool            // the separator is known
	open      bool            // an item has begun
	resumed   bool            // the message has text from before the reply
	reasoned  bool            // there has been reasoning
	spoken    bool            // there has been content
	stop      stopper
	arguments argumentStream
	calls     int // begun
	tokens    int // since the one that began the message
	reasoning int // tokens

	claims
}

// claims are tokens with log probabilities, each of which goes with the text that it begins in.
type claims struct {
	pending   []TokenLogprob // of tokens whose text is not sent yet
	unclaimed int            // bytes sent that no token was sent with; negative where a token is ahead of its text
}

// newReader returns a reader of the reply to a request, which is constrained or may be anything.
func (c *Completer) newReader(r *Request, p *prompt, constrained bool, send func(Event) bool) *reader {
	reader := &reader{
		tok:      c.tok,
		parser:   harmony.NewParser(c.tok, harmony.ParserOptions{Begin: p.begin, Tools: p.tools}),
		names:    p.names,
		callID:   c.callID,
		logprobs: r.Logprobs,
		exact:    r.Format != nil && !r.Unconstrained,
		headed:   constrained && p.begin == nil,
		send:     send,
		stop:     stopper{stops: r.Stop},
	}
	reader.resume(p.begun)
	return reader
}

// resume takes the tokens of a reply's beginning, of which nothing is sent. The text that follows begins an item.
func (r *reader) resume(begun []int32) {
	send := r.send
	r.send = func(Event) bool { return true }
	for _, id := range begun {
		r.push(engine.Token{ID: id})
	}
	r.stop.flush() // that is out too
	r.resumed, r.open = r.open, false
	r.send, r.pending, r.unclaimed, r.tokens = send, nil, 0, 0
}

// push takes a token; false ends the reply.
func (r *reader) push(t engine.Token) bool {
	r.marked = t.ID == tokenizer.Message
	switch {
	case !r.logprobs:
	case r.marked && !r.inMessage: // what came before was a header
		r.pending = nil
	case r.tok.Bytes(t.ID) != nil && (!r.inMessage || r.content()):
		r.pending = append(r.pending, newTokenLogprob(r.tok, t))
	}
	r.tokens++
	r.events(r.parser.Push(t.ID))
	return !r.silent && !r.stopped
}

// finish ends the reply as the engine says, and returns the reason.
func (r *reader) finish(result *engine.Result) FinishReason {
	reason := FinishCancelled
	switch result.Finish {
	case engine.FinishStop:
		r.close(result.StopID)
		reason = FinishReason(r.parser.FinishReason())
	case engine.FinishLength:
		r.close(harmony.NoToken)
		reason = FinishLength
	case engine.FinishCaller:
		reason = FinishStop
	case engine.FinishCancelled:
		r.close(harmony.NoToken)
	}
	r.endItem(r.stopped)
	switch {
	case r.stopped && r.calls > 0: // they are complete, since content follows them
		return FinishToolCalls
	case r.stopped: // perhaps only by the text that the end released
		return FinishStop
	}
	return reason
}

// close ends the reply: by the token stop, or by none.
func (r *reader) close(stop int32) {
	if r.stopped {
		return
	}
	if stop != harmony.NoToken {
		r.events(r.parser.Push(stop))
	}
	r.events(r.parser.Close())
}

func (r *reader) events(events []harmony.Event) {
	for _, e := range events {
		if r.silent || r.stopped {
			return
		}
		switch e.Kind {
		case harmony.MessageStart:
			r.inMessage, r.undecided, r.begun, r.said, r.tokens = true, e.Undecided || r.headed && !r.marked, r.marked, false, 1
			r.held.Reset()
			r.start(&e.Header)
		case harmony.TextDelta:
			r.skipHeader(len(e.Text))
			if r.undecided {
				r.held.WriteString(e.Text)
			} else {
				r.text(e.Text)
			}
		case harmony.MessageEnd:
			if r.undecided {
				text := r.held.String()
				r.held.Reset()
				r.undecided = false
				if r.headed {
					r.inMessage, r.pending = false, nil
					continue
				}
				r.start(&e.Header)
				if text != "" {
					r.text(text)
				}
			}
			r.end(e.Stop)
		}
	}
}

// content reports whether the message is for the user, as far as is known.
func (r *reader) content() bool {
	return r.undecided || r.kind == harmony.Answer || r.kind == harmony.Preamble
}

// start begins a message, unless its header is not certain.
func (r *reader) start(h *harmony.Header) {
	r.kind = h.Kind()
	if r.kind == harmony.Other {
		r.kind = harmony.Reasoning // the model writes in another role's name: the text is shown as reasoning
	}
	switch {
	case r.undecided:
	case r.kind == harmony.ToolCall:
		r.arguments = argumentStream{}
		r.begin(ItemStart{Kind: Call, Index: r.calls, ID: r.callID(), Name: r.names.give(h)})
		r.calls++
	default:
		r.separator, r.joined = "", false
	}
}

func (r *reader) text(text string) {
	if r.kind == harmony.ToolCall {
		r.callDelta(r.arguments.write(text))
		return
	}
	if r.kind == harmony.Reasoning {
		if !r.open {
			start := ItemStart{Kind: Reasoning}
			if r.reasoned && !r.resumed {
				start.Separator = "\n\n"
			}
			r.begin(start)
		}
		r.reasoned = true
		r.emit(ReasoningDelta{text})
		return
	}
	if r.kind == harmony.Preamble && !r.said {
		trimmed := strings.TrimLeftFunc(text, unicode.IsSpace)
		r.claim(len(text) - len(trimmed))
		if text = trimmed; text == "" {
			return
		}
	}
	if r.spoken && !r.joined {
		r.separator = r.stop.join()
	}
	r.joined = true
	out, done := r.stop.write(text)
	r.stopped = done
	r.say(out)
}

// end ends the message, at the token stop.
func (r *reader) end(stop int32) {
	switch r.kind {
	case harmony.ToolCall:
		if stop != harmony.NoToken || r.arguments.begun() { // else the call was cut off before its arguments
			r.callDelta(r.arguments.flush())
		}
	case harmony.Reasoning:
		r.reasoning += r.tokens
	default:
		if !r.stopped {
			r.say(r.stop.flush())
		}
	}
	r.endItem(r.stopped || stop != harmony.NoToken)
	r.inMessage, r.resumed = false, false
	r.pending, r.unclaimed = nil, 0
}

// begin begins an item.
func (r *reader) begin(start ItemStart) {
	r.open = true
	r.emit(start)
}

// endItem ends the item that is open, if there is one.
func (r *reader) endItem(whole bool) {
	if r.open {
		r.open = false
		r.emit(ItemEnd{whole})
	}
}

// say sends text for the user. A message of nothing but white space is not sent.
func (r *reader) say(text string) {
	if !r.said {
		r.held.WriteString(text)
		if strings.TrimSpace(text) == "" && !r.stopped && !r.exact {
			return
		}
		text, r.said = r.held.String(), true
		r.held.Reset()
	}
	if text == "" {
		return
	}
	if r.spoken = true; !r.open {
		kind := Answer
		if r.kind == harmony.Preamble {
			kind = Preamble
		}
		r.begin(ItemStart{Kind: kind, Separator: r.separator})
	}
	r.emit(ContentDelta{text, r.claim(len(text))})
}

func (r *reader) callDelta(arguments string) {
	if arguments != "" {
		r.emit(ToolCallDelta{r.calls - 1, arguments})
	}
}

func (r *reader) emit(e Event) {
	r.silent = r.silent || !r.send(e)
}

func newTokenLogprob(tok *tokenizer.Tokenizer, t engine.Token) TokenLogprob {
	named := func(p sample.LogProb) TokenLogprob {
		return TokenLogprob{ID: p.ID, Bytes: tok.Decode([]int32{p.ID}), LogProb: p.LogProb}
	}
	p := named(sample.LogProb{ID: t.ID, LogProb: t.LogProb})
	for _, top := range t.Top {
		p.Top = append(p.Top, named(top))
	}
	return p
}

// skipHeader takes the tokens away that come before a message's first text, of n bytes: without <|message|> it is only now known
// where that begins.
func (r *reader) skipHeader(n int) {
	if r.begun {
		return
	}
	r.begun = true
	first, size := len(r.pending), 0
	for ; first > 0 && size < n; first-- {
		size += len(r.pending[first-1].Bytes)
	}
	r.pending = r.pending[first:]
	r.unclaimed += max(0, size-n) // space before the text
}

// claim returns the tokens that begin in the next n bytes of text.
func (c *claims) claim(n int) []TokenLogprob {
	c.unclaimed += n
	k := 0
	for k < len(c.pending) && c.unclaimed > 0 {
		c.unclaimed -= len(c.pending[k].Bytes)
		k++
	}
	claimed := c.pending[:k:k]
	c.pending = c.pending[k:]
	return claimed
}
