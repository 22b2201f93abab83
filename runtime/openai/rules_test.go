package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"gossamer/runtime/chat"
	"gossamer/runtime/testenv"
)

// modelsExample is a list of models and the answer to GET /v1/models.
type modelsExample struct {
	Models []modelExample `json:"models"`
	JSON   string         `json:"json"`
}

type modelExample struct {
	ID      string `json:"id"`
	OwnedBy string `json:"ownedBy"`
	Created int64  `json:"created"` // seconds since 1970
}

// sseExample is a streamed reply and the server-sent events it is sent as.
type sseExample struct {
	Chunks []Chunk      `json:"chunks"`
	Error  *ErrorObject `json:"error"` // after the chunks; null: the reply ends well
	Frames []string     `json:"frames"`
}

// TestRules compares what this package writes with testdata/rules, which the page's tests read, since a service worker answers the
// same API in TypeScript. -update writes those files.
func TestRules(t *testing.T) {
	models := []modelsExample{
		{Models: []modelExample{}},
		{Models: []modelExample{{"gpt-oss-20b", "gossamer", 1754352000}}},
		{Models: []modelExample{{`a "b" <c>`, "gossamer", 0}, {"größer/x", "openai", 1754352001}}},
	}
	for i := range models {
		m := &models[i]
		var list []Model
		for _, e := range m.Models {
			list = append(list, NewModel(e.ID, e.OwnedBy, time.Unix(e.Created, 0)))
		}
		m.JSON = string(wireJSON(t, NewModelList(list...)))
	}
	testenv.ExampleLines(t, "rules/models.json", models)

	text := []chat.Event{
		chat.ReasoningDelta{Text: "a \"b\"\n<c> & "}, chat.ContentDelta{Text: "€ 😀\t\u0001"}, chat.Done{Reason: chat.FinishStop},
	}
	sse := []sseExample{}
	for _, r := range []struct {
		events []chat.Event
		err    error
	}{{events: text}, {text[:1], errors.New("the device is gone: <x>\n\"y\"")}, {text[:2], ErrCancelled}} {
		e := sseExample{Chunks: []Chunk{}}
		for chunk, err := range Stream(stream(r.err, r.events...), reply) {
			if err != nil {
				response, _ := Error(err)
				e.Error = &response.Error
				break
			}
			e.Chunks = append(e.Chunks, chunk)
		}
		w := &recorder{}
		if _, err := WriteSSE(w, w.flush, Stream(stream(r.err, r.events...), reply)); !errors.Is(err, r.err) {
			t.Fatal(err)
		}
		e.Frames = w.frames
		sse = append(sse, e)
	}
	testenv.ExampleLines(t, "rules/sse.json", sse)
}

// wireJSON writes JSON as the API sends it.
func wireJSON(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
