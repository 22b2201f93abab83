package grammar

import (
	"encoding/json"
	"errors"
	"testing"
)

// TestEmptyPlaces: where no text matches, the error says where in a schema that comes from.
func TestEmptyPlaces(t *testing.T) {
	v := bytesAnd()
	for _, tt := range []struct{ schema, want string }{
		{`false`, "(root): no text matches"},
		{`{"type":"string","minLength":3,"maxLength":2}`, "(root): no text matches"},
		{`{"type":"object","properties":{"a":false},"required":["a"]}`, "/properties/a: no text matches"},
		{`{"type":"object","properties":{"ok":{},"a/b":{"type":"integer","minimum":3,"maximum":2}},"required":["ok","a/b"]}`, "/properties/a~1b: no text matches"},
		{`{"type":"array","minItems":1,"items":{"type":"object","required":["x"],"properties":{"x":{"enum":[1],"type":"string"}}}}`, "/items/properties/x: no text matches"},
		{`{"type":"object","required":["x"],"properties":{"x":{"type":"string","minLength":3}},"allOf":[{"properties":{"x":{"maxLength":2}}}]}`,
			"/properties/x and /allOf/0/properties/x: no text matches all of them"},
		{`{"type":"object","required":["x"],"properties":{"x":{"$ref":"#/$defs/no"}},"$defs":{"no":{"type":"string","minLength":1,"maxLength":0}}}`, "/properties/x: no text matches"},
		{`{"anyOf":[{"type":"array","minItems":1,"items":{"type":"string","maxLength":0,"minLength":1}},{"type":"array","minItems":2,"items":{"type":"integer","minimum":2,"maximum":1}}]}`,
			"(root): no text matches"},
		{`{"type":"object","required":["next"],"properties":{"next":{"$ref":"#"}}}`, "/properties/next: no text matches"},
	} {
		for _, order := range []Order{SchemaOrder, AnyOrder} {
			_, err := v.Compile(t.Context(), Source{JSONSchema: json.RawMessage(tt.schema)}, Options{Order: order})
			if empty := (*EmptyError)(nil); !errors.As(err, &empty) || err.Error() != "grammar: "+tt.want {
				t.Errorf("%s: got %v, want %s", tt.schema, err, tt.want)
			}
		}
	}
	for _, tt := range []struct {
		s    Source
		want string
	}{
		{Source{EBNF: "root ::= \"a\" other\nother ::= \"b\" other"}, "no text matches the rule other"},
		{Source{Regex: "a[]"}, "no text matches"},
		{Source{Choice: []string{}}, "no text matches"},
		{Source{Regex: "(?=a)b"}, `lookaround in "(?=a)b" is not supported`},
	} {
		if _, err := v.Compile(t.Context(), tt.s, Options{}); err == nil || err.Error() != "grammar: "+tt.want {
			t.Errorf("%+v: got %v, want %s", tt.s, err, tt.want)
		}
	}
}
