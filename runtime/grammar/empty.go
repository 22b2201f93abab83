package grammar

import (
	"fmt"
	"slices"
	"strings"
)

// EmptyError says that no text matches, and where that comes from.
type EmptyError struct {
	Paths []string // of a schema: JSON pointers to what contradicts itself or, if there are several, each other
	Rule  string   // of EBNF: the rule that has no text
}

func (e *EmptyError) Error() string {
	switch {
	case e.Rule != "":
		return fmt.Sprintf("grammar: no text matches the rule %s", e.Rule)
	case len(e.Paths) == 0:
		return "grammar: no text matches"
	}
	all := ""
	if len(e.Paths) > 1 {
		all = " all of them"
	}
	var names []string
	for _, p := range e.Paths {
		names = append(names, orRoot(p))
	}
	return fmt.Sprintf("grammar: %s: no text matches%s", strings.Join(names, " and "), all)
}

// empty is the error of a grammar whose root has no text.
func (r *rules) empty(root term, s Source) *EmptyError {
	rule, ok := r.culprit(root, map[int32]int32{})
	switch {
	case s.JSONSchema != nil && ok && r.paths[rule] != nil:
		return &EmptyError{Paths: r.paths[rule]}
	case s.JSONSchema != nil:
		return &EmptyError{Paths: []string{""}}
	case ok:
		return &EmptyError{Rule: r.labels[rule]}
	}
	return &EmptyError{}
}

// culprit finds the rule because of which a term has no text: one that has none though those that it is made of have. Of alternatives that
// have none for different reasons it is the rule that they are alternatives of. known are those of the rules that were looked into, below 0 of
// those that have none.
func (r *rules) culprit(t term, known map[int32]int32) (rule int32, ok bool) {
	n := &r.terms[t]
	if n.shortest < never {
		return 0, false
	}
	switch n.kind {
	case termRule:
		if rule, ok = known[n.a]; ok {
			return rule, rule >= 0
		}
		known[n.a] = -1 // while it is looked into
		rule, ok = r.culprit(r.bodies[n.a], known)
		if !ok && (r.labels[n.a] != "" || r.paths[n.a] != nil) {
			rule, ok = n.a, true
		}
		if ok {
			known[n.a] = rule
		}
		return rule, ok
	case termAlt:
		for i, k := range n.kids {
			other, found := r.culprit(k, known)
			if !found || i > 0 && other != rule {
				return 0, false
			}
			rule = other
		}
		return rule, true
	case termMembers:
		m := &r.members[n.a]
		for _, i := range m.needed {
			if rule, ok = r.culprit(m.list[i].inList[1], known); ok {
				return rule, true
			}
		}
	case termSeq, termRepeat:
		for _, k := range n.kids {
			if rule, ok = r.culprit(k, known); ok {
				return rule, true
			}
		}
	}
	return 0, false
}

// pathsOf are the places of the schemas of a set, each once.
func pathsOf(set []*value) []string {
	var paths []string
	for _, s := range set {
		if !slices.Contains(paths, s.path) {
			paths = append(paths, s.path)
		}
	}
	return paths
}
