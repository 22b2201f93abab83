package server

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"gossamer/runtime/chat"
	"gossamer/runtime/openai"
)

// chat answers POST /v1/chat/completions.
func (h *Handler) chat(w http.ResponseWriter, r *http.Request) {
	body, ok := h.readBody(w, r)
	if !ok {
		return
	}
	decode := openai.Decode
	if h.options.StrictRequests {
		decode = openai.DecodeStrict
	}
	request, err := decode(body)
	if err != nil {
		failReply(w, err)
		return
	}
	model, ok := h.find(request.Model)
	if !ok {
		h.unknownModel(w, request.Model)
		return
	}
	ctx, end, ok := h.begin(r)
	if !ok {
		failReply(w, errDraining)
		return
	}
	defer end()
	request.Chat.Key, _ = r.Context().Value(keyName{}).(string)
	unenforced, err := model.Engine.Prepare(ctx, request.Chat)
	if err != nil {
		failReply(w, err)
		return
	}
	request.Unenforced(unenforced)
	if len(request.Ignored) > 0 {
		w.Header().Set("X-Gossamer-Ignored", strings.Join(request.Ignored, ", "))
	}
	o := openai.Options{
		ID: h.options.NewID("chatcmpl-"), Created: h.options.Clock(), Model: model.Name, IncludeUsage: request.IncludeUsage, Ignored: request.Ignored,
	}
	if request.Model != "" {
		o.Model = request.Model
	}
	events := chat.Choices(ctx, model.Engine.Chat, request.Chat, request.N)
	if request.Stream {
		h.stream(ctx, w, func(s *eventWriter) (bool, error) { return openai.WriteSSE(s, s.flush, openai.Stream(events, o)) })
		return
	}
	replies, err := chat.CollectChoices(events, request.N)
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		failReply(w, err)
		return
	}
	completion, err := openai.NewCompletion(replies, o)
	if err != nil {
		failReply(w, err)
		return
	}
	h.deadline(http.NewResponseController(w))
	send(w, http.StatusOK, completion)
}

// stream answers with events as write writes them, and with comments while there are none: who waits in line, or for a long prompt, is not
// taken for gone by what is between.
func (h *Handler) stream(ctx context.Context, w http.ResponseWriter, write func(*eventWriter) (begun bool, err error)) {
	s := &eventWriter{h: h, w: w, c: http.NewResponseController(w), last: time.Now()}
	stop := make(chan struct{})
	var comments sync.WaitGroup
	comments.Go(func() { s.keepAlive(stop) })
	begun, err := write(s)
	close(stop)
	comments.Wait()
	switch {
	case begun || err == nil:
	case s.begun: // a comment has been the status
		e, _ := errorOf(err)
		openai.WriteError(s, s.flush, e)
	default:
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		failReply(w, err)
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
	s.h.deadline(s.c)
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

// unknownModel answers that there is no such model.
func (h *Handler) unknownModel(w http.ResponseWriter, name string) {
	var names []string
	for _, m := range h.options.Models {
		names = append(names, m.Name)
	}
	fail(w, http.StatusNotFound, requestError("there is no model "+quote(name)+", only "+strings.Join(names, ", "), "model", "model_not_found"))
}
