//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// The server listens before its model is there, and says so; SIGTERM makes it not ready, but it answers for a while.
func TestServeComesAndGoes(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "plays.json") // which is read only once somebody writes it
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip("no named pipes: ", err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "serve", "--port", "0", "--playback", pipe, "--drain-delay", "1h")
	cmd.Env = append(os.Environ(), asCommand+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 200)
	n, err := errs.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	var rest bytes.Buffer
	read := make(chan struct{})
	go func() { io.Copy(&rest, errs); close(read) }()
	host := regexp.MustCompile(`http://[\d.:]+`).FindString(string(line[:n]))
	status := func(path string) string {
		t.Helper()
		r, err := http.Get(host + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d %s", r.StatusCode, strings.TrimSpace(string(body)))
	}
	want := func(path, want string) {
		t.Helper()
		if got := status(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	want("/readyz", `503 {"status":"model_loading"}`)
	want("/livez", `200 {"status":"ok"}`)
	if code, body := post(t, host+"/v1", question("", "Who?")); code != 503 || !strings.Contains(body, "model_loading") {
		t.Errorf("a request: %d %q", code, body)
	}
	if err := os.WriteFile(pipe, []byte(`{"version": 1, "plays": [{"name": "any", "when": {}, "reply": [{"text": "Yes."}]}]}`), 0); err != nil {
		t.Fatal(err)
	}
	if n, err := out.Read(line); err != nil || string(line[:n]) != host+"/v1\n" {
		t.Errorf("standard output begins with %q, %v; want the URL", line[:n], err)
	}
	want("/readyz", `200 {"status":"ok"}`)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for status("/readyz") != `503 {"status":"draining"}` { // until the signal has arrived
	}
	want("/livez", `200 {"status":"ok"}`)
	if code, body := post(t, host+"/v1", question("", "Who?")); code != 200 {
		t.Errorf("a request while those who send them do not know yet: %d %q", code, body)
	}
	if err := cmd.Process.Kill(); err != nil { // it would take an hour
		t.Error(err)
	}
	<-read
	cmd.Wait()
}

// Ctrl-C is by somebody who knows: nothing is waited for.
func TestServeInterrupted(t *testing.T) {
	plays := says(t, t.TempDir(), "plays.json", "Yes.")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "serve", "--port", "0", "--playback", plays, "--drain-delay", "1h")
	cmd.Env = append(os.Environ(), asCommand+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v, want exit status 0", err)
	}
}
