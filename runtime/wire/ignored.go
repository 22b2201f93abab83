package wire

import (
	"slices"
	"strconv"
	"strings"
)

// Ignored are the names of fields that a request has and nobody knows.
type Ignored struct{ Names []string }

// maxIgnored is how many fields are named, and maxNameBytes how long a name gets: a header of HTTP has to hold them.
const (
	maxIgnored   = 50
	maxNameBytes = 80
)

// Add Names a field by its path, without the indices.
func (f *Ignored) Add(path string) {
	if len(f.Names) > maxIgnored {
		return
	}
	path = withoutIndices(path)
	if strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c > '~' || c == ',' || c == '"' }) {
		path = strconv.QuoteToASCII(path)
	}
	if len(path) > maxNameBytes {
		path = path[:maxNameBytes] + "..."
	}
	switch {
	case slices.Contains(f.Names, path):
	case len(f.Names) == maxIgnored:
		f.Names = append(f.Names, "...")
	default:
		f.Names = append(f.Names, path)
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
