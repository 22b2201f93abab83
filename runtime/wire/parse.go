package wire

import (
	"encoding/json"
	"unicode/utf8"
)

// MaxBytes is the largest request that Parse reads. A full context is much smaller.
const MaxBytes = 16 << 20

// maxDepth bounds the nesting of JSON; schemas of tools are rendered recursively.
const maxDepth = 128

// Parse reads the JSON of a request. Fields that nobody knows are named in ignored; if it is nil, they are refused. The error is a
// *FieldError.
func Parse(data []byte, ignored *Ignored) (Value, error) {
	body := Value{ignored: ignored}
	switch {
	case len(data) > MaxBytes:
		return body, body.Refuse(CodeTooLarge, "the request has %d bytes, want at most %d", len(data), MaxBytes)
	case !utf8.Valid(data):
		return body, body.Refuse(CodeJSON, "the request is not UTF-8")
	case depth(data) > maxDepth:
		return body, body.Refuse(CodeJSON, "the request is nested deeper than %d", maxDepth)
	}
	if err := json.Unmarshal(data, &body.Raw); err != nil { // also takes the space around it away
		return body, body.Refuse(CodeJSON, "the request is not JSON: %v", err)
	}
	return body, nil
}

// depth is how deep objects and arrays are nested.
func depth(data []byte) int {
	depth, deepest, inString, escaped := 0, 0, false, false
	for _, c := range data {
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped = c == '\\'
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}
