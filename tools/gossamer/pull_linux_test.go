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
	for _, answer := range []string{"n\r", "no thanks\r", "\x04", "\x03"} {
		term := onTerminal(t, `trap : INT; "$0" "$@"; echo "status $?"`, "pull", "someone/small")
		term.wait(1, `Download it\? \[Y/n\]`)
		term.send(answer)
		term.wait(1, `status (1|130)`)
		if shown := term.shown(); !strings.Contains(shown, "nothing was downloaded") && !strings.Contains(shown, "interrupted") {
			t.Errorf("%q: %s", answer, shown)
		}
		if n := large(s); n > 0 {
			t.Errorf("%q: %d files were downloaded", answer, n)
		}
	}
	term := onTerminal(t, `"$0" "$@"; echo "status $?"`, "run", "gpt-oss-20b", "--backend", "cpu", "--ctx", "512")
	term.wait(1, `Download it\? \[Y/n\]`)
	term.send("\r")
	term.wait(1, `is complete, `)
	term.wait(1, `> `)
	term.send("/bye\r")
	term.wait(1, `status 0`)
	if n := large(s); n == 0 {
		t.Error("nothing was downloaded")
	}
}
