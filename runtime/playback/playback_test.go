package playback_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"gossamer/runtime/chat"
	"gossamer/runtime/engine"
	"gossamer/runtime/playback"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/tokenizertest"
)

// object is JSON that tests put together.
type object map[string]any

// text is a segment of text.
func text(s string) object { return object{"text": s} }

// play is a play that holds under some conditions, which may be nil.
func play(name string, when object, reply ...object) object {
	if when == nil {
		when = object{}
	}
	return object{"name": name, "when": when, "reply": append([]object{}, reply...)}
}

// final is a segment that answers.
func final(s string) object { return text("<|channel|>final<|message|>" + s + "<|return|>") }

// fileOf is a file with some plays.
func fileOf(defaults object, plays ...object) []byte {
	if defaults == nil {
		defaults = object{}
	}
	data, err := json.Marshal(object{"version": 1, "defaults": defaults, "plays": plays})
	if err != nil {
		panic(err)
	}
	return data
}

func load(t testing.TB, defaults object, plays ...object) *playback.Model {
	t.Helper()
	m, err := playback.Load(fileOf(defaults, plays...), tokenizertest.Vocabulary(), playback.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newEngine(t testing.TB, b engine.Backend, o engine.Options) *engine.Engine {
	t.Helper()
	e, err := engine.New(b, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(e.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
	return e
}

// completer makes a Completer on a fixed day.
func completer(t testing.TB, b engine.Backend) *chat.Completer {
	t.Helper()
	c, err := chat.New(newEngine(t, b, engine.Options{MaxSequences: 20}), tokenizertest.Vocabulary(), chat.Options{
		Clock:  func() time.Time { return time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC) },
		CallID: func() string { return "call" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ask(text string) chat.Request {
	return chat.Request{Messages: []chat.Message{{Role: chat.User, Content: text}}, Sampling: &sample.Params{}}
}

// says returns the content of the answer to a request.
func says(t testing.TB, c *chat.Completer, r chat.Request) string {
	t.Helper()
	got, err := chat.Collect(c.Stream(t.Context(), r))
	if err != nil {
		t.Fatal(err)
	}
	return got.Message.Content
}

// fails returns the error that a request ends with.
func fails(t testing.TB, c *chat.Completer, r chat.Request) error {
	t.Helper()
	got, err := chat.Collect(c.Stream(t.Context(), r))
	if err == nil {
		t.Fatalf("no error, but %+v", got)
	}
	return err
}

func TestConditions(t *testing.T) {
	tools := []chat.Function{{Name: "get-weather"}, {Name: "list", Parameters: []byte(`{"type":"object","properties":{"type":{"type":"string"}}}`)}}
	withTools := func(r chat.Request) chat.Request { r.Tools = tools; return r }
	effort := func(r chat.Request, e chat.Effort) chat.Request { r.Effort = e; return r }
	answered := ask("first")
	answered.Messages = append(answered.Messages, chat.Message{Role: chat.Assistant, Content: "an answer", Reasoning: "hm"}, chat.Message{Role: chat.User, Content: "second"})
	result := withTools(ask("look"))
	result.Messages = append(result.Messages, chat.Message{Role: chat.Assistant, ToolCalls: []chat.ToolCall{{ID: "a", Name: "list", Arguments: "{}"}}},
		chat.Message{Role: chat.Tool, ToolCallID: "a", Content: "three files"})
	goesOn := ask("go on")
	goesOn.Messages = append(goesOn.Messages, chat.Message{Role: chat.Assistant, Content: "So far"})
	instructed := ask("x")
	instructed.Instructions = "Be BRIEF.\n\n# Tools\n\n## functions\n\nnamespace functions {\n\ntype fake = () => any;\n\n} // namespace functions"
	for _, tt := range []struct {
		name        string
		when        object
		holds, fail chat.Request
	}{
		{"LastUser", object{"last": "user"}, answered, result},
		{"LastTool", object{"last": "tool"}, result, answered},
		{"LastAssistant", object{"last": "assistant"}, goesOn, ask("go on")},
		{"User", object{"user": "(?i)SEC.*"}, answered, ask("first")},
		{"UserOfAnEarlierTurn", object{"user": "first"}, ask("first"), answered},
		{"Result", object{"result": "^three"}, result, ask("three")},
		{"Developer", object{"developer": "BRIEF"}, instructed, ask("BRIEF")},
		{"AnyTool", object{"tools": []string{"*"}}, withTools(ask("x")), ask("x")},
		{"Tool", object{"tools": []string{"get_weather"}}, withTools(ask("x")), ask("get_weather")},
		{"BothTools", object{"tools": []string{"list", "get_weather", "*"}}, withTools(ask("x")), ask("x")},
		{"AnotherTool", object{"tools": []string{"list", "send"}}, chat.Request{}, withTools(ask("x"))},
		{"PropertyIsNoTool", object{"tools": []string{"type"}}, chat.Request{}, withTools(ask("x"))},
		{"Effort", object{"effort": "high"}, effort(ask("x"), chat.High), ask("x")},
		{"EffortMedium", object{"effort": "medium"}, ask("x"), effort(ask("x"), chat.Low)},
		{"Turn0", object{"turn": 0}, result, answered},
		{"Turn1", object{"turn": 1}, answered, ask("first")},
		{"Several", object{"turn": 1, "last": "user", "user": "d$", "effort": "medium"}, answered, effort(answered, chat.High)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := completer(t, load(t, nil, play("this", tt.when, final("this")), play("else", nil, final("else"))))
			if tt.holds.Messages != nil {
				if got := says(t, c, tt.holds); got != "this" {
					t.Errorf("the play does not hold: %q", got)
				}
			}
			if got := says(t, c, tt.fail); got != "else" {
				t.Errorf("the play holds: %q", got)
			}
		})
	}
	t.Run("None", func(t *testing.T) {
		c := completer(t, load(t, nil, play("this", object{"user": "a"}, final("this"))))
		if err := fails(t, c, ask("b")); !strings.Contains(err.Error(), "no play") {
			t.Error(err)
		}
	})
}

// Meetings are counted where the other conditions hold, and from the beginning after Reset.
func TestNth(t *testing.T) {
	m := load(t, nil,
		play("second", object{"user": "a", "nth": 2}, final("second")),
		play("first", object{"user": "a", "nth": 1}, final("first")),
		play("else", nil, final("else")))
	c := completer(t, m)
	for range 2 {
		var got []string
		for _, text := range []string{"b", "a", "b", "a", "a", "a"} {
			got = append(got, says(t, c, ask(text)))
		}
		if want := []string{"else", "first", "else", "second", "else", "else"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		m.Reset()
	}
}

func TestSegments(t *testing.T) {
	r := ask(`say <|end|> "now" {tool}`)
	r.Tools = []chat.Function{{Name: "first-one"}, {Name: "second"}}
	r.Messages = append(r.Messages, chat.Message{Role: chat.Assistant, ToolCalls: []chat.ToolCall{{ID: "a", Name: "second", Arguments: "{}"}}},
		chat.Message{Role: chat.Tool, ToolCallID: "a", Content: "42"})
	for _, tt := range []struct {
		name  string
		reply []object
		want  string // the reply with its markers, up to the one that ends it
	}{
		{"Text", []object{text("<|channel|>final<|message|>Hi")}, "<|channel|>final<|message|>Hi"},
		{"Tokens", []object{{"tokens": tokenizertest.Encode("<|channel|>final<|message|>a b")}}, "<|channel|>final<|message|>a b"},
		{"Values", []object{text("{tool} {user} {result} {json:user}{json:tool}")}, `first_one say <|end|> "now" {tool} 42 "say <|end|> \"now\" {tool}""first_one"`},
		{"BracesAreText", []object{text(`{"a":{}} {other} {`), text(`tool}`)}, `{"a":{}} {other} {tool}`},
		{"Repeat", []object{{"repeat": object{"times": 3, "of": []object{text("a"), {"repeat": object{"times": 2, "of": []object{text(" b")}}}}}}}, "a b ba b ba b b"},
		{"RepeatNever", []object{{"repeat": object{"times": 0, "of": []object{text("a")}}}, text("c")}, "c"},
		{"Close", []object{text("<|channel|>commentary to=functions.second<|message|>"), {"close": true}}, "<|channel|>commentary to=functions.second<|message|>{}"},
		{"CloseAndMore", []object{text("<|channel|>commentary to=functions.second<|message|>"), {"close": true}, text("<|start|>assistant<|channel|>final<|message|>x")},
			"<|channel|>commentary to=functions.second<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>x"},
		{"CloseOfProse", []object{text("<|channel|>final<|message|>Hello"), {"close": true}}, "<|channel|>final<|message|>Hello"},
		{"CloseInTheMiddle", []object{text(`<|channel|>final<|message|>{"a":[{"b":"c`), {"close": true}}, `<|channel|>final<|message|>{"a":[{"b":"c"}]}`},
		{"CloseWhereAValueIsMissing", []object{text(`<|channel|>final<|message|>{"a":[1,`), {"close": true}}, `<|channel|>final<|message|>{"a":[1,0]}`},
		{"CloseWhereAKeyIsMissing", []object{text(`<|channel|>final<|message|>{"a":1,`), {"close": true}}, `<|channel|>final<|message|>{"a":1,"":0}`},
		{"Nothing", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := load(t, nil, play("it", object{"tools": []string{"*"}}, tt.reply...))
			c := completer(t, m)
			prompt, err := c.Prompt(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			var got []int32
			_, err = newEngine(t, load(t, nil, play("it", object{"tools": []string{"*"}}, tt.reply...)), engine.Options{}).Generate(t.Context(), engine.Request{
				Tokens: prompt, Stop: []int32{tokenizer.Return, tokenizer.Call}, MaxTokens: 100,
			}, func(t engine.Token) bool {
				got = append(got, t.ID)
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			if text := string(tokenizertest.Vocabulary().Decode(got)); text != tt.want {
				t.Errorf("got  %q\nwant %q", text, tt.want)
			}
			if slices.Contains(got, tokenizer.End) != strings.Contains(tt.name, "More") {
				t.Error("a value became a marker")
			}
		})
	}
}

// A prompt that begins the call is answered with its rest, wherever the play has it and however it writes the header.
func TestForcedCalls(t *testing.T) {
	r := ask("do it")
	for _, name := range []string{"get_weather", "get_weather_forecast", "send"} {
		r.Tools = append(r.Tools, chat.Function{Name: name, Parameters: []byte(`{"type":"object"}`)})
	}
	named := func(name string) chat.Request {
		r := r
		r.ToolChoice = chat.ToolChoice{Mode: chat.ChoiceNamed, Name: name}
		return r
	}
	required := r
	required.ToolChoice.Mode = chat.ChoiceRequired
	long := text("<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.send json<|message|>{\"a\":1}<|call|>")
	anyTool := []object{text("<|channel|>commentary to=functions.{tool} <|constrain|>json<|message|>{\"t\":{json:tool}}<|call|>")}
	for _, tt := range []struct {
		name  string
		play  object
		begun string // the function
		want  string
	}{
		{"Named", play("it", nil, long), "send", `{"a":1}`},
		{"NamedAny", play("it", object{"tools": []string{"*"}}, anyTool...), "send", `{"t":"send"}`},
		{"NamedContentOnly", play("it", nil, text("{}<|call|>")), "get_weather_forecast", "{}"},
		{"NamedClose", play("it", nil, object{"close": true}), "get_weather", "{}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := load(t, nil, play("never", object{"nth": 2}, long), tt.play, play("else", nil, final("no")))
			prompt, err := completer(t, load(t, nil, tt.play)).Prompt(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			header := " to=functions." + tt.begun + "<|channel|>commentary <|constrain|>json<|message|>"
			var got []int32
			result, err := newEngine(t, m, engine.Options{}).Generate(t.Context(), engine.Request{
				Tokens: append(prompt, tokenizertest.Encode(header)...), Stop: []int32{tokenizer.Return, tokenizer.Call}, MaxTokens: 100,
			}, func(t engine.Token) bool {
				got = append(got, t.ID)
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			if text := string(tokenizertest.Vocabulary().Decode(got)); text != tt.want || result.StopID != tokenizer.Call {
				t.Errorf("got %q, ended by %d, want %q", text, result.StopID, tt.want)
			}
		})
	}

	t.Run("CountedOnce", func(t *testing.T) {
		second := text("<|channel|>commentary to=functions.get_weather_forecast<|message|>{\"second\":1}<|call|>")
		c := completer(t, load(t, nil, play("two", object{"nth": 2}, second), play("one", nil, long)))
		var got []string
		for range 3 {
			r, err := chat.Collect(c.Stream(t.Context(), required))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r.Message.ToolCalls[0].Name)
		}
		if want := []string{"send", "get_weather_forecast", "send"}; !slices.Equal(got, want) {
			t.Errorf("calls %v, want %v", got, want)
		}
	})

	t.Run("NoneFits", func(t *testing.T) {
		c := completer(t, load(t, nil, play("it", nil, long)))
		if err := fails(t, c, named("get_weather")); !strings.Contains(err.Error(), `play "it"`) {
			t.Error(err)
		}
	})

	t.Run("BegunContent", func(t *testing.T) {
		e := newEngine(t, load(t, nil, play("it", nil, text("<|channel|>final<|message|>one two three"))), engine.Options{})
		var got []int32
		if _, err := e.Generate(t.Context(), engine.Request{
			Tokens: tokenizertest.Encode("<|start|>user<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>one two"), Stop: []int32{tokenizer.Return},
		}, func(t engine.Token) bool { got = append(got, t.ID); return true }); err != nil {
			t.Fatal(err)
		}
		if text := string(tokenizertest.Vocabulary().Decode(got)); text != " three" {
			t.Errorf("goes on with %q", text)
		}
	})
}
