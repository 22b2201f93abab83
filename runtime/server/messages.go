package server

import (
	"io"
	"iter"
	"net/http"
	"strings"

	"gossamer/runtime/anthropic"
	"gossamer/runtime/chat"
	"gossamer/runtime/wire"
)

// Paths of Anthropic's API.
const (
	messagesPath    = "/v1/messages"
	countTokensPath = messagesPath + "/count_tokens"
)

// isMessages reports whether a request is for Anthropic's API.
func isMessages(r *http.Request) bool {
	return r.URL.Path == messagesPath || strings.HasPrefix(r.URL.Path, messagesPath+"/")
}

// messages answers POST /v1/messages.
func (h *Handler) messages(w http.ResponseWriter, r *http.Request) error {
	body, err := h.readBody(w, r)
	if err != nil {
		return err
	}
	request, err := anthropic.Decode(body, h.options.StrictRequests)
	if err != nil {
		return err
	}
	id := w.Header().Get("X-Request-Id")
	o := anthropic.Options{ID: h.options.NewID("msg_"), Model: h.modelName(request.Model), Request: request, Prompt: &anthropic.Prompt{}}
	request.Chat.Progress = o.Prompt.Progress
	x := &exchange{
		failure: request.Failure, model: request.Model, n: 1,
		begin: chats(&request.Chat, 1, func(unenforced []string) []string {
			request.Unenforced(unenforced)
			return request.Ignored
		}),
		broken: func(w io.Writer, flush func() error, f *wire.Failure) error {
			return anthropic.WriteError(w, flush, f, id)
		},
		whole: func(replies []*chat.Response) (any, error) { return anthropic.NewMessage(replies[0], o) },
	}
	if request.Stream {
		x.stream = func(w io.Writer, flush func() error, events iter.Seq2[chat.ChoiceEvent, error]) (bool, error) {
			return anthropic.WriteSSE(w, flush, anthropic.Stream(events, o), id)
		}
	}
	return h.reply(w, r, x)
}

// countTokens answers POST /v1/messages/count_tokens.
func (h *Handler) countTokens(w http.ResponseWriter, r *http.Request) error {
	body, err := h.readBody(w, r)
	if err != nil {
		return err
	}
	request, err := anthropic.DecodeCount(body, h.options.StrictRequests)
	if err != nil {
		return err
	}
	model, err := h.find(request.Model)
	if err != nil {
		return err
	}
	tokens, err := model.Engine.Prompt(r.Context(), request.Chat)
	if err != nil {
		return request.Failure(err)
	}
	nameIgnored(w, request.Ignored)
	send(w, http.StatusOK, anthropic.Count{InputTokens: len(tokens)})
	return nil
}
