package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ask posts a request for a chat completion and returns the status and the body.
func post(t *testing.T, url, request string) (int, string) {
	t.Helper()
	response, err := http.Post(url+"/chat/completions", "application/json", strings.NewReader(request))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// question asks a model.
func question(model, text string) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}]}`, model, text)
}

// says is a file of a play that answers everything with a text.
func says(t *testing.T, dir, name, text string) string {
	t.Helper()
	return textFile(t, dir, name, fmt.Sprintf(`{"version": 1, "plays": [{"name": "any", "when": {}, "reply": [{"text": "<|channel|>final<|message|>%s"}]}]}`, text))
}

// Models are asked by any of their names, those included by which clients know the published ones.
func TestServeSeveralModels(t *testing.T) {
	dir := t.TempDir()
	one, two := says(t, dir, "one.json", "One."), says(t, dir, "gpt-oss-20b", "Two.")
	conf := textFile(t, dir, "conf", "playback = openai/gpt-oss-120b="+one+"\nplayback = "+two+"\nport = 1\nmax-per-key = 5\nstrict-requests = true\n")
	url, end := serving(t, []string{"GOSSAMER_ALIAS=first=openai/gpt-oss-120b, second=gpt-oss-20b", "GOSSAMER_STRICT_REQUESTS=false"}, "--config", conf)
	for name, want := range map[string]string{
		"": "One.", "openai/gpt-oss-120b": "One.", "gpt-oss-120b": "One.", "gpt-oss:120b": "One.", "first": "One.",
		"openai/gpt-oss-20b": "Two.", "gpt-oss-20b": "Two.", "gpt-oss:20b": "Two.", "second": "Two.",
	} {
		request := strings.Replace(question(name, "Who?"), "{", `{"unknown":1,`, 1)
		if status, body := post(t, url, request); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%q: %d %q, want %q", name, status, body, want)
		}
	}
	if status, _ := post(t, url, question("third", "Who?")); status != 404 {
		t.Errorf("an unknown model: status %d", status)
	}
	response, err := http.Get(url + "/models")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var list struct{ Data []struct{ ID string } }
	if err := json.NewDecoder(response.Body).Decode(&list); err != nil || len(list.Data) != 8 {
		t.Errorf("%+v, %v; want eight names", list, err)
	}
	if code, errs := end(); code != exitOK || strings.Count(errs, "Serving ") != 2 {
		t.Errorf("exit status %d, %q", code, errs)
	}
}

func TestServedModels(t *testing.T) {
	for _, tt := range []struct {
		f    serveFlags
		want []string // name and aliases of each
	}{
		{serveFlags{}, []string{"nano"}},
		{serveFlags{models: list{"/models/gpt-oss-20b/"}}, []string{"gpt-oss-20b openai/gpt-oss-20b gpt-oss:20b"}},
		{serveFlags{models: list{"https://host/a?b=c/d"}}, []string{"d"}},
		{serveFlags{models: list{"x=https://host/a?b=c"}, name: "y"}, []string{"y"}},
		{serveFlags{models: list{"a=/b=c"}, aliases: list{"gpt-oss:20b"}}, []string{"a gpt-oss:20b"}},
		{serveFlags{models: list{"a=nano", "gpt-oss-20b=/x"}, aliases: list{"gpt-oss:20b=a"}}, []string{"a gpt-oss:20b", "gpt-oss-20b openai/gpt-oss-20b"}},
		{serveFlags{models: list{"gpt-oss-20b=/x", "gpt-oss:20b=/y"}}, []string{"gpt-oss-20b openai/gpt-oss-20b", "gpt-oss:20b"}},
		{serveFlags{models: list{"a=nano"}, playbacks: list{"/p/plays.json"}}, []string{"a", "plays.json"}},
	} {
		tt.f.parallel, tt.f.model.backend = 8, "auto"
		models, err := tt.f.served()
		var got []string
		for _, m := range models {
			got = append(got, strings.Join(append([]string{m.name}, m.aliases...), " "))
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %q, %v; want %q", tt.f, got, err, tt.want)
		}
	}
}

// masked is a reply without what differs each time: ids, and times.
func masked(body string) string {
	body = regexp.MustCompile(`"(chatcmpl-|call_)[^"]*"`).ReplaceAllString(body, `"$1"`)
	body = regexp.MustCompile(`"created":\d+`).ReplaceAllString(body, `"created":0`)
	return regexp.MustCompile(`"(time_to_first_token_ms|\w+_tokens_per_second|cached_tokens)":[\d.e+-]+`).ReplaceAllString(body, `"$1":0`)
}

// What was recorded of a model is played again as it was.
func TestRecord(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "record.json")
	weather := `"tools":[{"type":"function","function":{"name":"get-weather","parameters":{"type":"object"}}}]`
	with := func(text, more string) string { return strings.Replace(question("", text), "{", "{"+more+",", 1) }
	requests := []string{
		question("", "Try twice."), question("", "Try twice."), question("", "Say {user}"), with("Say it", `"stream":true`),
		with("The weather?", weather), with("The weather?", weather+`,"tool_choice":"required"`), with("Say a lot, and more", `"max_tokens":12`),
		with("Say a lot", `"stop":"lot"`), with("Answer", `"reasoning_effort":"none"`), with("Choose", `"n":2`),
		with("As JSON", `"response_format":{"type":"json_object"}`),
	}
	plays := textFile(t, dir, "plays.json", `{"version": 1, "plays": [
 {"name": "twice", "when": {"user": "twice", "nth": 2}, "reply": [{"text": "<|channel|>final<|message|>Again {json:user}."}]},
 {"name": "json", "when": {"user": "JSON"}, "reply": [{"text": "<|channel|>final<|message|>{\"a\":\"b\"}"}]},
 {"name": "weather", "when": {"user": "weather", "tools": ["*"]}, "reply": [{"text": "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.{tool} <|constrain|>json<|message|>{\"city\":\"Rome\"}<|call|>"}]},
 {"name": "none", "when": {"user": "Answer"}, "reply": [{"text": "At once."}]},
 {"name": "else", "when": {}, "reply": [{"text": "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>You said: {user} 🌞"}]}]}`)
	replies := func(args ...string) (all []string) {
		t.Helper()
		url, end := serving(t, nil, append(args, "--name", "m")...)
		for _, r := range requests {
			status, body := post(t, url, r)
			if status != 200 {
				t.Errorf("%v: %s: %d %q", args, r, status, body)
			}
			all = append(all, masked(body))
		}
		if code, errs := end(); code != exitOK {
			t.Errorf("%v: exit status %d, %q", args, code, errs)
		}
		return all
	}
	want := replies("--playback", plays, "--record", file)
	if diff := cmp.Diff(want, replies("--playback", file)); diff != "" {
		data, err := os.ReadFile(file)
		t.Errorf("-recorded +played\n%s\n%s, %v", diff, data, err)
	}
	if out := mustRun(t, "", "playback", "check", file); strings.Count(out, "ends with") != len(requests)+1 {
		t.Errorf("the check says %q, want all replies", out)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("conversations of others can be read by everybody: %v, %v", info.Mode(), err)
	}
}
