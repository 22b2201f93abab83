//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestReadRegular refuses what may never end, and never begin.
func TestReadRegular(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip("no named pipes: ", err)
	}
	large := textFile(t, dir, "large", "")
	if err := os.Truncate(large, maxInput+1); err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{
		pipe: "is a pipe or a device", "/dev/zero": "is a pipe or a device", dir: "is a directory", large: "is longer than 64 MiB",
		filepath.Join(dir, "none"): "no such file",
	} {
		if data, err := readRegular(name); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %d bytes, %v; want an error with %q", name, len(data), err, says)
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(textFile(t, dir, "file", "text"), link); err != nil {
		t.Fatal(err)
	}
	if data, err := readRegular(link); err != nil || string(data) != "text" {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := settled(t, "--config", pipe); err == nil || !strings.Contains(err.Error(), "is a pipe") {
		t.Errorf("settings: %v", err)
	}
	if _, _, _, err := readSaved(pipe); err == nil || !strings.Contains(err.Error(), "is a pipe") {
		t.Errorf("a conversation: %v", err)
	}
}

// TestServeEndsWhileItWaits for keys out of a pipe that nobody writes.
func TestServeEndsWhileItWaits(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "keys")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip("no named pipes: ", err)
	}
	if testing.Short() {
		t.Skip("-short starts no other program")
	}
	cmd := commandProcess(t, "serve", "--port", "0", "--api-keys", pipe)
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 200)
	if n, err := errs.Read(line); err != nil || !strings.Contains(string(line[:n]), "waiting for the end of "+pipe) {
		t.Errorf("%q, %v", line[:n], err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitInterrupted {
		t.Errorf("%v, want exit status %d", err, exitInterrupted)
	}
}
