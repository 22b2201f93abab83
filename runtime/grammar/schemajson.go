package grammar

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// value is a JSON value whose objects keep their order.
type value struct {
	kind    valueKind
	text    string // of a string, unescaped; of a number, as it is written
	keys    []string
	members map[string]*value
	items   []*value
	path    string // where it stands, as a JSON pointer
}

type valueKind uint8

const (
	valueNull valueKind = iota
	valueTrue
	valueFalse
	valueNumber
	valueString
	valueArray
	valueObject
)

// parseValue reads a JSON text.
func parseValue(text []byte) (*value, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	v, err := readValue(dec, "", 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, &SyntaxError{Reason: "more than one JSON value"}
	}
	return v, nil
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

func readValue(dec *json.Decoder, path string, depth int) (*value, error) {
	if depth > maxNesting {
		return nil, &LimitError{What: "nesting of a schema", Limit: maxNesting}
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, &SyntaxError{Path: path, Reason: "invalid JSON: " + err.Error()}
	}
	v := &value{path: path}
	switch tok := tok.(type) {
	case nil:
	case bool:
		v.kind = valueFalse
		if tok {
			v.kind = valueTrue
		}
	case json.Number:
		v.kind, v.text = valueNumber, tok.String()
	case string:
		v.kind, v.text = valueString, tok
	case json.Delim:
		v.kind = valueArray
		if tok == '{' {
			v.kind, v.members = valueObject, map[string]*value{}
		}
		for dec.More() {
			at := fmt.Sprint(len(v.items))
			if v.kind == valueObject {
				key, err := dec.Token()
				if err != nil {
					return nil, &SyntaxError{Path: path, Reason: "invalid JSON: " + err.Error()}
				}
				at = key.(string)
			}
			x, err := readValue(dec, path+"/"+pointerEscapes.Replace(at), depth+1)
			if err != nil {
				return nil, err
			}
			if v.kind == valueArray {
				v.items = append(v.items, x)
				continue
			}
			if v.members[at] == nil {
				v.keys = append(v.keys, at)
			}
			v.members[at] = x
		}
		if _, err := dec.Token(); err != nil {
			return nil, &SyntaxError{Path: path, Reason: "invalid JSON: " + err.Error()}
		}
	}
	return v, nil
}

// canonical is the value as a text that equal values share: keys in order of the alphabet are not needed, because callers compare
// scalars with it and whole values only to leave out repetitions.
func (v *value) canonical() string {
	switch v.kind {
	case valueNull:
		return "null"
	case valueTrue:
		return "true"
	case valueFalse:
		return "false"
	case valueNumber:
		if d, ok := parseDecimal(v.text); ok {
			return d.String()
		}
		return v.text
	case valueString:
		b, _ := json.Marshal(v.text)
		return string(b)
	case valueArray:
		var parts []string
		for _, x := range v.items {
			parts = append(parts, x.canonical())
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	var parts []string
	for _, k := range v.keys {
		b, _ := json.Marshal(k)
		parts = append(parts, string(b)+":"+v.members[k].canonical())
	}
	return "{" + strings.Join(parts, ",") + "}"
}
