package main

import (
	"flag"
	"os/exec"
	"strings"
	"testing"
)

// What bash completes, asked of bash.
func TestBashCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	script := mustRun(t, "", "completion", "bash")
	for _, tt := range []struct{ words, want string }{
		{"gossamer ch", "chat"},
		{"gossamer chat --eff", "--effort"},
		{"gossamer serve --drain-t", "--drain-timeout"},
		{"gossamer doctor --help", "--help"},
		{"gossamer chat notes", ""}, // left to bash
		{"gossamer nothing --x", ""},
	} {
		ask := script + "COMP_WORDS=(" + tt.words + "); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _gossamer; echo \"${COMPREPLY[*]}\""
		out, err := exec.Command(bash, "--norc", "-uc", ask).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.words, got, err, tt.want)
		}
	}
}

// Every shell is told all commands and flags, and reads what it is told.
func TestCompletions(t *testing.T) {
	for shell, flagSyntax := range map[string]string{"bash": "--", "zsh": "'--", "fish": "-l "} {
		script := mustRun(t, "", "completion", shell)
		for _, c := range commands() {
			if !strings.Contains(script, c.name) {
				t.Errorf("%s: no %s", shell, c.name)
			}
			c.flags().VisitAll(func(f *flag.Flag) {
				if !strings.Contains(script, flagSyntax+f.Name) {
					t.Errorf("%s: no --%s of %s", shell, f.Name, c.name)
				}
			})
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("%s is not there to read its completion", shell)
			continue
		}
		if out, err := exec.Command(path, "-n", textFile(t, t.TempDir(), "completion", script)).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s does not read its completion: %s, %v", shell, out, err)
		}
	}
	for _, args := range [][]string{{}, {"csh"}, {"bash", "zsh"}} {
		if r := gossamerCommand(t, "", append([]string{"completion"}, args...)...); r.code != exitUsage || !strings.Contains(r.stderr, "fish") {
			t.Errorf("%q: exit status %d, %q", args, r.code, r.stderr)
		}
	}
}

func TestManualPages(t *testing.T) {
	program := mustRun(t, "", "man")
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Log("groff is not there to read the pages")
	}
	pages := map[string]string{"gossamer": program}
	for _, c := range commands() {
		page := mustRun(t, "", "man", c.name)
		pages[c.name] = page
		if !strings.Contains(program, ".B "+c.name+"\n") {
			t.Errorf("the page of the program does not name %s", c.name)
		}
		c.flags().VisitAll(func(f *flag.Flag) {
			if !strings.Contains(page, roff("--"+f.Name)) || !strings.Contains(page, variable(f.Name)) {
				t.Errorf("the page of %s has no --%s, or not its variable", c.name, f.Name)
			}
		})
	}
	for name, page := range pages {
		if groff == "" {
			break
		}
		out, err := exec.Command(groff, "-man", "-Tutf8", "-ww", "-z", textFile(t, t.TempDir(), "page.1", page)).CombinedOutput()
		// Lines of examples may be longer than the page.
		for line := range strings.Lines(string(out)) {
			if !strings.Contains(line, "break") && !strings.Contains(line, "adjust") {
				t.Errorf("%s: %s", name, line)
			}
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r := gossamerCommand(t, "", "man", "nothing"); r.code != exitUsage {
		t.Errorf("exit status %d", r.code)
	}
	if got, want := roff(".a\\b\n'c-d"), "\\&.a\\eb\n\\&'c\\-d"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
