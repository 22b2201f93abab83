package responses

import (
	"io"
	"iter"
	"strings"

	"gossamer/runtime/chat"
	"gossamer/runtime/wire"
)

// Event is a part of a streamed response. Which fields it has depends on its type.
type Event struct {
	Type         string               `json:"type"`
	Sequence     int                  `json:"sequence_number"` // from 0
	Response     *Response            `json:"response,omitempty"`
	OutputIndex  *int                 `json:"output_index,omitempty"`
	Item         *Item                `json:"item,omitempty"`
	ItemID       string               `json:"item_id,omitempty"`
	ContentIndex *int                 `json:"content_index,omitempty"`
	Part         *Part                `json:"part,omitempty"`
	Delta        *string              `json:"delta,omitempty"`
	Text         *string              `json:"text,omitempty"`
	Name         string               `json:"name,omitempty"`
	Arguments    *string              `json:"arguments,omitempty"`
	Logprobs     *[]wire.TokenLogprob `json:"logprobs,omitempty"`
}

// stream turns the events of a reply into those of the API.
type stream struct {
	request  *Request
	options  *Options
	response *Response
	yield    func(Event) bool
	next     int // sequence number
	stopped  bool

	item *chat.Item // open; nil: none
	text strings.Builder
}

// Stream turns the events of a reply into those of the API while they arrive. done gets the response when it has ended, also if it failed. The
// error, if there is one, comes first, before any event; it can be answered with an HTTP status. Later ones are events.
func Stream(r *Request, events iter.Seq2[chat.Event, error], o Options, failure func(error) *wire.Failure, done func(*Response)) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		s := &stream{request: r, options: &o, yield: func(e Event) bool { return yield(e, nil) }}
		for e, err := range events {
			end, ended := e.(chat.Done)
			if err == nil && ended && end.Reason == chat.FinishCancelled {
				err = wire.ErrCancelled
			}
			switch {
			case err != nil && s.response == nil:
				yield(Event{}, err)
				return
			case err != nil:
				s.fail(failure(err))
			case ended:
				s.begin()
				s.response.end(end, o.Now())
				s.send(Event{Type: "response." + s.response.Status, Response: s.response})
			default:
				s.begin()
				s.add(e)
			}
			if err != nil || ended {
				done(s.response)
			}
			if err != nil || ended || s.stopped {
				return
			}
		}
	}
}

func (s *stream) send(e Event) {
	e.Sequence = s.next
	s.next++
	s.stopped = s.stopped || !s.yield(e)
}

// begin says that there is a response.
func (s *stream) begin() {
	if s.response != nil {
		return
	}
	s.response = newResponse(s.request, s.options)
	for _, kind := range []string{"response.created", "response.in_progress"} {
		now := *s.response
		s.send(Event{Type: kind, Response: &now})
	}
}

// of is an event of the item that is open.
func (s *stream) of(kind string) Event {
	index := len(s.response.Output) - 1
	return Event{Type: kind, OutputIndex: &index, ItemID: s.response.Output[index].ID}
}

// inText is an event of the text of the item that is open.
func (s *stream) inText(kind string) Event {
	e := s.of(kind)
	e.ContentIndex = new(0)
	return e
}

func (s *stream) add(e chat.Event) {
	switch e := e.(type) {
	case chat.ItemStart:
		s.item = &chat.Item{ItemStart: e}
		s.text.Reset()
		s.response.Output = append(s.response.Output, newItem(e, s.options.NewID))
		item := s.response.Output[len(s.response.Output)-1]
		added := s.of("response.output_item.added")
		added.ItemID, added.Item = "", &item
		s.send(added)
		if e.Kind != chat.Call {
			part := s.inText("response.content_part.added")
			part.Part = new(newPart(e.Kind, "", nil))
			s.send(part)
		}
	case chat.ReasoningDelta:
		s.text.WriteString(e.Text)
		delta := s.inText("response.reasoning_text.delta")
		delta.Delta = &e.Text
		s.send(delta)
	case chat.ContentDelta:
		s.text.WriteString(e.Text)
		s.item.Logprobs = append(s.item.Logprobs, e.Logprobs...)
		delta := s.inText("response.output_text.delta")
		delta.Delta, delta.Logprobs = &e.Text, new(wire.Logprobs(e.Logprobs))
		s.send(delta)
	case chat.ToolCallDelta:
		s.text.WriteString(e.Arguments)
		delta := s.of("response.function_call_arguments.delta")
		delta.Delta = &e.Arguments
		s.send(delta)
	case chat.ItemEnd:
		s.end(e.Whole)
	}
}

// end ends the item that is open.
func (s *stream) end(whole bool) {
	s.item.Text, s.item.Whole = s.text.String(), whole
	item := &s.response.Output[len(s.response.Output)-1]
	item.finish(s.item, s.request.encrypt)
	switch s.item.Kind {
	case chat.Call:
		done := s.of("response.function_call_arguments.done")
		done.Name, done.Arguments = item.Name, item.Arguments
		s.send(done)
	case chat.Reasoning:
		done := s.inText("response.reasoning_text.done")
		done.Text = &s.item.Text
		s.send(done)
	default:
		done := s.inText("response.output_text.done")
		done.Text, done.Logprobs = &s.item.Text, (*item.Content)[0].Logprobs
		s.send(done)
	}
	if s.item.Kind != chat.Call {
		part := s.inText("response.content_part.done")
		part.Part = &(*item.Content)[0]
		s.send(part)
	}
	done := s.of("response.output_item.done")
	done.ItemID, done.Item = "", item
	s.send(done)
	s.item = nil
}

// fail ends the response with an error.
func (s *stream) fail(f *wire.Failure) {
	if s.item != nil {
		s.end(false)
	}
	s.response.fail(f)
	s.send(Event{Type: "response.failed", Response: s.response})
}

// WriteSSE writes a streamed response as server-sent events, each with one call of Write followed by flush, which may be nil. It returns the
// first error of the events or of writing. If begun is false, nothing is written, and the caller can still answer with an HTTP status.
func WriteSSE(w io.Writer, flush func() error, events iter.Seq2[Event, error]) (begun bool, err error) {
	for e, err := range events {
		if err != nil {
			return begun, err
		}
		if err := wire.WriteEvent(w, flush, e.Type, e); err != nil {
			return true, err
		}
		begun = true
	}
	return true, nil
}

// WriteError writes an error as the only event of a stream of which nothing but comments was written.
func WriteError(w io.Writer, flush func() error, r *Request, f *wire.Failure, o Options) error {
	_, err := WriteSSE(w, flush, func(yield func(Event, error) bool) {
		s := &stream{request: r, options: &o, yield: func(e Event) bool { return yield(e, nil) }}
		s.begin()
		s.fail(f)
	})
	return err
}
