package chat

import (
	"iter"
	"strings"
	"time"
)

// Event is a part of a reply as it arrives. A reply is a sequence of items, one after the other: each is an ItemStart, deltas of its kind, and
// an ItemEnd. At the end comes Done.
type Event interface{ isEvent() }

// ItemKind is what an item is.
type ItemKind int

const (
	Reasoning ItemKind = iota // what the model thinks
	Preamble                  // what it says to the user before it calls a function
	Answer                    // what it says to the user else
	Call                      // of a function
)

// ItemStart begins an item. All but calls have some text.
type ItemStart struct {
	Kind ItemKind
	// Separator goes before the item's text where all reasoning, or all that is said to the user, becomes one text: a blank line, or less where
	// that would complete a stop string. "" in the first.
	Separator string
	Index     int    // of a call: counts the calls of the reply from 0
	ID, Name  string // of a call
}

// ItemEnd ends the item that is open.
type ItemEnd struct {
	Whole bool // the model has ended it; else the reply is cut off here
}

// ReasoningDelta is more of what the model thinks, whole characters.
type ReasoningDelta struct{ Text string }

// ContentDelta is more of a preamble or an answer, whole characters.
type ContentDelta struct {
	Text     string
	Logprobs []TokenLogprob // of the tokens that begin in Text, if asked for
}

// ToolCallDelta is more of a call's arguments.
type ToolCallDelta struct {
	Index     int // as the call's ItemStart says
	Arguments string
}

// Done ends every reply that did not fail.
type Done struct {
	Reason FinishReason
	Usage  Usage
}

func (ItemStart) isEvent()      {}
func (ItemEnd) isEvent()        {}
func (ReasoningDelta) isEvent() {}
func (ContentDelta) isEvent()   {}
func (ToolCallDelta) isEvent()  {}
func (Done) isEvent()           {}

// FinishReason says why a reply ended.
type FinishReason string

const (
	FinishStop      FinishReason = "stop"       // the model ended its answer, or a stop string was found
	FinishLength    FinishReason = "length"     // MaxTokens were generated, or the context is full
	FinishToolCalls FinishReason = "tool_calls" // the model waits for the results of its calls
	FinishCancelled FinishReason = "cancelled"  // the context.Context ended
)

// Usage counts and times one reply. Markers count as tokens, the one that ends the reply does not.
type Usage struct {
	PromptTokens     int
	CachedTokens     int // of the prompt, known from before
	CompletionTokens int
	ReasoningTokens  int           // of the completion
	TimeToFirstToken time.Duration // waiting in line included; 0 if there was none
	PrefillRate      float64       // tokens per second of the prompt that were computed
	DecodeRate       float64       // tokens per second after the first one
}

// TokenLogprob is a token of the answer and how likely the model found it.
type TokenLogprob struct {
	ID      int32
	Bytes   []byte // not always whole characters
	LogProb float32
	Top     []TokenLogprob // the most likely tokens in its place, most likely first; without Top
}

// Response is a whole reply.
type Response struct {
	Message  Message // of the assistant
	Logprobs []TokenLogprob
	Reason   FinishReason
	Usage    Usage
}

// Collect reads a reply to its end.
func Collect(events iter.Seq2[Event, error]) (*Response, error) {
	var c collector
	for e, err := range events {
		if err != nil {
			return nil, err
		}
		c.add(e)
	}
	return c.response(), nil
}

// collector puts a reply together.
type collector struct {
	content, reasoning strings.Builder
	calls              []ToolCall
	arguments          []*strings.Builder // of the calls
	logprobs           []TokenLogprob
	done               Done
}

func (c *collector) add(e Event) {
	switch e := e.(type) {
	case ItemStart:
		switch e.Kind {
		case Reasoning:
			c.reasoning.WriteString(e.Separator)
		case Call:
			c.calls = append(c.calls, ToolCall{ID: e.ID, Name: e.Name})
			c.arguments = append(c.arguments, new(strings.Builder))
		default:
			c.content.WriteString(e.Separator)
		}
	case ReasoningDelta:
		c.reasoning.WriteString(e.Text)
	case ContentDelta:
		c.content.WriteString(e.Text)
		c.logprobs = append(c.logprobs, e.Logprobs...)
	case ToolCallDelta:
		c.arguments[e.Index].WriteString(e.Arguments)
	case Done:
		c.done = e
	}
}

// response returns what there is of the reply.
func (c *collector) response() *Response {
	for i := range c.calls {
		c.calls[i].Arguments = c.arguments[i].String()
	}
	return &Response{
		Message:  Message{Role: Assistant, Content: c.content.String(), Reasoning: c.reasoning.String(), ToolCalls: c.calls},
		Logprobs: c.logprobs, Reason: c.done.Reason, Usage: c.done.Usage,
	}
}
