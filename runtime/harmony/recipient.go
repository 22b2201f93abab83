package harmony

import (
	"slices"
	"strings"
	"unicode"
)

// setRecipient takes a recipient as the model wrote it, or the tool that it must mean.
func (r *headerReader) setRecipient(name string) {
	r.last = recipientWord
	if tool, contentType, ok := r.tool(name); ok {
		r.h.Recipient = tool
		if r.h.ContentType == "" {
			r.h.ContentType = contentType
		}
		return
	}
	r.h.Recipient = strings.TrimLeft(strings.TrimRight(name, ":;,.!?>\"'`"), "\"'`<=:")
	if r.h.Recipient == functions {
		r.h.Recipient, r.namespace, r.wantRecipient = "", true, true
	}
}

// endRecipient says who is meant where the name behind the namespace of functions is missing.
func (r *headerReader) endRecipient() {
	if !r.namespace || r.h.Recipient != "" {
		return
	}
	r.h.Recipient = functions
	if len(r.options.Tools) == 1 && strings.HasPrefix(r.options.Tools[0], functionsPrefix) {
		r.h.Recipient = r.options.Tools[0]
	}
}

// tool returns the one tool that exists which a name can only mean, and the content type that was glued to the name. The name is
// compared as it is, then without what is no name (quotes, brackets, namespaces that are repeated or written otherwise), then by
// letters and digits alone.
func (r *headerReader) tool(name string) (tool, contentType string, ok bool) {
	asItIs := func(name string) string { return name }
	function := func(name string) string { return functionsPrefix + name }
	for _, form := range []struct{ written, meant func(string) string }{{asItIs, asItIs}, {function, asItIs}, {plain, plain}, {folded, folded}} {
		for _, suffix := range []string{"", "json", "code"} {
			base, glued := name, true
			if suffix != "" {
				base, glued = strings.CutSuffix(plain(name), suffix)
			}
			written := form.written(base)
			if !glued || written == "" {
				continue
			}
			var found []string
			for _, tool := range r.options.Tools {
				if form.meant(tool) == written {
					found = append(found, tool)
				}
			}
			if len(found) == 1 {
				return found[0], suffix, true
			}
		}
	}
	return "", "", false
}

// plain is the name in what may be more than a name, without the namespace of functions.
func plain(name string) string {
	name = strings.TrimLeftFunc(name, func(c rune) bool { return !isNameRune(c) || strings.ContainsRune("._-/+:", c) })
	if end := strings.IndexFunc(name, func(c rune) bool { return !isNameRune(c) }); end >= 0 {
		name = name[:end]
	}
	parts := strings.FieldsFunc(name, func(c rune) bool { return strings.ContainsRune(".:/", c) })
	for len(parts) > 1 && slices.Contains([]string{"functions", "function", "tools", "tool"}, parts[0]) {
		parts = parts[1:]
	}
	return strings.Join(parts, ".")
}

// folded is plain by its letters and digits alone.
func folded(name string) string {
	name = strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) || unicode.IsDigit(c) {
			return unicode.ToLower(c)
		}
		return -1
	}, plain(name))
	for {
		rest, ok := strings.CutPrefix(name, functions)
		if !ok || rest == "" {
			return name
		}
		name = rest
	}
}

// isTool reports whether a word names a tool, although it does not say that it is a recipient.
func (r *headerReader) isTool(word string) bool {
	word = strings.TrimLeft(word, "\"'`<=")
	namespace, _ := strings.CutPrefix(word, functions)
	return word != namespace && strings.IndexAny(namespace, ".:/") == 0 || slices.Contains(r.options.Tools, word)
}
