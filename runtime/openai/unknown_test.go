package openai

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/wire"
)

// What is unknown is left out and named, or refused where the request is read strictly.
func TestUnknownFields(t *testing.T) {
	message := func(m string) string { return `{"messages":[` + m + `]}` }
	tool := `{"type":"function","function":{"name":"f","foo":1}}`
	for _, tt := range []struct {
		body    string
		ignored []string
		strict  wire.FieldError
	}{
		{body(`,"foo":1,"bar":{"foo":1}`), []string{"foo", "bar"}, fieldError("foo", "unknown_parameter", "is unknown")},
		{body(`,"Model":"x"`), []string{"Model"}, fieldError("Model", "unknown_parameter", "is unknown")},
		{
			message(`{"role":"user","content":"x","tool_calls":[],"foo":1},{"role":"user","content":[{"type":"text","text":"x","foo":1}],"foo":1}`),
			[]string{"messages[].tool_calls", "messages[].foo", "messages[].content[].foo"}, fieldError("messages[0].tool_calls", "unknown_parameter", "is unknown"),
		},
		{message(`{"role":"user","content":"x","reasoning":"x"}`), []string{"messages[].reasoning"}, fieldError("messages[0].reasoning", "unknown_parameter", "is unknown")},
		{message(`{"role":"assistant","content":"x","tool_call_id":"a"}`), []string{"messages[].tool_call_id"}, fieldError("messages[0].tool_call_id", "unknown_parameter", "is unknown")},
		{body(`,"tools":[` + tool + `]`), []string{"tools[].function.foo"}, fieldError("tools[0].function.foo", "unknown_parameter", "is unknown")},
		{
			body(`,"tools":[{"type":"web_search","x":1},` + tool + `,{"type":"mcp"}]`), []string{"tools[web_search]", "tools[].function.foo", "tools[mcp]"},
			fieldError("tools[0].type", "unsupported_value", `is "web_search", only "function" is supported: define a function`),
		},
		{
			body(`,"tools":[{"type":"web_search"}]`), []string{"tools[web_search]"},
			fieldError("tools[0].type", "unsupported_value", `is "web_search", only "function" is supported: define a function`),
		},
		{body(`,"reasoning":{"foo":1}`), []string{"reasoning.foo"}, fieldError("reasoning.foo", "unknown_parameter", "is unknown")},
		{body(`,"a b\r\nc":1`), []string{`"a b\r\nc"`}, fieldError("a b\r\nc", "unknown_parameter", "is unknown")},
		{
			body(`,"` + strings.Repeat("x", 100) + `":1`), []string{strings.Repeat("x", 80) + "..."},
			fieldError(strings.Repeat("x", 100), "unknown_parameter", "is unknown"),
		},
	} {
		r, err := Decode([]byte(tt.body))
		if err != nil {
			t.Errorf("%s: %v", tt.body, err)
			continue
		}
		if diff := cmp.Diff(tt.ignored, r.Ignored); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.body, diff)
		}
		r, err = DecodeStrict([]byte(tt.body))
		if got, ok := err.(*wire.FieldError); !ok || r != nil || *got != tt.strict {
			t.Errorf("DecodeStrict(%s): %+v, %v, want %v", tt.body, r, err, &tt.strict)
		}
	}
	var fields strings.Builder
	for i := range 100 {
		fmt.Fprintf(&fields, `,"x%d":1`, i)
	}
	r, err := Decode([]byte(body(fields.String())))
	if err != nil || len(r.Ignored) != 50+1 || r.Ignored[50] != "..." {
		t.Errorf("100 fields: %+v, %v", r, err)
	}
	if r, err := DecodeStrict([]byte(body(`,"foo":null`))); err != nil || r.Ignored != nil {
		t.Errorf("null: %+v, %v", r, err)
	}
}
