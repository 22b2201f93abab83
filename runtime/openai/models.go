package openai

import "time"

// ModelList is the answer to GET /v1/models.
type ModelList struct {
	Object string  `json:"object"` // "list"
	Data   []Model `json:"data"`
}

// Model is the answer to GET /v1/models/{id}.
type Model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`  // "model"
	Created int64  `json:"created"` // seconds since 1970
	OwnedBy string `json:"owned_by"`
}

// NewModel describes a model.
func NewModel(id, ownedBy string, created time.Time) Model {
	return Model{ID: id, Object: "model", Created: created.Unix(), OwnedBy: ownedBy}
}

// NewModelList lists models.
func NewModelList(models ...Model) ModelList {
	return ModelList{Object: "list", Data: append([]Model{}, models...)}
}
