package chat

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gossamer/runtime/grammar"
)

// ResponseFormat is what the answer has to be: one of the first five fields says what.
type ResponseFormat struct {
	Schema     json.RawMessage // a value that this JSON schema describes; the model is shown the schema
	JSONObject bool            // any JSON object
	Regex      string          // a text of this regular expression, as ECMAScript has them
	EBNF       string          // a text of the rule root of this grammar
	Choice     []string        // one of these

	Name        string // of Schema
	Description string // of Schema, for the model
	// Strict refuses a schema that cannot be enforced as a whole. Else what is not supported is left out; see Completer.Prepare.
	Strict bool
}

// isJSON reports whether the format is one of JSON.
func (f *ResponseFormat) isJSON() bool { return f != nil && (f.Schema != nil || f.JSONObject) }

// Schemas of every value, of every object, and of the empty one.
const (
	anyValue    = "true"
	anyObject   = `{"type":"object"}`
	noArguments = `{"type":"object","properties":{},"additionalProperties":false}`
)

func (f *ResponseFormat) check() error {
	given := 0
	for _, set := range []bool{f.Schema != nil, f.JSONObject, f.Regex != "", f.EBNF != "", f.Choice != nil} {
		if set {
			given++
		}
	}
	switch {
	case given != 1:
		return refuse("Format", "says %d things that the answer has to be, want one", given)
	case f.Schema == nil && (f.Name != "" || f.Description != "" || f.Strict):
		return refuse("Format", "has a name, a description or strictness, but no schema")
	case f.Schema != nil && f.Name == "":
		return refuse("Format.Name", "is empty")
	case f.Schema != nil && !json.Valid(f.Schema):
		return refuse("Format.Schema", "is not JSON")
	}
	return nil
}

// shown is the schema that the model is shown, nil if there is none.
func (f *ResponseFormat) shown() (name string, schema json.RawMessage) {
	if f.JSONObject {
		return "json_object", json.RawMessage(anyObject)
	}
	return f.Name, f.Schema
}

// formatGrammar compiles the format of the answer.
func (c *Completer) formatGrammar(ctx context.Context, f *ResponseFormat) (*grammar.Grammar, []string, error) {
	switch {
	case f.Schema != nil:
		return c.schemaGrammar(ctx, f.Schema, f.Strict, "Format.Schema", func(e *FieldError) string {
			if e.Unsupported {
				return anyValue
			}
			return ""
		})
	case f.JSONObject:
		g, err := c.compile(ctx, grammar.Source{JSONObject: true}, false, "Format.JSONObject")
		return g, nil, err
	case f.Regex != "":
		g, err := c.compile(ctx, grammar.Source{Regex: f.Regex}, false, "Format.Regex")
		return g, nil, err
	case f.EBNF != "":
		g, err := c.compile(ctx, grammar.Source{EBNF: f.EBNF}, false, "Format.EBNF")
		return g, nil, err
	}
	g, err := c.compile(ctx, grammar.Source{Choice: f.Choice}, false, "Format.Choice")
	return g, nil, err
}

// argumentGrammar compiles the parameters of a function.
func (c *Completer) argumentGrammar(ctx context.Context, f *Function, field string) (*grammar.Grammar, []string, error) {
	field += ".Parameters"
	parameters := cmp.Or(string(f.Parameters), noArguments)
	if !json.Valid([]byte(parameters)) {
		return nil, nil, refuse(field, "is not JSON")
	}
	schema := json.RawMessage(onlyObjects + parameters + "]}")
	g, ignored, err := c.schemaGrammar(ctx, schema, f.Strict, field, func(e *FieldError) string {
		if e.Unsupported || e.syntax { // clients send schemas that are none
			return anyObject
		}
		return ""
	})
	for i, path := range ignored {
		ignored[i] = strings.Replace(path, inOnlyObjects, "", 1)
	}
	var wrong *FieldError
	if errors.As(err, &wrong) {
		wrong.Reason = strings.ReplaceAll(" "+wrong.Reason, " "+inOnlyObjects, " ")[1:] // of several paths each
	}
	return g, ignored, err
}

const (
	// onlyObjects is the beginning of a schema of the objects of another one, which follows: what has no type describes other values, too.
	onlyObjects = `{"allOf":[{"type":"object"},`
	// inOnlyObjects is the path of the other one.
	inOnlyObjects = "/allOf/1"
)

// schemaGrammar compiles a schema. If it is not strict, what is not supported is left out and named, and for a schema that fails as a whole
// instead returns another one, or "" to refuse it.
func (c *Completer) schemaGrammar(
	ctx context.Context, schema json.RawMessage, strict bool, field string, instead func(*FieldError) string,
) (*grammar.Grammar, []string, error) {
	g, err := c.compile(ctx, grammar.Source{JSONSchema: schema}, !strict, field)
	var wrong *FieldError
	if !strict && errors.As(err, &wrong) {
		if other := instead(wrong); other != "" {
			g, err = c.compile(ctx, grammar.Source{JSONSchema: json.RawMessage(other)}, true, field)
			return g, []string{field}, err
		}
	}
	if err != nil {
		return nil, nil, err
	}
	var ignored []string
	for _, path := range g.Ignored() {
		ignored = append(ignored, field+path)
	}
	return g, ignored, nil
}

// compile compiles a source. What is wrong with it is a *FieldError.
func (c *Completer) compile(ctx context.Context, s grammar.Source, lenient bool, field string) (*grammar.Grammar, error) {
	g, err := c.vocab.grammars().Compile(ctx, s, grammar.Options{Lenient: lenient})
	var (
		syntax      *grammar.SyntaxError
		unsupported *grammar.UnsupportedError
		limit       *grammar.LimitError
		empty       *grammar.EmptyError
	)
	switch {
	case err == nil:
		return g, nil
	case errors.As(err, &unsupported), errors.As(err, &limit), errors.As(err, &syntax), errors.As(err, &empty):
		return nil, &FieldError{field, strings.TrimPrefix(err.Error(), "grammar: "), unsupported != nil || limit != nil, syntax != nil}
	}
	return nil, fmt.Errorf("chat: %s: %w", field, err) // ctx has ended
}
