package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// value is a part of a request, which is known to be valid JSON.
type value struct {
	path    string // such as "messages[2].content"; "" is the request itself
	raw     json.RawMessage
	ignored *ignoredFields // nil: unknown fields are refused
}

// FieldError means that a field of a request is wrong, unknown or not supported.
type FieldError struct {
	Param  string // such as "messages[2].content"; "" is the request itself
	Code   string // OpenAI's name of what is wrong
	Reason string
}

func (e *FieldError) Error() string { return "openai: " + e.sentence() }

func (e *FieldError) sentence() string {
	if e.Param == "" {
		return e.Reason
	}
	return e.Param + ": " + e.Reason
}

// Codes of FieldError.
const (
	codeJSON        = "invalid_json"
	codeType        = "invalid_type"
	codeValue       = "invalid_value"
	codeSchema      = "unsupported_schema"
	codeMissing     = "missing_required_parameter"
	codeUnknown     = "unknown_parameter"
	codeUnsupported = "unsupported_value"
	codeTooLarge    = "request_too_large"
)

func (v value) refuse(code, format string, args ...any) error {
	return &FieldError{v.path, code, fmt.Sprintf(format, args...)}
}

func (v value) field(name string) value {
	if v.path != "" {
		name = v.path + "." + name
	}
	return value{path: name, ignored: v.ignored}
}

func (v value) isNull() bool { return string(v.raw) == "null" }

// isNone reports whether a number is -1, by which clients of local servers mean that there is no limit.
func (v value) isNone() bool { return string(v.raw) == "-1" }

// kind is the first byte of the JSON: one of { [ " t f n - and digits.
func (v value) kind() byte { return v.raw[0] }

// fields says what to do with each field of an object.
type fields map[string]func(value) error

// object is the fields of a JSON object in their order.
type object struct {
	value
	names  []string
	values []value
}

// object splits an object into its fields.
func (v value) object() (*object, error) {
	if v.kind() != '{' {
		return nil, v.refuse(codeType, "want an object")
	}
	o := &object{value: v}
	seen := map[string]bool{}
	dec := json.NewDecoder(bytes.NewReader(v.raw))
	if _, err := dec.Token(); err != nil {
		return nil, v.refuse(codeJSON, "%v", err)
	}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, v.refuse(codeJSON, "%v", err)
		}
		name, _ := token.(string)
		field := v.field(name)
		if err := dec.Decode(&field.raw); err != nil {
			return nil, field.refuse(codeJSON, "%v", err)
		}
		if seen[name] {
			return nil, field.refuse(codeValue, "is given twice")
		}
		seen[name] = true
		o.names, o.values = append(o.names, name), append(o.values, field)
	}
	return o, nil
}

// get returns a field; ok is false if it is absent or null.
func (o *object) get(name string) (_ value, ok bool) {
	for i, n := range o.names {
		if n == name {
			return o.values[i], !o.values[i].isNull()
		}
	}
	return value{}, false
}

// read passes each field to its function. Those that are null are absent; the required ones must be there; unknown ones are left
// out, or refused if the request is read strictly.
func (o *object) read(known fields, required ...string) error {
	for i, name := range o.names {
		v := o.values[i]
		if v.isNull() {
			continue
		}
		read, ok := known[name]
		switch {
		case !ok && v.ignored == nil:
			return v.refuse(codeUnknown, "is unknown")
		case !ok:
			v.ignored.add(v.path)
		default:
			if err := read(v); err != nil {
				return err
			}
		}
	}
	for _, name := range required {
		if _, ok := o.get(name); !ok {
			return o.field(name).refuse(codeMissing, "is missing")
		}
	}
	return nil
}

// readObject reads an object whose fields do not depend on each other.
func (v value) readObject(known fields, required ...string) error {
	o, err := v.object()
	if err != nil {
		return err
	}
	return o.read(known, required...)
}

// array passes each element to a function.
func (v value) array(read func(value) error) error {
	if v.kind() != '[' {
		return v.refuse(codeType, "want an array")
	}
	var list []json.RawMessage
	if err := json.Unmarshal(v.raw, &list); err != nil {
		return v.refuse(codeJSON, "%v", err)
	}
	for i, raw := range list {
		if err := read(value{fmt.Sprintf("%s[%d]", v.path, i), raw, v.ignored}); err != nil {
			return err
		}
	}
	return nil
}

func (v value) text() (s string, err error) {
	if v.kind() != '"' {
		return "", v.refuse(codeType, "want a string")
	}
	if err := json.Unmarshal(v.raw, &s); err != nil {
		return "", v.refuse(codeJSON, "%v", err)
	}
	return s, nil
}

func (v value) boolean() (bool, error) {
	switch string(v.raw) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, v.refuse(codeType, "want true or false")
}

func (v value) number(min, max float64) (float32, error) {
	if c := v.kind(); c != '-' && (c < '0' || c > '9') {
		return 0, v.refuse(codeType, "want a number")
	}
	x, err := strconv.ParseFloat(string(v.raw), 64)
	if err != nil || x < min || x > max {
		return 0, v.refuse(codeValue, "is %s, want %v to %v", v.raw, min, max)
	}
	return float32(x), nil
}

func (v value) integer(min, max int64) (int64, error) {
	if c := v.kind(); c != '-' && (c < '0' || c > '9') || bytes.ContainsAny(v.raw, ".eE") {
		return 0, v.refuse(codeType, "want an integer")
	}
	n, err := strconv.ParseInt(string(v.raw), 10, 64)
	if err != nil || n < min || n > max {
		return 0, v.refuse(codeValue, "is %s, want %d to %d", v.raw, min, max)
	}
	return n, nil
}

// only accepts one string.
func only(want, why string) func(value) error {
	return func(v value) error {
		s, err := v.text()
		if err == nil && s != want {
			return v.refuse(codeUnsupported, "is %q, only %q is supported: %s", s, want, why)
		}
		return err
	}
}

// text stores a string.
func text(dst *string) func(value) error {
	return func(v value) (err error) {
		*dst, err = v.text()
		return err
	}
}

// truth stores a truth value.
func truth(dst *bool) func(value) error {
	return func(v value) (err error) {
		*dst, err = v.boolean()
		return err
	}
}

// never accepts false alone.
func never(why string) func(value) error {
	return func(v value) error {
		on, err := v.boolean()
		if err == nil && on {
			return v.refuse(codeUnsupported, "is not supported: %s", why)
		}
		return err
	}
}

// refused accepts nothing.
func refused(why string) func(value) error {
	return func(v value) error { return v.refuse(codeUnsupported, "is not supported: %s", why) }
}

// noEffect accepts anything: the reply is the same.
func noEffect(value) error { return nil }
