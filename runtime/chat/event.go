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
	Stop   string // the stop string that was found; "" if there was none
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
	Queued           time.Duration // waiting in line
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

// Item is a whole item.
type Item struct {
	ItemStart
	Text     string         // of a call its arguments: JSON as the model wrote it
	Logprobs []TokenLogprob // of what is said to the user, if asked for
	Whole    bool           // as ItemEnd says
}

// Response is a whole reply.
type Response struct {
	Items    []Item
	Message  Message        // of the assistant: the items in one message
	Logprobs []TokenLogprob // of the message's content
	Reason   FinishReason
	Stop     string // as Done says
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
	items []Item
	text  strings.Builder // of the last item, while it is open
	open  bool
	done  Done
}

func (c *collector) add(e Event) {
	switch e := e.(type) {
	case ItemStart:
		c.items, c.open = append(c.items, Item{ItemStart: e}), true
	case ItemEnd:
		c.end(e.Whole)
	case ReasoningDelta:
		c.text.WriteString(e.Text)
	case ContentDelta:
		c.text.WriteString(e.Text)
		last := &c.items[len(c.items)-1]
		last.Logprobs = append(last.Logprobs, e.Logprobs...)
	case ToolCallDelta:
		c.text.WriteString(e.Arguments)
	case Done:
		c.done = e
	}
}

// end ends the item that is open.
func (c *collector) end(whole bool) {
	if c.open {
		last := &c.items[len(c.items)-1]
		last.Text, last.Whole, c.open = c.text.String(), whole, false
		c.text.Reset()
	}
}

// response returns what there is of the reply.
func (c *collector) response() *Response {
	c.end(false)
	r := &Response{Items: c.items, Message: Message{Role: Assistant}, Reason: c.done.Reason, Stop: c.done.Stop, Usage: c.done.Usage}
	var content, reasoning strings.Builder
	for _, i := range c.items {
		switch i.Kind {
		case Reasoning:
			reasoning.WriteString(i.Separator + i.Text)
		case Call:
			r.Message.ToolCalls = append(r.Message.ToolCalls, ToolCall{ID: i.ID, Name: i.Name, Arguments: i.Text})
		default:
			content.WriteString(i.Separator + i.Text)
			r.Logprobs = append(r.Logprobs, i.Logprobs...)
		}
	}
	r.Message.Content, r.Message.Reasoning = content.String(), reasoning.String()
	return r
}
