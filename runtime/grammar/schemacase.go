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
	typeTrue
	typeFalse
	typeInteger // numbers that are whole
	typeNumber  // the other numbers
	typeString
	typeArray
	typeObject
	typeBoolean = typeTrue | typeFalse
	typeNumbers = typeInteger | typeNumber
	typeAll     = typeNull | typeBoolean | typeNumbers | typeString | typeArray | typeObject
)

var typeNames = map[string]types{"null": typeNull, "boolean": typeBoolean, "integer": typeInteger, "number": typeInteger | typeNumber,
	"string": typeString, "array": typeArray, "object": typeObject}

// A kase is a conjunction of what a value must fit.
type kase struct {
	types       types
	enum        []*value // nil: any value
	lo, hi      *bound   // of numbers
	multiple    []decimal
	notMultiple []decimal
	notNumbers  []decimal
	strings     []expr // contents of strings
	arrays      []clause
	objects     []clause
	contains    []contained
	some        []property
	members     map[string][]*value // more schemas of single properties
	required    []string
	another     *property // that is not declared
	unique      *value    // the schema that wants items that differ, or nil
	minItems, minProperties, minLength,
	maxItems, maxProperties, maxLength int32 // maxima: -1 for none
	marks []mark // of schemas that are being applied and ask what they have evaluated
}

// clause is what a schema says of all items or properties.
type clause struct {
	s *value
	// rest is the schema of what the clauses within have not evaluated; nil: s is a schema as it stands.
	rest   *value
	within []clause
	mute   bool // evaluates nothing: what comes of a negation
}

// contained says that lo to hi items from a place on fit a schema; hi < 0 for no bound.
type contained struct {
	s            *value // that has the keyword
	of           *value
	from, lo, hi int32
}

// mark is a place in the clauses of a case.
type mark struct{ arrays, objects int }

func (k *kase) clone() *kase {
	n := *k
	n.enum, n.multiple, n.strings = slices.Clone(k.enum), slices.Clone(k.multiple), slices.Clone(k.strings)
	n.notMultiple, n.notNumbers = slices.Clone(k.notMultiple), slices.Clone(k.notNumbers)
	n.arrays, n.objects, n.required = slices.Clone(k.arrays), slices.Clone(k.objects), slices.Clone(k.required)
	n.contains, n.some, n.marks = slices.Clone(k.contains), slices.Clone(k.some), slices.Clone(k.marks)
	n.members = map[string][]*value{}
	for p, s := range k.members {
		n.members[p] = slices.Clone(s)
	}
	return &n
}

func clones(cases []*kase) []*kase {
	all := make([]*kase, len(cases))
	for i, k := range cases {
		all[i] = k.clone()
	}
	return all
}

// settle leaves out types of which no value is left, as far as that is seen at once; false if none is left.
func (c *schemaCompiler) settle(k *kase) bool {
	if k.maxItems >= 0 && k.minItems > k.maxItems {
		k.types &^= typeArray
	}
	if k.maxProperties >= 0 && k.minProperties > k.maxProperties {
		k.types &^= typeObject
	}
	if k.maxLength >= 0 && k.minLength > k.maxLength {
		k.types &^= typeString
	}
	for _, name := range k.required {
		if k.types&typeObject == 0 {
			break
		}
		if set := c.property(k, name); c.contrary(set) {
			k.types &^= typeObject
			c.conflict = pathsOf(set)
		}
	}
	return k.types != 0 && (k.enum == nil || slices.ContainsFunc(k.enum, func(v *value) bool { return typeOf(v)&k.types != 0 }))
}

// contrary says whether no value fits all schemas of a set, as far as that is seen at once.
func (c *schemaCompiler) contrary(set []*value) bool {
	if slices.ContainsFunc(set, func(s *value) bool { return s.kind == valueFalse }) {
		return true
	}
	if len(set) < 2 || c.rough > 0 {
		return false
	}
	return len(c.settled(c.flat(set))) == 0
}

// settled leaves out the cases without values.
func (c *schemaCompiler) settled(cases []*kase) []*kase {
	return slices.DeleteFunc(cases, func(k *kase) bool { return !c.settle(k) })
}

func (c *schemaCompiler) start() []*kase {
	return []*kase{{types: typeAll, maxItems: -1, maxProperties: -1, maxLength: -1, members: map[string][]*value{}}}
}

// annotations change nothing that is valid.
var annotations = map[string]bool{"$schema": true, "$id": true, "id": true, "$anchor": true, "$comment": true, "$defs": true, "definitions": true,
	"title": true, "description": true, "default": true, "examples": true, "example": true, "deprecated": true, "readOnly": true, "writeOnly": true,
	"contentEncoding": true, "contentMediaType": true, "contentSchema": true, "$vocabulary": true, "then": true, "else": true,
	"minContains": true, "maxContains": true, "$dynamicAnchor": true, "strict": true, "nullable": true}

// enter returns the path with a schema that is neither true nor false. It fails if that is none, or if the path has led to it before.
func (c *schemaCompiler) enter(s *value, path []*value) []*value {
	if s.kind != valueObject {
		c.fail(s.path, "a schema must be an object or a boolean")
	}
	if slices.Contains(path, s) {
		c.fail(s.path, "a schema that refers to itself alone")
	}
	return append(slices.Clone(path), s)
}

// apply adds a schema to every case. path are the $refs on the way.
func (c *schemaCompiler) apply(cases []*kase, s *value, path []*value) []*kase {
	c.tick()
	switch s.kind {
	case valueTrue:
		return cases
	case valueFalse:
		return nil
	}
	path = c.enter(s, path)
	restItems, restProperties := s.members["unevaluatedItems"], s.members["unevaluatedProperties"]
	if restItems != nil || restProperties != nil {
		for _, k := range cases {
			k.marks = append(k.marks, mark{len(k.arrays), len(k.objects)})
		}
	}
	ofItems, ofProperties := false, false
	keys := s.keys
	if c.alone && s.members["$ref"] != nil {
		keys = []string{"$ref"}
	}
	for _, key := range keys {
		if annotations[key] {
			continue
		}
		// Where the first of these keywords stands is the place of the properties among those of other schemas.
		switch key {
		case "items", "prefixItems", "contains":
			if !ofItems {
				ofItems = true
				each(cases, func(k *kase) { k.arrays = append(k.arrays, clause{s: s, mute: c.muted > 0}) })
			}
		case "properties", "patternProperties", "additionalProperties", "propertyNames":
			if !ofProperties {
				ofProperties = true
				each(cases, func(k *kase) { k.objects = append(k.objects, clause{s: s, mute: c.muted > 0}) })
			}
		}
		cases = c.keyword(cases, s, key, s.members[key], path)
	}
	for _, k := range cases {
		if restItems == nil && restProperties == nil {
			continue
		}
		at := k.marks[len(k.marks)-1]
		k.marks = k.marks[:len(k.marks)-1]
		if restItems != nil {
			k.arrays = append(k.arrays, clause{s: s, rest: restItems, within: slices.Clone(k.arrays[at.arrays:]), mute: c.muted > 0})
		}
		if restProperties != nil {
			k.objects = append(k.objects, clause{s: s, rest: restProperties, within: slices.Clone(k.objects[at.objects:]), mute: c.muted > 0})
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
	case "additionalProperties", "items", "prefixItems", "propertyNames", "unevaluatedItems", "unevaluatedProperties": // see clauses
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
	case "$ref", "$dynamicRef":
		if to := c.target(s, key, v); to != nil {
			return c.apply(cases, to, path)
		}
	case "allOf":
		for _, x := range list() {
			cases = c.apply(cases, x, path)
		}
	case "anyOf", "oneOf":
		return c.alternatives(cases, s, key, list(), path)
	case "uniqueItems":
		if v.kind == valueTrue {
			return every(func(k *kase) { k.unique = s })
		}
	case "if":
		return c.conditional(cases, s, v, path)
	case "not":
		return c.negation(cases, s, key, v, path)
	case "contains":
		lo, hi := c.containsBounds(s)
		if lo == 0 && hi < 0 {
			return cases
		}
		return every(func(k *kase) { k.contains = append(k.contains, contained{s: s, of: v, lo: lo, hi: hi}) })
	case "$recursiveRef":
		c.refuse(s, key, "")
	default: // numbers and strings; unknown keywords are annotations
		c.scalar(cases, s, key, v)
	}
	return cases
}

// target finds the schema that a reference names.
func (c *schemaCompiler) target(s *value, key string, v *value) *value {
	if v.kind == valueString {
		to := c.find(s, v.text)
		if to == nil {
			c.refuse(s, key, fmt.Sprintf("%q is not in the schema", v.text))
			return nil
		}
		// Which of several anchors of a name a dynamic reference means depends on the way to it.
		if a := to.members["$dynamicAnchor"]; key == "$dynamicRef" && a != nil && c.dynamic[a.text] > 1 {
			c.refuse(s, key, "more than one $dynamicAnchor of this name")
			return nil
		}
		return to
	}
	c.fail(v.path, "want a string")
	return nil
}

// containsBounds reads how many items must fit the keyword contains.
func (c *schemaCompiler) containsBounds(s *value) (lo, hi int32) {
	lo, hi = 1, -1
	if n := s.members["minContains"]; n != nil && !c.draft7 {
		lo = c.count(n)
	}
	if n := s.members["maxContains"]; n != nil && !c.draft7 {
		hi = c.count(n)
	}
	return lo, hi
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
			c.refuse(s, key, "there are too many remainders to tell apart")
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
		c.format(cases, s, v)
	}
}
