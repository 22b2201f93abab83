package server

import (
	"context"
	"io"
	"iter"
	"net/http"

	"gossamer/runtime/chat"
	"gossamer/runtime/openai"
	"gossamer/runtime/wire"
)

// chat answers POST /v1/chat/completions.
func (h *Handler) chat(w http.ResponseWriter, r *http.Request) error {
	body, err := h.readBody(w, r)
	if err != nil {
		return err
	}
	decode := openai.Decode
	if h.options.StrictRequests {
		decode = openai.DecodeStrict
	}
	request, err := decode(body)
	if err != nil {
		return err
	}
	o := openai.Options{
		ID: h.options.NewID("chatcmpl-"), Created: h.options.Clock(), Model: h.modelName(request.Model), IncludeUsage: request.IncludeUsage,
		ReasoningField: h.options.ReasoningField,
	}
	x := &exchange{
		failure: func(err error) *wire.Failure { return openai.Failure(request.Placed(err)) }, model: request.Model, n: request.N,
		begin: chats(&request.Chat, request.N, func(unenforced []string) []string {
			request.Unenforced(unenforced)
			o.Ignored = request.Ignored
			return o.Ignored
		}),
		broken: func(w io.Writer, flush func() error, f *wire.Failure) error {
			return wire.WriteEvent(w, flush, "", openai.NewError(f))
		},
		whole: func(replies []*chat.Response) (any, error) { return openai.NewCompletion(replies, o) },
	}
	if begin := x.begin; h.options.PreambleAsReasoning {
		x.begin = func(ctx context.Context, m *Model, key string) (iter.Seq2[chat.ChoiceEvent, error], []string, error) {
			events, ignored, err := begin(ctx, m, key)
			if err != nil {
				return nil, nil, err
			}
			return chat.PreambleAsReasoning(events), ignored, nil
		}
	}
	if request.Stream {
		x.stream = func(w io.Writer, flush func() error, events iter.Seq2[chat.ChoiceEvent, error]) (bool, error) {
			return openai.WriteSSE(w, flush, openai.Stream(events, o))
		}
	}
	return h.reply(w, r, x)
}
