package openai

import (
	"errors"
	"regexp"
	"testing"

	"gossamer/runtime/chat"
	"gossamer/runtime/testenv"
	"gossamer/runtime/wire"
)

// What Decode accepts becomes a prompt, or package chat names the field that is wrong.
func FuzzDecode(f *testing.F) {
	seeds := []string{
		body(``),
		`{"model":"m","messages":[{"role":"system","content":[{"type":"text","text":"a"}]},{"role":"user","content":"b","name":"c"},` +
			`{"role":"assistant","reasoning":"d","tool_calls":[{"id":"e","type":"function","function":{"name":"f","arguments":"{}"}}]},` +
			`{"role":"tool","tool_call_id":"e","content":"g"}]}`,
		body(`,"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"b":{"type":["string","null"],"enum":["x",null]},` +
			`"a":{"oneOf":[{"type":"array","items":{"type":"integer","default":1e400}},{}]}},"required":["a"]}}}],"tool_choice":"required"`),
		body(`,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"f"}}`),
		body(`,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}},"reasoning":{"effort":"low"}`),
		body(`,"temperature":0.5,"top_p":0,"top_k":1,"min_p":0.5,"seed":-1,"logit_bias":{"5":-1},"stop":["a","b"],"max_tokens":5,"logprobs":true,"top_logprobs":2`),
		body(`,"stream":true,"stream_options":{"include_usage":true},"n":1,"store":false,"modalities":["text"],"user":"u"`),
	}
	c := completer(f, played(f))
	path := regexp.MustCompile(`^[a-z_]+(\[\d+\])*(\.[a-z_]+(\[\d+\])*)*$`)
	testenv.Fuzz(f, seeds, func(t testing.TB, text string) {
		data := []byte(text)
		r, err := Decode(data)
		strict, refused := DecodeStrict(data)
		switch field := (*wire.FieldError)(nil); {
		case refused == nil && (err != nil || len(r.Ignored) > 0 || strict.Ignored != nil):
			t.Fatalf("read strictly it is %+v, else %+v, %v", strict, r, err)
		case refused != nil && (strict != nil || !errors.As(refused, &field)):
			t.Fatalf("%+v and error %v", strict, refused)
		case refused != nil && err == nil && len(r.Ignored) == 0:
			t.Fatalf("read strictly it is refused: %v", refused)
		}
		if err != nil {
			if field := (*wire.FieldError)(nil); r != nil || !errors.As(err, &field) {
				t.Fatalf("%+v and error %v", r, err)
			}
			return
		}
		tokens, err := c.Prompt(t.Context(), r.Chat)
		switch field := (*chat.FieldError)(nil); {
		case err == nil && len(tokens) == 0:
			t.Fatal("the prompt is empty")
		case err != nil && !errors.As(err, &field):
			t.Fatal(err)
		case err != nil:
			response, status := Error(err)
			if status != 400 || response.Error.Param == nil || !path.MatchString(*response.Error.Param) {
				t.Fatalf("%v becomes status %d, %+v", err, status, response.Error)
			}
		}
	})
}
