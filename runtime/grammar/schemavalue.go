package grammar

import (
	"fmt"
	"slices"
)

// numbers is the numbers of a case.
func (c *schemaCompiler) numbers(k *kase) expr {
	r := c.r
	if k.types&typeNumbers == 0 {
		return none
	}
	if k.types&typeNumbers == typeNumbers && k.lo == nil && k.hi == nil && len(k.multiple)+len(k.notMultiple)+len(k.notNumbers) == 0 {
		return c.j.number()
	}
	within := r.numberRange(k.lo, k.hi)
	if k.types&typeNumbers == typeNumbers && len(k.notNumbers) == 0 {
		within = r.exprs.alt(within, r.powers(k.lo, k.hi))
	}
	all := []expr{within}
	zeros := r.optional(r.concat(r.literal("."), r.repeat(r.literal("0"), 1, -1)))
	switch {
	case k.types&typeNumber == 0:
		all = append(all, r.plainNumber(true))
	case k.types&typeInteger == 0:
		all = append(all, r.not(r.concat(r.plainNumber(true), zeros)))
	}
	for _, d := range k.multiple {
		e, _ := r.multiples(d)
		all = append(all, e)
	}
	for _, d := range k.notMultiple { // of which spellings with zeros at the end would seem to be none
		e, _ := r.multiples(d)
		digits := r.star(r.set(span('0', '9')))
		fraction := r.seq(r.literal("."), digits, r.set(span('1', '9')))
		all = append(all, r.not(e), r.seq(r.optional(r.literal("-")), r.natural(finiteDigits), r.optional(fraction)))
	}
	for _, d := range k.notNumbers {
		more := zeros
		if d.fraction != "" {
			more = r.star(r.literal("0"))
		}
		all = append(all, r.not(r.concat(r.literal(d.String()), more)))
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
	lo, hi := k.minLength, k.maxLength
	for _, e := range all { // what need not be counted
		if lo == 1 && !r.nullable(e) {
			lo = 0
		}
		if hi >= r.longest(e) { // of bytes, which are no fewer
			hi = -1
		}
	}
	if len(all) == 0 || lo > 0 || hi >= 0 {
		all = append(all, r.repeat(r.chars(anyRune, jsonAny), lo, hi))
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
	if k.types&typeTrue != 0 {
		scalars = append(scalars, r.literal("true"))
	}
	if k.types&typeFalse != 0 {
		scalars = append(scalars, r.literal("false"))
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
	plain := kase{types: typeNumbers, lo: k.lo, hi: k.hi, multiple: k.multiple, notMultiple: k.notMultiple, notNumbers: k.notNumbers}
	numbers := c.numbers(&plain)
	for _, v := range k.enum {
		if typeOf(v)&k.types == 0 {
			continue
		}
		switch v.kind {
		case valueString:
			texts = append(texts, v.text)
		case valueNumber:
			if d, ok := parseDecimal(v.text); ok {
				scalars = append(scalars, r.and(r.literal(d.String()), numbers))
			}
		case valueArray, valueObject:
			rest := k.clone()
			rest.enum, rest.types = nil, typeOf(v)
			for _, exact := range c.apply([]*kase{rest}, c.exact(v), nil) {
				terms = append(terms, c.emit(exact))
			}
		default:
			scalars = append(scalars, r.literal(v.canonical()))
		}
	}
	strings := r.texts(texts, jsonMinimal)
	if k.constrained() {
		strings = r.and(strings, c.contents(k))
	}
	scalars = append(scalars, c.j.quoted(strings))
	return r.choice(append(terms, r.lexeme(r.exprs.alt(scalars...)))...)
}

// exact is the schema of an array or object of certain items or properties.
func (c *schemaCompiler) exact(v *value) *value {
	key := fmt.Sprintf("exact %p", v)
	if s := c.made[key]; s != nil {
		return s
	}
	s := &value{kind: valueObject, path: v.path, members: map[string]*value{}}
	c.made[key] = s
	set := func(keyword string, x *value) {
		s.keys = append(s.keys, keyword)
		s.members[keyword] = x
	}
	set("type", &value{kind: valueString, text: "object"})
	if v.kind == valueArray {
		s.members["type"].text = "array"
		items := &value{kind: valueArray, path: v.path}
		for _, x := range v.items {
			items.items = append(items.items, c.derived("const", x))
		}
		n := &value{kind: valueNumber, text: fmt.Sprint(len(v.items))}
		if len(v.items) > 0 {
			set("prefixItems", items)
		}
		set("minItems", n)
		set("maxItems", n)
		return s
	}
	properties, required := &value{kind: valueObject, keys: v.keys, members: map[string]*value{}}, &value{kind: valueArray}
	for _, name := range v.keys {
		properties.members[name] = c.derived("const", v.members[name])
		required.items = append(required.items, &value{kind: valueString, text: name})
	}
	set("properties", properties)
	set("required", required)
	set("additionalProperties", falseSchema)
	return s
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
