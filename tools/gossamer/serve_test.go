package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// serving starts the command and returns the URL that it prints, and what ends it: its exit status and standard error.
func serving(t *testing.T, environ []string, args ...string) (url string, end func() (int, string)) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"serve", "--port", "0", "--drain-delay", "0"}, args...)...)
	cmd.Env = append(append(os.Environ(), asCommand+"=1"), environ...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	return strings.TrimSpace(line), func() (int, string) {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		cmd.Wait()
		return cmd.ProcessState.ExitCode(), errs.String()
	}
}

// The built-in model behind another's name answers as a hosted API does, and the server ends when it is told to.
func TestServe(t *testing.T) {
	url, end := serving(t, nil, "--model", "nano", "--backend", "cpu", "--alias", "openai/gpt-oss-120b,gpt-oss:120b")
	if !strings.HasPrefix(url, "http://127.0.0.1:") || !strings.HasSuffix(url, "/v1") {
		t.Errorf("URL %q", url)
	}
	response, err := http.Post(url+"/chat/completions", "application/json", strings.NewReader(
		`{"model":"openai/gpt-oss-120b","temperature":0,"reasoning_effort":"medium","messages":[{"role":"user","content":"What is 17 + 25?"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var reply struct {
		Model   string
		Choices []struct {
			Message struct{ Content, Reasoning string }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&reply); err != nil {
		t.Fatal(err)
	}
	if m := reply.Choices[0].Message; reply.Model != "openai/gpt-oss-120b" || !strings.Contains(m.Content, "42") || m.Reasoning == "" {
		t.Errorf("%+v", reply)
	}
	if code, errs := end(); code != exitOK || !strings.Contains(errs, "Serving nano, openai/gpt-oss-120b, gpt-oss:120b") {
		t.Errorf("exit status %d, %q", code, errs)
	}
}

func TestServeWithKeys(t *testing.T) {
	plays := textFile(t, t.TempDir(), "plays.json", `{"version": 1, "plays": [{"name": "any", "when": {}, "reply": [{"text": "<|channel|>final<|message|>Yes."}]}]}`)
	keys := textFile(t, t.TempDir(), "keys", "# who may\nann  secret-a\n\nbob secret-b\n")
	for _, tt := range []struct {
		environ, args []string
		key           string
	}{
		{[]string{"GOSSAMER_API_KEY=secret-e"}, nil, "secret-e"},
		{nil, []string{"--api-keys", keys, "--host", "0.0.0.0"}, "secret-b"},
	} {
		url, end := serving(t, tt.environ, append(tt.args, "--playback", plays)...)
		for key, want := range map[string]int{"": 401, "secret": 401, tt.key: 200} {
			r, err := http.NewRequestWithContext(t.Context(), "POST", url+"/chat/completions", strings.NewReader(`{"messages":[{"role":"user","content":"May I?"}]}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+key)
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || response.StatusCode != want || want == 200 && !strings.Contains(string(body), "Yes.") {
				t.Errorf("key %q: %d %q, %v", key, response.StatusCode, body, err)
			}
		}
		if code, errs := end(); code != exitOK || strings.Contains(errs, "secret") {
			t.Errorf("exit status %d, %q", code, errs)
		}
	}
}

func TestServeRefuses(t *testing.T) {
	dir := t.TempDir()
	bad := textFile(t, dir, "bad", "ann\n")
	empty := textFile(t, dir, "empty", "# nobody\n")
	long := textFile(t, dir, "long", "ann secret\n#"+strings.Repeat("-", 1<<17)+"\nbob\n")
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--host", "0.0.0.0"}, exitUsage, "lets other machines in"},
		{[]string{"--host", "somewhere"}, exitUsage, "want an address"},
		{[]string{"--port", "70000"}, exitUsage, "--port"},
		{[]string{"--model", "a=nano,b=nano", "--name", "c"}, exitUsage, "--model NAME="},
		{[]string{"--model", "a=nano,a=nano"}, exitFailure, "there twice"},
		{[]string{"--model", "a=nano,b=nano", "--alias", "c"}, exitUsage, "--alias c: say of which"},
		{[]string{"--alias", "c=d"}, exitUsage, `no model "d"`},
		{[]string{"--model", "a,"}, exitUsage, "empty"},
		{[]string{"--reasoning-field", "thoughts"}, exitUsage, "--reasoning-field"},
		{[]string{"--max-per-key", "-1"}, exitUsage, "--max-per-key"},
		{[]string{"--drain-delay", "-1s"}, exitUsage, "--drain-delay"},
		{[]string{"--playback", "x.json", "--kv", "f16"}, exitUsage, "not for --playback"},
		{[]string{"--model", "a=" + dir, "--port", "0"}, exitFailure, dir},
		{[]string{"--record", bad, "--port", "0"}, exitFailure, "exists"},
		{[]string{"--parallel", "0"}, exitUsage, "--parallel"},
		{[]string{"--max-queue", "0"}, exitUsage, "--max-queue"},
		{[]string{"--preamble", "none"}, exitUsage, "content or reasoning"},
		{[]string{"--api-keys", bad}, exitFailure, "line 1"},
		{[]string{"--api-keys", empty}, exitFailure, "no keys"},
		{[]string{"--api-keys", long}, exitFailure, "line 3"},
		{[]string{"--api-keys", filepath.Join(dir, "none")}, exitFailure, "no such file"},
		{[]string{"--allow-origin", "app.example", "--port", "0", "--model", "nano", "--backend", "cpu"}, exitFailure, "origin"},
		{[]string{"now"}, exitUsage, `"now"`},
	} {
		if r := gossamerCommand(t, "", append([]string{"serve"}, tt.args...)...); r.code != tt.code || !strings.Contains(r.stderr, tt.says) {
			t.Errorf("serve %q: exit status %d, %q; want %d and %q", tt.args, r.code, r.stderr, tt.code, tt.says)
		}
	}
}
