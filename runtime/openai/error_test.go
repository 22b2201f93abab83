package openai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/engine"
	"gossamer/runtime/wire"
)

// lost is an error as a device's is.
type lost struct{ error }

func (lost) DeviceLost() bool { return true }

func TestError(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		want   string
	}{
		{
			&wire.FieldError{Param: "n", Code: "unsupported_value", Reason: "is 2"}, 400,
			`{"message":"n: is 2","type":"invalid_request_error","param":"n","code":"unsupported_value"}`,
		},
		{
			fmt.Errorf("server: %w", &wire.FieldError{Param: "", Code: "invalid_json", Reason: "the request is not JSON"}), 400,
			`{"message":"the request is not JSON","type":"invalid_request_error","param":null,"code":"invalid_json"}`,
		},
		{
			&wire.FieldError{Param: "", Code: "request_too_large", Reason: "the request has 9 bytes"}, 413,
			`{"message":"the request has 9 bytes","type":"invalid_request_error","param":null,"code":"request_too_large"}`,
		},
		{
			&engine.PromptError{Tokens: 5000, Context: 4096}, 400,
			`{"message":"the messages are 5000 tokens, the context holds 4096 and the reply needs room too: shorten them","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}`,
		},
		{
			fmt.Errorf("model: %w", engine.ErrContextFull), 503,
			`{"message":"the memory for conversations is full: try again when other replies have ended","type":"server_error","param":null,"code":"context_full"}`,
		},
		{engine.ErrClosed, 503, `{"message":"the model is closed","type":"server_error","param":null,"code":"model_closed"}`},
		{wire.ErrCancelled, 499, `{"message":"the reply was cancelled","type":"cancelled","param":null,"code":"cancelled"}`},
		{context.Canceled, 499, `{"message":"the reply was cancelled","type":"cancelled","param":null,"code":"cancelled"}`},
		{
			fmt.Errorf("model: %w", context.DeadlineExceeded), 504,
			`{"message":"the reply took too long","type":"server_error","param":null,"code":"timeout"}`,
		},
		{
			fmt.Errorf("model: decode: %w", lost{errors.New("device lost")}), 503,
			`{"message":"model: decode: device lost","type":"server_error","param":null,"code":"device_lost"}`,
		},
		{errors.New("model: no logits"), 500, `{"message":"model: no logits","type":"server_error","param":null,"code":null}`},
	} {
		response, status := Error(tt.err)
		got, err := json.Marshal(response)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(`{"error":`+tt.want+`}`, string(got)); diff != "" || status != tt.status {
			t.Errorf("%v: status %d, want %d (-want +got)\n%s", tt.err, status, tt.status, diff)
		}
	}
}

// A schema that cannot be enforced is refused where that was asked for, and else named.
func TestErrorOfSchemas(t *testing.T) {
	c := completer(t, played(t))
	for _, tt := range []struct{ body, param, code string }{
		{body(`,"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"properties":{"a":{"pattern":"(?=a)"}}}}}`), "response_format.json_schema.schema", "unsupported_schema"},
		{body(`,"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":1}}}`), "response_format.json_schema.schema", "invalid_value"},
		{body(`,"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"properties":{"a":{"pattern":"(?=a)"}}}}}]`), "tools[0].function.parameters", "unsupported_schema"},
		{body(`,"structured_outputs":{"regex":"("}`), "structured_outputs.regex", "invalid_value"},
		{body(`,"structured_outputs":{"grammar":"a ::= b"}`), "structured_outputs.grammar", "invalid_value"},
		{body(`,"structured_outputs":{"regex":"(?=a)"}`), "structured_outputs.regex", "unsupported_schema"},
		{body(`,"structured_outputs":{"json":{"type":1}}`), "structured_outputs.json", "invalid_value"},
	} {
		r, err := DecodeStrict([]byte(tt.body))
		if err != nil {
			t.Errorf("%s: %v", tt.body, err)
			continue
		}
		_, err = c.Prepare(t.Context(), r.Chat)
		got, status := Error(r.Placed(err))
		if err == nil || status != 400 || got.Error.Param == nil || *got.Error.Param != tt.param || *got.Error.Code != tt.code {
			t.Errorf("%s: %d %+v, %v", tt.body, status, got, err)
		}
	}
	r, err := Decode([]byte(body(`,"other":1,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"properties":{"a":{"pattern":"(?=a)"}}}}},
		"tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"b c":{"pattern":"(?=a)"}}}}}]`)))
	if err != nil {
		t.Fatal(err)
	}
	left, err := c.Prepare(t.Context(), r.Chat)
	if err != nil {
		t.Fatal(err)
	}
	r.Unenforced(left)
	want := []string{"other", "response_format.json_schema.schema/properties/a/pattern", `"tools[].function.parameters/properties/b c/pattern"`}
	if d := cmp.Diff(want, r.Ignored); d != "" {
		t.Error(d)
	}
}

// What Decode leaves to package chat is named as the API names it.
func TestErrorOfChat(t *testing.T) {
	c := completer(t, played(t))
	message := func(m string) string { return `{"messages":[` + m + `]}` }
	for _, tt := range []struct{ body, param, message string }{
		{message(``), "messages", "is empty"},
		{
			message(`{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":""}}]},{"role":"tool","tool_call_id":"b","content":"x"}`),
			"messages[1].tool_call_id", `no call before has the id "b"`,
		},
		{message(`{"role":"tool","content":"x"}`), "messages[0].tool_call_id", "is empty: whose result is it?"},
		{message(`{"role":"user","content":"x","name":"y z"}`), "messages[0].name", `is "y z", want 1 to 64 letters, digits, "_", "-" or "."`},
		{
			body(`,"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"f"}}]`),
			"tools[1].function.name", `"f" is defined twice`,
		},
		{
			body(`,"response_format":{"type":"json_schema","json_schema":{"name":"","schema":{}}}`),
			"response_format.json_schema.name", "is empty",
		},
		{body(`,"reasoning_effort":"none","tools":[{"type":"function","function":{"name":"f"}}]`), "reasoning_effort",
			"is none, but the model has to reason before it calls one of the Tools: want low, medium or high"},
		{body(`,"stop":[` + strings.Repeat(`"a",`, 16) + `"a"]`), "stop", "has 17 strings, want at most 16"},
		{body(`,"logit_bias":{"201088":1}`), "logit_bias", "has token 201088, the vocabulary ends at 201087"},
	} {
		r, err := Decode([]byte(tt.body))
		if err != nil {
			t.Errorf("%s: %v", tt.body, err)
			continue
		}
		if _, err = c.Prompt(t.Context(), r.Chat); err == nil {
			t.Errorf("%s: accepted", tt.body)
			continue
		}
		got, status := Error(err)
		code := "invalid_value"
		want := ErrorResponse{ErrorObject{Message: tt.param + ": " + tt.message, Type: "invalid_request_error", Param: &tt.param, Code: &code}}
		if diff := cmp.Diff(want, got); diff != "" || status != 400 {
			t.Errorf("%s: status %d (-want +got)\n%s", tt.body, status, diff)
		}
	}
}
