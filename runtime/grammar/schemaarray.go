package grammar

import (
	"fmt"
	"slices"
)

// maxStates bounds the rules of one array: places times what is counted of its items.
const maxStates = 2000

// array is the arrays of a case.
func (c *schemaCompiler) array(k *kase) term {
	prefix := 0
	for _, p := range k.arrays {
		prefix = max(prefix, len(tuple(p.s)))
	}
	if prefix > 4096 {
		panic(schemaStop{err: &LimitError{What: "prefixItems", Limit: 4096}})
	}
	if k.unique != nil && (k.maxItems < 0 || k.maxItems > 1) {
		if t, ok := c.differing(k, prefix); ok {
			return t
		}
		c.refuse(k.unique, "uniqueItems", "for items of which there are many")
	}
	if len(k.contains) > 0 {
		if t, ok := c.counting(k, prefix); ok {
			return t
		}
		c.refuse(k.contains[0].s, "contains", "too many to count")
	}
	return c.places(k, prefix)
}

// item returns the schemas that hold for an item of a case.
func (c *schemaCompiler) item(k *kase, i int) (set []*value) {
	for _, p := range k.arrays {
		if p.rest == nil {
			if s := saidOfItem(p.s, i); s != nil {
				set = append(set, s)
			}
			continue
		}
		// An item is evaluated by its place, or by being one of those that are counted.
		seen := false
		either := []*value{p.rest}
		for _, q := range p.within {
			if !q.mute {
				seen = seen || q.rest != nil || saidOfItem(q.s, i) != nil
				if counted := q.s.members["contains"]; counted != nil && q.rest == nil && !c.draft7 {
					either = append(either, counted)
				}
			}
		}
		if !seen {
			set = append(set, c.derived("anyOf", either...))
		}
	}
	return set
}

// saidOfItem is what a schema says of an item by its place, or nil.
func saidOfItem(s *value, i int) *value {
	t, rest := tuple(s), s.members["items"]
	if rest != nil && rest.kind == valueArray {
		rest = s.members["additionalItems"]
	}
	if i < len(t) {
		return t[i]
	}
	return rest
}

// places is the arrays of a case whose items differ by their place alone.
func (c *schemaCompiler) places(k *kase, prefix int) term {
	r := c.r
	item := func(i int) term { return c.all(c.item(k, i)) }
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

// counting is the arrays of a case of whose items some are counted. Where only a least count is asked for, an item that is not counted may
// be any; where there is a most, it is one that does not fit.
func (c *schemaCompiler) counting(k *kase, prefix int) (term, bool) {
	r := c.r
	last := max(int32(prefix), k.minItems, k.maxItems) // the place from which on all are the same
	states := 1
	for _, n := range k.contains {
		last = max(last, n.from)
		states = min(states*int(max(n.lo, n.hi)+1), maxStates)
	}
	if int64(last+1)*int64(states) > maxStates {
		return nothing, false
	}
	made := map[string]term{}
	var follow func(i int32, counts []int32) term
	follow = func(i int32, counts []int32) term {
		c.tick()
		key := fmt.Sprint(i, counts)
		if t, ok := made[key]; ok {
			return t
		}
		rule := r.declare()
		made[key] = r.rule(rule)
		var terms []term
		done := i >= k.minItems
		for j, n := range k.contains {
			done = done && counts[j] >= n.lo
		}
		if done {
			end := c.j.space
			if i == 0 {
				end = nothing
			}
			terms = append(terms, end)
		}
		for which := range 1 << len(k.contains) {
			if k.maxItems >= 0 && i >= k.maxItems {
				break
			}
			set, then, possible := c.item(k, int(i)), slices.Clone(counts), true
			for j, n := range k.contains {
				counted := which>>j&1 != 0
				switch {
				case i < n.from || n.hi < 0 && counts[j] >= n.lo: // no more is asked of it
					possible = possible && !counted
				case counted && n.hi >= 0 && counts[j] >= n.hi:
					possible = false
				case counted:
					set = append(set, n.of)
					then[j]++
				case n.hi >= 0:
					set = append(set, c.complement(n.of))
				}
			}
			if !possible {
				continue
			}
			element := c.all(set)
			if i > 0 {
				element = r.sequence(c.j.comma, element)
			}
			terms = append(terms, r.sequence(element, follow(min(i+1, last+1), then)))
		}
		r.bodies[rule] = r.choice(terms...)
		return made[key]
	}
	return r.sequence(r.word("["), c.j.space, follow(0, make([]int32, len(k.contains))), r.word("]")), true
}

// maxDiffering bounds the values of items that must differ.
const maxDiffering = 64

// differing is the arrays of a case whose items all differ, where their values can be listed.
func (c *schemaCompiler) differing(k *kase, prefix int) (term, bool) {
	r := c.r
	if len(k.contains) > 0 {
		return nothing, false
	}
	element := func(set []*value, v *value) term { return c.all(append(slices.Clone(set), c.derived("const", v))) }
	if prefix == 0 {
		set := c.item(k, 0)
		values, ok := c.listed(set)
		if !ok {
			return nothing, false
		}
		var after, terms []term
		for _, v := range values {
			after = append(after, r.sequence(c.j.comma, element(set, v)))
		}
		for i, v := range values {
			rest := r.different(slices.Delete(slices.Clone(after), i, i+1), max(k.minItems-1, 0), k.maxItems-1)
			terms = append(terms, r.sequence(element(set, v), rest, c.j.space))
		}
		if k.minItems == 0 {
			terms = append(terms, nothing)
		}
		return r.sequence(r.word("["), c.j.space, r.choice(terms...), r.word("]")), true
	}
	// Each place has values of its own.
	most := int(k.maxItems)
	if most < 0 {
		most = prefix
		if values, ok := c.listed(c.item(k, prefix)); !ok || len(values) > 0 {
			return nothing, false
		}
	}
	if most > maxDiffering {
		return nothing, false
	}
	lists := make([][]*value, most)
	for i := range lists {
		var ok bool
		if lists[i], ok = c.listed(c.item(k, i)); !ok {
			return nothing, false
		}
	}
	states := 0
	var follow func(i int, used []*value) term
	follow = func(i int, used []*value) term {
		c.tick()
		var terms []term
		if i >= int(k.minItems) {
			end := c.j.space
			if i == 0 {
				end = nothing
			}
			terms = append(terms, end)
		}
		if states++; i < most && states < maxStates {
			for _, v := range lists[i] {
				if slices.ContainsFunc(used, func(x *value) bool { return sameValue(x, v) }) {
					continue
				}
				t := element(c.item(k, i), v)
				if i > 0 {
					t = r.sequence(c.j.comma, t)
				}
				terms = append(terms, r.sequence(t, follow(i+1, append(slices.Clone(used), v))))
			}
		}
		return c.named(r.choice(terms...))
	}
	t := follow(0, nil)
	return r.sequence(r.word("["), c.j.space, t, r.word("]")), states < maxStates
}

// listed lists the values that may fit a set of schemas, if they are few.
func (c *schemaCompiler) listed(set []*value) (values []*value, ok bool) {
	cases := c.start()
	for _, s := range set {
		cases = c.apply(cases, s, nil)
	}
	for _, k := range c.settled(cases) {
		list := k.enum
		if list == nil {
			if k.types&^(typeNull|typeBoolean) != 0 {
				return nil, false
			}
			list = []*value{{kind: valueNull}, {kind: valueTrue}, {kind: valueFalse}}
		}
		for _, v := range list {
			if typeOf(v)&k.types != 0 && !slices.ContainsFunc(values, func(x *value) bool { return sameValue(x, v) }) {
				values = append(values, v)
			}
		}
	}
	return values, len(values) <= maxDiffering
}
