package main

import (
	"strings"
	"testing"

	"gossamer/runtime/hub/hubtest"
)

// TestQuestion: on a terminal a download is asked for; a no downloads nothing, Ctrl-C ends, Enter is a yes, and the answer leaves
// nothing behind for the conversation.
func TestQuestion(t *testing.T) {
	s := newHub(t)
	large := func(s *hubtest.Server) (n int) {
		for _, r := range s.Requests() {
			if r.CDN {
				n++
			}
		}
		return n
	}
	m := openTmux(t, "100", "30")
	shows := func(text string) {
		t.Helper()
		m.wait(text, func(screen string) bool { return strings.Contains(strings.ReplaceAll(screen, "\n", ""), text) })
	}
	for _, answer := range [][]string{{"n", "Enter"}, {"no thanks", "Enter"}, {"C-d"}, {"C-c"}} {
		m.keys("clear; gossamer pull someone/small; echo status $?", "Enter")
		shows("Download it? [Y/n]")
		m.keys(answer...)
		m.wait("the end of the command", func(screen string) bool { return strings.Contains(screen, "\nstatus 1") })
		if shown := m.screen(); !strings.Contains(shown, "nothing was downloaded") && !strings.Contains(shown, "interrupted") {
			t.Errorf("%q: %s", answer, shown)
		}
		if n := large(s); n > 0 {
			t.Errorf("%q: %d files were downloaded", answer, n)
		}
		m.do("", "clear-history")
	}
	m.keys("clear; gossamer run gpt-oss-20b --backend cpu --ctx 512; echo status $?", "Enter")
	shows("Download it? [Y/n]")
	m.keys("Enter")
	shows("is complete, ")
	m.wait("the conversation", func(screen string) bool { return strings.HasSuffix(screen, prompt) })
	m.keys("/bye", "Enter")
	m.wait("the end of the command", func(screen string) bool { return strings.Contains(screen, "\nstatus 0") })
	if n := large(s); n == 0 {
		t.Error("nothing was downloaded")
	}
}
