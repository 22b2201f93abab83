package main

import (
	"fmt"
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
	asked := func() {
		t.Helper()
		m.wait("the question", func(screen string) bool { return strings.HasSuffix(screen, "Download it? [Y/n]") })
	}
	for i, answer := range [][]string{{"n", "Enter"}, {"no thanks", "Enter"}, {"C-d"}, {"C-c"}} {
		m.shell()
		m.keys(fmt.Sprintf("clear; gossamer pull someone/small; echo answer %d: status $?", i), "Enter")
		asked()
		m.keys(answer...)
		m.see(fmt.Sprintf("answer %d: status 1", i))
		if shown := m.screen(); !strings.Contains(shown, "nothing was downloaded") && !strings.Contains(shown, "interrupted") {
			t.Errorf("%q: %s", answer, shown)
		}
		if n := large(s); n > 0 {
			t.Errorf("%q: %d files were downloaded", answer, n)
		}
	}
	m.shell()
	m.keys("gossamer run gpt-oss-20b --backend cpu --ctx 512", "Enter")
	asked()
	m.keys("Enter")
	m.see("is complete, ")
	m.seeEnd(prompt)
	m.leave()
	if n := large(s); n == 0 {
		t.Error("nothing was downloaded")
	}
}
