package chat

import "strings"

// stopper ends a text before the first of some strings. It holds back what may yet become one of them.
type stopper struct {
	stops []string
	held  string
}

// write takes more text and returns what is certain to come before any stop string; done tells that one has been completed. The
// one that is completed first counts, the longest of those that end there, so that the result does not depend on how the text is
// divided.
func (s *stopper) write(text string) (out string, done bool) {
	s.held += text
	start, end := -1, 0
	for _, stop := range s.stops {
		if i := strings.Index(s.held, stop); i >= 0 {
			if e := i + len(stop); start < 0 || e < end || e == end && i < start {
				start, end = i, e
			}
		}
	}
	if start >= 0 {
		out, s.held = s.held[:start], ""
		return out, true
	}
	keep := 0
	for _, stop := range s.stops {
		for n := min(len(stop)-1, len(s.held)); n > keep; n-- {
			if strings.HasSuffix(s.held, stop[:n]) {
				keep = n
			}
		}
	}
	out, s.held = s.held[:len(s.held)-keep], s.held[len(s.held)-keep:]
	return out, false
}

// flush returns what is held back: the text has ended.
func (s *stopper) flush() string {
	out := s.held
	s.held = ""
	return out
}
