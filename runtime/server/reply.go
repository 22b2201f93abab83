package server

import (
	"context"
	"io"
	"iter"
	"net/http"
	"sync"
	"time"

	"gossamer/runtime/chat"
	"gossamer/runtime/wire"
)

// exchange is a request for replies in the form of an API, and how they are sent.
type exchange struct {
	failure func(error) *wire.Failure // with the API's names of fields
	model   string                    // as asked for, perhaps ""
	n       int                       // replies
	// begin asks a model for them, and says what is left out of the request.
	begin func(ctx context.Context, m *Model, key string) (events iter.Seq2[chat.ChoiceEvent, error], ignored []string, err error)
	// stream sends replies in parts; nil if that is not wanted. begun is false if nothing was written.
	stream func(w io.Writer, flush func() error, events iter.Seq2[chat.ChoiceEvent, error]) (begun bool, err error)
	// broken sends an error of which the status can't tell any more, where stream has written nothing.
	broken func(w io.Writer, flush func() error, f *wire.Failure) error
	whole  func([]*chat.Response) (any, error)
}

// reply answers a request for replies.
func (h *Handler) reply(w http.ResponseWriter, r *http.Request, x *exchange) error {
	if err := h.answer(w, r, x); err != nil {
		return x.failure(err)
	}
	return nil
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request, x *exchange) error {
	model, err := h.find(x.model)
	if err != nil {
		return err
	}
	ctx, end, err := h.begin(r)
	if err != nil {
		return err
	}
	defer end()
	key, _ := r.Context().Value(keyName{}).(string)
	events, ignored, err := x.begin(ctx, model, key)
	if err != nil {
		return err
	}
	nameIgnored(w, ignored)
	if x.stream != nil {
		return h.stream(ctx, w, x, events)
	}
	replies, err := chat.CollectChoices(events, x.n)
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	whole, err := x.whole(replies)
	if err != nil {
		return err
	}
	send(w, http.StatusOK, whole)
	return nil
}

// chats is how replies to a request are begun. ignored takes what of schemas is not enforced, and returns all that is left out of the request.
func chats(r *chat.Request, n int, ignored func(unenforced []string) []string) func(context.Context, *Model, string) (iter.Seq2[chat.ChoiceEvent, error], []string, error) {
	return func(ctx context.Context, m *Model, key string) (iter.Seq2[chat.ChoiceEvent, error], []string, error) {
		r.Key = key
		unenforced, err := m.Engine.Prepare(ctx, *r)
		if err != nil {
			return nil, nil, err
		}
		return chat.Choices(ctx, m.Engine.Chat, *r, n), ignored(unenforced), nil
	}
}

// stream answers with events as they come, and with comments while there are none: who waits in line, or for a long prompt, is not taken for
// gone by what is between.
func (h *Handler) stream(ctx context.Context, w http.ResponseWriter, x *exchange, events iter.Seq2[chat.ChoiceEvent, error]) error {
	s := &eventWriter{h: h, w: w, c: http.NewResponseController(w), last: time.Now()}
	stop := make(chan struct{})
	var comments sync.WaitGroup
	comments.Go(func() { s.keepAlive(stop) })
	begun, err := x.stream(s, s.flush, because(ctx, events))
	close(stop)
	comments.Wait()
	if begun || err == nil {
		return nil
	}
	if s.begun { // a comment has been the status
		x.broken(s, s.flush, x.failure(err))
		return nil
	}
	return err
}

// because says why replies end that ctx has cancelled.
func because(ctx context.Context, events iter.Seq2[chat.ChoiceEvent, error]) iter.Seq2[chat.ChoiceEvent, error] {
	return func(yield func(chat.ChoiceEvent, error) bool) {
		for e, err := range events {
			done, ok := e.Event.(chat.Done)
			if ctx.Err() != nil && (err != nil || ok && done.Reason == chat.FinishCancelled) {
				err = context.Cause(ctx)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// eventWriter writes server-sent events.
type eventWriter struct {
	h *Handler
	w http.ResponseWriter
	c *http.ResponseController

	mu    sync.Mutex
	begun bool
	last  time.Time // of what was written
}

// Write writes an event.
func (s *eventWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(p)
}

func (s *eventWriter) write(p []byte) (int, error) {
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", "text/event-stream")
		s.w.Header().Set("X-Accel-Buffering", "no") // of nginx
	}
	s.last = time.Now()
	return s.w.Write(p)
}

func (s *eventWriter) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.c.Flush()
}

func (s *eventWriter) keepAlive(stop <-chan struct{}) {
	period := s.h.options.KeepAlive
	for {
		s.mu.Lock()
		wait := period - time.Since(s.last)
		if wait <= 0 {
			wait = period
			if _, err := s.write([]byte(": waiting\n\n")); err != nil || s.c.Flush() != nil {
				s.mu.Unlock()
				return // who writes next sees it too
			}
		}
		s.mu.Unlock()
		select {
		case <-time.After(wait):
		case <-stop:
			return
		}
	}
}

// errDraining means that the server takes no more requests, or ends the replies that are left.
var errDraining = &wire.Failure{
	Status: http.StatusServiceUnavailable, Type: wire.TypeServer, Code: "draining", Message: "the server is being shut down",
}

// begin counts a request for a reply. Its context ends when drain gives up waiting.
func (h *Handler) begin(r *http.Request) (ctx context.Context, end func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return nil, nil, errDraining
	}
	h.active++
	ctx, cancel := context.WithCancelCause(r.Context())
	stop := context.AfterFunc(h.ending, func() { cancel(errDraining) })
	return ctx, func() {
		stop()
		cancel(nil)
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.active--; h.active == 0 && h.draining {
			close(h.idle)
		}
	}, nil
}

// drain lets no more requests in and waits for the replies that have begun. When ctx ends, they are cancelled.
func (h *Handler) drain(ctx context.Context) error {
	h.mu.Lock()
	if !h.draining {
		h.draining = true
		if h.active == 0 {
			close(h.idle)
		}
	}
	h.mu.Unlock()
	select {
	case <-h.idle:
		return nil
	case <-ctx.Done():
		h.end(errDraining)
		<-h.idle
		return context.Cause(ctx)
	}
}
