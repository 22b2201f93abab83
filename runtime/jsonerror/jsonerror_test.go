package jsonerror

import (
	"encoding/json"
	"errors"
	"testing"
)

func TestPlain(t *testing.T) {
	type inner struct {
		Flag *bool   `json:"flag"`
		Rate float64 `json:"rate"`
	}
	var v struct {
		Name  string           `json:"name"`
		IDs   []int32          `json:"ids"`
		Inner map[string]inner `json:"inner"`
		One   *inner           `json:"one"`
	}
	for _, tt := range []struct{ data, want string }{
		{`5`, "it is a number, want an object"},
		{`{"name":5}`, "name: is a number, want a string"},
		{`{"ids":"x"}`, "ids: is a string, want an array"},
		{`{"ids":[99999999999]}`, "ids: is the number 99999999999, want an integer of at most 32 bits"},
		{`{"ids":[1.5]}`, "ids: is the number 1.5, want an integer of at most 32 bits"},
		{`{"inner":[]}`, "inner: is an array, want an object"},
		{`{"one":{"flag":"x"}}`, "one.flag: is a string, want true or false"},
		{`{"one":{"rate":true}}`, "one.rate: is true or false, want a number"},
	} {
		if err := Plain(json.Unmarshal([]byte(tt.data), &v)); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.data, err, tt.want)
		}
	}
	if other := errors.New("other"); Plain(other) != other || Plain(nil) != nil {
		t.Error("another error is not returned as it is")
	}
	if err := Plain(json.Unmarshal([]byte(`{"name"`), &v)); err == nil || err.Error() != "unexpected end of JSON input" {
		t.Error(err)
	}
}
