package grammar

import (
	"fmt"
	"slices"
	"strings"
)

// types of JSON, as bits.
type types uint8

const (
	typeNull types = 1 << iota
	typeBoolean
	typeInteger // numbers that are whole
	typeNumber  // the other numbers
	typeString
	typeArray
	typeObject
	typeAll = typeNull | typeBoolean | typeInteger | typeNumber | typeString | typeArray | typeObject
)

var typeNames = map[string]types{"null": typeNull, "boolean": typeBoolean, "integer": typeInteger, "number": typeInteger | typeNumber,
	"string": typeString, "array": typeArray, "object": typeObject}

// A kase is a conjunction of what a value must fit.
type kase struct {
	types    types
	enum     []*value // nil: any value
	lo, hi   *bound   // of numbers
	multiple []decimal
	strings  []expr // contents of strings
	arrays   []*value
	objects  []*value
	members  map[string][]*value // more schemas of single properties
	required []string
	minItems, minProperties, minLength,
	maxItems, maxProperties, maxLength int32 // maxima: -1 for none
}

func (k *kase) clone() *kase {
	n := *k
	n.enum, n.multiple, n.strings = slices.Clone(k.enum), slices.Clone(k.multiple), slices.Clone(k.strings)
	n.arrays, n.objects, n.required = slices.Clone(k.arrays), slices.Clone(k.objects), slices.Clone(k.required)
	n.members = map[string][]*value{}
	for p, s := range k.members {
		n.members[p] = slices.Clone(s)
	}
	return &n
}

func (c *schemaCompiler) start() []*kase {
	return []*kase{{types: typeAll, maxItems: -1, maxProperties: -1, maxLength: -1, members: map[string][]*value{}}}
}

// annotations change nothing that is valid.
var annotations = map[string]bool{"$schema": true, "$id": true, "id": true, "$anchor": true, "$comment": true, "$defs": true, "definitions": true,
	"title": true, "description": true, "default": true, "examples": true, "example": true, "deprecated": true, "readOnly": true, "writeOnly": true,
	"contentEncoding": true, "contentMediaType": true, "contentSchema": true, "$vocabulary": true, "additionalItems": true, "then": true, "else": true,
	"minContains": true, "maxContains": true, "$dynamicAnchor": true, "strict": true, "nullable": true}

// apply adds a schema to every case. path are the $refs on the way.
func (c *schemaCompiler) apply(cases []*kase, s *value, path []*value) []*kase {
	c.tick()
	switch s.kind {
	case valueTrue:
		return cases
	case valueFalse:
		return nil
	case valueObject:
	default:
		c.fail(s.path, "a schema must be an object or a boolean")
	}
	if slices.Contains(path, s) {
		c.fail(s.path, "a schema that refers to itself alone")
	}
	path = append(slices.Clone(path), s)
	for _, key := range s.keys {
		if annotations[key] {
			continue
		}
		cases = c.keyword(cases, s, key, s.members[key], path)
	}
	if s.members["items"] != nil || s.members["prefixItems"] != nil {
		for _, k := range cases {
			k.arrays = append(k.arrays, s)
		}
	}
	if s.members["properties"] != nil || s.members["patternProperties"] != nil || s.members["additionalProperties"] != nil ||
		s.members["propertyNames"] != nil {
		for _, k := range cases {
			k.objects = append(k.objects, s)
		}
	}
	return cases
}

func (c *schemaCompiler) count(v *value) int32 {
	d, ok := parseDecimal(v.text)
	if v.kind != valueNumber || !ok || !d.integer() || d.negative {
		c.fail(v.path, "want a number of 0 or more")
	}
	if len(d.whole) > 8 {
		return maxCount
	}
	n := int32(0)
	for _, b := range d.whole {
		n = n*10 + b - '0'
	}
	return min(n, maxCount)
}

func smaller(a, b int32) int32 {
	if a < 0 {
		return b
	}
	return min(a, b)
}

func (c *schemaCompiler) keyword(cases []*kase, s *value, key string, v *value, path []*value) []*kase {
	every := func(f func(k *kase)) []*kase {
		for _, k := range cases {
			f(k)
		}
		return cases
	}
	list := func() []*value {
		if v.kind != valueArray {
			c.fail(v.path, "want an array")
		}
		return v.items
	}
	switch key {
	case "type":
		allowed := c.allowed(v)
		return every(func(k *kase) { k.types &= allowed })
	case "enum", "const":
		values := []*value{v}
		if key == "enum" {
			values = list()
		}
		return every(func(k *kase) { k.only(values) })
	case "properties", "patternProperties", "dependentSchemas", "dependentRequired", "dependencies":
		if v.kind != valueObject {
			c.fail(v.path, "want an object")
		}
		if strings.HasPrefix(key, "depend") {
			return c.dependent(cases, v, path)
		}
	case "additionalProperties", "items", "prefixItems", "propertyNames":
	case "required":
		for _, n := range list() {
			if n.kind != valueString {
				c.fail(v.path, "want strings")
			}
			every(func(k *kase) {
				if !slices.Contains(k.required, n.text) {
					k.required = append(k.required, n.text)
				}
			})
		}
	case "$ref":
		to := (*value)(nil)
		if v.kind == valueString {
			to = c.find(s, v.text)
		}
		if to == nil {
			c.refuse(s, key, fmt.Sprintf("%q is not in the schema", v.text))
			return cases
		}
		return c.apply(cases, to, path)
	case "allOf":
		for _, x := range list() {
			cases = c.apply(cases, x, path)
		}
	case "anyOf", "oneOf":
		return c.alternatives(cases, s, key, list(), path)
	case "uniqueItems":
		if v.kind == valueFalse {
			return cases
		}
		if n := s.members["maxItems"]; n == nil || c.count(n) > 1 {
			c.refuse(s, key, "")
		}
	case "if":
		if s.members["then"] != nil || s.members["else"] != nil {
			c.refuse(s, key, "")
		}
	case "not":
		return c.negation(cases, s, v)
	case "contains", "unevaluatedItems", "unevaluatedProperties", "$dynamicRef", "$recursiveRef":
		if v.kind != valueTrue || key == "contains" {
			c.refuse(s, key, "")
		}
	default: // numbers and strings; unknown keywords are annotations
		c.scalar(cases, s, key, v)
	}
	return cases
}

// allowed reads the keyword type.
func (c *schemaCompiler) allowed(v *value) types {
	allowed := types(0)
	names := []*value{v}
	if v.kind == valueArray {
		names = v.items
	}
	for _, n := range names {
		bit, ok := typeNames[n.text]
		if !ok || n.kind != valueString {
			c.fail(v.path, "no such type")
		}
		allowed |= bit
	}
	return allowed
}

// only restricts a case to values of a list.
func (k *kase) only(values []*value) {
	if k.enum == nil {
		k.enum = append([]*value{}, values...)
		return
	}
	k.enum = slices.DeleteFunc(k.enum, func(x *value) bool {
		return !slices.ContainsFunc(values, func(y *value) bool { return sameValue(x, y) })
	})
}

// scalar adds a keyword of numbers, of strings or of counts to every case.
func (c *schemaCompiler) scalar(cases []*kase, s *value, key string, v *value) {
	every := func(f func(k *kase)) {
		for _, k := range cases {
			f(k)
		}
	}
	switch key {
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
		d, ok := parseDecimal(v.text)
		if v.kind != valueNumber {
			c.fail(v.path, "want a number")
		} else if !ok {
			c.refuse(s, key, "the number has too many digits")
			return
		}
		b := &bound{d, strings.HasPrefix(key, "exclusive")}
		low := strings.HasSuffix(strings.ToLower(key), "minimum")
		every(func(k *kase) {
			at, sign := &k.hi, 1
			if low {
				at, sign = &k.lo, -1
			}
			if *at == nil || sign*compareDecimals(b.decimal, (*at).decimal) < 0 || b.open && compareDecimals(b.decimal, (*at).decimal) == 0 {
				*at = b
			}
		})
	case "multipleOf":
		d, ok := parseDecimal(v.text)
		if v.kind != valueNumber || d.negative || d.zero() {
			c.fail(v.path, "want a number above 0")
		}
		if _, can := c.r.multiples(d); !ok || !can {
			c.refuse(s, key, "the number has too many digits")
			return
		}
		every(func(k *kase) { k.multiple = append(k.multiple, d) })
	case "minLength":
		every(func(k *kase) { k.minLength = max(k.minLength, c.count(v)) })
	case "maxLength":
		every(func(k *kase) { k.maxLength = smaller(k.maxLength, c.count(v)) })
	case "minItems":
		every(func(k *kase) { k.minItems = max(k.minItems, c.count(v)) })
	case "maxItems":
		every(func(k *kase) { k.maxItems = smaller(k.maxItems, c.count(v)) })
	case "minProperties":
		every(func(k *kase) { k.minProperties = max(k.minProperties, c.count(v)) })
	case "maxProperties":
		every(func(k *kase) { k.maxProperties = smaller(k.maxProperties, c.count(v)) })
	case "pattern":
		e, ok := c.pattern(s, v.text, jsonMinimal)
		if v.kind != valueString {
			c.fail(v.path, "want a string")
		}
		if ok {
			every(func(k *kase) { k.strings = append(k.strings, e) })
		}
	case "format":
		if e, ok := c.format(v.text); ok {
			every(func(k *kase) { k.strings = append(k.strings, e) })
		} else {
			c.ignored = append(c.ignored, v.path)
		}
	}
}

// pattern compiles a search.
func (c *schemaCompiler) pattern(s *value, text string, in spelling) (expr, bool) {
	e, err := c.r.regex(text, in, true)
	switch err := err.(type) {
	case nil:
		return e, true
	case *UnsupportedError:
		c.refuse(s, "pattern", err.Reason)
	case *SyntaxError:
		if c.lenient {
			c.refuse(s, "pattern", err.Reason)
			break
		}
		err.Path = s.path
		panic(schemaStop{err})
	default:
		panic(schemaStop{err})
	}
	return none, false
}
