package grammar

import (
	"slices"
)

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
	var texts []string
	for _, v := range k.enum {
		if typeOf(v)&k.types == 0 {
			continue
		}
		switch v.kind {
		case valueString:
			texts = append(texts, v.text)
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
	strings := r.texts(texts, jsonMinimal)
	if len(k.strings) > 0 || k.minLength > 0 || k.maxLength >= 0 {
		strings = r.and(strings, c.contents(k))
	}
	scalars = append(scalars, c.j.quoted(strings))
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
	more = r.sequence(more, c.j.space)
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
			without := nothing
			if i > 0 {
				without = c.j.space
			}
			here = r.choice(without, here)
		}
		rule := r.declare()
		r.bodies[rule] = here
		more = r.rule(rule)
	}
	return r.sequence(r.word("["), c.j.space, more, r.word("]"))
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
