package harmony

import (
	"testing"
)

func TestArguments(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"a":1}`, `{"a":1}`},
		{` {"a": 1}` + "\n", ` {"a": 1}` + "\n"},
		{`[{"a":1}]`, `{"a":1}`},
		{`[{"a":[1,2]}, {"b":1}]`, `{"a":[1,2]}`},
		{`{"a":1}]`, `{"a":1}`},
		{`{"a":"}"} and more`, `{"a":"}"}`},
		{`extra {"a":1}`, `{"a":1}`},
		{`{"a":{"b":1}`, `{"a":{"b":1}`},
		{`[{"a":{"b":1}`, `[{"a":{"b":1}`},
		{`print("{1}")`, `print("{1}")`},
		{`"{}"`, `"{}"`},
		{`[1]`, `[1]`},
		{`12`, `12`},
		{``, `{}`},
		{" \n", `{}`},
		{`null`, `{}`},
	} {
		if got := Arguments(c.in); got != c.want {
			t.Errorf("Arguments(%s) = %s, want %s", c.in, got, c.want)
		}
	}
}
