package chat

import (
	"context"
	"iter"
	"slices"
)

// Conversation keeps the messages of a conversation. It is used by one goroutine at a time.
type Conversation struct {
	// Request is the request of the next reply: its Messages are the history, its other fields may be changed at any time.
	Request Request

	stream func(context.Context, Request) iter.Seq2[Event, error]
}

// NewConversation begins a conversation. stream answers requests, as Completer.Stream does; r.Messages may have a history already.
func NewConversation(stream func(context.Context, Request) iter.Seq2[Event, error], r Request) *Conversation {
	r.Messages = slices.Clone(r.Messages)
	return &Conversation{Request: r, stream: stream}
}

// Say sends a message of the user.
func (c *Conversation) Say(ctx context.Context, text string) iter.Seq2[Event, error] {
	return c.Send(ctx, Message{Role: User, Content: text})
}

// Send adds messages, from the user or the results of all calls of the last reply, and streams the reply, which is added too. A
// reply that was cut off is added as far as it came, without its calls, which are perhaps not complete; if nothing came, or an
// error, the history stays as it was before.
func (c *Conversation) Send(ctx context.Context, messages ...Message) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r := c.Request
		r.Messages = slices.Concat(c.Request.Messages, messages)
		var parts collector
		for e, err := range c.stream(ctx, r) {
			if err != nil {
				yield(nil, err)
				return
			}
			parts.add(e)
			if !yield(e, nil) {
				break
			}
		}
		reply := parts.response()
		m := reply.Message
		if reply.Reason != FinishToolCalls {
			m.ToolCalls = nil
		}
		if reply.Reason == FinishStop || m.Content != "" || m.Reasoning != "" || len(m.ToolCalls) > 0 {
			c.Request.Messages = append(r.Messages, m)
		}
	}
}
