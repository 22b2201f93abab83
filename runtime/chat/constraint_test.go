package chat

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"gossamer/runtime/harmony"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/tokenizertest"
)

var weatherTools = []Function{
	{Name: "get_weather", Parameters: []byte(`{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"],"additionalProperties":false}`)},
	{Name: "get_weather_forecast"},
	{Name: "send-it", Parameters: []byte(`{"type":"object"}`)},
}

func constrained(t interface {
	Helper()
	Fatal(...any)
}, c *Completer, r Request) *constraint {
	t.Helper()
	p, _, _, err := c.conversation(context.Background(), &r)
	if err != nil {
		t.Fatal(err)
	}
	protocol, _, err := c.newProtocol(context.Background(), &r, p)
	if err != nil {
		t.Fatal(err)
	}
	return newConstraint(protocol)
}

// takes returns how many of the tokens of a reply are allowed, of which at most left follow, and whether the reply may end there.
func takes(c *constraint, tokens []int32, left int) (n int, ends bool) {
	for i, id := range tokens {
		mask, _ := c.Mask(left - i)
		if mask[id/32]>>(id%32)&1 == 0 {
			return i, false
		}
		if slices.Contains(stopIDs(), id) {
			return i + 1, true
		}
		if c.Accept(id) != nil {
			return i, false
		}
	}
	return len(tokens), false
}

func TestRepliesThatAreAllowed(t *testing.T) {
	const (
		final    = "<|channel|>final<|message|>"
		analysis = "<|channel|>analysis<|message|>Hm 🤔.<|end|><|start|>assistant"
		preamble = "<|channel|>commentary<|message|>I'll look.<|end|><|start|>assistant"
		call     = "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>"
		args     = `{"city":"Rome"}<|call|>`
	)
	c := script(t, "")
	tools := ask("hello")
	tools.Tools = weatherTools
	with := func(edit func(*Request)) Request {
		r := tools
		edit(&r)
		return r
	}
	required := with(func(r *Request) { r.ToolChoice.Mode = ChoiceRequired })
	named := with(func(r *Request) { r.ToolChoice = ToolChoice{ChoiceNamed, "get_weather"} })
	none := with(func(r *Request) { r.ToolChoice.Mode = ChoiceNone })
	format := ask("hello")
	format.Format = &ResponseFormat{Name: "n", Schema: []byte(`{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}`)}
	both := tools
	both.Format = format.Format
	open := ask("hello")
	open.Tools = []Function{{Name: "f", Parameters: []byte(`{"properties":{"a":{"type":"string"}}}`)}}
	choice := ask("hello")
	choice.Format = &ResponseFormat{Choice: []string{"yes", "no"}}
	begun := choice
	begun.Effort = None
	for _, tt := range []struct {
		name  string
		r     Request
		reply string
		want  string // what of the reply is allowed; "": all, to its end
	}{
		{"Final", tools, final + "Hi.<|return|>", ""},
		{"Analysis", tools, analysis + analysis + final + "<|return|>", ""},
		{"Call", tools, analysis + call + args, ""},
		{"RecipientFirst", tools, " to=functions.get_weather<|channel|>commentary <|constrain|>json<|message|>" + args, ""},
		{"TypeWithoutMarker", tools, " to=functions.get_weather<|channel|>commentary json<|message|>" + args, ""},
		{"TypeWithoutMarkerBehind", tools, "<|channel|>commentary to=functions.get_weather json<|message|>" + args, ""},
		{"NoType", tools, "<|channel|>commentary to=functions.get_weather<|message|>" + args, ""},
		{"Preamble", tools, preamble + call + args, ""},
		{"ShownName", tools, "<|channel|>commentary to=functions.send_it json<|message|>" + `{"a":[1]}<|call|>`, ""},
		{"LongerName", tools, "<|channel|>commentary to=functions.get_weather_forecast json<|message|>{}<|call|>", ""},
		{"NoObject", open, "<|channel|>commentary to=functions.f<|message|>[1]<|call|>", "<|channel|>commentary to=functions.f<|message|>"},
		{"UnknownName", tools, "<|channel|>commentary to=functions.get_time json<|message|>", "<|channel|>commentary to=functions.get"},
		{"WrongArguments", tools, call + `{"town":`, call + `{"`},
		{"NoArguments", tools, call + "<|call|>", call},
		{"EndOfACall", tools, call + `{"city":"Rome"}<|end|>`, call + `{"city":"Rome"}`},
		{"EndOfTheAnswer", tools, final + "Hi.<|end|>", final + "Hi."},
		{"EndOfAnalysis", tools, "<|channel|>analysis<|message|>Hm.<|return|>", "<|channel|>analysis<|message|>Hm."},
		{"HeaderInText", tools, final + "Hi.<|channel|>", final + "Hi."},
		{"Start", tools, "<|start|>", "-"},
		{"Text", tools, "Hi.", "-"},
		{"AnotherChannel", tools, "<|channel|>notes<|message|>", "<|channel|>"},
		{"AnswerWithARecipient", tools, "<|channel|>final to=functions.get_weather<|message|>", "<|channel|>final"},
		{"AnswerWithoutFormat", tools, "<|channel|>final <|constrain|>json<|message|>", "<|channel|>final"},
		{"Required", required, analysis + preamble + call + args, ""},
		{"RequiredNoAnswer", required, analysis + final, analysis + "<|channel|>"},
		{"Named", named, call + args, ""},
		{"NamedAnother", named, analysis + "<|channel|>commentary to=functions.get_weather_forecast", analysis + "<|channel|>commentary to=functions.get_weather"},
		{"None", none, analysis + final + "Hi.<|return|>", ""},
		{"NoneCall", none, call, "<|channel|>"},
		{"Format", format, analysis + final + `{"n":12}<|return|>`, ""},
		{"FormatTyped", format, `<|channel|>final <|constrain|>json<|message|>{"n":-1}<|return|>`, ""},
		{"FormatWrong", format, final + `{"n":"a"`, final + `{"n`},
		{"FormatUnfinished", format, final + `{"n":12<|return|>`, final + `{"n":12`},
		{"FormatPreamble", format, preamble, "<|channel|>"},
		{"FormatAndTools", both, analysis + call + args, ""},
		{"FormatAndToolsAnswer", both, analysis + final + `{"n":0}<|return|>`, ""},
		{"FormatAndToolsPreamble", both, preamble, "<|channel|>commentary"},
		{"Choice", choice, analysis + final + "yes<|return|>", ""},
		{"ChoiceTyped", choice, "<|channel|>final <|constrain|>json", "<|channel|>final"},
		{"ChoiceOther", choice, final + "yesterday", final + "y"},
		{"Begun", begun, "no<|return|>", ""},
		{"BegunAnalysis", begun, "<|channel|>", "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tokens, want, end := tokenizertest.Encode(tt.reply), len(tokenizertest.Encode(tt.want)), false
			switch tt.want {
			case "":
				want, end = len(tokens), true
			case "-":
				want = 0
			}
			if n, ends := takes(constrained(t, c, tt.r), tokens, 1000); n != want || ends != end {
				t.Errorf("%d tokens are allowed, %q, and the end: %v; want %d, %v", n, decode(tokens[:n]), ends, want, end)
			}
		})
	}
}

func decode(tokens []int32) string {
	var b strings.Builder
	for _, id := range tokens {
		if text, ok := tokenizertest.Vocabulary().SpecialText(id); ok {
			b.WriteString(text)
		} else {
			b.Write(tokenizertest.Vocabulary().Bytes(id))
		}
	}
	return b.String()
}

// What a conversation is rendered with when it goes on is what the model was allowed to write.
func TestRenderedCallsAreAllowed(t *testing.T) {
	c := script(t, "")
	r := ask("hello")
	r.Tools = weatherTools
	for _, name := range []string{"get_weather", "get_weather_forecast", "send_it"} {
		start, err := harmony.Render(t.Context(), c.tok, nil, harmony.Options{})
		if err != nil {
			t.Fatal(err)
		}
		header, err := harmony.Render(t.Context(), c.tok, nil, harmony.Options{Begin: callHeader(name)})
		if err != nil {
			t.Fatal(err)
		}
		header = header[len(start):]
		if n, _ := takes(constrained(t, c, r), header, 1000); n != len(header) {
			t.Errorf("of %q only %q is allowed", decode(header), decode(header[:n]))
		}
	}
}

// closers end something.
var closers = func() []int {
	ids := []int{int(tokenizer.Return), int(tokenizer.Call), int(tokenizer.End)}
	for _, text := range []string{"}", "]", `"`} {
		ids = append(ids, int(tokenizertest.Encode(text)[0]))
	}
	return ids
}()

// walk writes a reply of at most left tokens: those that are forced, else any that the mask has, those that end something more often than
// the others.
func walk(t *rapid.T, c *constraint, left int, random *rand.Rand) (tokens []int32, ended bool) {
	for len(tokens) < left {
		if random.IntN(2) == 0 {
			if forced := c.Forced(nil, left-len(tokens)); len(forced) > 0 {
				for _, id := range forced {
					if err := c.Accept(id); err != nil {
						t.Fatalf("behind %q the forced %q: %v", decode(tokens), decode(forced), err)
					}
					tokens = append(tokens, id)
				}
				continue
			}
		}
		mask, _ := c.Mask(left - len(tokens))
		allowed := func(id int) bool { return mask[id/32]>>(id%32)&1 == 1 }
		from, id := random.IntN(len(mask)*32), -1
		if random.IntN(4) == 0 {
			if i := slices.IndexFunc(closers, allowed); i >= 0 {
				id = closers[i]
			}
		}
		for i := 0; id < 0 && i < len(mask)*32; i++ {
			if at := (from + i) % (len(mask) * 32); allowed(at) {
				id = at
			}
		}
		if id < 0 {
			t.Fatalf("behind %q nothing is allowed", decode(tokens))
		}
		tokens = append(tokens, int32(id))
		if slices.Contains(stopIDs(), int32(id)) {
			return tokens, true
		}
		if err := c.Accept(int32(id)); err != nil {
			t.Fatalf("%q is in the mask behind %q: %v", decode(tokens[len(tokens)-1:]), decode(tokens[:len(tokens)-1]), err)
		}
	}
	_, ended = c.End()
	return tokens, ended
}

// A reply that has to end does so, with as few tokens as it needs, and is what was asked for.
func TestRepliesEndInTime(t *testing.T) {
	c := script(t, "")
	rapid.Check(t, func(t *rapid.T) {
		r := ask("hello")
		schema := `{"type":"object","properties":{"name":{"type":"string","minLength":2},"n":{"type":"integer","minimum":10},"list":{"type":"array","items":{"enum":["red","green"]},"minItems":1,"maxItems":3}},"required":["name","n","list"],"additionalProperties":false}`
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			r.Format = &ResponseFormat{Name: "n", Schema: []byte(schema), Strict: true}
		case 1:
			r.Tools, r.ToolChoice.Mode = []Function{{Name: "f", Parameters: []byte(schema), Strict: true}, {Name: "get_weather", Parameters: []byte(schema)}}, ChoiceRequired
		case 2:
			r.Format, r.Effort = &ResponseFormat{Name: "n", Schema: []byte(schema), Strict: true}, None
		}
		place := constrained(t, c, r)
		least := 0
		if place.content != nil {
			least = place.content.cost
		} else {
			least = place.header.cost
		}
		left := least + rapid.SampledFrom([]int{0, 1, 2, 5, 20, 200}).Draw(t, "more")
		tokens, ended := walk(t, place, left, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)))
		if !ended {
			t.Fatalf("%q has %d tokens and no end", decode(tokens), len(tokens))
		}
		var o harmony.ParserOptions
		if r.Effort == None {
			o.Begin = &harmony.Header{Channel: harmony.Final}
		}
		parser := harmony.NewParser(c.tok, o)
		for _, id := range tokens {
			parser.Push(id)
		}
		parser.Close()
		messages := parser.Messages()
		last := messages[len(messages)-1]
		var got struct {
			Name *string
			N    *json.Number
			List []string
		}
		d := json.NewDecoder(strings.NewReader(string(last.Content[0].(harmony.Text))))
		d.DisallowUnknownFields()
		if err := d.Decode(&got); err != nil || got.Name == nil || got.N == nil || len(*got.N) < 2 || len(got.List) < 1 || len(got.List) > 3 {
			t.Fatalf("%q: %v", decode(tokens), err)
		}
		if call := last.Kind() == harmony.ToolCall; call != (r.Tools != nil) {
			t.Fatalf("%q is a call: %v", decode(tokens), call)
		}
	})
}

// With the usual steps of the engine too: some tokens are forced, some are drawn several at a time.
func TestConstrainedStream(t *testing.T) {
	r := ask("hello")
	r.Tools = weatherTools
	r.ToolChoice.Mode = ChoiceRequired
	c := script(t, `<|channel|>analysis<|message|>One two three four five six seven eight nine ten.<|end|><|start|>assistant to=functions.get_weather<|channel|>commentary <|constrain|>json<|message|>{"city":"Rome","days":3}<|call|>`)
	want := []Event{
		ReasoningDelta{"One two three four five six seven eight nine ten."}, call(0, "call_1", "get_weather"),
		ToolCallDelta{0, `{"city":"Rome","days":3}`}, Done{Reason: FinishToolCalls},
	}
	if d := cmp.Diff(want, read(t, c, r)); d != "" {
		t.Error(d)
	}
	r.ToolChoice = ToolChoice{ChoiceNamed, "send-it"}
	if _, err := Collect(c.Stream(t.Context(), r)); err == nil {
		t.Error("a call of another function than the one that was named")
	}
}

// The names of what is not enforced.
func TestPrepare(t *testing.T) {
	c := script(t, "")
	r := ask("hello")
	r.Tools = []Function{{Name: "a", Parameters: []byte(`{"type":"object","properties":{"c":{"type":"string","pattern":"(?=a)"}}}`)}, {Name: "b", Parameters: []byte(`{"type":7}`)}, {Name: "c", Parameters: []byte(`{"required":["d"]}`)}}
	r.Format = &ResponseFormat{Name: "n", Schema: []byte(`{"type":"string","format":"invented"}`)}
	ignored, err := c.Prepare(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"Format.Schema/format", "Tools[0].Parameters/properties/c/pattern", "Tools[1].Parameters"}; !slices.Equal(ignored, want) {
		t.Errorf("ignored: %q, want %q", ignored, want)
	}
}

// Prepare says what Stream would: also that a schema is nested too deeply to be shown to the model.
func TestPrepareOfDeepSchemas(t *testing.T) {
	c := script(t, "")
	deep := []byte(strings.Repeat(`{"items":`, 200) + "{}" + strings.Repeat("}", 200))
	for field, change := range map[string]func(*Request){
		"Format.Schema": func(r *Request) {
			r.Format = &ResponseFormat{Name: "n", Schema: deep}
			r.Tools = weatherTools
		},
		"Tools": func(r *Request) {
			r.Format = &ResponseFormat{Name: "n", Schema: []byte(`{}`)}
			r.Tools = []Function{{Name: "f", Parameters: deep}}
		},
	} {
		r := ask("hello")
		change(&r)
		var prepared, streamed *FieldError
		_, err := c.Prepare(t.Context(), r)
		if !errors.As(err, &prepared) || prepared.Field != field || !strings.Contains(prepared.Reason, "nested deeper than") {
			t.Errorf("%s: Prepare says %v", field, err)
		}
		if _, err := Collect(c.Stream(t.Context(), r)); !errors.As(err, &streamed) || *streamed != *prepared {
			t.Errorf("%s: Stream says %v, Prepare %v", field, err, prepared)
		}
	}
}

// A reply that is complete with its last token is not one that was cut off.
func TestRepliesThatTakeAllTokens(t *testing.T) {
	const thought = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant"
	format := ask("hello")
	format.Format = &ResponseFormat{Name: "n", Schema: []byte(`{"type":"object","properties":{"n":{"type":"integer"},"text":{"type":"string"}},"required":["n","text"]}`)}
	call, required := ask("hello"), ask("hello")
	call.Tools = weatherTools
	required.Tools, required.ToolChoice.Mode = weatherTools, ChoiceRequired
	choice := ask("hello")
	choice.Format, choice.Effort = &ResponseFormat{Choice: []string{"yes", "no"}}, None
	const calls = "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>" + `{"city":"Rome","days":3}<|call|>`
	for _, tt := range []struct {
		name  string
		r     Request
		reply string
		want  FinishReason
	}{
		{"Format", format, thought + `<|channel|>final<|message|>{"n":12,"text":"Some words, as many as there is room for."}<|return|>`, FinishStop},
		{"Choice", choice, "yes<|return|>", FinishStop},
		{"Call", call, thought + calls, FinishToolCalls},
		{"Required", required, thought + calls, FinishToolCalls},
		{"FreeText", call, thought + "<|channel|>final<|message|>Hello.<|return|>", FinishLength},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := script(t, tt.reply)
			whole, err := Collect(c.Stream(t.Context(), tt.r))
			if err != nil {
				t.Fatal(err)
			}
			tt.r.MaxTokens = whole.Usage.CompletionTokens
			got, err := Collect(c.Stream(t.Context(), tt.r))
			if err != nil || got.Reason != tt.want {
				t.Fatalf("%v, want %v; %v", got.Reason, tt.want, err)
			}
			if d := cmp.Diff(whole.Message, got.Message, cmpopts.IgnoreFields(ToolCall{}, "ID")); d != "" {
				t.Error(d)
			}
		})
	}
}

// A call that has to come and is cut off in its header is no text.
func TestHeadersThatAreCutOff(t *testing.T) {
	r := ask("hello")
	r.Tools, r.ToolChoice.Mode = weatherTools[:1], ChoiceRequired
	for _, header := range []string{" to=functions.get_weather<|channel|>commentary<|message|>", "<|channel|>commentary to=functions.get_weather<|message|>"} {
		c := script(t, header+`{"city":"Rome","days":3}<|call|>`)
		for r.MaxTokens = 1; r.MaxTokens < 7; r.MaxTokens++ {
			reply, err := Collect(c.Stream(t.Context(), r))
			if err != nil || reply.Message.Content != "" || reply.Message.Reasoning != "" || reply.Reason != FinishLength {
				t.Errorf("%q, %d tokens: %+v, %v", header, r.MaxTokens, reply, err)
			}
		}
	}
}
