package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"gossamer/runtime/gpu"
)

// TestFaultNamesTheReport: what is no error but a fault of the program ends with its place, the version, and what to report.
func TestFaultNamesTheReport(t *testing.T) {
	var stderr bytes.Buffer
	e := newEnv(strings.NewReader(""), &bytes.Buffer{}, &stderr)
	e.stdout = nil // a fault
	if status := run(t.Context(), []string{"--version"}, e); status != exitCrash {
		t.Errorf("exit status %d, want %d", status, exitCrash)
	}
	for _, want := range []string{"panic: ", "main.go:", versionLine(), crashReport} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("%q does not contain %q", stderr.String(), want)
		}
	}
}

func TestLossNamesTheReport(t *testing.T) {
	for err, want := range map[error]bool{fmt.Errorf("gpu: read: %w", gpu.ErrLost): true, gpu.ErrOutOfMemory: false} {
		var stderr bytes.Buffer
		newEnv(strings.NewReader(""), &bytes.Buffer{}, &stderr).tell("chat", err)
		if got := strings.Contains(stderr.String(), lossReport); got != want || !strings.HasPrefix(stderr.String(), "gossamer chat: ") {
			t.Errorf("%v is told as %q", err, stderr.String())
		}
	}
}
