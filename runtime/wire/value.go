package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Value is a part of a request, which is known to be valid JSON.
type Value struct {
	Raw     json.RawMessage
	path    string   // such as "messages[2].content"; "" is the request itself
	ignored *Ignored // nil: unknown fields are refused
}

// FieldError means that a field of a request is wrong, unknown or not supported.
type FieldError struct {
	Param  string // such as "messages[2].content"; "" is the request itself
	Code   string // OpenAI's name of what is wrong
	Reason string
}

func (e *FieldError) Error() string {
	if e.Param == "" {
		return e.Reason
	}
	return e.Param + ": " + e.Reason
}

// Codes of FieldError.
const (
	CodeJSON        = "invalid_json"
	CodeType        = "invalid_type"
	CodeValue       = "invalid_value"
	codeSchema      = "unsupported_schema"
	CodeMissing     = "missing_required_parameter"
	codeUnknown     = "unknown_parameter"
	CodeUnsupported = "unsupported_value"
	CodeTooLarge    = "request_too_large"
)

// Path is where the value is in the request, such as "messages[2].content"; "" is the request itself.
func (v Value) Path() string { return v.path }

// Refuse returns a *FieldError.
func (v Value) Refuse(code, format string, args ...any) error {
	return &FieldError{v.path, code, fmt.Sprintf(format, args...)}
}

// Ignore reports whether what is unknown may be left out, and names it then.
func (v Value) Ignore(name string) bool {
	if v.ignored != nil {
		v.ignored.add(name)
	}
	return v.ignored != nil
}

// Field is a field of an object that is not there, for Refuse.
func (v Value) Field(name string) Value {
	if v.path != "" {
		name = v.path + "." + name
	}
	return Value{path: name, ignored: v.ignored}
}

func (v Value) isNull() bool { return string(v.Raw) == "null" }

// isNone reports whether a number is -1, by which clients of local servers mean that there is no limit.
func (v Value) isNone() bool { return string(v.Raw) == "-1" }

// Kind is the first byte of the JSON: one of { [ " t f n - and digits.
func (v Value) Kind() byte { return v.Raw[0] }

// Fields says what to do with each field of an object.
type Fields map[string]func(Value) error

// Object is the fields of a JSON object in their order.
type Object struct {
	Value
	Names  []string
	Values []Value
}

// Object splits an object into its fields.
func (v Value) Object() (*Object, error) {
	if v.Kind() != '{' {
		return nil, v.Refuse(CodeType, "want an object")
	}
	o := &Object{Value: v}
	seen := map[string]bool{}
	dec := json.NewDecoder(bytes.NewReader(v.Raw))
	if _, err := dec.Token(); err != nil {
		return nil, v.Refuse(CodeJSON, "%v", err)
	}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, v.Refuse(CodeJSON, "%v", err)
		}
		name, _ := token.(string)
		field := v.Field(name)
		if err := dec.Decode(&field.Raw); err != nil {
			return nil, field.Refuse(CodeJSON, "%v", err)
		}
		if seen[name] {
			return nil, field.Refuse(CodeValue, "is given twice")
		}
		seen[name] = true
		o.Names, o.Values = append(o.Names, name), append(o.Values, field)
	}
	return o, nil
}

// Get returns a field; ok is false if it is absent or null.
func (o *Object) Get(name string) (_ Value, ok bool) {
	for i, n := range o.Names {
		if n == name {
			return o.Values[i], !o.Values[i].isNull()
		}
	}
	return Value{}, false
}

// Read passes each field to its function. Those that are null are absent; the required ones must be there; unknown ones are left
// out, or refused if the request is read strictly.
func (o *Object) Read(known Fields, required ...string) error {
	for i, name := range o.Names {
		v := o.Values[i]
		if v.isNull() {
			continue
		}
		read, ok := known[name]
		if !ok {
			if !v.Ignore(v.path) {
				return v.Refuse(codeUnknown, "is unknown")
			}
			continue
		}
		if err := read(v); err != nil {
			return err
		}
	}
	for _, name := range required {
		if _, ok := o.Get(name); !ok {
			return o.Field(name).Refuse(CodeMissing, "is missing")
		}
	}
	return nil
}

// ReadObject reads an object whose fields do not depend on each other.
func (v Value) ReadObject(known Fields, required ...string) error {
	o, err := v.Object()
	if err != nil {
		return err
	}
	return o.Read(known, required...)
}

// Array passes each element to a function.
func (v Value) Array(read func(Value) error) error {
	if v.Kind() != '[' {
		return v.Refuse(CodeType, "want an array")
	}
	var list []json.RawMessage
	if err := json.Unmarshal(v.Raw, &list); err != nil {
		return v.Refuse(CodeJSON, "%v", err)
	}
	for i, raw := range list {
		if err := read(Value{raw, fmt.Sprintf("%s[%d]", v.path, i), v.ignored}); err != nil {
			return err
		}
	}
	return nil
}

// Text returns a string.
func (v Value) Text() (s string, err error) {
	if v.Kind() != '"' {
		return "", v.Refuse(CodeType, "want a string")
	}
	if err := json.Unmarshal(v.Raw, &s); err != nil {
		return "", v.Refuse(CodeJSON, "%v", err)
	}
	return s, nil
}

// Boolean returns true or false.
func (v Value) Boolean() (bool, error) {
	switch string(v.Raw) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, v.Refuse(CodeType, "want true or false")
}

// number returns a number within bounds.
func (v Value) number(min, max float64) (float32, error) {
	if c := v.Kind(); c != '-' && (c < '0' || c > '9') {
		return 0, v.Refuse(CodeType, "want a number")
	}
	x, err := strconv.ParseFloat(string(v.Raw), 64)
	if err != nil || x < min || x > max {
		return 0, v.Refuse(CodeValue, "is %s, want %v to %v", v.Raw, min, max)
	}
	return float32(x), nil
}

// Integer returns an integer within bounds.
func (v Value) Integer(min, max int64) (int64, error) {
	if c := v.Kind(); c != '-' && (c < '0' || c > '9') || bytes.ContainsAny(v.Raw, ".eE") {
		return 0, v.Refuse(CodeType, "want an integer")
	}
	n, err := strconv.ParseInt(string(v.Raw), 10, 64)
	if err != nil || n < min || n > max {
		return 0, v.Refuse(CodeValue, "is %s, want %d to %d", v.Raw, min, max)
	}
	return n, nil
}

// Only accepts one string.
func Only(want, why string) func(Value) error {
	return func(v Value) error {
		s, err := v.Text()
		if err == nil && s != want {
			return v.Refuse(CodeUnsupported, "is %q, only %q is supported: %s", s, want, why)
		}
		return err
	}
}

// Text stores a string.
func Text(dst *string) func(Value) error {
	return func(v Value) (err error) {
		*dst, err = v.Text()
		return err
	}
}

// Truth stores a truth Value.
func Truth(dst *bool) func(Value) error {
	return func(v Value) (err error) {
		*dst, err = v.Boolean()
		return err
	}
}

// Never accepts false alone.
func Never(why string) func(Value) error {
	return func(v Value) error {
		on, err := v.Boolean()
		if err == nil && on {
			return v.Refuse(CodeUnsupported, "is not supported: %s", why)
		}
		return err
	}
}

// Refused accepts nothing.
func Refused(why string) func(Value) error {
	return func(v Value) error { return v.Refuse(CodeUnsupported, "is not supported: %s", why) }
}

// NoEffect accepts anything: the reply is the same.
func NoEffect(Value) error { return nil }

// Tool splits a tool of a kind, such as "function", into its fields. Tools of other kinds, which others host, are left out: o is nil then.
func Tool(v Value, kind string) (o *Object, err error) {
	if o, err = v.Object(); err != nil {
		return nil, err
	}
	given, ok := o.Get("type")
	if !ok {
		return o, nil
	}
	name, err := given.Text()
	if err != nil || name != kind && given.Ignore("tools["+name+"]") {
		return nil, err
	}
	return o, nil
}

// Schema stores a JSON schema as it is: the order of its properties is part of the prompt.
func Schema(dst *json.RawMessage) func(Value) error {
	return func(v Value) error {
		if v.Kind() != '{' {
			return v.Refuse(CodeType, "want a JSON schema, an object")
		}
		*dst = v.Raw
		return nil
	}
}

// ServiceTier accepts the tiers that are this one.
func ServiceTier(v Value) error {
	tier, err := v.Text()
	if err == nil && tier != "auto" && tier != "default" {
		return v.Refuse(CodeUnsupported, "is %q, want auto or default", tier)
	}
	return err
}
