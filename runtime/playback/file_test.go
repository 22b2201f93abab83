package playback_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"gossamer/runtime/playback"
	"gossamer/runtime/testenv"
	"gossamer/runtime/tokenizer/tokenizertest"
)

func valid(text string) bool { return json.Valid([]byte(text)) }

func loadRapid(t interface{ Fatal(...any) }, plays ...object) *playback.Model {
	m, err := playback.Load(fileOf(nil, plays...), tokenizertest.Vocabulary(), playback.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// What a file must not have is refused with the place where it stands.
func TestRefusedFiles(t *testing.T) {
	whole := func(defaults, plays string) string {
		return `{"version":1,"defaults":{` + defaults + `},"plays":[` + plays + `]}`
	}
	when := func(w string) string { return whole("", `{"name":"a","when":{`+w+`},"reply":[]}`) }
	reply := func(segment string) string {
		return whole("", `{"name":"a","when":{},"reply":[{"wait_ms":1},`+segment+`]}`)
	}
	for _, tt := range []struct{ file, want string }{
		{"", "the file is no JSON: line 1"},
		{"{\n\n]", "line 3"},
		{"[]", "the file is no object"},
		{"\"\xff\"", "not UTF-8"},
		{`{"plays":[]}`, `no "version"`},
		{`{"version":2,"plays":[]}`, "version is 2"},
		{`{"version":1}`, `no "plays"`},
		{`{"version":1,"plays":[],"play":1}`, `the file has a field "play", which does not exist: there are version, defaults, plays`},
		{`{"version":1,"version":1,"plays":[]}`, "version is given twice"},
		{whole(`"draws":[2,1]`, ""), "defaults.draws[1] is 1, want a whole number from 2 to 8"},
		{whole(`"draws":[1]`, ""), "defaults.draws has 1 elements"},
		{whole(`"draws":[1,9]`, ""), "defaults.draws[1] is 9"},
		{whole(`"seed":-1`, ""), "defaults.seed is -1"},
		{whole(`"seed":1.5`, ""), "defaults.seed is 1.5"},
		{whole(`"tokens_per_second":-1`, ""), "defaults.tokens_per_second is -1"},
		{whole(`"prefill_tokens_per_second":"1"`, ""), "defaults.prefill_tokens_per_second"},
		{whole(`"tokens_per_second":1e-300`, ""), "defaults.tokens_per_second is 1e-300, want 0, which is no wait at all, or a number from 0.01 to 1e+06"},
		{whole(`"mask":"none"`, ""), `defaults.mask is "none", want error, close, free`},
		{whole(`"speed":1`, ""), `defaults has a field "speed"`},
		{whole("", `{"when":{},"reply":[]}`), `plays[0] has no "name"`},
		{whole("", `{"name":"","when":{},"reply":[]}`), "plays[0].name is empty"},
		{whole("", `{"name":"a","reply":[]}`), `plays[0] has no "when"`},
		{whole("", `{"name":"a","when":{}}`), `plays[0] has no "reply"`},
		{whole("", `{"name":"a","when":{},"reply":[]},{"name":"a","when":{},"reply":[]}`), `plays[1] has the name "a"`},
		{whole("", `{"name":"a","when":{},"reply":[],"mask":1}`), "plays[0].mask is no string"},
		{when(`"first":1`), `plays[0].when has a field "first"`},
		{when(`"user":"("`), "plays[0].when.user is no regular expression"},
		{when(`"result":"a{2000}"`), "plays[0].when.result is no regular expression"},
		{when(`"developer":"` + strings.Repeat("a", 2000) + `"`), "plays[0].when.developer has 2000 bytes"},
		{when(`"last":"system"`), `plays[0].when.last is "system", want user, tool, assistant`},
		{when(`"tools":[]`), "plays[0].when.tools is empty"},
		{when(`"tools":["get-weather"]`), `plays[0].when.tools[0] is "get-weather"`},
		{when(`"tools":"*"`), "plays[0].when.tools is no array"},
		{when(`"effort":"huge"`), `plays[0].when.effort is "huge"`},
		{when(`"turn":-1`), "plays[0].when.turn is -1"},
		{when(`"nth":0`), "plays[0].when.nth is 0"},
		{when(`"nth":null`), "plays[0].when.nth is null"},
		{reply(`{}`), "plays[0].reply[1] has 0 fields, want one"},
		{reply(`{"text":"a","close":true}`), "plays[0].reply[1] has 2 fields, want one"},
		{reply(`{"txt":"a"}`), `plays[0].reply[1] has a field "txt"`},
		{reply(`{"text":"<|done|>"}`), "plays[0].reply[1].text has the marker <|done|>, which does not exist"},
		{reply(`{"text":"{json:time}"}`), "plays[0].reply[1].text names the value {json:time}"},
		{reply(`{"text":"{tool}"}`), `plays[0].reply names {tool}, so "when" has to say which "tools"`},
		{reply(`{"tokens":[201088]}`), "plays[0].reply[1].tokens[0] is 201088"},
		{reply(`{"tokens":[-1]}`), "plays[0].reply[1].tokens[0] is -1"},
		{reply(`{"close":false}`), "plays[0].reply[1].close is false, want true"},
		{reply(`{"repeat":{"times":2}}`), `plays[0].reply[1].repeat wants "times" and "of"`},
		{reply(`{"repeat":{"times":-1,"of":[]}}`), "plays[0].reply[1].repeat.times is -1"},
		{reply(`{"repeat":{"times":2,"of":[{"text":1}]}}`), "plays[0].reply[1].repeat.of[0].text is no string"},
		{reply(`{"repeat":{"times":100000,"of":[{"text":"a b c"}]}}`), "plays[0].reply has more than"},
		{reply(strings.Repeat(`{"repeat":{"times":1,"of":[`, 5) + strings.Repeat(`]}}`, 5)), "is nested deeper than 4"},
		{reply(`{"wait_ms":-1}`), "plays[0].reply[1].wait_ms is -1"},
		{reply(`{"wait_ms":600001}`), "plays[0].reply[1].wait_ms is 600001"},
		{reply(`{"fail":"crash"}`), `plays[0].reply[1].fail is "crash", want device_lost, context_full, error`},
		{reply(`{"logprobs":[{"p":1.5}]}`), "plays[0].reply[1].logprobs[0].p is 1.5"},
		{reply(`{"logprobs":[{"p":0}]}`), "plays[0].reply[1].logprobs[0] gives the token the probability 0"},
		{reply(`{"logprobs":[{"p":0.9,"alternatives":{"a":0.2}}]}`), "plays[0].reply[1].logprobs[0] has probabilities that add up to 1.1"},
		{reply(`{"logprobs":[{"alternatives":{"":0.01}}]}`), `plays[0].reply[1].logprobs[0].alternatives. is for no token`},
		{reply(`{"logprobs":[{"alternatives":{"two words":0.01,"two":0.01}}]}`), "plays[0].reply[1].logprobs[0].alternatives.two words begins with the same token as another one"},
		{reply(`{"logprobs":[{"alternatives":[]}]}`), "plays[0].reply[1].logprobs[0].alternatives is no object"},
	} {
		m, err := playback.Load([]byte(tt.file), tokenizertest.Vocabulary(), playback.Options{})
		if err == nil || !strings.HasPrefix(err.Error(), "playback: ") || !strings.Contains(err.Error(), tt.want) || m != nil {
			t.Errorf("%.200s: %v, want %s", tt.file, err, tt.want)
		}
	}
	if _, err := playback.Load(fileOf(nil), tokenizertest.Vocabulary(), playback.Options{Context: 1 << 20}); err == nil {
		t.Error("a context of 2^20 was accepted")
	}
}

// The example of the format: all that there is.
const example = `{"version": 1,
 "defaults": {"draws": [1, 8], "seed": 1, "tokens_per_second": 0, "prefill_tokens_per_second": 0, "mask": "error"},
 "plays": [
  {"name": "weather", "when": {"tools": ["get_weather"], "last": "user", "user": "(?i)weather", "effort": "high", "turn": 0, "nth": 1},
   "reply": [{"text": "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>"}, {"text": "{\"city\":\"Paris\"}<|call|>"}]},
  {"name": "any tool", "when": {"tools": ["*"], "last": "user"}, "mask": "close",
   "reply": [{"text": "<|channel|>analysis<|message|>A call.<|end|><|start|>assistant<|channel|>commentary to=functions.{tool} <|constrain|>json<|message|>"}, {"close": true}]},
  {"name": "lost", "when": {"developer": "lose", "result": "x"}, "reply": [{"wait_ms": 5}, {"tokens": [200005, 17196, 200008]}, {"fail": "device_lost"}]},
  {"name": "long", "when": {"user": "long"}, "reply": [{"text": "<|channel|>final<|message|>"},
   {"logprobs": [{"p": 0.7, "alternatives": {"Lyon": 0.2}}]}, {"repeat": {"times": 10, "of": [{"text": " word"}]}}]},
  {"name": "else", "when": {}, "reply": [{"text": "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>You said: {user}<|return|>"}]}]}`

func TestCheck(t *testing.T) {
	m, err := playback.Load([]byte(example), tokenizertest.Vocabulary(), playback.Options{})
	if err != nil {
		t.Fatal(err)
	}
	checked, err := m.Check()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range checked {
		got = append(got, fmt.Sprintf("%s: %d tokens, %s %s%v %d", c.Name, c.Tokens, c.Finish, c.Fails, c.Pauses, c.Unplayed))
		for _, m := range c.Messages {
			got = append(got, fmt.Sprintf("  %s %s %s %q", m.Channel, m.Recipient, m.ContentType, m.Text()))
		}
	}
	want := `weather: 18 tokens, tool_calls 0s 0
  commentary functions.get_weather <|constrain|>json "{\"city\":\"Paris\"}"
any tool: 23 tokens, tool_calls 0s 0
  analysis   "A call."
  commentary functions.tool <|constrain|>json "{}"
lost: 3 tokens, length device_lost5ms 0
  final   ""
long: 14 tokens, stop 0s 0
  final   " word word word word word word word word word word"
else: 18 tokens, stop 0s 0
  analysis   "Hm."
  final   "You said: {user}"`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	m, err = playback.Load(fileOf(nil, play("it", nil, final("a"), text("never seen"))), tokenizertest.Vocabulary(), playback.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if checked, err := m.Check(); err != nil || checked[0].Unplayed != 2 {
		t.Errorf("%+v, %v", checked, err)
	}
}

// Any file is refused, or can be played: without a conversation, and with one.
func FuzzLoad(f *testing.F) {
	seeds := [][]byte{[]byte(example), fileOf(nil, play("a", object{"user": "a|b", "tools": []string{"*"}}, text("{tool}{json:user}"), object{"close": true}))}
	testenv.Fuzz(f, seeds, func(t testing.TB, file []byte) {
		m, err := playback.Load(file, tokenizertest.Vocabulary(), playback.Options{Context: 300})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "playback: ") {
				t.Fatal(err)
			}
			return
		}
		if _, err := m.Check(); err != nil {
			t.Fatal(err)
		}
		r := newRow(t, m, prompt("weather"))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond) // the file may be slow
		defer cancel()
		for range 20 {
			if r.step(ctx, m, 8) != nil {
				break
			}
		}
	})
}
