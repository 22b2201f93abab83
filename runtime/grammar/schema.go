package grammar

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// A schema becomes rules in two steps. First it is taken apart: into cases, of which a value must fit one. A case is a conjunction: allOf,
// $ref and what stands beside them are put together, anyOf and oneOf multiply the cases. Then each case becomes a term for each type
// that it allows. What stands below, in properties and items, is a set of schemas that must all hold; a rule is made once for each such
// set, so that recursion ends.

// maxCases bounds the cases of one schema.
const maxCases = 256

type schemaCompiler struct {
	ctx     context.Context
	r       *rules
	j       *jsonRules
	lenient bool
	root    *value
	ids     map[string]*value // by $id and anchor
	rules   map[string]term   // by the set of schemas
	ignored []string
	draft7  bool     // where what stands beside $ref names nothing
	work    []func() // bodies of rules, still to be made
	steps   int
}

type schemaStop struct{ err error }

func (r *rules) schema(ctx context.Context, text json.RawMessage, o Options) (root term, ignored []string, err error) {
	v, err := parseValue(text)
	if err != nil {
		return nothing, nil, err
	}
	c := &schemaCompiler{ctx: ctx, r: r, j: newJSON(r, o.Whitespace), lenient: o.Lenient, root: v, ids: map[string]*value{}, rules: map[string]term{}}
	defer func() {
		if x := recover(); x != nil {
			stop, ok := x.(schemaStop)
			if !ok {
				panic(x)
			}
			root, err = nothing, stop.err
		}
	}()
	if d := v.members["$schema"]; d != nil && strings.Contains(d.text, "draft-0") || d == nil && v.members["definitions"] != nil {
		c.draft7 = true
	}
	c.index(v, "")
	root = c.all([]*value{v})
	for len(c.work) > 0 {
		next := c.work[len(c.work)-1]
		c.work = c.work[:len(c.work)-1]
		next()
		c.tick()
	}
	slices.Sort(c.ignored)
	return root, slices.Compact(c.ignored), nil
}

// tick stops what takes too long.
func (c *schemaCompiler) tick() {
	c.steps++
	if c.ctx.Err() != nil {
		panic(schemaStop{c.ctx.Err()})
	}
	if c.r.full || c.steps > c.r.limit {
		panic(schemaStop{&LimitError{What: "cells of a grammar", Limit: c.r.limit}})
	}
}

func (c *schemaCompiler) fail(path, reason string) {
	panic(schemaStop{&SyntaxError{Path: path, Reason: reason}})
}

// refuse stops at what is not supported, or notes it where that is allowed.
func (c *schemaCompiler) refuse(s *value, keyword, reason string) {
	if !c.lenient {
		panic(schemaStop{&UnsupportedError{Path: s.path, Keyword: keyword, Reason: reason}})
	}
	c.ignored = append(c.ignored, s.path+"/"+keyword)
}

// index finds what $ref may name.
func (c *schemaCompiler) index(v *value, base string) {
	if v.kind == valueObject {
		if id := v.members["$id"]; id != nil && id.kind == valueString && (v.members["$ref"] == nil || !c.draft7) {
			base = resolve(base, id.text)
			c.ids[strings.TrimSuffix(base, "#")] = v
		}
		if a := v.members["$anchor"]; a != nil && a.kind == valueString {
			c.ids[strings.TrimSuffix(base, "#")+"#"+a.text] = v
		}
		c.ids["base:"+v.path] = &value{text: base}
		for _, k := range v.keys {
			if k != "enum" && k != "const" {
				c.index(v.members[k], base)
			}
		}
	}
	for _, x := range v.items {
		c.index(x, base)
	}
}

func resolve(base, ref string) string {
	b, err := url.Parse(base)
	if err != nil {
		return ref
	}
	u, err := b.Parse(ref)
	if err != nil {
		return ref
	}
	return u.String()
}

// find returns the schema that a $ref names, or nil.
func (c *schemaCompiler) find(s *value, ref string) *value {
	base := ""
	if b := c.ids["base:"+s.path]; b != nil {
		base = b.text
	}
	full := ref
	if base != "" {
		full = resolve(base, ref)
	}
	doc, fragment, _ := strings.Cut(full, "#")
	at := c.ids[doc]
	if doc == "" || at == nil && strings.HasPrefix(ref, "#") {
		at = c.root
	}
	if v := c.ids[doc+"#"+fragment]; v != nil {
		return v
	}
	if at == nil {
		return nil
	}
	if fragment, _ = url.PathUnescape(fragment); fragment == "" {
		return at
	}
	if !strings.HasPrefix(fragment, "/") {
		return nil
	}
	for _, part := range strings.Split(fragment[1:], "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch {
		case at.kind == valueObject && at.members[part] != nil:
			at = at.members[part]
		case at.kind == valueArray:
			var i int
			if _, err := fmt.Sscanf(part, "%d", &i); err != nil || i < 0 || i >= len(at.items) {
				return nil
			}
			at = at.items[i]
		default:
			return nil
		}
	}
	return at
}

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

var falseSchema = &value{kind: valueFalse}

// all is the term of values that fit every schema of a set.
func (c *schemaCompiler) all(set []*value) term {
	set = slices.DeleteFunc(slices.Clone(set), func(s *value) bool { return s.kind == valueTrue || s.kind == valueObject && len(s.keys) == 0 })
	if len(set) == 0 {
		return c.j.value()
	}
	var names []string
	for _, s := range set {
		if s.kind == valueFalse {
			return c.r.dead()
		}
		names = append(names, fmt.Sprintf("%p", s))
	}
	slices.Sort(names)
	key := strings.Join(slices.Compact(names), " ")
	if t, ok := c.rules[key]; ok {
		return t
	}
	rule := c.r.declare()
	c.r.labels[rule] = set[0].path
	t := c.r.rule(rule)
	c.rules[key] = t
	c.work = append(c.work, func() { c.r.bodies[rule] = c.body(set) })
	return t
}

func (c *schemaCompiler) body(set []*value) term {
	cases := c.start()
	for _, s := range set {
		cases = c.apply(cases, s, nil)
	}
	var terms []term
	for _, k := range cases {
		terms = append(terms, c.emit(k))
	}
	return c.r.choice(terms...)
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
	object := func() {
		if v.kind != valueObject {
			c.fail(v.path, "want an object")
		}
	}
	switch key {
	case "type":
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
		return every(func(k *kase) { k.types &= allowed })
	case "enum", "const":
		values := []*value{v}
		if key == "enum" {
			values = list()
		}
		return every(func(k *kase) {
			if k.enum == nil {
				k.enum = append([]*value{}, values...)
				return
			}
			k.enum = slices.DeleteFunc(k.enum, func(x *value) bool {
				return !slices.ContainsFunc(values, func(y *value) bool { return sameValue(x, y) })
			})
		})
	case "properties", "patternProperties", "dependentSchemas", "dependentRequired", "dependencies":
		object()
		if key == "dependentRequired" || key == "dependentSchemas" || key == "dependencies" {
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
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
		d, ok := parseDecimal(v.text)
		if v.kind != valueNumber {
			c.fail(v.path, "want a number")
		} else if !ok {
			c.refuse(s, key, "the number has too many digits")
			return cases
		}
		b := &bound{d, strings.HasPrefix(key, "exclusive")}
		low := strings.HasSuffix(strings.ToLower(key), "minimum")
		return every(func(k *kase) {
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
			return cases
		}
		return every(func(k *kase) { k.multiple = append(k.multiple, d) })
	case "minLength":
		return every(func(k *kase) { k.minLength = max(k.minLength, c.count(v)) })
	case "maxLength":
		return every(func(k *kase) { k.maxLength = smaller(k.maxLength, c.count(v)) })
	case "minItems":
		return every(func(k *kase) { k.minItems = max(k.minItems, c.count(v)) })
	case "maxItems":
		return every(func(k *kase) { k.maxItems = smaller(k.maxItems, c.count(v)) })
	case "minProperties":
		return every(func(k *kase) { k.minProperties = max(k.minProperties, c.count(v)) })
	case "maxProperties":
		return every(func(k *kase) { k.maxProperties = smaller(k.maxProperties, c.count(v)) })
	case "pattern":
		e, ok := c.pattern(s, v.text, jsonMinimal)
		if v.kind != valueString {
			c.fail(v.path, "want a string")
		}
		if ok {
			return every(func(k *kase) { k.strings = append(k.strings, e) })
		}
	case "format":
		if e, ok := c.format(v.text); ok {
			return every(func(k *kase) { k.strings = append(k.strings, e) })
		}
		c.ignored = append(c.ignored, v.path)
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
	case "not", "contains", "unevaluatedItems", "unevaluatedProperties", "$dynamicRef", "$recursiveRef":
		c.refuse(s, key, "")
	default: // unknown keywords are annotations
	}
	return cases
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

// sameValue says whether two values are equal as JSON Schema has it.
func sameValue(a, b *value) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case valueArray:
		return slices.EqualFunc(a.items, b.items, sameValue)
	case valueObject:
		if len(a.keys) != len(b.keys) {
			return false
		}
		for k, x := range a.members {
			if y := b.members[k]; y == nil || !sameValue(x, y) {
				return false
			}
		}
		return true
	}
	return a.canonical() == b.canonical()
}

// dependent adds what holds where a property is there: cases without the property, and cases with it.
func (c *schemaCompiler) dependent(cases []*kase, v *value, path []*value) []*kase {
	for _, name := range v.keys {
		then := v.members[name]
		if then.kind == valueTrue || then.kind == valueArray && len(then.items) == 0 {
			continue
		}
		var all []*kase
		for _, k := range cases {
			if k.types&^typeObject != 0 {
				other := k.clone()
				other.types &^= typeObject
				all = append(all, other)
			}
			if k.types&typeObject == 0 {
				continue
			}
			without := k.clone()
			without.types = typeObject
			without.members[name] = append(without.members[name], falseSchema)
			with := k.clone()
			with.types = typeObject
			with.required = append(with.required, name)
			all = append(all, without)
			if then.kind == valueArray {
				for _, n := range then.items {
					with.required = append(with.required, n.text)
				}
				all = append(all, with)
			} else {
				all = append(all, c.apply([]*kase{with}, then, path)...)
			}
		}
		cases = c.bounded(v, all)
	}
	return cases
}

func (c *schemaCompiler) bounded(v *value, cases []*kase) []*kase {
	if len(cases) > maxCases {
		panic(schemaStop{&LimitError{What: "cases of the schema at " + orRoot(v.path), Limit: maxCases}})
	}
	return cases
}

// alternatives multiplies the cases. Those of oneOf must exclude each other.
func (c *schemaCompiler) alternatives(cases []*kase, s *value, key string, list []*value, path []*value) []*kase {
	if key == "oneOf" {
		var alone [][]*kase
		for _, x := range list {
			alone = append(alone, c.apply(c.start(), x, path))
		}
	pairs:
		for i := range alone {
			for _, other := range alone[:i] {
				for _, a := range alone[i] {
					for _, b := range other {
						if c.tick(); !c.apart(a, b, 0) {
							c.refuse(s, key, "alternatives that cannot be told apart")
							break pairs
						}
					}
				}
			}
		}
	}
	var all []*kase
	for _, x := range list {
		var copies []*kase
		for _, k := range cases {
			copies = append(copies, k.clone())
		}
		all = c.bounded(s, append(all, c.apply(copies, x, path)...))
	}
	return all
}

// apart says whether no value can fit both cases; false if that is not known.
func (c *schemaCompiler) apart(a, b *kase, depth int) bool {
	common := a.types & b.types
	if a.enum != nil && b.enum != nil && !slices.ContainsFunc(a.enum, func(x *value) bool {
		return slices.ContainsFunc(b.enum, func(y *value) bool { return sameValue(x, y) })
	}) {
		return true
	}
	if a.enum != nil || b.enum != nil {
		for _, k := range []*kase{a, b} {
			if k.enum == nil {
				continue
			}
			var of types
			for _, x := range k.enum {
				of |= typeOf(x)
			}
			common &= of
		}
	}
	if common == 0 {
		return true
	}
	if common&^(typeInteger|typeNumber) == 0 {
		return c.r.shortest(c.r.and(c.numbers(a), c.numbers(b))) >= never
	}
	if common == typeString {
		return c.r.shortest(c.r.and(c.contents(a), c.contents(b))) >= never
	}
	if common != typeObject || depth > 3 {
		return false
	}
	// A property that one requires and the other excludes, or that both define differently and one requires.
	for i, k := range []*kase{a, b} {
		other := []*kase{b, a}[i]
		for _, name := range k.required {
			theirs := c.property(other, name)
			if slices.ContainsFunc(theirs, func(s *value) bool { return s.kind == valueFalse }) {
				return true
			}
			mine := c.property(k, name)
			if len(theirs) == 0 || len(mine) == 0 {
				continue
			}
			x, y := c.flat(mine), c.flat(theirs)
			if x == nil || y == nil {
				continue
			}
			all := true
			for _, p := range x {
				for _, q := range y {
					all = all && c.apart(p, q, depth+1)
				}
			}
			if all {
				return true
			}
		}
	}
	return false
}

// flat takes a set of schemas apart, or returns nil for those with alternatives of their own.
func (c *schemaCompiler) flat(set []*value) []*kase {
	cases := c.start()
	for _, s := range set {
		if s.kind == valueObject && s.members["oneOf"] != nil {
			return nil
		}
		cases = c.apply(cases, s, nil)
	}
	return cases
}

func typeOf(v *value) types {
	switch v.kind {
	case valueNull:
		return typeNull
	case valueTrue, valueFalse:
		return typeBoolean
	case valueNumber:
		if d, ok := parseDecimal(v.text); ok && d.integer() {
			return typeInteger
		}
		return typeNumber
	case valueString:
		return typeString
	case valueArray:
		return typeArray
	}
	return typeObject
}

// numbers is the numbers of a case.
func (c *schemaCompiler) numbers(k *kase) expr {
	r := c.r
	if k.types&(typeInteger|typeNumber) == 0 {
		return none
	}
	if k.types&typeNumber != 0 && k.lo == nil && k.hi == nil && len(k.multiple) == 0 {
		return c.j.number()
	}
	all := []expr{r.numberRange(k.lo, k.hi)}
	if k.types&typeNumber == 0 {
		all = append(all, r.plainNumber(true))
	}
	for _, d := range k.multiple {
		e, _ := r.multiples(d)
		all = append(all, e)
	}
	return r.and(all...)
}

// contents is what may stand between the quotes of the strings of a case.
func (c *schemaCompiler) contents(k *kase) expr {
	r := c.r
	if k.types&typeString == 0 {
		return none
	}
	all := slices.Clone(k.strings)
	if len(all) == 0 || k.minLength > 0 || k.maxLength >= 0 {
		all = append(all, r.repeat(r.chars(anyRune, jsonAny), k.minLength, k.maxLength))
	}
	return r.and(all...)
}

// emit is the term of the values of a case.
func (c *schemaCompiler) emit(k *kase) term {
	c.tick()
	r := c.r
	if k.enum != nil {
		return c.values(k)
	}
	var scalars []expr
	if k.types&typeNull != 0 {
		scalars = append(scalars, r.literal("null"))
	}
	if k.types&typeBoolean != 0 {
		scalars = append(scalars, r.literal("true"), r.literal("false"))
	}
	scalars = append(scalars, c.numbers(k), c.j.quoted(c.contents(k)))
	terms := []term{r.lexeme(r.exprs.alt(scalars...))}
	if k.types&typeArray != 0 {
		terms = append(terms, c.array(k))
	}
	if k.types&typeObject != 0 {
		terms = append(terms, c.object(k))
	}
	return r.choice(terms...)
}

// values is the term of an enumeration, of the values that fit the rest of the case.
func (c *schemaCompiler) values(k *kase) term {
	r := c.r
	var scalars []expr
	var terms []term
	for _, v := range k.enum {
		if typeOf(v)&k.types == 0 {
			continue
		}
		switch v.kind {
		case valueString:
			e := r.text(v.text, jsonMinimal)
			if len(k.strings) > 0 || k.minLength > 0 || k.maxLength >= 0 {
				e = r.and(e, c.contents(k))
			}
			scalars = append(scalars, c.j.quoted(e))
		case valueNumber:
			if d, ok := parseDecimal(v.text); ok {
				scalars = append(scalars, r.and(r.literal(d.String()), c.numbers(&kase{types: typeInteger | typeNumber, lo: k.lo, hi: k.hi, multiple: k.multiple})))
			}
		case valueArray, valueObject:
			rest := k.clone()
			rest.enum, rest.types = nil, typeOf(v)
			terms = append(terms, c.emit(c.exactly(rest, v)))
		default:
			scalars = append(scalars, r.literal(v.canonical()))
		}
	}
	return r.choice(append(terms, r.lexeme(r.exprs.alt(scalars...)))...)
}

// exactly adds to a case that the value is v, an array or object.
func (c *schemaCompiler) exactly(k *kase, v *value) *kase {
	only := func(x *value) *value {
		return &value{kind: valueObject, path: x.path, keys: []string{"const"}, members: map[string]*value{"const": x}}
	}
	s := &value{kind: valueObject, path: v.path, members: map[string]*value{}}
	if v.kind == valueArray {
		prefix := &value{kind: valueArray}
		for _, x := range v.items {
			prefix.items = append(prefix.items, only(x))
		}
		s.members["prefixItems"] = prefix
		k.arrays = append(k.arrays, s)
		k.minItems, k.maxItems = max(k.minItems, int32(len(v.items))), smaller(k.maxItems, int32(len(v.items)))
		return k
	}
	props := &value{kind: valueObject, keys: v.keys, members: map[string]*value{}}
	for name, x := range v.members {
		props.members[name] = only(x)
	}
	s.members["properties"], s.members["additionalProperties"] = props, falseSchema
	k.objects = append(k.objects, s)
	k.required = append(k.required, v.keys...)
	return k
}

// array is the arrays of a case.
func (c *schemaCompiler) array(k *kase) term {
	r := c.r
	prefix := 0
	for _, s := range k.arrays {
		prefix = max(prefix, len(tuple(s)))
	}
	if prefix > 4096 {
		panic(schemaStop{&LimitError{What: "prefixItems", Limit: 4096}})
	}
	item := func(i int) term {
		var set []*value
		for _, s := range k.arrays {
			t := tuple(s)
			rest := s.members["items"]
			if rest != nil && rest.kind == valueArray {
				rest = s.members["additionalItems"]
			}
			switch {
			case i < len(t):
				set = append(set, t[i])
			case rest != nil:
				set = append(set, rest)
			}
		}
		return c.all(set)
	}
	lo, hi := k.minItems, k.maxItems
	// From the last place of the prefix to the first: what follows if the array has come so far.
	n := int32(prefix)
	more := nothing
	if hi < 0 || hi > n {
		most := hi
		if hi > 0 {
			most -= n
		}
		more = r.times(r.sequence(c.j.comma, item(prefix)), max(lo-n, 0), most)
	} else if lo > n {
		return r.dead()
	}
	if prefix == 0 {
		if hi == 0 {
			return c.j.list("[", nothing, 0, 0, "]")
		}
		return c.j.list("[", item(0), lo, hi, "]")
	}
	for i := n - 1; i >= 0; i-- {
		here := r.dead()
		if hi < 0 || i < hi {
			element := item(int(i))
			if i > 0 {
				element = r.sequence(c.j.comma, element)
			}
			here = r.sequence(element, more)
		}
		if i >= lo {
			here = r.maybe(here)
		}
		rule := r.declare()
		r.bodies[rule] = here
		more = r.rule(rule)
	}
	return r.sequence(r.word("["), c.j.space, more, c.j.space, r.word("]"))
}

// tuple returns the schemas of the first items.
func tuple(s *value) []*value {
	if p := s.members["prefixItems"]; p != nil && p.kind == valueArray {
		return p.items
	}
	if p := s.members["items"]; p != nil && p.kind == valueArray {
		return p.items
	}
	return nil
}

// property returns the schemas that hold for a property of a case.
func (c *schemaCompiler) property(k *kase, name string) []*value {
	set := slices.Clone(k.members[name])
	for _, s := range k.objects {
		found := false
		if p := s.members["properties"]; p != nil && p.members[name] != nil {
			set, found = append(set, p.members[name]), true
		}
		if p := s.members["patternProperties"]; p != nil {
			for _, pattern := range p.keys {
				if e, ok := c.pattern(p, pattern, plainText); ok && c.r.matches(e, name) {
					set, found = append(set, p.members[pattern]), true
				}
			}
		}
		if p := s.members["additionalProperties"]; p != nil && !found {
			set = append(set, p)
		}
		if p := s.members["propertyNames"]; p != nil {
			text := &value{kind: valueString, text: name}
			fits := false
			for _, kk := range c.flat([]*value{p}) {
				fits = fits || len(c.enumOf(kk, text)) > 0
			}
			if !fits {
				set = append(set, falseSchema)
			}
		}
	}
	return set
}

// enumOf returns v alone if it is a string that fits the case.
func (c *schemaCompiler) enumOf(k *kase, v *value) []*value {
	if k.types&typeString == 0 {
		return nil
	}
	if k.enum != nil && !slices.ContainsFunc(k.enum, func(x *value) bool { return sameValue(x, v) }) {
		return nil
	}
	b, _ := json.Marshal(v.text)
	if (len(k.strings) > 0 || k.minLength > 0 || k.maxLength >= 0) && !c.r.matches(c.j.quoted(c.contents(k)), string(b)) {
		return nil
	}
	return []*value{v}
}

// maxChain bounds the rules of the properties of one object: properties times what is counted of them.
const maxChain = 20000

// object is the objects of a case: its properties in the order of the schema, then others.
func (c *schemaCompiler) object(k *kase) term {
	r := c.r
	var names []string
	var patterns []string
	for _, s := range k.objects {
		if p := s.members["properties"]; p != nil {
			names = append(names, p.keys...)
		}
		if p := s.members["patternProperties"]; p != nil {
			if p.kind != valueObject {
				c.fail(p.path, "want an object")
			}
			patterns = append(patterns, p.keys...)
		}
		if p := s.members["properties"]; p != nil && p.kind != valueObject {
			c.fail(p.path, "want an object")
		}
	}
	names = append(names, k.required...)
	names = append(names, slices.Sorted(maps.Keys(k.members))...)
	seen := map[string]bool{}
	names = slices.DeleteFunc(names, func(n string) bool { twice := seen[n]; seen[n] = true; return twice })
	needed := map[string]bool{}
	for _, n := range k.required {
		needed[n] = true
	}
	others := c.others(k, names, patterns)

	// Whether and how far properties are counted.
	lo, hi := k.minProperties, k.maxProperties
	limit := max(lo, hi, 0)
	if lo <= int32(len(needed)) {
		lo = 0
	}
	if lo == 0 && hi < 0 || lo == 0 && r.isDead(others) && hi >= int32(len(names)) {
		limit, hi = 0, -1
	}
	if lo > 0 && !r.isDead(others) && lo > int32(len(needed))+1 {
		c.refuse(where(k), "minProperties", "properties that are not declared")
		lo = 0
	}
	if (int64(limit)+2)*int64(len(names)+1) > maxChain {
		c.refuse(where(k), "maxProperties", "too many to count")
		limit, lo, hi = 0, 0, -1
	}

	// at[n][first] is what follows after n properties so far (counted up to limit), without or with one before it.
	type follow [2]term
	at := make([]follow, limit+1)
	for n := range at {
		for started := range 2 {
			if n > 0 && started == 0 {
				continue
			}
			count := int32(n)
			most := int32(-1)
			if hi >= 0 {
				most = max(hi-count, 0)
			}
			least := max(lo-count, 0)
			t := nothing
			switch {
			case r.isDead(others):
				if least > 0 {
					t = r.dead()
				}
			case started == 1:
				t = r.times(r.sequence(c.j.comma, others), least, most)
			case most != 0:
				t = r.sequence(others, r.times(r.sequence(c.j.comma, others), max(least-1, 0), most-1))
				if least == 0 {
					t = r.maybe(t)
				}
			case least > 0:
				t = r.dead()
			}
			at[n][started] = c.named(t)
		}
	}
	for _, name := range slices.Backward(names) {
		c.tick()
		value := c.all(c.property(k, name))
		key := r.sequence(r.lexeme(c.j.quoted(r.text(name, jsonMinimal))), c.j.colon, value)
		next := make([]follow, len(at))
		for n := range at {
			then := r.dead()
			if limit == 0 && hi < 0 {
				then = at[0][1]
			} else if n < int(limit) {
				then = at[n+1][1]
			} else if hi < 0 {
				then = at[n][1]
			}
			member := c.named(r.sequence(key, then))
			for started := range 2 {
				if n > 0 && started == 0 {
					continue
				}
				t := member
				if started == 1 {
					t = r.sequence(c.j.comma, member)
				}
				if !needed[name] {
					t = r.choice(t, at[n][started])
				}
				next[n][started] = c.named(t)
			}
		}
		at = next
	}
	return r.sequence(r.word("{"), c.j.space, at[0][0], c.j.space, r.word("}"))
}

// where is a schema to name in errors about the objects of a case.
func where(k *kase) *value {
	if len(k.objects) > 0 {
		return k.objects[0]
	}
	return &value{}
}

// named puts a term into a rule, so that what uses it stays small.
func (c *schemaCompiler) named(t term) term {
	if k := c.r.terms[t].kind; k == termEmpty || k == termRule || c.r.isDead(t) {
		return t
	}
	rule := c.r.declare()
	c.r.bodies[rule] = t
	return c.r.rule(rule)
}

// others is a property that is not declared, by which patterns its name matches.
func (c *schemaCompiler) others(k *kase, names, patterns []string) term {
	r := c.r
	slices.Sort(patterns)
	patterns = slices.Compact(patterns)
	if len(patterns) > 6 {
		c.refuse(where(k), "patternProperties", "more than 6 patterns for one object")
		patterns = patterns[:6]
	}
	var exprs []expr
	for i := 0; i < len(patterns); i++ {
		e, ok := c.pattern(where(k), patterns[i], jsonAny)
		if !ok {
			patterns = slices.Delete(patterns, i, i+1)
			i--
			continue
		}
		exprs = append(exprs, e)
	}
	var declared []expr
	for _, n := range names {
		declared = append(declared, r.text(n, jsonAny))
	}
	var terms []term
	for which := range 1 << len(patterns) {
		c.tick()
		set := []*value{}
		key := []expr{c.j.body()}
		if len(declared) > 0 {
			key = append(key, r.not(r.exprs.alt(declared...)))
		}
		for i, e := range exprs {
			if which>>i&1 != 0 {
				key = append(key, e)
			} else {
				key = append(key, r.not(e))
			}
		}
		for _, s := range k.objects {
			found := false
			if p := s.members["patternProperties"]; p != nil {
				for i, pattern := range patterns {
					if which>>i&1 != 0 && p.members[pattern] != nil {
						set, found = append(set, p.members[pattern]), true
					}
				}
			}
			if p := s.members["additionalProperties"]; p != nil && !found {
				set = append(set, p)
			}
			if p := s.members["propertyNames"]; p != nil {
				var fits []expr
				for _, kk := range c.flat([]*value{p}) {
					e := c.contents(kk)
					if kk.enum != nil {
						var texts []expr
						for _, x := range kk.enum {
							if x.kind == valueString {
								texts = append(texts, r.text(x.text, jsonMinimal))
							}
						}
						e = r.and(e, r.exprs.alt(texts...))
					}
					fits = append(fits, e)
				}
				key = append(key, r.exprs.alt(fits...))
			}
		}
		if slices.ContainsFunc(set, func(s *value) bool { return s.kind == valueFalse }) {
			continue
		}
		e := r.and(key...)
		if r.shortest(e) >= never {
			continue
		}
		terms = append(terms, r.sequence(r.lexeme(c.j.quoted(e)), c.j.colon, c.all(set)))
	}
	return r.choice(terms...)
}

// format is the contents of strings of a format; false for formats that are not enforced.
func (c *schemaCompiler) format(name string) (expr, bool) {
	const (
		date = `[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))`
		time = `([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])`
		byte = `(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])`
		host = `[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?){0,3}`
		mail = `[A-Za-z0-9_+-]{1,20}(\.[A-Za-z0-9_+-]{1,20}){0,2}@`
		uri  = `[A-Za-z][A-Za-z0-9+.-]*:(//[A-Za-z0-9._~:@-]+)?(/?([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)*/?(\?([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?(#([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?`
	)
	forms := map[string]string{
		"date": date, "time": time, "date-time": date + "T" + time, "ipv4": byte + `(\.` + byte + `){3}`, "hostname": host, "email": mail + host,
		"uuid": `[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}`, "uri": uri,
	}
	form, ok := forms[name]
	if !ok {
		return none, false
	}
	e, err := c.r.regex(form, jsonMinimal, false)
	return e, err == nil
}
