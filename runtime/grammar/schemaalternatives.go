package grammar

import "slices"

// maxCases bounds the cases of one schema.
const maxCases = 256

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
		panic(schemaStop{&LimitError{What: "cases of the schema at " + orRoot(v.path), Limit: maxCases}, true})
	}
	return cases
}

// alternatives multiplies the cases. With one of them, those of oneOf exclude the others that it might fit, too.
func (c *schemaCompiler) alternatives(cases []*kase, s *value, key string, list []*value, path []*value) []*kase {
	fitting := make([][]*kase, len(list))
	for i, x := range list {
		fitting[i] = c.settled(c.apply(clones(cases), x, path))
	}
	together := func() (all []*kase) {
		for _, k := range fitting {
			all = c.bounded(s, append(all, k...))
		}
		return all
	}
	if key == "anyOf" || c.rough > 0 {
		return together()
	}
	exclude := c.exclusion(list)
	alone, ok := c.attempt(s, key, func() (all []*kase) {
		for i, mine := range fitting {
			mine = clones(mine)
			for j, other := range list {
				if i != j && !exclude(i, j) {
					mine = c.deny(mine, other, path)
				}
			}
			all = c.bounded(s, append(all, mine...))
		}
		return all
	})
	if !ok {
		return together()
	}
	return alone
}

// exclusion returns a function that says whether no value can fit two schemas of a list; false if that is not known.
func (c *schemaCompiler) exclusion(list []*value) func(i, j int) bool {
	cases := make([][]*kase, len(list))
	for i, x := range list {
		cases[i] = c.flat([]*value{x})
	}
	known := map[[2]int]bool{}
	return func(i, j int) bool {
		at := [2]int{min(i, j), max(i, j)}
		exclude, ok := known[at]
		if !ok {
			exclude = !slices.ContainsFunc(cases[i], func(a *kase) bool {
				return slices.ContainsFunc(cases[j], func(b *kase) bool {
					c.tick()
					return !c.apart(a, b, 0)
				})
			})
			known[at] = exclude
		}
		return exclude
	}
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
	if common&^typeNumbers == 0 {
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

// flat takes a set of schemas apart, roughly: no value that fits them all is missing.
func (c *schemaCompiler) flat(set []*value) []*kase {
	if len(set) == 1 && c.flats[set[0]] != nil {
		return clones(c.flats[set[0]])
	}
	c.rough++
	defer func() { c.rough-- }()
	cases := c.start()
	for _, s := range set {
		cases = c.apply(cases, s, nil)
	}
	if len(set) == 1 {
		c.flats[set[0]] = clones(cases)
	}
	return cases
}

func typeOf(v *value) types {
	switch v.kind {
	case valueNull:
		return typeNull
	case valueTrue:
		return typeTrue
	case valueFalse:
		return typeFalse
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

// conditional is the cases of a schema with if: those that follow it, and then what is behind then; and the others.
func (c *schemaCompiler) conditional(cases []*kase, s, v *value, path []*value) []*kase {
	then, otherwise := s.members["then"], s.members["else"]
	asked := slices.ContainsFunc(cases, func(k *kase) bool { return len(k.marks) > 0 }) // what it evaluates
	if c.rough > 0 || then == nil && otherwise == nil && !asked {
		return cases
	}
	no := c.negation(clones(cases), s, "if", v, path)
	yes := c.apply(cases, v, path)
	if then != nil {
		yes = c.apply(yes, then, path)
	}
	if otherwise != nil {
		no = c.apply(no, otherwise, path)
	}
	return c.bounded(s, c.settled(append(yes, no...)))
}
