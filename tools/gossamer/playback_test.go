package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPlaybackCheck(t *testing.T) {
	out := mustRun(t, "", "playback", "check", "../../docs/playback.json")
	for _, want := range []string{
		"\"busy at first\": 5 tokens, fails: error\n  final: \"One mom\"\n",
		"\"slow\": 20 tokens, pauses of 300ms, ends with stop\n  analysis: \"They want to wait.\"\n  final: \"Thank you for waiting.\"\n",
		"  commentary to=functions.get_weather <|constrain|>json: \"{\\\"city\\\":\\\"Paris\\\",\\\"asked\\\":\\\"{user}\\\"}\"\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%s\nwant %s", out, want)
		}
	}
	file := filepath.Join(t.TempDir(), "plays.json")
	if err := os.WriteFile(file, []byte(`{"version": 1, "plays": [{"name": "a", "when": {"users": "x"}, "reply": []}]}`), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"playback", "check", file}, exitFailure, `plays.json: playback: plays[0].when has a field "users", which does not exist`},
		{[]string{"playback", "check", "/no/such/file"}, exitFailure, "no such file"},
		{[]string{"playback", file}, exitUsage, "want check and a FILE"},
		{[]string{"chat", "--playback", file, "x"}, exitFailure, "plays[0].when"},
		{[]string{"chat", "--playback", file, "--backend", "cpu", "x"}, exitUsage, "not for --playback"},
	} {
		if r := gossamerCommand(t, "", tt.args...); r.code != tt.code || !strings.Contains(r.stderr, tt.want) {
			t.Errorf("%v: exit status %d, %s; want %d, %s", tt.args, r.code, r.stderr, tt.code, tt.want)
		}
	}
}

func TestChatWithPlayback(t *testing.T) {
	if out := mustRun(t, "", "chat", "--playback", "../../docs/playback.json", "Hello there"); out != "You said: Hello there\n" {
		t.Errorf("%q", out)
	}
	out := mustRun(t, "", "chat", "--playback", "../../docs/playback.json", "--json", "--effort", "high", "The capital?")
	if !strings.Contains(out, `"content":"Paris","reasoning":"I think about it. `) {
		t.Errorf("%q", out)
	}
}

// TestPlaybackReset: what is played begins anew where a client asks for that, and a device that a play lost is there again.
func TestPlaybackReset(t *testing.T) {
	plays := textFile(t, t.TempDir(), "plays.json", `{"version": 1, "plays": [
		{"name": "first", "when": {"nth": 1}, "reply": [{"text": "<|channel|>final<|message|>One."}]},
		{"name": "else", "when": {}, "reply": [{"text": "<|channel|>final<|message|>Well"}, {"fail": "device_lost"}]}]}`)
	url, end := serving(t, nil, "--playback", plays)
	post := func(url, body string) (int, string) {
		t.Helper()
		response, err := http.Post(url, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		said, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(said)
	}
	for range 2 {
		for _, want := range []string{"One.", "the device is lost", "the device is lost"} {
			if code, said := post(url+"/chat/completions", `{"messages":[{"role":"user","content":"Hello"}]}`); !strings.Contains(said, want) {
				t.Errorf("status %d: %s, want %q", code, said, want)
			}
		}
		if code, said := post(strings.TrimSuffix(url, "/v1")+"/playback/reset", ""); code != http.StatusNoContent {
			t.Errorf("status %d: %s", code, said)
		}
	}
	end()
	url, end = serving(t, nil, "--model", "nano", "--backend", "cpu")
	if code, said := post(strings.TrimSuffix(url, "/v1")+"/playback/reset", ""); code != http.StatusNotFound || !strings.Contains(said, "no model here is played") {
		t.Errorf("without a playback: status %d: %s", code, said)
	}
	end()
}
