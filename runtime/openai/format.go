package openai

import (
	"encoding/json"
	"strings"

	"gossamer/runtime/chat"
)

// decodeFormat reads response_format; nil is free text.
func decodeFormat(v value) (*chat.ResponseFormat, error) {
	o, err := v.object()
	if err != nil {
		return nil, err
	}
	kind, ok := o.get("type")
	if !ok {
		return nil, o.field("type").refuse(codeMissing, "is missing")
	}
	name, err := kind.text()
	if err != nil {
		return nil, err
	}
	switch name {
	case "text":
		return nil, o.read(fields{"type": noEffect})
	case "json_object":
		return &chat.ResponseFormat{JSONObject: true}, o.read(fields{"type": noEffect})
	case "json_schema":
		f := &chat.ResponseFormat{}
		return f, o.read(fields{
			"type": noEffect,
			"json_schema": func(v value) error {
				return v.readObject(fields{
					"name":        text(&f.Name),
					"description": text(&f.Description),
					"schema":      schema(&f.Schema),
					"strict":      truth(&f.Strict),
				}, "name", "schema")
			},
		}, "json_schema")
	}
	return nil, kind.refuse(codeUnsupported, "is %q, want text, json_object or json_schema", name)
}

// decodeStructured reads structured_outputs, by which vLLM's clients ask for what response_format does not have.
func decodeStructured(v value) (*chat.ResponseFormat, error) {
	f := &chat.ResponseFormat{}
	given := 0
	one := func(read func(value) error) func(value) error {
		return func(v value) error {
			if given++; given > 1 {
				return v.refuse(codeValue, "is one of several forms: want one")
			}
			return read(v)
		}
	}
	some := func(dst *string) func(value) error {
		return one(func(v value) (err error) {
			if *dst, err = v.text(); err == nil && *dst == "" {
				return v.refuse(codeValue, "is empty")
			}
			return err
		})
	}
	if err := v.readObject(fields{
		"regex":   some(&f.Regex),
		"grammar": some(&f.EBNF),
		"choice": one(func(v value) error {
			err := v.array(func(v value) error {
				s, err := v.text()
				f.Choice = append(f.Choice, s)
				return err
			})
			if err == nil && f.Choice == nil {
				return v.refuse(codeValue, "is empty")
			}
			return err
		}),
		"json": one(func(v value) error {
			f.Name = "json"
			if v.kind() == '"' { // vLLM takes a schema as text, too
				text, err := v.text()
				if err != nil {
					return err
				}
				if v.raw = []byte(strings.TrimSpace(text)); !json.Valid(v.raw) {
					return v.refuse(codeValue, "is a text, but not one of JSON")
				}
			}
			return schema(&f.Schema)(v)
		}),
		"json_object": func(v value) error {
			if on, err := v.boolean(); err != nil || !on {
				return err
			}
			return one(truth(&f.JSONObject))(v)
		},
		"structural_tag":         refused("use one of json, regex, choice and grammar"),
		"whitespace_pattern":     refused("JSON is written without spaces between its symbols"),
		"disable_any_whitespace": truth(new(bool)), // there is none
	}); err != nil {
		return nil, err
	}
	if given == 0 {
		return nil, v.refuse(codeValue, "has none of json, json_object, regex, choice and grammar")
	}
	return f, nil
}

// Unenforced adds to Ignored what the model's replies need not follow: that is what Prepare of a chat.Completer returns.
func (r *Request) Unenforced(paths []string) {
	ignored := ignoredFields{r.Ignored}
	for _, path := range paths {
		field, inside, schema := strings.Cut(path, "/")
		if schema {
			inside = "/" + inside
		}
		ignored.add(wireField(field) + inside)
	}
	r.Ignored = ignored.names
}
