package grammar

import (
	"encoding/json"
	"testing"
)

// Properties in any order: each once, those that are needed all, as many as there may be.
func TestAnyOrder(t *testing.T) {
	v := bytesAnd()
	for _, tt := range []struct {
		name, schema string
		yes, no      []string
	}{
		{"needed ones", `{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"null"},"c":{"const":1}},
			"required":["c","a"],"additionalProperties":false}`,
			[]string{`{"a":1,"c":1}`, `{"c":1,"a":1}`, `{"b":null,"c":1,"a":2}`, `{"c":1,"a":2,"b":null}`},
			[]string{`{}`, `{"a":1}`, `{"c":1,"b":null}`, `{"a":1,"a":1,"c":1}`, `{"a":1,"c":1,"a":1}`, `{"a":1,"c":1,}`, `{,"a":1,"c":1}`, `{"a":1"c":1}`,
				`{"c":2,"a":1}`}},
		{"others between", `{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":{"type":"string"}}`,
			[]string{`{"x":"","a":1,"y":""}`, `{"a":1}`, `{"x":"","a":1}`}, []string{`{"x":""}`, `{"x":"","\u0061":"","a":1}`, `{"a":1,"x":1}`}},
		{"counted", `{"type":"object","properties":{"a":{},"b":{},"c":{}},"minProperties":2,"maxProperties":2,"required":["b"]}`,
			[]string{`{"b":1,"a":1}`, `{"x":1,"b":1}`, `{"c":1,"b":1}`}, []string{`{"b":1}`, `{"a":1,"c":1}`, `{"x":1,"y":1}`, `{"a":1,"b":1,"c":1}`,
				`{"x":1,"b":1,"y":1}`}},
		{"at most, all others", `{"type":"object","maxProperties":2}`, []string{`{}`, `{"x":1}`, `{"x":1,"y":1}`}, []string{`{"x":1,"y":1,"z":1}`}},
		{"one of the others", `{"type":"object","properties":{"a":{}},"not":{"properties":{"a":{}},"additionalProperties":{"type":"integer"}}}`,
			[]string{`{"x":""}`, `{"a":1,"x":1,"y":""}`, `{"y":"","a":1}`}, []string{`{}`, `{"a":""}`, `{"x":1,"a":""}`}},
		{"alternatives", `{"anyOf":[{"properties":{"a":{"type":"array"}},"required":["a"]},{"properties":{"b":{"type":"array"}},
			"required":["b"]}],"type":"object"}`,
			[]string{`{"a":[],"b":[]}`, `{"b":[],"a":[]}`, `{"b":[],"a":1}`, `{"a":[],"b":1}`}, []string{`{}`, `{"b":1,"a":1}`}},
		{"enumerated objects", `{"enum":[{"a":1,"b":2},{"b":1,"a":2}]}`, []string{`{"a":1,"b":2}`, `{"b":2,"a":1}`, `{"b":1,"a":2}`},
			[]string{`{"a":1,"b":1}`, `{"a":1}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := compile(t, v, Source{JSONSchema: json.RawMessage(tt.schema)}, Options{Order: AnyOrder})
			checkTexts(t, tt.schema, g, tt.yes, tt.no)
		})
	}
}

// The distance to the end is that of the nearest end, which each way there comes nearer to.
func TestDistanceInAnyOrder(t *testing.T) {
	const schema = `{"type":"object","properties":{"long":{"type":"string","minLength":5},"a":{"type":"null"},"b":{"const":true},"c":{}},
		"required":["long"],"minProperties":3,"additionalProperties":false}`
	m := compile(t, bytesAnd(), Source{JSONSchema: json.RawMessage(schema)}, Options{Order: AnyOrder, Whitespace: Python}).NewMatcher()
	for i, tt := range []struct {
		text string
		left int
	}{
		{``, len(`{"c": 0, "a": null, "long": "12345"}`)}, {`{"b": true`, len(`, "c": 0, "long": "12345"}`)}, {`, "long": "123`, len(`45", "c": 0}`)},
		{`45678", "c": [`, len(`]}`)}, {`]`, len(`}`)}, {`}`, 0},
	} {
		for _, b := range []byte(tt.text) {
			if !m.Accept(int32(b)) {
				t.Fatalf("%q of %q is refused", b, tt.text)
			}
		}
		if got := m.Distance(); got != tt.left {
			t.Errorf("place %d: %d bytes to the end, want %d", i, got, tt.left)
		}
	}
}

// Full tables are made anew in the middle of an object.
func TestAnyOrderInNewTables(t *testing.T) {
	const schema = `{"type":"object","properties":{"a":{"type":"string","maxLength":99},
			"b":{"type":"string","maxLength":99},"c":{"type":"string","maxLength":99}},
		"required":["a","b","c"],"additionalProperties":false}`
	g := compile(t, bytesAnd(), Source{JSONSchema: json.RawMessage(schema)}, Options{Order: AnyOrder, Limits: Limits{Cells: 1000}})
	m := g.NewMatcher()
	first := m.e
	for _, b := range []byte(`{"c":"some text","a":"of which there is more, é and \u00e9","b":"than the tables hold"}`) {
		m.Mask(0)
		if !m.Accept(int32(b)) {
			t.Fatalf("%q is refused", b)
		}
	}
	if !m.Accepting() || m.e == first {
		t.Errorf("accepting %v, the same tables %v", m.Accepting(), m.e == first)
	}
}
