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
func (f *Ignored) add(path string) {
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

// Unenforced returns what is left out of a request together with what of its schemas is not enforced: paths as Prepare of a chat.Completer
// returns them, such as "Tools[0].Parameters/properties/a/format". name names a field of a chat.Request as the API does.
func Unenforced(ignored, paths []string, name func(field string) string) []string {
	all := Ignored{ignored}
	for _, path := range paths {
		field, inside, schema := strings.Cut(path, "/")
		if schema {
			inside = "/" + inside
		}
		all.add(name(field) + inside)
	}
	return all.Names
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
