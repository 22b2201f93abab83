package anthropic

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"gossamer/runtime/chat"
	"gossamer/runtime/engine"
	"gossamer/runtime/playback"
	"gossamer/runtime/testenv"
	"gossamer/runtime/tokenizer/tokenizertest"
	"gossamer/runtime/wire"
)

// completer renders requests; it is never asked for a reply.
func completer(t testing.TB) *chat.Completer {
	t.Helper()
	m, err := playback.Load([]byte(`{"version": 1, "plays": []}`), tokenizertest.Vocabulary(), playback.Options{Context: 1000})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(m, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(e.Close(), m.Close()); err != nil {
			t.Error(err)
		}
	})
	c, err := chat.New(e, tokenizertest.Vocabulary(), chat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What Decode accepts becomes a prompt, or package chat names the field that is wrong.
func FuzzDecode(f *testing.F) {
	seeds := []string{
		body(`,"model":"m","stream":true,"system":"a\nx-anthropic-billing-header: b","thinking":{"type":"enabled","budget_tokens":5000},"metadata":{}`),
		messages(`{"role":"system","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"gossamer:YQ=="},` +
			`{"type":"text","text":"b"},{"type":"tool_use","id":"1","name":"f","input":{"a":"\u00e9\\"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"1",` +
			`"content":[{"type":"text","text":"c"}],"is_error":true},{"type":"text","text":"d"}]}`),
		body(`,"tools":[{"type":"web_search_1"},{"name":"f","description":"d","input_schema":{"type":"object","properties":{"b":{"type":["string","null"]}}},"strict":true}],` +
			`"tool_choice":{"type":"tool","name":"f"},"output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object"}}}`),
		body(`,"temperature":0.5,"top_p":0,"top_k":1,"stop_sequences":["a"],"logit_bias":{"5":-1},"tool_choice":{"type":"any"},"tools":[{"name":"f","input_schema":{}}]`),
	}
	c := completer(f)
	path := regexp.MustCompile(`^[a-z_]+(\[\d+\])*(\.[a-z_]+(\[\d+\])*)*$`)
	testenv.Fuzz(f, seeds, func(t testing.TB, text string) {
		r, err := Decode([]byte(text), false)
		strict, refused := Decode([]byte(text), true)
		switch field := (*wire.FieldError)(nil); {
		case refused == nil && (err != nil || len(r.Ignored) > 0 || strict.Ignored != nil):
			t.Fatalf("read strictly it is %+v, else %+v, %v", strict, r, err)
		case refused != nil && (strict != nil || !errors.As(refused, &field)):
			t.Fatalf("%+v and error %v", strict, refused)
		case refused != nil && err == nil && len(r.Ignored) == 0:
			t.Fatalf("read strictly it is refused: %v", refused)
		case err != nil && (r != nil || !errors.As(err, &field)):
			t.Fatalf("%+v and error %v", r, err)
		}
		counted, countErr := DecodeCount([]byte(text), false)
		if err == nil && countErr != nil || countErr != nil && counted != nil {
			t.Fatalf("counted it is %+v, %v", counted, countErr)
		}
		if countErr != nil {
			return
		}
		tokens, err := c.Prompt(t.Context(), counted.Chat)
		switch field := (*chat.FieldError)(nil); {
		case err == nil && len(tokens) == 0:
			t.Fatal("the prompt is empty")
		case err != nil && !errors.As(err, &field):
			t.Fatal(err)
		case err != nil:
			if f := counted.Failure(err); f.Status != 400 || !path.MatchString(f.Param) {
				t.Fatalf("%v becomes %+v", err, f)
			}
		}
	})
}

// Whatever arguments a model writes, clients get an object, and the model gets back what it has written.
func FuzzInput(f *testing.F) {
	testenv.Fuzz(f, []string{`{"a":"\u003cé \\ \"","b":[1.0e5, null]}`, " print(1)", `{"_unparsed":"x"}`, "{}", `{"a":`, "\xff\u2028"}, func(t testing.TB, text string) {
		object := input(text, false)
		if !isObject(string(object)) {
			t.Fatalf("%s is no object", object)
		}
		if got := input(text, true); !isObject(string(got)) || string(got) == "{}" && string(object) != "{}" && !strings.HasPrefix(text, "{") {
			t.Fatalf("of an offered function it is %s", got)
		}
		encoded, err := json.Marshal(object) // with other escapes
		if err != nil {
			t.Fatal(err)
		}
		back, same := argumentsOf(encoded), argumentsOf(object)
		if back != same {
			t.Fatalf("%q and %q come back as %q and %q", object, encoded, same, back)
		}
		if again := argumentsOf(input(back, false)); again != back {
			t.Fatalf("%q comes back as %q, and then as %q", text, back, again)
		}
	})
}
