package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	flags "flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gossamer/runtime/chat"
)

var update = flags.Bool("update", false, "write testdata/rules")

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
	compareRules(t, "models.json", models)

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
	compareRules(t, "sse.json", sse)
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

// compareRules compares examples, a line each, with a file of testdata/rules.
func compareRules[T any](t *testing.T, name string, examples []T) {
	t.Helper()
	text := []byte("[")
	for i, e := range examples {
		text = append(append(text, []string{"\n  ", ",\n  "}[min(i, 1)]...), wireJSON(t, e)...)
	}
	text = append(text, "\n]\n"...)
	file := filepath.Join("..", "..", "testdata", "rules", name)
	if *update {
		if err := os.WriteFile(file, text, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(old, text) {
		t.Errorf("%s says otherwise: if the change is right, run this test with -update and follow it in web/\n%s", file, text)
	}
}
