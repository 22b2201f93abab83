package grammar

// jsonRules makes the rules of JSON values.
type jsonRules struct {
	r            *rules
	space        term // between symbols, where neither a comma nor a colon stands
	comma, colon term
	anyValue     term // of any kind; nothing until it is asked for
	anyString    expr // 0 until it is asked for
}

func newJSON(r *rules, w Whitespace) *jsonRules {
	j := &jsonRules{r: r, space: nothing, comma: r.word(","), colon: r.word(":")}
	switch w {
	case Python:
		j.comma, j.colon = r.word(", "), r.word(": ")
	case One:
		j.space = r.lexeme(r.optional(r.literal(" ")))
	case Any:
		j.space = r.lexeme(r.star(r.exprs.alt(r.literal(" "), r.literal("\t"), r.literal("\n"), r.literal("\r"))))
	}
	if j.space != nothing {
		j.comma = r.sequence(j.space, j.comma, j.space)
		j.colon = r.sequence(j.space, j.colon, j.space)
	}
	return j
}

// body is what may stand between the quotes of a string.
func (j *jsonRules) body() expr { return j.r.star(j.r.chars(anyRune, jsonAny)) }

func (j *jsonRules) quoted(body expr) expr {
	q := j.r.literal(`"`)
	return j.r.seq(q, body, q)
}

func (j *jsonRules) string() expr {
	if j.anyString == none {
		j.anyString = j.quoted(j.body())
	}
	return j.anyString
}

// number is every spelling of a number; see finiteDigits.
func (j *jsonRules) number() expr {
	r := j.r
	digit := r.set(span('0', '9'))
	exponent := r.seq(r.exprs.alt(r.literal("e"), r.literal("E")), r.optional(r.exprs.alt(r.literal("+"), r.literal("-"))), r.repeat(digit, 1, 2))
	return r.seq(r.optional(r.literal("-")), r.natural(finiteDigits), r.optional(r.seq(r.literal("."), r.repeat(digit, 1, -1))), r.optional(exponent))
}

// value is any value.
func (j *jsonRules) value() term {
	if j.anyValue == nothing {
		r := j.r
		rule := r.declare()
		j.anyValue = r.rule(rule)
		scalars := r.exprs.alt(j.string(), j.number(), r.literal("true"), r.literal("false"), r.literal("null"))
		r.bodies[rule] = r.choice(r.lexeme(scalars), j.object(), j.list("[", j.anyValue, 0, -1, "]"))
	}
	return j.anyValue
}

// object is any object.
func (j *jsonRules) object() term {
	member := j.r.sequence(j.r.lexeme(j.string()), j.colon, j.value())
	return j.list("{", member, 0, -1, "}")
}

// list is lo to hi elements between brackets, hi < 0 for no bound.
func (j *jsonRules) list(open string, element term, lo, hi int32, end string) term {
	r := j.r
	inner := nothing
	switch {
	case hi >= 0 && lo > hi:
		return r.dead()
	case hi != 0:
		inner = r.sequence(element, r.times(r.sequence(j.comma, element), max(lo-1, 0), hi-1), j.space)
		if lo == 0 {
			inner = r.maybe(inner)
		}
	}
	return r.sequence(r.word(open), j.space, inner, r.word(end))
}
