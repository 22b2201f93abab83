package grammar

import (
	"maps"
	"slices"
)

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
	if len(k.strings) > 0 || k.minLength > 0 || k.maxLength >= 0 {
		if c.r.shortest(c.r.and(c.contents(k), c.r.text(v.text, jsonMinimal))) >= never {
			return nil
		}
	}
	return []*value{v}
}

// names returns the declared names of the properties of a case, in order, and the patterns of names.
func (c *schemaCompiler) names(k *kase) (names, patterns []string) {
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
	return names, patterns
}

// maxChain bounds the rules of the properties of one object: properties times what is counted of them.
const maxChain = 20000

// object is the objects of a case: its properties in the order of the schema, then others.
func (c *schemaCompiler) object(k *kase) term {
	r := c.r
	names, patterns := c.names(k)
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

	at := c.ends(others, lo, hi, limit)
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
	return r.sequence(r.word("{"), c.j.space, at[0][0], r.word("}"))
}

// follow is what follows in an object, without a property before it and with one.
type follow [2]term

// ends is what follows the declared properties, by how many there are so far, counted up to limit.
func (c *schemaCompiler) ends(others term, lo, hi, limit int32) []follow {
	r := c.r
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
				} else if started == 1 {
					t = c.j.space
				}
			case started == 1:
				t = r.sequence(r.times(r.sequence(c.j.comma, others), least, most), c.j.space)
			case most != 0:
				t = r.sequence(others, r.times(r.sequence(c.j.comma, others), max(least-1, 0), most-1), c.j.space)
				if least == 0 {
					t = r.maybe(t)
				}
			case least > 0:
				t = r.dead()
			}
			at[n][started] = c.named(t)
		}
	}
	return at
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
	declared := r.not(r.texts(names, jsonAny))
	var terms []term
	for which := range 1 << len(patterns) {
		c.tick()
		set := []*value{}
		key := []expr{c.j.body(), declared}
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
						var texts []string
						for _, x := range kk.enum {
							if x.kind == valueString {
								texts = append(texts, x.text)
							}
						}
						e = r.and(e, r.texts(texts, jsonMinimal))
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
