package grammar

import (
	"slices"
	"strings"
)

// negation leaves out of the cases the values that fit v; key of s is the keyword that asks for it. If that is not supported, and may be
// ignored, nothing is left out. Roughly, what is quickly left out is.
func (c *schemaCompiler) negation(cases []*kase, s *value, key string, v *value, path []*value) []*kase {
	if c.rough > 0 {
		if len(v.keys) != 1 || !slices.Contains([]string{"type", "const", "enum"}, v.keys[0]) {
			return cases
		}
		return c.settled(c.denyKeyword(clones(cases), v, v.keys[0], v.members[v.keys[0]], path))
	}
	deny := func() []*kase { return c.deny(clones(cases), v, path) }
	if rest, ok := c.attempt(s, key, deny); ok {
		return rest
	}
	return cases
}

// attempt returns the cases that deny makes of negations, in which nothing is evaluated. ok is false if something is not supported that may
// be ignored, or the cases are too many and the keyword may be ignored.
func (c *schemaCompiler) attempt(s *value, key string, deny func() []*kase) (cases []*kase, ok bool) {
	lost, muted := c.lost, c.muted
	c.lost = false
	c.muted++
	defer func() {
		if c.lenient {
			if stop, many := recoverCases(recover()); many {
				c.ignored = append(c.ignored, s.path+"/"+key)
				c.lost = true
			} else if stop != nil {
				panic(stop)
			}
		}
		ok = !c.lost
		c.lost, c.muted = lost, muted
	}()
	return deny(), true
}

// recoverCases says of what was recovered whether it is a stop because of too many cases.
func recoverCases(x any) (any, bool) {
	stop, ok := x.(schemaStop)
	return x, ok && stop.cases
}

// deny is the cases of the values that do not fit s: for each keyword those that it alone refuses.
func (c *schemaCompiler) deny(cases []*kase, s *value, path []*value) []*kase {
	c.tick()
	switch s.kind {
	case valueTrue:
		return nil
	case valueFalse:
		return cases
	}
	path = c.enter(s, path)
	keys := s.keys
	if c.draft7 && s.members["$ref"] != nil {
		keys = []string{"$ref"} // beside which other keywords may count or not
	}
	var all []*kase
	for _, key := range keys {
		if !annotations[key] {
			all = c.bounded(s, append(all, c.settled(c.denyKeyword(clones(cases), s, key, s.members[key], path))...))
		}
	}
	return all
}

// narrow restricts cases to types.
func narrow(cases []*kase, t types) []*kase {
	for _, k := range cases {
		k.types &= t
	}
	return slices.DeleteFunc(cases, func(k *kase) bool { return k.types == 0 })
}

func each(cases []*kase, f func(k *kase)) []*kase {
	for _, k := range cases {
		f(k)
	}
	return cases
}

func (c *schemaCompiler) denyKeyword(cases []*kase, s *value, key string, v *value, path []*value) []*kase {
	switch key {
	case "type":
		return narrow(cases, ^c.allowed(v))
	case "enum":
		return c.without(cases, v.items)
	case "const":
		return c.without(cases, []*value{v})
	case "required":
		var all []*kase
		for _, name := range v.items {
			if p := s.members["properties"]; p == nil || p.members[name.text] == nil { // else see denyProperties
				all = append(all, each(narrow(clones(cases), typeObject), func(k *kase) { k.absent(name.text) })...)
			}
		}
		return all
	case "dependentRequired", "dependentSchemas", "dependencies":
		return c.denyDependent(narrow(cases, typeObject), v, path)
	case "$ref", "$dynamicRef":
		if to := c.target(s, key, v); to != nil {
			return c.deny(cases, to, path)
		}
		return nil
	case "allOf":
		var all []*kase
		for _, x := range v.items {
			all = c.bounded(s, append(all, c.deny(clones(cases), x, path)...))
		}
		return all
	case "anyOf":
		for _, x := range v.items {
			cases = c.deny(cases, x, path)
		}
		return cases
	case "oneOf": // none, or two
		none := clones(cases)
		exclude := c.exclusion(v.items)
		var all []*kase
		for i, x := range v.items {
			none = c.deny(none, x, path)
			for j, y := range v.items[:i] {
				if !exclude(i, j) {
					all = c.bounded(s, append(all, c.settled(c.apply(c.apply(clones(cases), x, path), y, path))...))
				}
			}
		}
		return append(all, none...)
	case "not":
		return c.apply(cases, v, path)
	case "if":
		var all []*kase
		if then := s.members["then"]; then != nil {
			all = c.deny(c.apply(clones(cases), v, path), then, path)
		}
		if otherwise := s.members["else"]; otherwise != nil {
			all = append(all, c.deny(c.deny(clones(cases), v, path), otherwise, path)...)
		}
		return all
	case "properties", "patternProperties", "additionalProperties", "propertyNames":
		return c.denyProperties(narrow(cases, typeObject), s, key, v)
	case "items", "additionalItems", "prefixItems", "contains":
		return c.denyItems(narrow(cases, typeArray), s, key, v)
	case "uniqueItems", "unevaluatedItems", "unevaluatedProperties", "$recursiveRef":
		if v.kind == valueFalse && key == "uniqueItems" || v.kind == valueTrue && key != "uniqueItems" {
			return nil
		}
		c.refuse(s, key, "in a negation")
		return nil
	}
	return c.denyScalar(cases, s, key, v)
}

// opposites are the keywords of numbers that exclude each other.
var opposites = map[string]string{"minimum": "exclusiveMaximum", "maximum": "exclusiveMinimum", "exclusiveMinimum": "maximum",
	"exclusiveMaximum": "minimum"}

// denyScalar is deny for the keywords of numbers, of strings and of counts. What others say, formats among them, may be taken for a note,
// so that no value breaks it for certain.
func (c *schemaCompiler) denyScalar(cases []*kase, s *value, key string, v *value) []*kase {
	if other := opposites[key]; other != "" {
		cases = narrow(cases, typeNumbers)
		c.scalar(cases, s, other, v)
		return cases
	}
	switch key {
	case "multipleOf":
		d, ok := parseDecimal(v.text)
		if _, can := c.r.multiples(d); !ok || !can {
			c.refuse(s, key, "there are too many remainders to tell apart")
			return nil
		}
		return each(narrow(cases, typeNumbers), func(k *kase) { k.notMultiple = append(k.notMultiple, d) })
	case "pattern":
		e, ok := c.pattern(s, v.text, jsonAny)
		if !ok {
			return nil
		}
		e = c.r.and(c.j.body(), c.r.not(e))
		return each(narrow(cases, typeString), func(k *kase) { k.strings = append(k.strings, e) })
	}
	of, ok := map[string]types{"Length": typeString, "Items": typeArray, "Properties": typeObject}[strings.TrimLeft(key, "inmax")]
	if !ok {
		return nil
	}
	n := c.count(v)
	if strings.HasPrefix(key, "min") && n == 0 {
		return nil
	}
	return each(narrow(cases, of), func(k *kase) {
		switch key {
		case "minLength":
			k.maxLength = smaller(k.maxLength, n-1)
		case "maxLength":
			k.minLength = max(k.minLength, n+1)
		case "minItems":
			k.maxItems = smaller(k.maxItems, n-1)
		case "maxItems":
			k.minItems = max(k.minItems, n+1)
		case "minProperties":
			k.maxProperties = smaller(k.maxProperties, n-1)
		case "maxProperties":
			k.minProperties = max(k.minProperties, n+1)
		}
	})
}

// absent adds that a property is not there.
func (k *kase) absent(name string) { k.members[name] = append(k.members[name], falseSchema) }

// require adds that a property is there.
func (k *kase) require(name string) {
	if !slices.Contains(k.required, name) {
		k.required = append(k.required, name)
	}
}

// without leaves values out of cases.
func (c *schemaCompiler) without(cases []*kase, values []*value) []*kase {
	var texts []string
	for _, v := range values {
		switch t := typeOf(v); t {
		case typeNull, typeTrue, typeFalse:
			each(cases, func(k *kase) { k.types &^= t })
		case typeInteger, typeNumber:
			if d, ok := parseDecimal(v.text); ok {
				each(cases, func(k *kase) { k.notNumbers = append(k.notNumbers, d) })
			} else {
				cases = narrow(cases, ^typeNumbers)
			}
		case typeString:
			texts = append(texts, v.text)
		default:
			cases = c.deny(cases, c.exact(v), nil)
		}
	}
	if len(texts) > 0 {
		e := c.r.and(c.j.body(), c.r.not(c.r.texts(texts, jsonAny)))
		each(cases, func(k *kase) { k.strings = append(k.strings, e) })
	}
	return each(cases, func(k *kase) {
		k.enum = slices.DeleteFunc(k.enum, func(x *value) bool {
			return slices.ContainsFunc(values, func(y *value) bool { return sameValue(x, y) })
		})
	})
}

// denyDependent is the objects that have a property without what it asks for.
func (c *schemaCompiler) denyDependent(cases []*kase, v *value, path []*value) []*kase {
	var all []*kase
	for _, name := range v.keys {
		with := each(clones(cases), func(k *kase) { k.require(name) })
		then := v.members[name]
		if then.kind != valueArray {
			all = append(all, c.deny(with, then, path)...)
			continue
		}
		for _, n := range then.items {
			all = append(all, each(clones(with), func(k *kase) { k.absent(n.text) })...)
		}
	}
	return all
}

// denyProperties is the objects that have a property whose value or name does not fit.
func (c *schemaCompiler) denyProperties(cases []*kase, s *value, key string, v *value) []*kase {
	var all []*kase
	some := func(p property) {
		if p.value == nil || p.value.kind != valueFalse {
			all = append(all, each(clones(cases), func(k *kase) { k.some = append(k.some, p) })...)
		}
	}
	switch key {
	case "properties":
		for _, name := range v.keys {
			not := c.complement(v.members[name])
			// A property that must be there does not fit by its absence either: one case for both.
			needed := s.members["required"] != nil && slices.ContainsFunc(s.members["required"].items, func(n *value) bool { return n.text == name })
			if needed || not.kind != valueFalse {
				all = append(all, each(clones(cases), func(k *kase) {
					if !needed {
						k.require(name)
					}
					k.members[name] = append(k.members[name], not)
				})...)
			}
		}
	case "patternProperties":
		for _, pattern := range v.keys {
			some(property{s: s, patterns: []string{pattern}, value: c.complement(v.members[pattern])})
		}
	case "propertyNames":
		if v.kind != valueTrue {
			some(property{s: s, named: c.complement(v)})
		}
	default:
		p := property{s: s, value: c.complement(v)}
		if d := s.members["properties"]; d != nil {
			p.notNames = d.keys
		}
		if d := s.members["patternProperties"]; d != nil {
			p.notPatterns = d.keys
		}
		some(p)
	}
	return all
}

// denyItems is the arrays that have an item that does not fit, or too few or too many that do.
func (c *schemaCompiler) denyItems(cases []*kase, s *value, key string, v *value) []*kase {
	var all []*kase
	contains := func(n contained) {
		n.s = s
		all = append(all, each(clones(cases), func(k *kase) { k.contains = append(k.contains, n) })...)
	}
	if key == "contains" {
		lo, hi := c.containsBounds(s)
		if lo > 0 {
			contains(contained{of: v, hi: lo - 1})
		}
		if hi >= 0 {
			contains(contained{of: v, lo: hi + 1, hi: -1})
		}
		return all
	}
	first := tuple(s)
	if v.kind != valueArray {
		if not := c.complement(v); not.kind != valueFalse && (key == "items" || s.members["items"] != nil && s.members["items"].kind == valueArray) {
			contains(contained{of: not, from: int32(len(first)), lo: 1, hi: -1})
		}
		return all
	}
	for i, x := range first {
		not := c.complement(x)
		if not.kind == valueFalse {
			continue
		}
		at := c.derived("prefixItems", append(slices.Repeat([]*value{trueSchema}, i), not)...)
		all = append(all, each(clones(cases), func(k *kase) {
			k.minItems = max(k.minItems, int32(i)+1)
			k.arrays = append(k.arrays, clause{s: at, mute: true})
		})...)
	}
	return all
}
