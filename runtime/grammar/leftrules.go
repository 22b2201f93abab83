package grammar

import "slices"

// circles finds the sets of rules that begin with each other, by Tarjan's algorithm.
func (r *rules) circles() (all [][]int32) {
	type frame struct {
		rule int32
		left []int32
	}
	number := make([]int32, len(r.bodies)) // in the order of visits, from 1
	low := make([]int32, len(r.bodies))    // the least number that is reached
	open := make([]bool, len(r.bodies))
	var stack []int32
	visits := int32(0)
	for i := range r.bodies {
		if number[i] != 0 {
			continue
		}
		var path []frame
		enter := func(rule int32) {
			visits++
			number[rule], low[rule], open[rule] = visits, visits, true
			stack = append(stack, rule)
			path = append(path, frame{rule, r.left(r.bodies[rule], nil)})
		}
		for enter(int32(i)); len(path) > 0; {
			f := &path[len(path)-1]
			if len(f.left) > 0 {
				next := f.left[0]
				f.left = f.left[1:]
				if number[next] == 0 {
					enter(next)
				} else if open[next] {
					low[f.rule] = min(low[f.rule], number[next])
				}
				continue
			}
			rule := f.rule
			path = path[:len(path)-1]
			if len(path) > 0 {
				up := path[len(path)-1].rule
				low[up] = min(low[up], low[rule])
			}
			if low[rule] != number[rule] {
				continue
			}
			at := slices.Index(stack, rule)
			circle := slices.Clone(stack[at:])
			stack = stack[:at]
			for _, x := range circle {
				open[x] = false
			}
			if len(circle) > 1 || slices.Contains(r.left(r.bodies[rule], nil), rule) {
				all = append(all, circle)
			}
		}
	}
	return all
}

// equation says of a rule that it is one of: a rule of its circle and then a term, or a term that does not begin with one of the circle.
type equation struct {
	after map[int32]term
	alone term
}

// unwind gives the rules of a circle bodies of the same texts that do not begin with the rule itself. a = a x | y is y and any number of
// x; with more rules, one after the other is put into those that follow it. What begins with a rule of the circle behind something that may
// be empty stays, to be refused.
func (r *rules) unwind(circle []int32) {
	in := map[int32]bool{}
	for _, rule := range circle {
		in[rule] = true
	}
	equations := make([]equation, len(circle))
	for i, rule := range circle {
		equations[i] = equation{after: map[int32]term{}, alone: r.dead()}
		r.take(&equations[i], r.bodies[rule], nothing, in)
	}
	for i, rule := range circle {
		e := &equations[i]
		if again, ok := e.after[rule]; ok {
			delete(e.after, rule)
			star := r.times(again, 0, -1)
			for j, t := range e.after {
				e.after[j] = r.sequence(t, star)
			}
			e.alone = r.sequence(e.alone, star)
		}
		for k := i + 1; k < len(circle); k++ {
			o := &equations[k]
			then, ok := o.after[rule]
			if !ok {
				continue
			}
			delete(o.after, rule)
			for j, t := range e.after {
				o.add(r, j, r.sequence(t, then))
			}
			o.alone = r.choice(o.alone, r.sequence(e.alone, then))
		}
	}
	for i, rule := range circle {
		alternatives := []term{equations[i].alone}
		for _, j := range circle {
			if t, ok := equations[i].after[j]; ok {
				alternatives = append(alternatives, r.sequence(r.rule(j), t))
			}
		}
		r.bodies[rule] = r.choice(alternatives...)
	}
}

func (e *equation) add(r *rules, rule int32, then term) {
	if was, ok := e.after[rule]; ok {
		then = r.choice(was, then)
	}
	e.after[rule] = then
}

// take adds a term, and what follows it, to an equation.
func (r *rules) take(e *equation, t, then term, in map[int32]bool) {
	n := r.terms[t] // a copy: the table grows
	if !slices.ContainsFunc(r.left(t, nil), func(rule int32) bool { return in[rule] }) {
		e.alone = r.choice(e.alone, r.sequence(t, then))
		return
	}
	switch n.kind {
	case termRule:
		e.add(r, n.a, then)
	case termAlt:
		for _, k := range n.kids {
			r.take(e, k, then, in)
		}
	case termSeq:
		r.take(e, n.kids[0], r.sequence(n.kids[1], then), in)
	case termRepeat:
		if n.lo == 0 {
			e.alone = r.choice(e.alone, then)
		}
		r.take(e, n.kids[0], r.sequence(r.times(n.kids[0], max(n.lo-1, 0), max(n.hi-1, -1)), then), in)
	default:
		e.alone = r.choice(e.alone, r.sequence(t, then))
	}
}
