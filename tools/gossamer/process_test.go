package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gossamer/runtime/goldentest"
)

// asCommand makes the test binary act as the command, for what depends on the environment of a process.
const asCommand = "GOSSAMER_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// commandProcess is the command in a process of its own.
func commandProcess(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return cmd
}

// process runs the command in a process of its own.
func process(t *testing.T, stdin string, environ []string, args ...string) result {
	t.Helper()
	cmd := commandProcess(t, args...)
	cmd.Env = append(cmd.Env, environ...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// noDriver hides every Vulkan driver from a process.
func noDriver(t *testing.T) []string {
	none := filepath.Join(t.TempDir(), "none.json")
	return []string{"VK_ICD_FILENAMES=" + none, "VK_DRIVER_FILES=" + none}
}

func TestWithoutAdapterTheCPUAnswersAndSaysSo(t *testing.T) {
	golden := filepath.Join(goldentest.Dir(t), "gqa_window8", "model")
	r := process(t, "", noDriver(t), "generate", "--model", golden, "--tokens", "18", "--max-tokens", "2", "--json", "--ignore-eos")
	if r.code != exitOK || !strings.Contains(r.stdout, `"backend":"cpu"`) {
		t.Errorf("auto: exit status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	r = process(t, "", noDriver(t), "generate", "--model", golden, "--tokens", "18", "--backend", "webgpu")
	if r.code != exitFailure || !strings.Contains(r.stderr, "no WebGPU adapter") || !strings.Contains(r.stderr, "install") {
		t.Errorf("webgpu: exit status %d, %q; want 1 and what to install", r.code, r.stderr)
	}
	r = process(t, "", noDriver(t), "doctor", "--json")
	if r.code != exitFailure || !strings.Contains(r.stdout, `"healthy":false`) {
		t.Errorf("doctor: exit status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	r = process(t, "", append(noDriver(t), "HOME=", "XDG_CACHE_HOME=", "GOSSAMER_MODELS="), "doctor")
	if !strings.Contains(r.stdout, "models are kept nowhere: ") || !strings.Contains(r.stdout, "GOSSAMER_MODELS") {
		t.Errorf("doctor without a home: exit status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	r = process(t, "hello", noDriver(t), "chat", "--max-tokens", "3", "--temperature", "0")
	if r.code != exitOK || !strings.Contains(r.stderr, "the CPU computes") {
		t.Errorf("chat: exit status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// TestFullDiskIsAnErrorAndLeavesNothing writes to a device that is always full.
func TestFullDiskIsAnErrorAndLeavesNothing(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this system has no /dev/full: ", err)
	}
	defer full.Close()
	writeFull := func(args ...string) string {
		t.Helper()
		cmd := commandProcess(t, args...)
		var errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = full, &errs
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != exitFailure || !strings.Contains(errs.String(), "no space left") {
			t.Errorf("%v, %q; want exit status 1 and the reason", err, errs.String())
		}
		return errs.String()
	}
	golden := filepath.Join(goldentest.Dir(t), "gqa_window8", "model")
	writeFull("logits", "--model", golden, "--backend", "cpu", "--tokens", "1", "--out", "-")
	plays := textFile(t, t.TempDir(), "plays.json", `{"version": 1, "plays": [`+echoes+`]}`)
	if errs := writeFull("chat", "--playback", plays, "many words that do not come at once"); strings.Contains(errs, "(stopped)") {
		t.Errorf("%q: nobody has stopped it", errs)
	}
}
