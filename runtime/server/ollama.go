package server

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gossamer/runtime/jsonerror"
)

// ollamaVersion is that of an Ollama whose clients use OpenAI's API for everything but finding models.
const ollamaVersion = "0.40.12"

// ollamaEntry is a model in the list of /api/tags.
type ollamaEntry struct {
	Name       string        `json:"name"`
	Model      string        `json:"model"`
	ModifiedAt string        `json:"modified_at"`
	Size       int64         `json:"size"`
	Digest     string        `json:"digest"`
	Details    ollamaDetails `json:"details"`
}

type ollamaDetails struct {
	ParentModel       string   `json:"parent_model"`
	Format            string   `json:"format"`
	Family            string   `json:"family"`
	Families          []string `json:"families"`
	ParameterSize     string   `json:"parameter_size"`
	QuantizationLevel string   `json:"quantization_level"`
}

func (m *Model) ollamaDetails() ollamaDetails {
	const family = "gptoss"
	return ollamaDetails{
		Format: "safetensors", Family: family, Families: []string{family}, ParameterSize: parameterSize(m.Parameters), QuantizationLevel: "MXFP4",
	}
}

// parameterSize is a number of parameters as Ollama writes it.
func parameterSize(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1fB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1fM", float64(n)/1e6)
	case n > 0:
		return fmt.Sprintf("%.1fK", float64(n)/1e3)
	}
	return "unknown"
}

// ollamaRoutes are what Ollama's clients ask to find models. They use OpenAI's API then.
func (h *Handler) ollamaRoutes() map[string]map[string]handler {
	return map[string]map[string]handler{
		"/api/version": {"GET": func(w http.ResponseWriter, _ *http.Request) error {
			send(w, http.StatusOK, map[string]string{"version": ollamaVersion})
			return nil
		}},
		"/api/tags": {"GET": h.ollamaTags},
		"/api/show": {"POST": h.ollamaShow},
	}
}

// ollamaTags answers GET /api/tags: each model by its names.
func (h *Handler) ollamaTags(w http.ResponseWriter, _ *http.Request) error {
	list := struct {
		Models []ollamaEntry `json:"models"`
	}{}
	for i := range h.options.Models {
		m := &h.options.Models[i]
		digest := sha256.Sum256([]byte(m.Name)) // one for all names of a model
		for _, name := range m.names() {
			list.Models = append(list.Models, ollamaEntry{
				Name: name, Model: name, ModifiedAt: m.Created.UTC().Format(time.RFC3339), Size: m.Bytes, Digest: hex.EncodeToString(digest[:]),
				Details: m.ollamaDetails(),
			})
		}
	}
	send(w, http.StatusOK, list)
	return nil
}

// ollamaShow answers POST /api/show.
func (h *Handler) ollamaShow(w http.ResponseWriter, r *http.Request) error {
	body, err := h.readBody(w, r)
	if err != nil {
		return err
	}
	var request struct {
		Model string `json:"model"`
		Name  string `json:"name"` // of older clients
	}
	if err := json.Unmarshal(body, &request); err != nil {
		ollamaFail(w, http.StatusBadRequest, "the request is not as it should be: "+jsonerror.Plain(err).Error())
		return nil
	}
	name := request.Model
	if name == "" {
		name = request.Name
	}
	m, err := h.find(strings.TrimSuffix(name, ":latest")) // which stands for a name without a tag
	if err != nil || name == "" {
		ollamaFail(w, http.StatusNotFound, fmt.Sprintf("model %q not found", name[:min(len(name), 100)]))
		return nil
	}
	send(w, http.StatusOK, struct {
		Parameters   string         `json:"parameters"`
		Template     string         `json:"template"`
		Details      ollamaDetails  `json:"details"`
		Info         map[string]any `json:"model_info"`
		Capabilities []string       `json:"capabilities"`
		ModifiedAt   string         `json:"modified_at"`
	}{
		Details: m.ollamaDetails(),
		Info: map[string]any{
			"general.architecture": "gptoss", "general.basename": m.Name, "general.parameter_count": m.Parameters, "gptoss.context_length": m.Context,
		},
		Capabilities: []string{"completion", "tools", "thinking"},
		ModifiedAt:   m.Created.UTC().Format(time.RFC3339),
	})
	return nil
}

// ollamaFail answers with an error as Ollama's clients read it.
func ollamaFail(w http.ResponseWriter, status int, message string) {
	send(w, status, map[string]string{"error": message})
}

// ollamaNothing answers what Ollama's own API has and this server does not.
func (h *Handler) ollamaNothing(w http.ResponseWriter, r *http.Request) {
	message := "there is nothing at " + r.URL.Path + ": this is not Ollama, send requests for replies to /v1/chat/completions"
	if !h.options.OllamaDiscovery {
		message += "; with --ollama-discovery Ollama's clients find the models"
	}
	ollamaFail(w, http.StatusNotFound, message)
}
