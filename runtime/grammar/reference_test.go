package grammar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// evaluated is what of an instance a schema has a say in: names of properties, or places of items.
type evaluated map[string]bool

func (e evaluated) add(o evaluated) { maps.Copy(e, o) }

// reference validates instances as the specification says it, without rules and cases.
type reference struct {
	root   *value
	depth  int
	circle bool // a schema refers to itself alone: nothing is said of it
}

// validate says whether v fits s, and what of it is evaluated.
func (r *reference) validate(s, v *value) (bool, evaluated) {
	seen := evaluated{}
	if r.depth++; r.depth > 60 {
		r.circle = true
	}
	defer func() { r.depth-- }()
	if r.circle {
		return false, seen
	}
	switch s.kind {
	case valueTrue:
		return true, seen
	case valueFalse:
		return false, seen
	}
	fits := true
	also := func(x *value) { // an applicator in place, whose failure is that of s
		ok, more := r.validate(x, v)
		if fits = fits && ok; ok {
			seen.add(more)
		}
	}
	for _, key := range s.keys {
		x := s.members[key]
		switch key {
		case "$ref":
			also(r.root.members["$defs"].members[strings.TrimPrefix(x.text, "#/$defs/")])
		case "allOf":
			for _, y := range x.items {
				also(y)
			}
		case "anyOf", "oneOf":
			n := 0
			for _, y := range x.items {
				if ok, more := r.validate(y, v); ok {
					n++
					seen.add(more)
				}
			}
			fits = fits && (n == 1 || n > 1 && key == "anyOf")
		case "not":
			ok, _ := r.validate(x, v)
			fits = fits && !ok
		case "if":
			then := s.members["then"]
			ok, more := r.validate(x, v)
			if ok {
				seen.add(more)
			} else {
				then = s.members["else"]
			}
			if then != nil {
				also(then)
			}
		case "type":
			names := []*value{x}
			if x.kind == valueArray {
				names = x.items
			}
			fits = fits && slices.ContainsFunc(names, func(n *value) bool { return typeNames[n.text]&typeOf(v) != 0 })
		case "enum":
			fits = fits && slices.ContainsFunc(x.items, func(y *value) bool { return sameValue(y, v) })
		case "const":
			fits = fits && sameValue(x, v)
		}
	}
	switch v.kind {
	case valueNumber:
		fits = fits && r.number(s, v)
	case valueString:
		fits = fits && r.text(s, v.text)
	case valueArray:
		fits = r.array(s, v, seen) && fits
	case valueObject:
		fits = r.object(s, v, seen) && fits
	}
	return fits, seen
}

func numberOf(v *value) float64 {
	x, err := strconv.ParseFloat(v.text, 64)
	if err != nil {
		panic(err)
	}
	return x
}

func (r *reference) number(s, v *value) bool {
	x := numberOf(v)
	for key, bad := range map[string]func(y float64) bool{
		"minimum": func(y float64) bool { return x < y }, "maximum": func(y float64) bool { return x > y },
		"exclusiveMinimum": func(y float64) bool { return x <= y }, "exclusiveMaximum": func(y float64) bool { return x >= y },
		"multipleOf": func(y float64) bool { return x/y != math.Trunc(x/y) },
	} {
		if y := s.members[key]; y != nil && bad(numberOf(y)) {
			return false
		}
	}
	return true
}

// within says whether a count is within two keywords.
func within(s *value, low, high string, n int) bool {
	lo, hi := s.members[low], s.members[high]
	return (lo == nil || float64(n) >= numberOf(lo)) && (hi == nil || float64(n) <= numberOf(hi))
}

func (r *reference) text(s *value, text string) bool {
	if p := s.members["pattern"]; p != nil && !regexp.MustCompile(p.text).MatchString(text) {
		return false
	}
	return within(s, "minLength", "maxLength", len([]rune(text)))
}

func (r *reference) array(s, v *value, seen evaluated) bool {
	fits := within(s, "minItems", "maxItems", len(v.items))
	counted := 0
	for i, x := range v.items {
		at := strconv.Itoa(i)
		item := s.members["items"]
		if p := s.members["prefixItems"]; p != nil && i < len(p.items) {
			item = p.items[i]
		}
		if item != nil {
			ok, _ := r.validate(item, x)
			fits, seen[at] = fits && ok, true
		}
		if c := s.members["contains"]; c != nil {
			if ok, _ := r.validate(c, x); ok {
				counted++
				seen[at] = true
			}
		}
		if u := s.members["uniqueItems"]; u != nil && u.kind == valueTrue {
			fits = fits && !slices.ContainsFunc(v.items[:i], func(y *value) bool { return sameValue(x, y) })
		}
	}
	if s.members["contains"] != nil {
		fits = fits && (counted > 0 || s.members["minContains"] != nil) && within(s, "minContains", "maxContains", counted)
	}
	if u := s.members["unevaluatedItems"]; u != nil {
		for i, x := range v.items {
			if at := strconv.Itoa(i); !seen[at] {
				ok, _ := r.validate(u, x)
				fits, seen[at] = fits && ok, true
			}
		}
	}
	return fits
}

func (r *reference) object(s, v *value, seen evaluated) bool {
	fits := within(s, "minProperties", "maxProperties", len(v.keys))
	if required := s.members["required"]; required != nil {
		for _, name := range required.items {
			fits = fits && v.members[name.text] != nil
		}
	}
	for _, key := range []string{"dependentRequired", "dependentSchemas"} {
		d := s.members[key]
		if d == nil {
			continue
		}
		for _, name := range d.keys {
			if v.members[name] == nil {
				continue
			}
			if then := d.members[name]; then.kind == valueArray {
				for _, n := range then.items {
					fits = fits && v.members[n.text] != nil
				}
			} else {
				ok, more := r.validate(then, v)
				if fits = fits && ok; ok {
					seen.add(more)
				}
			}
		}
	}
	for _, name := range v.keys {
		x, found := v.members[name], false
		check := func(y *value) {
			ok, _ := r.validate(y, x)
			fits, found, seen[name] = fits && ok, true, true
		}
		if p := s.members["properties"]; p != nil && p.members[name] != nil {
			check(p.members[name])
		}
		if p := s.members["patternProperties"]; p != nil {
			for _, pattern := range p.keys {
				if regexp.MustCompile(pattern).MatchString(name) {
					check(p.members[pattern])
				}
			}
		}
		if p := s.members["additionalProperties"]; p != nil && !found {
			check(p)
		}
		if p := s.members["propertyNames"]; p != nil {
			ok, _ := r.validate(p, &value{kind: valueString, text: name})
			fits = fits && ok
		}
	}
	if u := s.members["unevaluatedProperties"]; u != nil {
		for _, name := range v.keys {
			if !seen[name] {
				ok, _ := r.validate(u, v.members[name])
				fits, seen[name] = fits && ok, true
			}
		}
	}
	return fits
}

// drawSchema makes a random schema, of few keywords over few values.
func drawSchema(t *rapid.T, depth int, rest bool) string {
	if depth == 0 || rapid.IntRange(0, 9).Draw(t, "plain") == 0 {
		return rapid.SampledFrom([]string{`true`, `false`, `{"type":"integer"}`, `{"type":"string"}`, `{"const":1}`, `{"enum":["a",2,null]}`,
			`{"$ref":"#/$defs/d"}`,
			`{"minimum":1}`, `{"type":"array"}`, `{"required":["a"]}`}).Draw(t, "leaf")
	}
	sub := func() string { return drawSchema(t, depth-1, rest) }
	list := func(n int) string {
		all := make([]string, n)
		for i := range all {
			all[i] = sub()
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	names := func(options ...string) string {
		all := rapid.SliceOfNDistinct(rapid.SampledFrom(options), 1, 2, rapid.ID[string]).Draw(t, "names")
		for i, n := range all {
			all[i] = strconv.Quote(n)
		}
		return strings.Join(all, ",")
	}
	keyed := func(options ...string) string {
		all := strings.Split(names(options...), ",")
		for i, n := range all {
			all[i] = n + ":" + sub()
		}
		return "{" + strings.Join(all, ",") + "}"
	}
	number := func(options ...string) string { return rapid.SampledFrom(options).Draw(t, "number") }
	makers := map[string]func() string{
		"type": func() string {
			return "[" + names("null", "boolean", "integer", "number", "string", "array", "object") + "]"
		},
		"enum":                 func() string { return `[1,"a",true,[1],{"a":1}]` },
		"const":                func() string { return number(`1`, `"b"`, `[1,"a"]`, `{"a":1}`, `{}`, `null`) },
		"minimum":              func() string { return number("0", "1", "-0.5") },
		"maximum":              func() string { return number("0", "1.5") },
		"multipleOf":           func() string { return number("0.5", "2") },
		"pattern":              func() string { return strconv.Quote(number("a", "^a", "b$", "^[ab]*$")) },
		"minLength":            func() string { return number("1", "2") },
		"maxLength":            func() string { return number("0", "1") },
		"minItems":             func() string { return number("1", "2") },
		"maxItems":             func() string { return number("0", "1", "2") },
		"items":                sub,
		"prefixItems":          func() string { return list(rapid.IntRange(1, 2).Draw(t, "items")) },
		"contains":             sub,
		"uniqueItems":          func() string { return "true" },
		"properties":           func() string { return keyed("a", "b") },
		"patternProperties":    func() string { return keyed("^a", "b|c") },
		"additionalProperties": sub,
		"propertyNames":        sub,
		"required":             func() string { return "[" + names("a", "b", "c") + "]" },
		"minProperties":        func() string { return number("1", "2") },
		"maxProperties":        func() string { return number("0", "1") },
		"dependentRequired":    func() string { return `{"a":[` + names("b", "c") + `]}` },
		"dependentSchemas":     func() string { return keyed("a", "b") },
		"allOf":                func() string { return list(2) },
		"anyOf":                func() string { return list(2) },
		"oneOf":                func() string { return list(rapid.IntRange(1, 3).Draw(t, "alternatives")) },
		"not":                  sub,
		"if":                   sub,
	}
	if rest {
		makers["unevaluatedItems"] = sub
		makers["unevaluatedProperties"] = sub
	}
	keys := rapid.SliceOfNDistinct(rapid.SampledFrom(slices.Sorted(maps.Keys(makers))), 1, 3, rapid.ID[string]).Draw(t, "keywords")
	var parts []string
	add := func(key, x string) { parts = append(parts, strconv.Quote(key)+":"+x) }
	for _, key := range keys {
		add(key, makers[key]())
		switch key {
		case "if":
			add("then", sub())
			add("else", sub())
		case "contains":
			if rapid.Bool().Draw(t, "bounds") {
				add("minContains", number("0", "1", "2"))
				add("maxContains", number("0", "1", "2"))
			}
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// instances are values over few scalars, each in all orders of its properties.
func instances() [][]string {
	scalars := []string{`null`, `true`, `false`, `0`, `1`, `2`, `-1`, `0.5`, `1.5`, `""`, `"a"`, `"b"`, `"ab"`, `"c"`}
	some := []string{`null`, `1`, `2`, `"a"`, `[1]`, `{"a":1}`}
	var all [][]string
	for _, x := range append(slices.Clone(scalars), `[]`, `{}`) {
		all = append(all, []string{x})
	}
	for _, x := range append(slices.Clone(scalars), `[]`, `[1]`, `{}`, `{"a":1}`) {
		all = append(all, []string{"[" + x + "]"}, []string{`{"a":` + x + `}`}, []string{`{"b":` + x + `}`}, []string{`{"c":` + x + `}`})
	}
	for _, x := range some {
		for _, y := range some {
			all = append(all, []string{"[" + x + "," + y + "]"}, []string{`{"a":` + x + `,"b":` + y + `}`, `{"b":` + y + `,"a":` + x + `}`},
				[]string{`{"a":` + x + `,"c":` + y + `}`, `{"c":` + y + `,"a":` + x + `}`})
		}
		all = append(all, []string{"[" + x + `,1,"a"]`}, []string{`{"b":1,"c":` + x + `}`, `{"c":` + x + `,"b":1}`})
	}
	return all
}

// checkSchema compares a schema with the reference: nothing is accepted that is invalid. If complete, what is valid is accepted in some order
// of its properties, and in every one where any is allowed.
func checkSchema(t *rapid.T, v *Vocabulary, schema string, complete bool) {
	s, err := parseValue([]byte(schema))
	if err != nil {
		t.Fatal(err)
	}
	g, err := v.Compile(context.Background(), Source{JSONSchema: json.RawMessage(schema)}, Options{})
	empty := (*EmptyError)(nil)
	if err != nil && !errors.As(err, &empty) {
		return // not supported, or a circle
	}
	shuffled, err := v.Compile(context.Background(), Source{JSONSchema: json.RawMessage(schema)}, Options{Order: AnyOrder})
	if err != nil && !errors.As(err, &empty) {
		t.Fatalf("%s: in any order: %v", schema, err)
	}
	r := &reference{root: s}
	for _, orders := range instances() {
		x, err := parseValue([]byte(orders[0]))
		if err != nil {
			t.Fatal(err)
		}
		valid, _ := r.validate(s, x)
		if r.circle {
			return
		}
		accepted := false
		for _, text := range orders {
			if g != nil && accepts(g, text) {
				accepted = true
				if !valid {
					t.Fatalf("%s: accepted, and invalid: %s", schema, text)
				}
			}
			if shuffled == nil || !accepts(shuffled, text) {
				if complete && valid {
					t.Fatalf("%s: in any order refused, and valid: %s", schema, text)
				}
			} else if !valid {
				t.Fatalf("%s: in any order accepted, and invalid: %s", schema, text)
			}
		}
		if complete && valid && !accepted {
			t.Fatalf("%s: refused, and valid: %s", schema, orders[0])
		}
	}
}

// Random schemas accept what the reference says.
func TestSchemasAgainstReference(t *testing.T) {
	for _, rest := range []bool{false, true} {
		t.Run(fmt.Sprintf("unevaluated keywords %v", rest), func(t *testing.T) { rapid.Check(t, schemaProperty(rest)) })
	}
}

func FuzzSchemaReference(f *testing.F) { f.Fuzz(rapid.MakeFuzz(schemaProperty(true))) }

// schemaProperty draws a schema and checks it; with rest, one that may ask what is not evaluated.
func schemaProperty(rest bool) func(t *rapid.T) {
	v := bytesAnd()
	return func(t *rapid.T) {
		schema := drawSchema(t, rapid.IntRange(1, 3).Draw(t, "depth"), rest)
		if strings.HasPrefix(schema, "{") {
			schema = `{"$defs":{"d":` + drawSchema(t, 1, false) + "}," + schema[1:]
		}
		// What an alternative evaluates that is not the chosen one is not seen.
		checkSchema(t, v, schema, !strings.Contains(schema, "unevaluated"))
	}
}
