package main

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReadLines: lines of any length up to the limit, which the line feed counts for, are whole; longer ones are told and passed over.
func TestReadLines(t *testing.T) {
	const most = 200_000 // several buffers
	var got []string
	text := "one\n\n \t\n" + strings.Repeat("a", most-1) + "\n" + strings.Repeat("b", most) + "\n" + strings.Repeat("c", 5*most) + "\nlast\r"
	err := readLines(t.Context(), newEnv(strings.NewReader(text), io.Discard, io.Discard), most, func(n int, line []byte, tooLong bool) error {
		s := string(line)
		if len(s) > 10 {
			s = fmt.Sprintf("%d of %s", len(s), s[:1])
		}
		got = append(got, fmt.Sprintf("%d %q %t", n, s, tooLong))
		return nil
	})
	want := []string{`1 "one\n" false`, `4 "200000 of a" false`, `5 "" true`, `6 "" true`, `7 "last\r" false`}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if err := readLines(t.Context(), newEnv(strings.NewReader("a\nb"), io.Discard, io.Discard), most, func(int, []byte, bool) error {
		return io.ErrShortWrite
	}); err != io.ErrShortWrite {
		t.Errorf("%v", err)
	}
}
