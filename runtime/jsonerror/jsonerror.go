// Package jsonerror tells about JSON that is not as it should be to who wrote it, who need not know Go.
package jsonerror

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// Plain is an error of encoding/json without the names of Go's types: of a value of another kind than is wanted, where it is and what is
// wanted there. Other errors are returned as they are.
func Plain(err error) error {
	var kind *json.UnmarshalTypeError
	if !errors.As(err, &kind) {
		return err
	}
	text := fmt.Sprintf("is %s, want %s", given(kind.Value), wanted(kind.Type))
	if kind.Field == "" {
		return errors.New("it " + text)
	}
	return errors.New(kind.Field + ": " + text)
}

// given names what is there, as encoding/json describes it: a kind of value, or "number" and which one.
func given(value string) string {
	switch value {
	case "number", "string":
		return "a " + value
	case "array", "object":
		return "an " + value
	case "bool":
		return "true or false"
	}
	return "the " + value
}

// wanted names what a type is read from.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Interface:
		return "another value"
	}
	return fmt.Sprintf("an integer of at most %d bits", t.Bits())
}
