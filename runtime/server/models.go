package server

import (
	"encoding/json"
	"net/http"
	"strconv"

	"gossamer/runtime/openai"
)

// model is an entry of /v1/models, with what clients of other servers look for.
type model struct {
	openai.Model
	MaxModelLen   int `json:"max_model_len"`
	ContextLength int `json:"context_length"`
}

func (m *Model) entry(name string) model {
	return model{openai.NewModel(name, "openai", m.Created), m.Context, m.Context}
}

// models answers GET /v1/models: each model by its names.
func (h *Handler) models(w http.ResponseWriter, _ *http.Request) {
	list := struct {
		Object string  `json:"object"`
		Data   []model `json:"data"`
	}{Object: "list"}
	for i := range h.options.Models {
		m := &h.options.Models[i]
		for _, name := range append([]string{m.Name}, m.Aliases...) {
			list.Data = append(list.Data, m.entry(name))
		}
	}
	send(w, http.StatusOK, list)
}

// model answers GET /v1/models/{model}.
func (h *Handler) model(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("model")
	m, ok := h.find(name)
	if !ok || name == "" {
		h.unknownModel(w, name)
		return
	}
	send(w, http.StatusOK, m.entry(name))
}

func quote(s string) string { return strconv.Quote(s[:min(len(s), 100)]) }

// tokenize answers POST /tokenize.
func (h *Handler) tokenize(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Model  string  `json:"model"`
		Prompt *string `json:"prompt"`
	}
	m, ok := h.decode(w, r, &request, &request.Model)
	if !ok {
		return
	}
	if request.Prompt == nil {
		fail(w, http.StatusBadRequest, requestError("prompt: is missing", "prompt", "missing_required_parameter"))
		return
	}
	tokens := append([]int32{}, m.Engine.Tokenizer().Encode(*request.Prompt)...)
	send(w, http.StatusOK, struct {
		Count       int     `json:"count"`
		MaxModelLen int     `json:"max_model_len"`
		Tokens      []int32 `json:"tokens"`
	}{len(tokens), m.Context, tokens})
}

// detokenize answers POST /detokenize.
func (h *Handler) detokenize(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Model  string  `json:"model"`
		Tokens []int32 `json:"tokens"`
	}
	m, ok := h.decode(w, r, &request, &request.Model)
	if !ok {
		return
	}
	tok := m.Engine.Tokenizer()
	text := ""
	for i, id := range request.Tokens {
		special, isSpecial := tok.SpecialText(id)
		switch {
		case isSpecial:
			text += special
		case id < 0 || tok.Bytes(id) == nil:
			fail(w, http.StatusBadRequest, requestError("tokens["+strconv.Itoa(i)+"]: "+strconv.Itoa(int(id))+" is no token", "tokens", "invalid_value"))
			return
		default:
			text += string(tok.Bytes(id))
		}
	}
	send(w, http.StatusOK, struct {
		Prompt string `json:"prompt"`
	}{text})
}

// decode reads a small request and finds its model. If it fails, the answer is written.
func (h *Handler) decode(w http.ResponseWriter, r *http.Request, to any, name *string) (*Model, bool) {
	body, ok := h.readBody(w, r)
	if !ok {
		return nil, false
	}
	if err := json.Unmarshal(body, to); err != nil {
		fail(w, http.StatusBadRequest, requestError("the request is not as it should be: "+err.Error(), "", "invalid_json"))
		return nil, false
	}
	m, ok := h.find(*name)
	if !ok {
		h.unknownModel(w, *name)
	}
	return m, ok
}
