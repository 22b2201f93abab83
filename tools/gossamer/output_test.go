package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gossamer/runtime/goldentest"
)

// TestNamesInMessagesAreShown: what is written to standard error may be a name out of a file.
func TestNamesInMessagesAreShown(t *testing.T) {
	r := gossamerCommand(t, "", "generate", "--tokens", "1", "--backend", "cpu", "--model", "no\x1b[2Jsuch")
	if r.code != exitFailure || strings.Contains(r.stderr, "\x1b") || !strings.Contains(r.stderr, "such") {
		t.Errorf("exit status %d, %q", r.code, r.stderr)
	}
	// What another program reads is as it is.
	out := mustRun(t, `{"tokens":[198,12]}`, "tokenize", "--decode")
	if !strings.Contains(out, `\n`) {
		t.Errorf("got %q", out)
	}
}

// TestStatusLineMakesWayForMessages on a terminal.
func TestStatusLineMakesWayForMessages(t *testing.T) {
	var b bytes.Buffer
	o := &output{w: &b, visible: true}
	o.status = "loading" // as show leaves it, which wants a real terminal
	io.WriteString(o, "a message\n")
	io.WriteString(o, "another\n")
	if got := b.String(); got != clearLine+"a message\nanother\n" {
		t.Errorf("got %q", got)
	}
}

// lossy are streams that take nothing.
func lossy(t *testing.T) map[string]*os.File {
	streams := map[string]*os.File{}
	if full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0); err == nil {
		streams["a full disk"] = full
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	streams["a closed pipe"] = w
	t.Cleanup(func() {
		for _, f := range streams {
			f.Close()
		}
	})
	return streams
}

// TestLostOutputIsAnError of every command and every help.
func TestLostOutputIsAnError(t *testing.T) {
	golden := filepath.Join(goldentest.Dir(t), "gqa_window8", "model")
	dir := t.TempDir()
	mustPack(t, golden, filepath.Join(dir, "packed"))
	lines := [][]string{
		{"--help"}, {"--version"}, {"help", "chat"},
		{"chat", "--backend", "cpu", "--effort", "none", "--max-tokens", "20", "hi"},
		{"chat", "--backend", "cpu", "--max-tokens", "5", "--json", "hi"},
		{"models", "--cache-dir", dir}, {"models", "--cache-dir", dir, "--json"},
		{"pack", "--verify", filepath.Join(dir, "packed")}, {"pack", golden, filepath.Join(dir, "again")},
		{"generate", "--model", golden, "--backend", "cpu", "--tokens", "1", "--max-tokens", "5"},
		{"logits", "--model", golden, "--backend", "cpu", "--tokens", "1", "--out", "-"},
		{"bench", "--model", golden, "--backend", "cpu", "--depths", "0", "--prompt", "2", "--tokens", "2", "--runs", "1"},
		{"doctor"}, {"tokenize"}, {"render"}, {"parse"}, {"grammar", "--json-object"}, {"grammar", "--jsonl"},
	}
	for _, c := range commands() {
		lines = append(lines, []string{c.name, "--help"})
	}
	for name, stream := range lossy(t) {
		for _, args := range lines {
			stdin := map[string]string{"tokenize": `{"text":"a"}`, "render": `{"messages":[]}`, "parse": `{"tokens":[]}`, "grammar": `{}`}[args[0]]
			cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
			cmd.Env = append(append(os.Environ(), asCommand+"=1"), noDriver(t)...)
			cmd.Stdin = strings.NewReader(stdin)
			var errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = stream, &errs
			err := cmd.Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != exitFailure || !strings.Contains(errs.String(), "standard output cannot be written") {
				t.Errorf("%s, gossamer %q: %v, %q; want exit status 1 and a sentence", name, args, err, errs.String())
			}
		}
	}
}

// TestProgressIsToldOutsideTerminalsToo, but not of short work.
func TestProgressIsToldOutsideTerminalsToo(t *testing.T) {
	var b bytes.Buffer
	p := newProgress(newOutput(&b))
	p.show("short")
	if b.Len() > 0 {
		t.Errorf("short work is told: %q", b.String())
	}
	p.shown = time.Now().Add(-time.Minute)
	p.show("long")
	p.show("longer")
	p.clear()
	if got := b.String(); got != "long\n" {
		t.Errorf("got %q", got)
	}
}

// endless is input that never comes.
type endless struct{ ctx context.Context }

func (e endless) Read([]byte) (int, error) {
	<-e.ctx.Done()
	return 0, io.EOF
}

// TestInterruptEndsTheWaitForInput of every command that reads standard input, at once.
func TestInterruptEndsTheWaitForInput(t *testing.T) {
	for _, args := range [][]string{
		{"chat"}, {"chat", "a question"}, {"generate", "--tokens-file", "-"}, {"logits", "--tokens-file", "-", "--out", "-"},
		{"tokenize"}, {"render"}, {"parse"}, {"grammar", "--jsonl"}, {"grammar", "--json-object", "-"}, {"grammar", "--schema", "-"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var out, errs bytes.Buffer
		time.AfterFunc(50*time.Millisecond, cancel)
		if code := run(ctx, args, newEnv(endless{t.Context()}, &out, &errs)); code != exitInterrupted {
			t.Errorf("gossamer %q: exit status %d, %s", args, code, errs.String())
		}
	}
}
