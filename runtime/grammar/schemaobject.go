package grammar

import (
	"maps"
	"slices"
)

// property says that a case has a property of a name and a value.
type property struct {
	s                     *value   // to name in errors
	patterns              []string // the name matches all of them
	notNames, notPatterns []string // and none of these
	named, value          *value   // schemas of name and value; nil: any
}

// property returns the schemas that hold for a property of a case.
func (c *schemaCompiler) property(k *kase, name string) []*value {
	set := slices.Clone(k.members[name])
	for _, p := range k.objects {
		if p.rest == nil {
			more, _ := c.said(p.s, name)
			set = append(set, more...)
		} else if !slices.ContainsFunc(p.within, func(q clause) bool { return c.evaluates(q, name) }) {
			set = append(set, p.rest)
		}
	}
	return set
}

// said is what a schema says of the properties of a name; found, if it says it of their values.
func (c *schemaCompiler) said(s *value, name string) (set []*value, found bool) {
	if p := s.members["properties"]; p != nil && p.members[name] != nil {
		set, found = append(set, p.members[name]), true
	}
	if p := s.members["patternProperties"]; p != nil {
		for _, pattern := range p.keys {
			if c.matches(p, pattern, name) {
				set, found = append(set, p.members[pattern]), true
			}
		}
	}
	if p := s.members["additionalProperties"]; p != nil && !found {
		set, found = append(set, p), true
	}
	if p := s.members["propertyNames"]; p != nil && !c.nameFits(p, name) {
		set = append(set, falseSchema)
	}
	return set, found
}

func (c *schemaCompiler) matches(s *value, pattern, name string) bool {
	e, ok := c.pattern(s, pattern, plainText)
	return ok && c.r.matches(e, name)
}

// evaluates says whether a clause has a say in the value of a property.
func (c *schemaCompiler) evaluates(p clause, name string) bool {
	if p.mute || p.rest != nil {
		return !p.mute
	}
	_, found := c.said(p.s, name)
	return found
}

// nameFits says whether a name fits a schema.
func (c *schemaCompiler) nameFits(s *value, name string) bool {
	v := &value{kind: valueString, text: name}
	return slices.ContainsFunc(c.apply(c.start(), s, nil), func(k *kase) bool {
		if k.types&typeString == 0 || k.enum != nil && !slices.ContainsFunc(k.enum, func(x *value) bool { return sameValue(x, v) }) {
			return false
		}
		return !k.constrained() || c.r.shortest(c.r.and(c.contents(k), c.r.text(name, jsonMinimal))) < never
	})
}

// constrained says whether the strings of a case are not any.
func (k *kase) constrained() bool { return len(k.strings) > 0 || k.minLength > 0 || k.maxLength >= 0 }

// nameTexts is the names that fit a schema, as they may stand between quotes.
func (c *schemaCompiler) nameTexts(s *value) expr {
	var all []expr
	for _, k := range c.apply(c.start(), s, nil) {
		e := c.contents(k)
		if k.enum != nil {
			var texts []string
			for _, x := range k.enum {
				if x.kind == valueString {
					texts = append(texts, x.text)
				}
			}
			e = c.r.and(e, c.r.texts(texts, jsonMinimal))
		}
		all = append(all, e)
	}
	return c.r.exprs.alt(all...)
}

// may says whether a property of a name may be the wanted one.
func (c *schemaCompiler) may(p *property, name string) bool {
	return !slices.Contains(p.notNames, name) && (p.named == nil || c.nameFits(p.named, name)) &&
		!slices.ContainsFunc(p.patterns, func(x string) bool { return !c.matches(p.s, x, name) }) &&
		!slices.ContainsFunc(p.notPatterns, func(x string) bool { return c.matches(p.s, x, name) })
}

// names returns the declared names of the properties of a case, in order, and the patterns of names.
func (c *schemaCompiler) names(k *kase) (names, patterns []string) {
	for _, p := range k.objects {
		for key, to := range map[string]*[]string{"properties": &names, "patternProperties": &patterns} {
			if m := p.s.members[key]; m != nil && p.rest == nil {
				if m.kind != valueObject {
					c.fail(m.path, "want an object")
				}
				*to = append(*to, m.keys...)
			}
		}
	}
	names = append(names, k.required...)
	names = append(names, slices.Sorted(maps.Keys(k.members))...)
	seen := map[string]bool{}
	names = slices.DeleteFunc(names, func(n string) bool { twice := seen[n]; seen[n] = true; return twice })
	return names, patterns
}

// withSome is the objects of a case that have a certain property: one that is declared, or another one.
func (c *schemaCompiler) withSome(k *kase) term {
	p := &k.some[0]
	rest := k.clone()
	rest.some = rest.some[1:]
	names, patterns := c.names(rest)
	var terms []term
	for _, name := range names {
		if !c.may(p, name) {
			continue
		}
		with := rest.clone()
		with.types &= typeObject
		with.require(name)
		if p.value != nil {
			with.members[name] = append(with.members[name], p.value)
		}
		if c.settle(with) {
			terms = append(terms, c.object(with))
		}
	}
	if !c.r.isDead(c.others(rest, names, patterns, p)) {
		if rest.another != nil {
			c.refuse(p.s, "not", "two properties that are not declared")
		} else {
			rest.another = p
		}
		terms = append(terms, c.object(rest))
	}
	return c.r.choice(terms...)
}

// maxChain bounds the rules of the properties of one object: properties times what is counted of them.
const maxChain = 20000

// object is the objects of a case: its properties in the order of the schema, then others; or all in any order.
func (c *schemaCompiler) object(k *kase) term {
	r := c.r
	if len(k.some) > 0 {
		return c.withSome(k)
	}
	names, patterns := c.names(k)
	needed := map[string]bool{}
	for _, n := range k.required {
		needed[n] = true
	}
	others := c.others(k, names, patterns, nil)
	another := nothing
	if k.another != nil {
		another = c.others(k, names, patterns, k.another)
	}

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
	if !c.anyOrder && (int64(limit)+2)*int64(len(names)+1) > maxChain {
		if limit == 0 {
			c.refuse(where(k), "properties", "too many in one object")
		} else {
			c.refuse(where(k), "maxProperties", "too many to count")
		}
		limit, lo, hi = 0, 0, -1
	}

	if k.another != nil && (lo > 0 || hi >= 0) {
		c.refuse(where(k), "minProperties", "with properties that are not declared")
		limit, lo, hi = 0, 0, -1
	}
	if c.anyOrder {
		return c.shuffled(k, names, needed, c.inList(others), c.inList(another), lo, hi)
	}
	at := c.ends(others, another, lo, hi, limit)
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

// shuffled is the objects of a case with its properties in any order.
func (c *schemaCompiler) shuffled(k *kase, names []string, needed map[string]bool, others, another inList, lo, hi int32) term {
	r := c.r
	m := members{others: others, another: another, lo: lo, hi: hi, end: inList{r.word("}"), r.sequence(c.j.space, r.word("}"))}}
	m.comma = r.shortest(expr(r.terms[c.j.comma].a))
	for _, name := range names {
		c.tick()
		first := r.sequence(r.lexeme(c.j.quoted(r.text(name, jsonMinimal))), c.j.colon, c.all(c.property(k, name)))
		if needed[name] || !r.isDead(first) {
			m.list = append(m.list, member{c.inList(first), needed[name]})
		}
	}
	return r.sequence(r.word("{"), c.j.space, r.anyOrder(m))
}

// inList is an element of a list, without a comma before it and with one.
func (c *schemaCompiler) inList(t term) inList {
	if t == nothing {
		return inList{}
	}
	return inList{t, c.r.sequence(c.j.comma, t)}
}

// follow is what follows in an object, without a property before it and with one.
type follow [2]term

// ends is what follows the declared properties, by how many there are so far, counted up to limit. One of them is another, if that is not
// nothing.
func (c *schemaCompiler) ends(others, another term, lo, hi, limit int32) []follow {
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
			switch more := r.times(r.sequence(c.j.comma, others), 0, -1); {
			case another != nothing && started == 1:
				t = r.sequence(more, c.j.comma, another, more, c.j.space)
			case another != nothing:
				t = r.choice(r.sequence(another, more, c.j.space), r.sequence(others, more, c.j.comma, another, more, c.j.space))
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
		return k.objects[0].s
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

// others is a property that is not declared, by which patterns its name matches; with only, one of those.
func (c *schemaCompiler) others(k *kase, names, patterns []string, only *property) term {
	r := c.r
	slices.Sort(patterns)
	patterns = slices.Compact(patterns)
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
	common := []expr{c.j.body(), r.not(r.texts(names, jsonAny))}
	for _, p := range k.objects {
		if n := p.s.members["propertyNames"]; n != nil && p.rest == nil {
			common = append(common, c.nameTexts(n))
		}
	}
	if only != nil {
		common = append(common, r.not(r.texts(only.notNames, jsonAny)))
		for _, x := range only.patterns {
			if e, ok := c.pattern(only.s, x, jsonAny); ok {
				common = append(common, e)
			}
		}
		for _, x := range only.notPatterns {
			if e, ok := c.pattern(only.s, x, jsonAny); ok {
				common = append(common, r.not(e))
			}
		}
		if only.named != nil {
			common = append(common, c.nameTexts(only.named))
		}
	}
	var terms []term
	for _, x := range c.divide(k, r.and(common...), exprs) {
		c.tick()
		set := []*value{}
		if only != nil && only.value != nil {
			set = append(set, only.value)
		}
		// What a schema says of a name that matches these patterns and no others.
		said := func(s *value) (set []*value, found bool) {
			if p := s.members["patternProperties"]; p != nil {
				for i, pattern := range patterns {
					if x.in[i] && p.members[pattern] != nil {
						set, found = append(set, p.members[pattern]), true
					}
				}
			}
			if p := s.members["additionalProperties"]; p != nil && !found {
				set, found = append(set, p), true
			}
			return set, found
		}
		for _, p := range k.objects {
			if p.rest == nil {
				more, _ := said(p.s)
				set = append(set, more...)
			} else if !slices.ContainsFunc(p.within, func(q clause) bool {
				_, found := said(q.s)
				return !q.mute && (found || q.rest != nil)
			}) {
				set = append(set, p.rest)
			}
		}
		if slices.ContainsFunc(set, func(s *value) bool { return s.kind == valueFalse }) {
			continue
		}
		terms = append(terms, r.sequence(r.lexeme(c.j.quoted(x.e)), c.j.colon, c.all(set)))
	}
	return r.choice(terms...)
}

// region is the texts that are in some expressions and not in the others.
type region struct {
	e  expr
	in []bool
}

// maxRegions bounds the parts of the names of one object.
const maxRegions = 64

// divide divides the texts of e by which of some expressions they are in.
func (c *schemaCompiler) divide(k *kase, e expr, by []expr) []region {
	r := c.r
	all := []region{{e, make([]bool, len(by))}}
	if r.shortest(e) >= never {
		return nil
	}
	for i, x := range by {
		var parts []region
		for _, p := range all {
			c.tick()
			inside, outside := r.and(p.e, x), r.and(p.e, r.not(x))
			if r.shortest(inside) < never {
				in := slices.Clone(p.in)
				in[i] = true
				parts = append(parts, region{inside, in})
			}
			if r.shortest(outside) < never {
				parts = append(parts, region{outside, p.in})
			}
		}
		if len(parts) > maxRegions {
			c.refuse(where(k), "patternProperties", "too many patterns that match the same names")
			return all
		}
		all = parts
	}
	return all
}
