package playback

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// node is a JSON value of the file, and the place where it stands.
type node struct {
	place string // such as "plays[2].reply[0].text"; "" is the whole file
	raw   json.RawMessage
}

func (n node) errorf(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if n.place == "" {
		return errors.New("playback: the file " + text)
	}
	return errors.New("playback: " + n.place + " " + text)
}

// checkJSON says where text is no JSON.
func checkJSON(data []byte) error {
	if json.Valid(data) {
		return nil
	}
	err := json.Unmarshal(data, new(any))
	before := data
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		before = data[:min(int(syntax.Offset), len(data))]
	}
	return fmt.Errorf("playback: the file is no JSON: line %d: %w", 1+bytes.Count(before, []byte("\n")), err)
}

// decoder reads values. It keeps the first error, after which it returns zeros.
type decoder struct {
	err error
}

func (d *decoder) fail(n node, format string, args ...any) {
	if d.err == nil {
		d.err = n.errorf(format, args...)
	}
}

// fields returns the fields of an object, which may only have the known ones.
func (d *decoder) fields(n node, known ...string) map[string]node {
	fields := d.anyFields(n)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(known, name) {
			d.fail(n, "has a field %q, which does not exist: there are %s", name, strings.Join(known, ", "))
		}
	}
	return fields
}

// anyFields returns the fields of an object.
func (d *decoder) anyFields(n node) map[string]node {
	dec := json.NewDecoder(bytes.NewReader(n.raw))
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		d.fail(n, "is no object")
		return nil
	}
	fields := map[string]node{}
	for dec.More() && d.err == nil {
		token, err := dec.Token()
		if err != nil {
			d.fail(n, "is no JSON: %v", err)
			return nil
		}
		name := token.(string) // the decoder accepts nothing else
		f := node{place: strings.TrimPrefix(n.place+"."+name, ".")}
		if err := dec.Decode(&f.raw); err != nil {
			d.fail(f, "is no JSON: %v", err)
		}
		if _, ok := fields[name]; ok {
			d.fail(f, "is given twice")
		}
		fields[name] = f
	}
	return fields
}

// list returns the elements of an array, at most limit.
func (d *decoder) list(n node, limit int) []node {
	var raw []json.RawMessage
	if n.raw[0] != '[' || json.Unmarshal(n.raw, &raw) != nil {
		d.fail(n, "is no array")
		return nil
	}
	if len(raw) > limit {
		d.fail(n, "has %d elements, at most %d are allowed", len(raw), limit)
		return nil
	}
	nodes := make([]node, len(raw))
	for i := range raw {
		nodes[i] = node{fmt.Sprintf("%s[%d]", n.place, i), raw[i]}
	}
	return nodes
}

// text returns a string of at most limit bytes.
func (d *decoder) text(n node, limit int) string {
	var s string
	switch {
	case n.raw[0] != '"' || json.Unmarshal(n.raw, &s) != nil:
		d.fail(n, "is no string")
	case len(s) > limit:
		d.fail(n, "has %d bytes, at most %d are allowed", len(s), limit)
	}
	return s
}

// oneOf returns a string that is one of some.
func (d *decoder) oneOf(n node, words ...string) string {
	s := d.text(n, 1000)
	if d.err == nil && !slices.Contains(words, s) {
		d.fail(n, "is %q, want %s", s, strings.Join(words, ", "))
	}
	return s
}

// whole returns a whole number from low to high.
func (d *decoder) whole(n node, low, high int64) int64 {
	v, err := strconv.ParseInt(string(n.raw), 10, 64)
	if err != nil || v < low || v > high {
		d.fail(n, "is %.40s, want a whole number from %d to %d", n.raw, low, high)
		return low
	}
	return v
}

// number returns a number from low to high.
func (d *decoder) number(n node, low, high float64) float64 {
	v, err := strconv.ParseFloat(string(n.raw), 64)
	if err != nil || !(v >= low && v <= high) {
		d.fail(n, "is %.40s, want a number from %v to %v", n.raw, low, high)
		return low
	}
	return v
}
