package playback

import (
	"slices"

	"gossamer/runtime/harmony"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
)

// closer returns a token that brings the message at the end of a text to its end. more says that the reply goes on behind the message.
//
// Without a constraint the message is closed as JSON. Where only some tokens are allowed, they are taken to be a constraint's, and the
// first is taken of an order that ends small values soon. So arguments are valid whatever the constraint wants.
func (m *Model) closer(text []int32, allowed []uint32, more bool) (int32, error) {
	marker, content := m.message(text, more)
	markers := []int32{marker, tokenizer.Call, tokenizer.Return, tokenizer.End}
	first := func(ids []int32) (int32, bool) {
		i := slices.IndexFunc(ids, func(id int32) bool { return allows(allowed, id) })
		if i < 0 {
			return 0, false
		}
		return ids[i], true
	}
	signs := func(text string) (ids []int32) {
		for i := range len(text) {
			ids = append(ids, m.tok.Encode(text[i:i+1])...)
		}
		return ids
	}
	var j jsonText
	for _, id := range content {
		for _, b := range m.tok.Bytes(id) {
			j.write(b)
		}
	}
	ending, canEnd := first(markers)
	if canEnd && !slices.ContainsFunc(signs("{}],:"), func(id int32) bool { return !allows(allowed, id) }) {
		if sign := j.next(); sign != 0 {
			return signs(string(sign))[0], nil
		}
		return ending, nil
	}
	order := append(markers, signs(`}]"0:,`)...)
	if j.inString {
		order = signs(`"`)
	}
	if id, ok := first(order); ok {
		return id, nil
	}
	for id := range int32(m.tok.Vocab()) {
		if allows(allowed, id) {
			return id, nil
		}
	}
	return 0, sample.ErrNoToken
}

// message returns the tokens of the content at the end of a text, and the marker that ends such a message.
func (m *Model) message(text []int32, more bool) (marker int32, content []int32) {
	start := len(text)
	for start > 0 && !isEnd(text[start-1]) && text[start-1] != tokenizer.Start {
		start--
	}
	if start > 0 && text[start-1] == tokenizer.Start {
		start--
	}
	content = text[start:]
	marker = tokenizer.End
	if i := slices.Index(content, tokenizer.Message); i >= 0 {
		h, _ := m.header(content[:i+1], nil)
		switch content = content[i+1:]; {
		case more:
		case h.Kind() == harmony.ToolCall:
			marker = tokenizer.Call
		case h.Kind() == harmony.Answer:
			marker = tokenizer.Return
		}
	}
	return marker, content
}

// jsonText follows the beginning of a text of JSON as far as it takes to end it. The zero value is at its beginning.
type jsonText struct {
	open     []byte // { and [ that are not closed
	inString bool
	escaped  bool // a backslash in a string has nothing behind it
	expects  expectation
	plain    bool // it is no JSON
}

type expectation int

const (
	value        expectation = iota
	firstValue               // of an array, which may be empty
	firstKey                 // of an object, which may be empty
	key                      // behind a comma
	colon                    // behind a key
	commaOrClose             // behind a value
)

// write reads a byte.
func (j *jsonText) write(b byte) {
	switch {
	case j.plain:
	case j.inString:
		switch {
		case j.escaped:
			j.escaped = false
		case b == '\\':
			j.escaped = true
		case b == '"':
			j.inString = false
			if j.expects == key || j.expects == firstKey {
				j.expects = colon
			} else {
				j.expects = commaOrClose
			}
		}
	case b == ' ' || b == '\t' || b == '\n' || b == '\r':
	case b == '{':
		j.open, j.expects = append(j.open, b), firstKey
	case b == '[':
		j.open, j.expects = append(j.open, b), firstValue
	case len(j.open) == 0:
		j.plain = true // prose, a single value, or what stands behind one
	case b == '}' || b == ']':
		j.open, j.expects = j.open[:len(j.open)-1], commaOrClose
	case b == '"':
		j.inString = true
	case b == ':':
		j.expects = value
	case b == ',' && j.open[len(j.open)-1] == '{':
		j.expects = key
	case b == ',':
		j.expects = value
	default: // a number or a word
		j.expects = commaOrClose
	}
}

// next returns a sign that brings the text nearer to its end, or 0 where it may end.
func (j *jsonText) next() byte {
	switch {
	case j.plain:
		return 0
	case j.inString:
		return '"'
	case len(j.open) == 0 && j.expects == value:
		return '{'
	case len(j.open) == 0:
		return 0
	}
	switch j.expects {
	case value:
		return '0'
	case key:
		return '"'
	case colon:
		return ':'
	}
	if j.open[len(j.open)-1] == '{' {
		return '}'
	}
	return ']'
}
