package grammar

// carry makes of a configuration of another engine of the same grammar the same one here. With those on its way to the end comes what is
// known of their lengths, so that the end is as near here: a search that is not exact finds by what was found before.
func (e *engine) carry(from *engine, c int32) int32 {
	m := mover{from: from, to: e, exprs: map[expr]expr{}, stacks: map[int32]int32{}}
	to := m.config(c)
	from.findWay(c)
	for from.configs[c].shortest > 0 && from.ways.at(c).next != unknown && !e.full {
		c = from.ways.at(c).next
		m.config(c)
	}
	return to
}

type mover struct {
	from, to *engine
	exprs    map[expr]expr
	stacks   map[int32]int32
}

func (m *mover) config(c int32) int32 {
	old := &m.from.configs[c]
	m.to.begin()
	for _, x := range old.items {
		m.to.items = append(m.to.items, item{m.expr(x.e), m.stack(x.stack)})
	}
	return m.to.finish(old.accepting, never)
}

func (m *mover) expr(x expr) expr {
	if y, ok := m.exprs[x]; ok {
		return y
	}
	n := m.from.exprs.nodes[x]
	kids := make([]expr, len(n.kids))
	for i, k := range n.kids {
		kids[i] = m.expr(k)
	}
	var y expr
	t := m.to.exprs
	switch n.kind {
	case kindSet:
		y = t.set(m.from.sets[n.a])
	case kindConcat:
		y = t.concat(m.expr(n.a), kids[0])
	case kindAlt:
		y = t.alt(kids...)
	case kindAnd:
		y = t.and(kids...)
	case kindNot:
		y = t.not(m.expr(n.a))
	case kindRepeat:
		y = t.repeat(m.expr(n.a), n.lo, n.hi)
	case kindMod:
		y = t.mod(n.lo, n.hi)
	default:
		y = x
	}
	if same := &t.nodes[y]; same.shortest < 0 {
		same.shortest = n.shortest
	}
	m.exprs[x] = y
	return y
}

func (m *mover) term(x term) term {
	n := m.from.terms[x]
	switch n.kind {
	case termLexeme:
		return m.to.lexeme(m.expr(expr(n.a)))
	case termRule:
		return m.to.rule(n.a)
	case termSeq:
		return m.to.pair(m.term(n.kids[0]), m.term(n.kids[1]))
	case termAlt:
		kids := make([]term, len(n.kids))
		for i, k := range n.kids {
			kids[i] = m.term(k)
		}
		return m.to.choice(kids...)
	case termDiffer:
		kids := make([]term, len(n.kids))
		for i, k := range n.kids {
			kids[i] = m.term(k)
		}
		return m.to.different(kids, n.lo, n.hi)
	case termRepeat:
		return m.to.times(m.term(n.kids[0]), n.lo, n.hi)
	case termMembers:
		return m.to.rules.term(n)
	}
	return nothing
}

func (m *mover) stack(s int32) int32 {
	if y, ok := m.stacks[s]; ok {
		return y
	}
	n := &m.from.stacks[s]
	edges := make([]edge, len(n.edges))
	for i, x := range n.edges {
		edges[i] = edge{m.term(x.next), m.stack(x.below)}
	}
	y := m.to.stack(edges, n.end)
	m.stacks[s] = y
	return y
}
