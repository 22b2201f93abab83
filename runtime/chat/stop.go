package chat

import (
	"slices"
	"strings"
)

// stopper ends a text before the first of some strings. It holds back what may yet become one of them.
type stopper struct {
	stops []string
	held  string
	said  string // the end of what is out: a stop string may begin before a flush and end after it
	found string // the one that ended the text; "": none yet
}

// write takes more text and returns what is certain to come before any stop string; done tells that one has been completed. The
// one that is completed first counts, the longest of those that end there, so that the result does not depend on how the text is
// divided.
func (s *stopper) write(text string) (out string, done bool) {
	s.held += text
	all, from := s.said+s.held, len(s.said)
	start, end := -1, 0
	for _, stop := range s.stops {
		if i := strings.Index(all, stop); i >= 0 {
			if e := i + len(stop); start < 0 || e < end || e == end && i < start {
				start, end, s.found = i, e, stop
			}
		}
	}
	if start >= 0 {
		s.held = ""
		return all[from:max(start, from)], true
	}
	keep := 0
	for _, stop := range s.stops {
		for n := min(len(stop)-1, len(s.held)); n > keep; n-- {
			if strings.HasSuffix(s.held, stop[:n]) {
				keep = n
			}
		}
	}
	return s.release(len(s.held) - keep), false
}

// flush returns what is held back: the text has ended.
func (s *stopper) flush() string { return s.release(len(s.held)) }

// release takes n bytes out of what is held back.
func (s *stopper) release(n int) string {
	out := s.held[:n]
	s.held = s.held[n:]
	s.remember(out)
	return out
}

// join says that another text follows, and returns what goes between: a blank line, or less where that would complete a stop string.
func (s *stopper) join() string {
	for _, separator := range []string{"\n\n", "\n", " "} {
		if !slices.ContainsFunc(s.stops, func(stop string) bool { return strings.Contains(s.said+separator, stop) }) {
			s.remember(separator)
			return separator
		}
	}
	return ""
}

// remember notes text that is out, as far as a stop string may begin in it.
func (s *stopper) remember(text string) {
	longest := 0
	for _, stop := range s.stops {
		longest = max(longest, len(stop)-1)
	}
	s.said += text
	s.said = s.said[max(0, len(s.said)-longest):]
}
