package terminal

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestHistoryIsKept for the user alone, with prompts of several lines, and what is no prompt in the file is passed over.
func TestHistoryIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history")
	add := func(prompts ...string) []string {
		t.Helper()
		h, err := OpenHistory(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range prompts {
			if err := h.add(p); err != nil {
				t.Fatal(err)
			}
		}
		return h.lines
	}
	if got := add("one", "one", "", "two\nlines, \x1b日本"); !slices.Equal(got, []string{"one", "two\nlines, \x1b日本"}) {
		t.Errorf("%q", got)
	}
	if got := add("three"); !slices.Equal(got, []string{"one", "two\nlines, \x1b日本", "three"}) {
		t.Errorf("%q", got)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want it for the user alone", info, err)
	}
	data, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, append(data, "{}\nno JSON\n\"\"\n"...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := add("four"); len(got) != 4 || got[3] != "four" {
		t.Errorf("%q", got)
	}
}

// TestHistoryIsShortened when the file is read.
func TestHistoryIsShortened(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history")
	var b strings.Builder
	for i := range 2*historyLength + 1 {
		fmt.Fprintf(&b, "\"%d\"\n", i)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := OpenHistory(file)
	if err != nil || len(h.lines) != historyLength || h.lines[0] != fmt.Sprint(historyLength+1) {
		t.Errorf("%d prompts, %v", len(h.lines), err)
	}
	data, err := os.ReadFile(file)
	if got := strings.Count(string(data), "\n"); err != nil || got != historyLength {
		t.Errorf("%d lines are kept, %v", got, err)
	}
	left, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(left) != 1 {
		t.Errorf("files: %v, %v", left, err)
	}
}

func TestUnquote(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "\"\"\"a\nb\"\"\"": "a\nb", "\"\"\"\na\n\"\"\"\n": "a", `"""`: "unfinished", "\"\"\"a\n": "unfinished", `say """`: `say """`,
	} {
		got, complete := Unquote(in)
		if !complete {
			got = "unfinished"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
