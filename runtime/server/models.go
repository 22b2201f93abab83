package server

import (
	"encoding/json"
	"net/http"
	"strings"

	"gossamer/runtime/jsonerror"
	"gossamer/runtime/openai"
	"gossamer/runtime/wire"
)

// model is an entry of /v1/models, with what clients of other servers look for.
type model struct {
	openai.Model
	MaxModelLen   int    `json:"max_model_len"`
	ContextLength int    `json:"context_length"`
	RunsOn        string `json:"runs_on,omitempty"` // for people; not part of OpenAI's API
}

func (m *Model) entry(name string) model {
	return model{openai.NewModel(name, "openai", m.Created), m.Context, m.Context, m.RunsOn}
}

// names are all that a request may call the model.
func (m *Model) names() []string { return append([]string{m.Name}, m.Aliases...) }

// models answers GET /v1/models: each model by its names.
func (h *Handler) models(w http.ResponseWriter, _ *http.Request) error {
	list := struct {
		Object string  `json:"object"`
		Data   []model `json:"data"`
	}{Object: "list"}
	for i := range h.options.Models {
		m := &h.options.Models[i]
		for _, name := range m.names() {
			list.Data = append(list.Data, m.entry(name))
		}
	}
	send(w, http.StatusOK, list)
	return nil
}

// model answers GET /v1/models/{model}.
func (h *Handler) model(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("model")
	m, err := h.find(name)
	if err != nil {
		return err
	}
	send(w, http.StatusOK, m.entry(h.modelName(name)))
	return nil
}

// tokenize answers POST /tokenize.
func (h *Handler) tokenize(w http.ResponseWriter, r *http.Request) error {
	var request struct {
		Model  string  `json:"model"`
		Prompt *string `json:"prompt"`
	}
	m, err := h.decode(w, r, &request, &request.Model)
	if err != nil {
		return err
	}
	if request.Prompt == nil {
		return refuse(http.StatusBadRequest, "prompt", wire.CodeMissing, "prompt: is missing")
	}
	tokens, err := m.Engine.Tokenizer().EncodeContext(r.Context(), *request.Prompt)
	if err != nil {
		return openai.Failure(err)
	}
	send(w, http.StatusOK, struct {
		Count       int     `json:"count"`
		MaxModelLen int     `json:"max_model_len"`
		Tokens      []int32 `json:"tokens"`
	}{len(tokens), m.Context, tokens})
	return nil
}

// detokenize answers POST /detokenize.
func (h *Handler) detokenize(w http.ResponseWriter, r *http.Request) error {
	var request struct {
		Model  string  `json:"model"`
		Tokens []int32 `json:"tokens"`
	}
	m, err := h.decode(w, r, &request, &request.Model)
	if err != nil {
		return err
	}
	tok := m.Engine.Tokenizer()
	var text strings.Builder
	for i, id := range request.Tokens {
		special, isSpecial := tok.SpecialText(id)
		switch {
		case isSpecial:
			text.WriteString(special)
		case id < 0 || tok.Bytes(id) == nil:
			return refuse(http.StatusBadRequest, "tokens", wire.CodeValue, "tokens[%d]: %d is no token", i, id)
		default:
			text.Write(tok.Bytes(id))
		}
	}
	send(w, http.StatusOK, struct {
		Prompt string `json:"prompt"`
	}{text.String()})
	return nil
}

// decode reads a small request and finds its model.
func (h *Handler) decode(w http.ResponseWriter, r *http.Request, to any, name *string) (*Model, error) {
	body, err := h.readBody(w, r)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, to); err != nil {
		return nil, refuse(http.StatusBadRequest, "", wire.CodeJSON, "the request is not as it should be: %v", jsonerror.Plain(err))
	}
	return h.find(*name)
}

// resetPlaybacks begins all playbacks anew: plays are counted from the first, and a device that a play lost is there again.
func (h *Handler) resetPlaybacks(w http.ResponseWriter, r *http.Request) error {
	found := false
	for i := range h.options.Models {
		if m := &h.options.Models[i]; m.Reset != nil {
			m.Reset()
			m.tally.lost.Store(false)
			found = true
		}
	}
	if !found {
		return refuse(http.StatusNotFound, "", "unknown_url", "there is nothing at %s: no model here is played from a file", r.URL.Path)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
