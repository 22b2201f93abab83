package server

import (
	"context"
	"io"
	"iter"
	"net/http"
	"slices"
	"strconv"

	"gossamer/runtime/chat"
	"gossamer/runtime/responses"
	"gossamer/runtime/wire"
)

// responses answers POST /v1/responses.
func (h *Handler) responses(w http.ResponseWriter, r *http.Request) error {
	body, err := h.readBody(w, r)
	if err != nil {
		return err
	}
	request, history, err := h.decodeResponse(r, body)
	if err != nil {
		return err
	}
	key, _ := r.Context().Value(keyName{}).(string)
	o := responses.Options{ID: h.options.NewID("resp_"), Model: h.modelName(request.Model), Now: h.options.Clock, NewID: h.options.NewID}
	keep := func(response *responses.Response) {
		if request.Store {
			k := &keptReply{key: key, response: response, input: request.Input}
			k.history = slices.Concat(history, request.Input, response.Output)
			h.kept.put(k)
		}
	}
	x := &exchange{
		failure: request.Failure, model: request.Model, n: 1,
		begin: chats(&request.Chat, 1, func(unenforced []string) []string {
			request.Unenforced(unenforced)
			return request.Ignored
		}),
		broken: func(w io.Writer, flush func() error, f *wire.Failure) error {
			return responses.WriteError(w, flush, request, f, o)
		},
		whole: func(replies []*chat.Response) (any, error) {
			response, err := responses.New(request, replies[0], o)
			if err == nil {
				keep(response)
			}
			return response, err
		},
	}
	if request.Stream {
		x.stream = func(w io.Writer, flush func() error, events iter.Seq2[chat.ChoiceEvent, error]) (bool, error) {
			return responses.WriteSSE(w, flush, responses.Stream(request, only(events), o, request.Failure, keep))
		}
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer h.kept.run(o.ID, key, cancel)()
	return h.reply(w, r.WithContext(ctx), x)
}

// decodeResponse reads a request, and puts its conversation together with what is kept. history is what was before its input.
func (h *Handler) decodeResponse(r *http.Request, body []byte) (request *responses.Request, history []responses.Item, err error) {
	if request, err = responses.Decode(body, h.options.StrictRequests); err != nil {
		return nil, nil, err
	}
	key, _ := r.Context().Value(keyName{}).(string)
	if request.Previous != "" {
		before := h.kept.get(request.Previous, key)
		switch {
		case before != nil:
		case h.kept.isRunning(request.Previous, key):
			return nil, nil, stillMade("previous_response_id", request.Previous)
		default:
			const message = "there is no response %q here: it is not kept, or no more; send the whole conversation as input"
			return nil, nil, refuse(http.StatusBadRequest, "previous_response_id", "previous_response_not_found", message,
				request.Previous[:min(len(request.Previous), 100)])
		}
		history = before.history
	}
	return request, history, request.Converse(history, func(id string) (responses.Item, bool) { return h.kept.item(id, key) })
}

// countInput answers POST /v1/responses/input_tokens.
func (h *Handler) countInput(w http.ResponseWriter, r *http.Request) error {
	body, err := h.readBody(w, r)
	if err != nil {
		return err
	}
	request, _, err := h.decodeResponse(r, body)
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
	send(w, http.StatusOK, struct {
		Object      string `json:"object"`
		InputTokens int    `json:"input_tokens"`
	}{"response.input_tokens", len(tokens)})
	return nil
}

// only is the one reply of a request that asks for one.
func only(events iter.Seq2[chat.ChoiceEvent, error]) iter.Seq2[chat.Event, error] {
	return func(yield func(chat.Event, error) bool) {
		for e, err := range events {
			if !yield(e.Event, err) {
				return
			}
		}
	}
}

// find returns the response that a request is about.
func (h *Handler) findResponse(r *http.Request) (*keptReply, error) {
	id := r.PathValue("id")
	key, _ := r.Context().Value(keyName{}).(string)
	if k := h.kept.get(id, key); k != nil {
		return k, nil
	}
	return nil, h.noResponse(id, key)
}

// noResponse is why a request finds no response.
func (h *Handler) noResponse(id, key string) error {
	if h.kept.isRunning(id, key) {
		return stillMade("", id)
	}
	return refuse(http.StatusNotFound, "", "response_not_found", "there is no response %q: it is not kept, or no more", id[:min(len(id), 100)])
}

// stillMade says that a response is not there yet.
func stillMade(param, id string) error {
	const message = "the response %q is still being made: read its events to their end, or cancel it"
	return refuse(http.StatusConflict, param, "response_in_progress", message, id)
}

// response answers GET /v1/responses/{id}.
func (h *Handler) response(w http.ResponseWriter, r *http.Request) error {
	if stream, _ := strconv.ParseBool(r.URL.Query().Get("stream")); stream {
		return refuse(http.StatusBadRequest, "stream", wire.CodeUnsupported, "stream: responses are streamed while they are created")
	}
	k, err := h.findResponse(r)
	if err != nil {
		return err
	}
	send(w, http.StatusOK, k.response)
	return nil
}

// deleteResponse answers DELETE /v1/responses/{id}.
func (h *Handler) deleteResponse(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	key, _ := r.Context().Value(keyName{}).(string)
	if !h.kept.forget(id, key) {
		return h.noResponse(id, key)
	}
	send(w, http.StatusOK, struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Deleted bool   `json:"deleted"`
	}{id, "response", true})
	return nil
}

// cancelResponse answers POST /v1/responses/{id}/cancel: a response that is being made ends with an error.
func (h *Handler) cancelResponse(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	key, _ := r.Context().Value(keyName{}).(string)
	if h.kept.stop(id, key, wire.ErrCancelled) {
		send(w, http.StatusOK, struct {
			ID     string `json:"id"`
			Object string `json:"object"`
			Status string `json:"status"`
		}{id, "response", "cancelled"})
		return nil
	}
	if _, err := h.findResponse(r); err != nil {
		return err
	}
	return refuse(http.StatusBadRequest, "", "response_ended", "the response has ended already")
}

// inputItems answers GET /v1/responses/{id}/input_items, with the parameters order, limit and after.
func (h *Handler) inputItems(w http.ResponseWriter, r *http.Request) error {
	k, err := h.findResponse(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	items := slices.Clone(k.input)
	for i := range items {
		if items[i].ID == "" {
			items[i].ID = "item_" + strconv.Itoa(i) + "_" + k.response.ID
		}
	}
	switch order := query.Get("order"); order {
	case "", "desc":
		slices.Reverse(items)
	case "asc":
	default:
		return refuse(http.StatusBadRequest, "order", wire.CodeValue, "order: is %q, want asc or desc", order)
	}
	if after := query.Get("after"); after != "" {
		i := slices.IndexFunc(items, func(i responses.Item) bool { return i.ID == after })
		if i < 0 {
			return refuse(http.StatusBadRequest, "after", wire.CodeValue, "after: there is no item %q", after)
		}
		items = items[i+1:]
	}
	limit := 20
	if text := query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > 100 {
			return refuse(http.StatusBadRequest, "limit", wire.CodeValue, "limit: is %q, want 1 to 100", text)
		}
	}
	page := struct {
		Object  string           `json:"object"`
		Data    []responses.Item `json:"data"`
		FirstID *string          `json:"first_id"`
		LastID  *string          `json:"last_id"`
		HasMore bool             `json:"has_more"`
	}{Object: "list", Data: items[:min(limit, len(items))], HasMore: len(items) > limit}
	if n := len(page.Data); n > 0 {
		page.FirstID, page.LastID = &page.Data[0].ID, &page.Data[n-1].ID
	}
	send(w, http.StatusOK, page)
	return nil
}
