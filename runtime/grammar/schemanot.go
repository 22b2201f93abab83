package grammar

import (
	"slices"
)

// negation adds that a value must not fit v: for schemas of types, of required properties, of a pattern, and of texts, and of what these
// come to with a type beside them.
func (c *schemaCompiler) negation(cases []*kase, s, v *value) []*kase {
	switch {
	case v.kind == valueFalse:
		return cases
	case v.kind == valueTrue:
		return nil
	case v.kind != valueObject:
		c.fail(v.path, "a schema must be an object or a boolean")
	}
	of := typeAll // what v applies to
	var key string
	for _, k := range v.keys {
		switch {
		case annotations[k] && k != "then" && k != "else":
		case k == "type":
			of = c.allowed(v.members[k])
		case key == "" && slices.Contains([]string{"required", "pattern", "enum", "const"}, k):
			key = k
		default:
			c.refuse(s, "not", "of the keyword "+k)
			return cases
		}
	}
	if of&typeInteger != 0 && of&typeNumber == 0 {
		c.refuse(s, "not", "of integers")
		return cases
	}
	// Values of other types fit.
	var all []*kase
	for _, k := range cases {
		if k.types&^of != 0 {
			other := k.clone()
			other.types &^= of
			all = append(all, other)
		}
	}
	// Of the types of v, those fit that its keyword excludes.
	for _, k := range cases {
		with := k.clone()
		with.types &= of
		switch key {
		case "required":
			with.types &= typeObject
			for _, name := range v.members[key].items {
				without := with.clone()
				without.members[name.text] = append(without.members[name.text], falseSchema)
				if without.types != 0 {
					all = append(all, without)
				}
			}
		case "pattern":
			e, ok := c.pattern(v, v.members[key].text, jsonAny)
			if with.types &= typeString; ok && with.types != 0 {
				with.strings = append(with.strings, c.r.and(c.j.body(), c.r.not(e)))
				all = append(all, with)
			}
		case "enum", "const":
			values := []*value{v.members[key]}
			if key == "enum" {
				values = values[0].items
			}
			if with = c.without(s, with, values); with.types != 0 {
				all = append(all, with)
			}
		}
	}
	return c.bounded(s, all)
}

// without leaves values out of a case: of the simple types, but not numbers, whose spellings are many.
func (c *schemaCompiler) without(s *value, k *kase, values []*value) *kase {
	if k.enum != nil {
		k.enum = slices.DeleteFunc(k.enum, func(x *value) bool {
			return slices.ContainsFunc(values, func(y *value) bool { return sameValue(x, y) })
		})
		return k
	}
	var texts []string
	for _, x := range values {
		switch t := typeOf(x); {
		case k.types&t == 0 && t&(typeInteger|typeNumber) == 0, k.types&(typeInteger|typeNumber) == 0 && t&(typeInteger|typeNumber) != 0:
		case t == typeString:
			texts = append(texts, x.text)
		case t == typeNull:
			k.types &^= typeNull
		default:
			c.refuse(s, "not", "of a value that is no text")
		}
	}
	if len(texts) > 0 {
		k.strings = append(k.strings, c.r.and(c.j.body(), c.r.not(c.r.texts(texts, jsonAny))))
	}
	return k
}
