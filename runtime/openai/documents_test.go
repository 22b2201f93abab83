package openai

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"gossamer/runtime/chat"
	"gossamer/runtime/engine"
	"gossamer/runtime/grammar"
	"gossamer/runtime/playback"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/tokenizertest"
)

var (
	documents   = flag.Int("documents", 200, "number of documents that TestDocumentsOfRandomSchemas makes")
	documentsTo = flag.String("documents-to", "", "file for them, JSON lines, so that other validators can judge them")
	weights     = flag.Bool("random-weights", false, "let a model with random weights write them: slower")
)

// schemaMaker makes random schemas whose documents are not endless.
type schemaMaker struct {
	*rand.Rand
	draft7 bool // else 2020-12
	depth  int
}

// schema is a schema that says which draft it is of.
func (m *schemaMaker) schema() map[string]any {
	defined := m.scalar()
	o := m.object()
	o["$schema"], o["$defs"] = "https://json-schema.org/draft/2020-12/schema", map[string]any{"some": defined}
	reference := "#/$defs/some"
	if m.draft7 {
		delete(o, "$defs")
		o["$schema"], o["definitions"] = "http://json-schema.org/draft-07/schema#", map[string]any{"some": defined}
		reference = "#/definitions/some"
	}
	o["properties"].(map[string]any)["ref"] = map[string]any{"$ref": reference}
	return o
}

func (m *schemaMaker) pick(list ...string) string { return list[m.IntN(len(list))] }

// value is a schema of any kind; inside a definition that refers to itself it has to come to an end.
func (m *schemaMaker) value() map[string]any {
	if m.depth == 0 {
		return m.scalar()
	}
	m.depth--
	defer func() { m.depth++ }()
	switch m.IntN(7) {
	case 0, 1, 2:
		return m.object()
	case 3, 4:
		return m.array()
	case 5:
		return map[string]any{m.pick("anyOf", "oneOf"): []any{
			map[string]any{"type": "object", "properties": map[string]any{"kind": map[string]any{"const": "a"}, "value": m.value()}, "required": []any{"kind", "value"}},
			map[string]any{"type": "object", "properties": map[string]any{"kind": map[string]any{"const": "b"}, "n": m.number()}, "required": []any{"kind"}, "additionalProperties": false},
			m.scalarOf("string"),
		}}
	}
	return m.scalar()
}

func (m *schemaMaker) object() map[string]any {
	properties, required := map[string]any{}, []any{}
	for range m.IntN(4) {
		name := m.pick("name", "n", "tags", "größe", "a b", `q"uote`, "x/y", "")
		properties[name] = m.value()
		if m.IntN(2) == 0 && !slices.Contains(required, any(name)) {
			required = append(required, name)
		}
	}
	o := map[string]any{"type": "object", "properties": properties, "required": required}
	switch m.IntN(4) {
	case 0:
	case 1:
		o["additionalProperties"] = m.scalar()
	default:
		o["additionalProperties"] = false
	}
	if m.IntN(5) == 0 {
		o["patternProperties"] = map[string]any{"^x_": m.scalar()}
	}
	if m.IntN(5) == 0 && len(required) > 0 {
		o[map[bool]string{true: "dependencies", false: "dependentRequired"}[m.draft7]] = map[string]any{"name": required}
	}
	return o
}

func (m *schemaMaker) array() map[string]any {
	least := m.IntN(3)
	a := map[string]any{"type": "array", "items": m.value(), "minItems": least, "maxItems": least + m.IntN(3)}
	if m.IntN(4) == 0 {
		first := []any{m.scalar(), m.scalar()}
		if m.draft7 {
			a["items"], a["additionalItems"] = first, a["items"]
		} else {
			a["prefixItems"] = first
		}
	}
	return a
}

func (m *schemaMaker) scalar() map[string]any {
	return m.scalarOf(m.pick("string", "string", "number", "boolean", "null", "enum", "const"))
}

func (m *schemaMaker) scalarOf(kind string) map[string]any {
	switch kind {
	case "string":
		s := map[string]any{"type": "string"}
		switch m.IntN(5) {
		case 0:
			least := m.IntN(4)
			s["minLength"], s["maxLength"] = least, least+m.IntN(20)
		case 1:
			s["pattern"] = m.pick("^[a-z]+$", "^[A-Z]{2}-[0-9]{3,5}$", "[aeiou]", `^\d+(\.\d+)?$`, "^(red|green|blue)?$", `^[^\s@]+@[^\s@]+$`)
		case 2:
			s["format"] = m.pick("date", "date-time", "uuid", "ipv4", "email", "time")
		}
		return s
	case "number":
		return m.number()
	case "boolean", "null":
		return map[string]any{"type": kind}
	case "enum":
		return map[string]any{"enum": []any{"red", 12, nil, true, "größer", 1.5}[:2+m.IntN(5)]}
	}
	return map[string]any{"const": []any{"fixed", 7, false, []any{1, "a"}, map[string]any{"k": "v"}}[m.IntN(5)]}
}

func (m *schemaMaker) number() map[string]any {
	n := map[string]any{"type": m.pick("integer", "number")}
	low := m.IntN(2000) - 1000
	if m.IntN(2) == 0 {
		n[m.pick("minimum", "exclusiveMinimum")] = low
	}
	if m.IntN(2) == 0 {
		n[m.pick("maximum", "exclusiveMaximum")] = low + 2 + m.IntN(3000)
	}
	if n["type"] == "integer" && m.IntN(5) == 0 {
		n["multipleOf"] = 1 + m.IntN(12)
	}
	return n
}

// scribble is a backend that writes any token that is allowed, with a sign now and then that ends something.
func scribble(t *testing.T) engine.Backend {
	some := fmt.Sprintf(`{"tokens": [%d]}`, tokenizer.Start) // which is never allowed, so that another one stands there
	var parts []string
	for _, sign := range []string{`"`, "}", "]", `",`, "1"} {
		parts = append(parts, some, some, says(sign))
	}
	m, err := playback.Load([]byte(`{"version": 1, "defaults": {"mask": "free"}, "plays": [{"name": "any", "when": {}, "reply": [{"repeat": {"times": 1000, "of": [`+
		strings.Join(parts, ",")+`]}}]}]}`), tokenizertest.Vocabulary(), playback.Options{Context: 10000})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Whatever the model would like to write, it writes nothing but valid documents, however few tokens it has.
func TestDocumentsOfRandomSchemas(t *testing.T) {
	var b engine.Backend
	if b = scribble(t); *weights {
		b = random(t)
	}
	c := completer(t, b)
	tok := tokenizertest.Vocabulary()
	grammars := grammar.NewCache(grammar.NewVocabulary(tok.Vocab(), tok.Bytes))
	var lines []byte
	made, unsupported := 0, 0
	for seed := uint64(0); made < *documents; seed++ {
		m := &schemaMaker{Rand: rand.New(rand.NewPCG(seed, 5)), draft7: seed%2 == 1, depth: 3}
		schema, err := json.Marshal(m.schema())
		if err != nil {
			t.Fatal(err)
		}
		r := chat.Request{
			Messages: []chat.Message{{Role: chat.User}}, Effort: chat.None, MaxTokens: 400,
			Format: &chat.ResponseFormat{Name: "n", Schema: schema, Strict: true},
		}
		var refused *chat.FieldError
		if _, err := c.Prepare(t.Context(), r); errors.As(err, &refused) {
			t.Logf("%s: %v", schema, err)
			unsupported++
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		judge, err := newJudge(schema)
		if err != nil {
			t.Fatalf("%s: %v", schema, err)
		}
		least := fewestTokens(t, grammars, schema)
		for i := range 5 {
			if i > 0 {
				r.MaxTokens = least + m.IntN(i*i*5-4) // few are enough, too
			}
			r.Messages[0].Content = strings.Repeat("Go on. ", m.IntN(100)) // what is scribbled depends on the position
			r.Sampling = &sample.Params{Temperature: 1.5, Seed: seed*5 + uint64(i)}
			reply, err := chat.Collect(c.Stream(t.Context(), r))
			if err != nil {
				t.Fatalf("%s: %v", schema, err)
			}
			text := reply.Message.Content
			if wrong := judge(text); wrong != nil || reply.Reason != chat.FinishStop {
				t.Fatalf("schema %s\ndocument %s\n%v after %d tokens of %d: %v", schema, text, reply.Reason, reply.Usage.CompletionTokens, r.MaxTokens, wrong)
			}
			made++
			line, err := json.Marshal(map[string]any{"schema": json.RawMessage(schema), "document": text})
			if err != nil {
				t.Fatal(err)
			}
			lines = append(append(lines, line...), '\n')
		}
	}
	t.Logf("%d documents, %d schemas refused", made, unsupported)
	if 5*unsupported > made/5 {
		t.Errorf("%d of %d schemas are refused", unsupported, made/5+unsupported)
	}
	if *documentsTo != "" {
		if err := os.WriteFile(*documentsTo, lines, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// fewestTokens are enough for a document.
func fewestTokens(t *testing.T, grammars *grammar.Cache, schema []byte) int {
	g, err := grammars.Compile(t.Context(), grammar.Source{JSONSchema: schema}, grammar.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return g.NewMatcher().Distance()
}

// newJudge returns what another implementation of JSON Schema has against a document.
func newJudge(schema []byte) (func(document string) error, error) {
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(string(schema)))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("schema.json", parsed); err != nil {
		return nil, err
	}
	s, err := compiler.Compile("schema.json")
	if err != nil {
		return nil, err
	}
	return func(document string) error {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
		if err != nil {
			return fmt.Errorf("not JSON: %w", err)
		}
		var any any
		if err := json.Unmarshal([]byte(document), &any); err != nil { // numbers have to be finite
			return err
		}
		return s.Validate(value)
	}, nil
}
