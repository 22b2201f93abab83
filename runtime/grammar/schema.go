package grammar

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A schema becomes rules in two steps. First it is taken apart: into cases, of which a value must fit one. A case is a conjunction: allOf,
// $ref and what stands beside them are put together, anyOf and oneOf multiply the cases. What a value must not fit (not, if, the other
// alternatives of oneOf) multiplies them, too: a value breaks a schema if it breaks one of its keywords. Then each case becomes a term for
// each type that it allows. What stands below, in properties and items, is a set of schemas that must all hold; a rule is made once for
// each such set, so that recursion ends.

// schemaCompiler makes the rules of one schema.
type schemaCompiler struct {
	ctx      context.Context
	r        *rules
	j        *jsonRules
	lenient  bool
	anyOrder bool // of properties
	root     *value
	ids      map[string]*value // by $id and anchor
	rules    map[string]term   // by the set of schemas
	ignored  []string
	lost     bool              // something was left out of a negation
	muted    int               // above 0, what is applied evaluates nothing
	rough    int               // above 0, cases may be fewer and wider: what excludes values is left out
	dynamic  map[string]int    // how often a $dynamicAnchor has a name
	made     map[string]*value // schemas that are not in the source, see derived
	patterns map[patternKey]expr
	forms    map[string]expr    // by format
	flats    map[*value][]*kase // see flat
	alone    bool               // where nothing beside $ref counts
	draft7   bool               // where what stands beside $ref names nothing
	work     []func()           // bodies of rules, still to be made
	steps    int
	conflict []string // of the rule that is made: places of the schemas of a property that must be there and has no value
}

// schemaStop carries an error up to schema.
type schemaStop struct {
	err   error
	cases bool // too many of them
}

func (r *rules) schema(ctx context.Context, text json.RawMessage, o Options) (root term, ignored []string, err error) {
	v, err := parseValue(text)
	if err != nil {
		return nothing, nil, err
	}
	c := &schemaCompiler{ctx: ctx, r: r, j: newJSON(r, o.Whitespace), lenient: o.Lenient, anyOrder: o.Order == AnyOrder, root: v,
		ids: map[string]*value{}, rules: map[string]term{}, dynamic: map[string]int{}, made: map[string]*value{}, patterns: map[patternKey]expr{},
		forms: map[string]expr{}, flats: map[*value][]*kase{}}
	defer func() {
		if x := recover(); x != nil {
			stop, ok := x.(schemaStop)
			if !ok {
				panic(x)
			}
			root, err = nothing, stop.err
		}
	}()
	d := v.members["$schema"]
	c.alone = d != nil && strings.Contains(d.text, "draft-0")
	c.draft7 = c.alone || d == nil && v.members["definitions"] != nil
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
		panic(schemaStop{err: c.ctx.Err()})
	}
	if c.r.full || c.steps > c.r.limit {
		panic(schemaStop{err: &LimitError{What: "cells of a grammar", Limit: c.r.limit}})
	}
}

func (c *schemaCompiler) fail(path, reason string) {
	panic(schemaStop{err: &SyntaxError{Path: path, Reason: reason}})
}

// refuse stops at what is not supported, or notes it where that is allowed.
func (c *schemaCompiler) refuse(s *value, keyword, reason string) {
	if c.rough > 0 {
		return
	}
	c.lost = true
	if !c.lenient {
		panic(schemaStop{err: &UnsupportedError{Path: s.path, Keyword: keyword, Reason: reason}})
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
		for _, key := range []string{"$anchor", "$dynamicAnchor"} {
			if a := v.members[key]; a != nil && a.kind == valueString {
				c.ids[strings.TrimSuffix(base, "#")+"#"+a.text] = v
				if key == "$dynamicAnchor" {
					c.dynamic[a.text]++
				}
			}
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
			i, err := strconv.ParseUint(part, 10, 31)
			if err != nil || int(i) >= len(at.items) {
				return nil
			}
			at = at.items[i]
		default:
			return nil
		}
	}
	return at
}

// derived returns a schema that follows from others, the same one each time: a keyword with given values.
func (c *schemaCompiler) derived(keyword string, of ...*value) *value {
	key := keyword
	for _, v := range of {
		key += fmt.Sprintf(" %p", v)
	}
	s := c.made[key]
	if s == nil {
		v := of[0]
		if keyword == "anyOf" || keyword == "prefixItems" {
			v = &value{kind: valueArray, path: v.path, items: of}
		}
		s = &value{kind: valueObject, path: of[0].path, keys: []string{keyword}, members: map[string]*value{keyword: v}}
		c.made[key] = s
	}
	return s
}

// complement is the schema of the values that do not fit s.
func (c *schemaCompiler) complement(s *value) *value {
	switch s.kind {
	case valueTrue:
		return falseSchema
	case valueFalse:
		return trueSchema
	}
	return c.derived("not", s)
}

var trueSchema = &value{kind: valueTrue}

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
	c.r.labels[rule], c.r.paths[rule] = set[0].path, pathsOf(set)
	t := c.r.rule(rule)
	c.rules[key] = t
	c.work = append(c.work, func() {
		c.conflict = nil
		c.r.bodies[rule] = c.body(set)
		if c.conflict != nil && c.r.isDead(c.r.bodies[rule]) {
			c.r.paths[rule] = c.conflict
		}
	})
	return t
}

func (c *schemaCompiler) body(set []*value) term {
	cases := c.start()
	for _, s := range set {
		cases = c.apply(cases, s, nil)
	}
	var terms []term
	for _, k := range c.settled(cases) {
		terms = append(terms, c.emit(k))
	}
	return c.r.choice(terms...)
}
