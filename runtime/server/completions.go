package server

import (
	"context"
	"io"
	"iter"
	"net/http"

	"gossamer/runtime/chat"
	"gossamer/runtime/completions"
	"gossamer/runtime/openai"
	"gossamer/runtime/wire"
)

// completions answers POST /v1/completions.
func (h *Handler) completions(w http.ResponseWriter, r *http.Request) error {
	body, err := h.readBody(w, r)
	if err != nil {
		return err
	}
	request, err := completions.Decode(body, h.options.StrictRequests)
	if err != nil {
		return err
	}
	o := completions.Options{ID: h.options.NewID("cmpl-"), Created: h.options.Clock(), Model: h.modelName(request.Model)}
	n := len(request.Prompts) * request.N
	x := &exchange{
		failure: completions.Failure, model: request.Model, n: n,
		begin: func(ctx context.Context, m *Model, key string) (iter.Seq2[chat.ChoiceEvent, error], []string, error) {
			texts, err := request.Texts(ctx, m.Engine.Tokenizer(), key)
			if err != nil {
				return nil, nil, err
			}
			return chat.Together(ctx, n, func(ctx context.Context, i int) iter.Seq2[chat.Event, error] { return m.Engine.Continue(ctx, texts[i]) }), request.Ignored, nil
		},
		broken: func(w io.Writer, flush func() error, f *wire.Failure) error {
			return wire.WriteEvent(w, flush, "", openai.NewError(f))
		},
		whole: func(replies []*chat.Response) (any, error) { return completions.New(request, replies, o) },
	}
	if request.Stream {
		x.stream = func(w io.Writer, flush func() error, events iter.Seq2[chat.ChoiceEvent, error]) (bool, error) {
			return completions.WriteSSE(w, flush, request, events, o)
		}
	}
	return h.reply(w, r, x)
}
