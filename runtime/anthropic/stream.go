package anthropic

import (
	"io"
	"iter"
	"strings"

	"gossamer/runtime/chat"
	"gossamer/runtime/wire"
)

// Event is a part of a streamed reply.
type Event struct {
	Type         string   `json:"type"`
	Message      *Message `json:"message,omitempty"`       // of message_start
	Index        *int     `json:"index,omitempty"`         // of the block, from 0
	ContentBlock *Block   `json:"content_block,omitempty"` // of content_block_start
	Delta        *Delta   `json:"delta,omitempty"`         // of content_block_delta and message_delta
	Usage        *Usage   `json:"usage,omitempty"`         // of message_delta, of the whole reply
}

// Delta is more of a block, in one of the fields after its type, or the message's end.
type Delta struct {
	Type        string `json:"type,omitempty"` // "thinking_delta", "signature_delta", "text_delta" or "input_json_delta"
	Thinking    string `json:"thinking,omitempty"`
	Signature   string `json:"signature,omitempty"`
	Text        string `json:"text,omitempty"`
	PartialJSON string `json:"partial_json,omitempty"`
	*Ending
}

// Stream turns the events of a reply into those of the API while they arrive. It ends with the error of the events, or wire.ErrCancelled. An
// error that comes first, before any event, can be answered with an HTTP status.
func Stream(events iter.Seq2[chat.ChoiceEvent, error], o Options) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		s := &stream{Options: o, yield: yield}
		begun := false
		for e, err := range events {
			done, ended := e.Event.(chat.Done)
			if err == nil && ended && done.Reason == chat.FinishCancelled {
				err = wire.ErrCancelled
			}
			if err != nil {
				if !s.gone {
					yield(Event{}, err)
				}
				return
			}
			if !begun {
				begun = true
				m := o.message()
				m.Usage = Usage{InputTokens: o.Prompt.total - o.Prompt.cached, CacheReadInputTokens: o.Prompt.cached}
				s.send(Event{Type: "message_start", Message: m})
			}
			s.event(e.Event)
			if s.gone {
				return
			}
		}
	}
}

// stream is where a streamed reply is.
type stream struct {
	Options
	yield func(Event, error) bool
	gone  bool            // the consumer has stopped
	index int             // of the block
	item  chat.ItemStart  // the one that is open
	held  strings.Builder // text of the item that is sent at its end, in another form
	holds bool            // the item's text is held
	told  bool            // arguments have begun
}

func (s *stream) send(e Event) { s.gone = s.gone || !s.yield(e, nil) }

func (s *stream) delta(d Delta) {
	s.send(Event{Type: "content_block_delta", Index: new(s.index), Delta: &d})
}

func (s *stream) event(e chat.Event) {
	switch e := e.(type) {
	case chat.ItemStart:
		s.start(e)
	case chat.ReasoningDelta:
		switch {
		case s.Request.Thinking == Hidden:
		case s.holds:
			s.held.WriteString(e.Text)
		default:
			s.delta(Delta{Type: "thinking_delta", Thinking: e.Text})
		}
	case chat.ContentDelta:
		s.delta(Delta{Type: "text_delta", Text: e.Text})
	case chat.ToolCallDelta:
		if !s.told {
			s.told, s.holds = true, !isStreamed(e.Arguments, s.Request.offers(s.item.Name))
		}
		if s.holds {
			s.held.WriteString(e.Arguments)
		} else {
			s.delta(Delta{Type: "input_json_delta", PartialJSON: e.Arguments})
		}
	case chat.ItemEnd:
		s.end()
	case chat.Done:
		s.send(Event{Type: "message_delta", Delta: &Delta{Ending: new(newEnding(e.Reason, e.Stop))}, Usage: new(newUsage(&e.Usage))})
		s.send(Event{Type: "message_stop"})
	}
}

// start begins a block.
func (s *stream) start(item chat.ItemStart) {
	s.item, s.told, s.holds = item, false, item.Kind == chat.Reasoning && s.Request.Thinking == Omitted
	s.held.Reset()
	if item.Kind == chat.Reasoning && s.Request.Thinking == Hidden {
		return
	}
	s.send(Event{Type: "content_block_start", Index: new(s.index), ContentBlock: new(begin(&item))})
}

// end ends the block, after what is left of it.
func (s *stream) end() {
	switch {
	case s.item.Kind == chat.Reasoning && s.Request.Thinking == Hidden:
		return
	case s.item.Kind == chat.Reasoning:
		s.delta(Delta{Type: "signature_delta", Signature: sign(s.held.String(), s.Request.Thinking)})
	case s.holds:
		s.delta(Delta{Type: "input_json_delta", PartialJSON: string(input(s.held.String(), false))})
	}
	s.send(Event{Type: "content_block_stop", Index: new(s.index)})
	s.index++
}

// WriteSSE writes a streamed reply as server-sent events, each with one call of Write followed by flush, which may be nil. It
// returns the first error of the reply or of writing. An error of the reply is sent to the client as a last event, unless it comes
// first: then begun is false, nothing is written, and the caller can still answer with an HTTP status.
func WriteSSE(w io.Writer, flush func() error, events iter.Seq2[Event, error], requestID string) (begun bool, err error) {
	for e, failed := range events {
		switch {
		case failed == nil:
			if err := wire.WriteEvent(w, flush, e.Type, e); err != nil {
				return true, err
			}
			begun = true
			continue
		case begun:
			if err := WriteError(w, flush, (&Request{}).Failure(failed), requestID); err != nil {
				return true, err
			}
		}
		return begun, failed
	}
	return true, nil
}

// WriteError writes the event that ends a stream that failed.
func WriteError(w io.Writer, flush func() error, f *wire.Failure, requestID string) error {
	response, _ := NewError(f, requestID)
	return wire.WriteEvent(w, flush, "error", response)
}
