package openai

import (
	"slices"
	"strconv"
	"strings"
)

// ignoredFields are the names of fields that a request has and nobody knows.
type ignoredFields struct{ names []string }

// maxIgnored is how many fields are named, and maxIgnoredBytes how long a name gets: a header of HTTP has to hold them.
const (
	maxIgnored      = 50
	maxIgnoredBytes = 80
)

// add names a field by its path, without the indices.
func (f *ignoredFields) add(path string) {
	if len(f.names) > maxIgnored {
		return
	}
	path = withoutIndices(path)
	if strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c > '~' || c == ',' || c == '"' }) {
		path = strconv.QuoteToASCII(path)
	}
	if len(path) > maxIgnoredBytes {
		path = path[:maxIgnoredBytes] + "..."
	}
	switch {
	case slices.Contains(f.names, path):
	case len(f.names) == maxIgnored:
		f.names = append(f.names, "...")
	default:
		f.names = append(f.names, path)
	}
}

func withoutIndices(path string) string {
	parts := strings.Split(path, "[")
	for i, part := range parts[1:] {
		if index, rest, ok := strings.Cut(part, "]"); ok && strings.Trim(index, "0123456789") == "" {
			parts[i+1] = "]" + rest
		}
	}
	return strings.Join(parts, "[")
}
