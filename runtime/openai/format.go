package openai

import (
	"encoding/json"
	"strings"

	"gossamer/runtime/chat"
	"gossamer/runtime/wire"
)

// decodeFormat reads response_format; nil is free text.
func decodeFormat(v wire.Value) (*chat.ResponseFormat, error) {
	o, err := v.Object()
	if err != nil {
		return nil, err
	}
	kind, ok := o.Get("type")
	if !ok {
		return nil, o.Field("type").Refuse(wire.CodeMissing, "is missing")
	}
	name, err := kind.Text()
	if err != nil {
		return nil, err
	}
	switch name {
	case "text":
		return nil, o.Read(wire.Fields{"type": wire.NoEffect})
	case "json_object":
		return &chat.ResponseFormat{JSONObject: true}, o.Read(wire.Fields{"type": wire.NoEffect})
	case "json_schema":
		f := &chat.ResponseFormat{}
		return f, o.Read(wire.Fields{
			"type": wire.NoEffect,
			"json_schema": func(v wire.Value) error {
				return v.ReadObject(wire.Fields{
					"name":        wire.Text(&f.Name),
					"description": wire.Text(&f.Description),
					"schema":      wire.Schema(&f.Schema),
					"strict":      wire.Truth(&f.Strict),
				}, "name", "schema")
			},
		}, "json_schema")
	}
	return nil, kind.Refuse(wire.CodeUnsupported, "is %q, want text, json_object or json_schema", name)
}

// decodeStructured reads structured_outputs, by which vLLM's clients ask for what response_format does not have.
func decodeStructured(v wire.Value) (*chat.ResponseFormat, error) {
	f := &chat.ResponseFormat{}
	given := 0
	one := func(read func(wire.Value) error) func(wire.Value) error {
		return func(v wire.Value) error {
			if given++; given > 1 {
				return v.Refuse(wire.CodeValue, "is one of several forms: want one")
			}
			return read(v)
		}
	}
	some := func(dst *string) func(wire.Value) error {
		return one(func(v wire.Value) (err error) {
			if *dst, err = v.Text(); err == nil && *dst == "" {
				return v.Refuse(wire.CodeValue, "is empty")
			}
			return err
		})
	}
	if err := v.ReadObject(wire.Fields{
		"regex":   some(&f.Regex),
		"grammar": some(&f.EBNF),
		"choice": one(func(v wire.Value) error {
			err := v.Array(func(v wire.Value) error {
				s, err := v.Text()
				f.Choice = append(f.Choice, s)
				return err
			})
			if err == nil && f.Choice == nil {
				return v.Refuse(wire.CodeValue, "is empty")
			}
			return err
		}),
		"json": one(func(v wire.Value) error {
			f.Name = "json"
			if v.Kind() == '"' { // vLLM takes a schema as text, too
				text, err := v.Text()
				if err != nil {
					return err
				}
				if v.Raw = []byte(strings.TrimSpace(text)); !json.Valid(v.Raw) {
					return v.Refuse(wire.CodeValue, "is a text, but not one of JSON")
				}
			}
			return wire.Schema(&f.Schema)(v)
		}),
		"json_object": func(v wire.Value) error {
			if on, err := v.Boolean(); err != nil || !on {
				return err
			}
			return one(wire.Truth(&f.JSONObject))(v)
		},
		"structural_tag":         wire.Refused("use one of json, regex, choice and grammar"),
		"whitespace_pattern":     wire.Refused("JSON is written without spaces between its symbols"),
		"disable_any_whitespace": wire.Truth(new(bool)), // there is none
	}); err != nil {
		return nil, err
	}
	if given == 0 {
		return nil, v.Refuse(wire.CodeValue, "has none of json, json_object, regex, choice and grammar")
	}
	return f, nil
}

// Unenforced adds to Ignored what the model's replies need not follow: that is what Prepare of a chat.Completer returns.
func (r *Request) Unenforced(paths []string) {
	r.Ignored = wire.Unenforced(r.Ignored, paths, func(field string) string { return wireField(r.formatPlace(field)) })
}
