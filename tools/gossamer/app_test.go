package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The page is for the window that the program opens: others have no key, and only its owner can read where it is.
func TestApp(t *testing.T) {
	page, cache := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(page, "index.html"), []byte("<p>chat"), 0o644); err != nil {
		t.Fatal(err)
	}
	plays := filepath.Join(page, "plays.json")
	if err := os.WriteFile(plays, []byte(`{"version": 1, "plays": [{"name": "hi", "when": {}, "reply": [{"text": "<|channel|>final<|message|>Hi"}]}]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	opened := filepath.Join(cache, "opened")
	opener := "#!/bin/sh\necho \"$1\" >> " + opened + "\n"
	if err := os.WriteFile(filepath.Join(cache, "xdg-open"), []byte(opener), 0o755); err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"app", "--page", page, "--playback", plays}, args...)...)
		cmd.Env = append(os.Environ(), asCommand+"=1", "XDG_CACHE_HOME="+cache, "HOME="+cache, "PATH="+cache+":"+os.Getenv("PATH"))
		return cmd
	}
	cmd := command("--port", "0", "--no-browser")
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(errs).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "The page: ")
	root, key, found := strings.Cut(address, "#key=")
	if err != nil || !ok || !found || len(key) < 20 {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // the model is there
		t.Fatal(err)
	}
	go io.Copy(io.Discard, errs)
	get := func(path, key string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", root+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if key != "" {
			r.Header.Set("Authorization", "Bearer "+key)
		}
		response, err := http.DefaultClient.Do(r)
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
	if status, body := get("", ""); status != 200 || body != "<p>chat" {
		t.Errorf("the page: %d %q", status, body)
	}
	if status, _ := get("v1/models", ""); status != 401 {
		t.Errorf("without the key: %d", status)
	}
	if status, body := get("v1/models", key); status != 200 || !strings.Contains(body, `"runs_on":"no model: replies of a file"`) {
		t.Errorf("with the key: %d %s", status, body)
	}
	doors, err := filepath.Glob(filepath.Join(cache, "gossamer", "page-*.html"))
	if err != nil || len(doors) != 1 {
		t.Fatalf("%q, %v", doors, err)
	}
	info, err := os.Stat(doors[0])
	text, failed := os.ReadFile(doors[0])
	if err != nil || failed != nil || info.Mode().Perm() != 0o600 || !bytes.Contains(text, []byte("url="+address)) {
		t.Errorf("%v %s, %v, %v", info, text, err, failed)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	cmd.Wait()
	if _, err := os.Stat(doors[0]); err == nil {
		t.Error("the file that leads to the page is left")
	}

	// Where it runs already, its page is opened again; where something else does, nothing is.
	port := strings.TrimSuffix(root[strings.LastIndex(root, ":")+1:], "/")
	first := command("--port", port)
	stdout, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if text, err := command("--port", port).CombinedOutput(); err != nil || !strings.Contains(string(text), "runs already") {
		t.Errorf("%s, %v", text, err)
	}
	door := filepath.Join(cache, "gossamer", "page-"+port+".html")
	if err := os.WriteFile(door, []byte(`url=http://127.0.0.1/#key=AAAAAAAAAAAAAAAAAAAAAAAAAA"`), 0o600); err != nil { // left by one that was killed
		t.Error(err)
	}
	if text, err := command("--port", port).CombinedOutput(); err == nil || !strings.Contains(string(text), "another program uses port") {
		t.Errorf("%s, %v", text, err)
	}
	if err := first.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	first.Wait()
	if text, err := os.ReadFile(opened); err != nil || strings.Count(string(text), "page-") != 2 {
		t.Errorf("opened %q, %v", text, err)
	}
}
