package chat

import (
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
	send     func(Event) bool // false: the consumer has stopped

	silent    bool // send has returned false
	stopped   bool // a stop string was found
	inMessage bool
	kind      harmony.Kind // of the message
	separate  bool         // the message is not the first one of its kind: a blank line goes before its text
	reasoned  bool         // there has been reasoning
	spoken    bool         // there has been content
	stop      stopper
	arguments argumentStream
	calls     int // begun
	reasoning int // tokens

	pending   []TokenLogprob // of tokens whose text is not sent yet
	unclaimed int            // bytes sent that no token was sent with; negative where a token is ahead of its text
}

// push takes a token; false ends the reply.
func (r *reader) push(t engine.Token) bool {
	reasoning := r.inMessage && r.kind == harmony.Reasoning
	if r.logprobs && r.inMessage && r.content() && r.tok.Bytes(t.ID) != nil {
		r.pending = append(r.pending, r.logprob(t))
	}
	r.events(r.parser.Push(t.ID))
	if reasoning || r.inMessage && r.kind == harmony.Reasoning {
		r.reasoning++
	}
	return !r.silent && !r.stopped
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
			r.start(&e.Header)
		case harmony.TextDelta:
			r.text(e.Text)
		case harmony.MessageEnd:
			r.end()
		}
	}
}

// content reports whether the message is for the user.
func (r *reader) content() bool { return r.kind == harmony.Answer || r.kind == harmony.Preamble }

func (r *reader) start(h *harmony.Header) {
	r.inMessage, r.kind = true, h.Kind()
	if r.kind == harmony.Other {
		r.kind = harmony.Reasoning // the model writes in another role's name: the text is shown as reasoning
	}
	switch {
	case r.kind == harmony.ToolCall:
		r.arguments = argumentStream{}
		r.emit(ToolCallStart{Index: r.calls, ID: r.callID(), Name: r.names.give(h)})
		r.calls++
	case r.kind == harmony.Reasoning:
		r.separate = r.reasoned
	default:
		r.separate = r.spoken
	}
}

func (r *reader) text(text string) {
	switch r.kind {
	case harmony.ToolCall:
		r.callDelta(r.arguments.write(text))
	case harmony.Reasoning:
		r.reasoned = true
		r.emit(ReasoningDelta{r.separated(text)})
	case harmony.Answer:
		out, done := r.stop.write(text)
		r.say(out)
		r.stopped = done
	default:
		r.say(text)
	}
}

func (r *reader) end() {
	switch r.kind {
	case harmony.ToolCall:
		r.callDelta(r.arguments.flush())
	case harmony.Answer:
		r.say(r.stop.flush())
	}
	r.inMessage = false
	r.pending, r.unclaimed = nil, 0
}

func (r *reader) say(text string) {
	if text == "" {
		return
	}
	r.spoken = true
	logprobs := r.claim(len(text))
	r.emit(ContentDelta{r.separated(text), logprobs})
}

// separated puts a blank line between messages that the caller sees as one text.
func (r *reader) separated(text string) string {
	if r.separate {
		r.separate = false
		return "\n\n" + text
	}
	return text
}

func (r *reader) callDelta(arguments string) {
	if arguments != "" {
		r.emit(ToolCallDelta{r.calls - 1, arguments})
	}
}

func (r *reader) emit(e Event) {
	r.silent = r.silent || !r.send(e)
}

func (r *reader) logprob(t engine.Token) TokenLogprob {
	p := r.named(sample.LogProb{ID: t.ID, LogProb: t.LogProb})
	for _, top := range t.Top {
		p.Top = append(p.Top, r.named(top))
	}
	return p
}

func (r *reader) named(p sample.LogProb) TokenLogprob {
	return TokenLogprob{ID: p.ID, Bytes: r.tok.Decode([]int32{p.ID}), LogProb: p.LogProb}
}

// claim returns the tokens that begin in the next n bytes of text.
func (r *reader) claim(n int) []TokenLogprob {
	r.unclaimed += n
	k := 0
	for k < len(r.pending) && r.unclaimed > 0 {
		r.unclaimed -= len(r.pending[k].Bytes)
		k++
	}
	claimed := r.pending[:k:k]
	r.pending = r.pending[k:]
	return claimed
}
